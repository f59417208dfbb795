"""Sessions of people in PostgreSQL, where a keyed digest of their tokens is all that is kept.

A token is made here, after somebody proved who they are: what a browser sent before is never
taken for one, so no session can be foisted on anybody. All times are the database's.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from accounts import session_statements as sql
from accounts.browsers import Browser
from accounts.key_networks import read_address
from accounts.places import first_place
from accounts.roles import Role
from accounts.vault import Vault

PURPOSE: Final = "session"
PREFIX: Final = "rs_"
_TOKEN_BYTES: Final = 32
"""256 bits: nobody finds one by trying (OWASP ASVS 7.2.3 asks for 128)."""
_TOKEN_LENGTH: Final = len(PREFIX) + 43
_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

Connection: TypeAlias = AsyncConnection[Any]


class SessionError(Exception):
    """There is no such session, or the person has no place in that account."""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser, as its person sees it."""

    session_id: UUID
    user_id: UUID
    account_id: UUID
    """That it acts in."""
    browser: str
    network: str = field(repr=False)
    """The IP address that it was last seen from; empty: unknown."""
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    """The end of its 30 days, or of 7 days without use."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A session with the token that proves it."""

    token: str = field(repr=False)
    """Empty: told before, to whoever asked first."""
    session: Session

    @property
    def session_id(self) -> UUID:
        """Which session."""
        return self.session.session_id


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who has a token, by what the database knows now."""

    session_id: UUID
    user_id: UUID
    account_id: UUID
    role: Role
    suspended: bool
    """The operator stopped the account."""
    allowed_models: Sequence[str]
    """Of the account, by id; empty: all."""
    seconds_since_proof: float


async def open_session(
    connection: Connection,
    vault: Vault,
    user_id: UUID,
    account_id: UUID | None,
    browser: Browser,
    network: str,
) -> Grant:
    """A session of somebody who has just proved who they are.

    *account_id* None: their first account, or a new one where they have no place any more. Ends
    what lies beyond MAXIMUM. Raises SessionError where they have no place in the account.
    """
    async with connection.transaction():
        if account_id is None:
            account_id = await first_place(connection, vault, user_id)
        token = _new_token()
        values = {
            "id": uuid4(),
            "user": user_id,
            "account": account_id,
            "token": _digest(vault, token),
            "browser": browser.name,
            "network": _inet(network),
        }
        row = await _first(connection, sql.INSERT, values)
        if row is None:
            raise SessionError
        await connection.execute(sql.END_OLDEST, values)
        return Grant(token, _read(row))


async def renew_token(
    connection: Connection,
    vault: Vault,
    session_id: UUID,
    account_id: UUID | None = None,
    *,
    proved: bool = False,
) -> Grant:
    """A new token for a session that gains or loses something: the old one stops working.

    *account_id*: where it acts from now on. *proved*: its person has just proved who they are.
    Raises SessionError where the session ended, or the person has no place in that account.
    """
    token = _new_token()
    values = {
        "id": session_id,
        "account": account_id,
        "token": _digest(vault, token),
        "proved": proved,
    }
    row = await _first(connection, sql.RENEW, values)
    if row is None:
        raise SessionError
    return Grant(token, _read(row))


async def end_sessions(
    connection: Connection, user_id: UUID, except_session: UUID | None = None
) -> int:
    """End all sessions of a person, everywhere at once; how many there were."""
    values = {"user": user_id, "except": except_session}
    return (await connection.execute(sql.END_OF_USER, values)).rowcount


async def count_others(connection: Connection, user_id: UUID, session_id: UUID) -> int:
    """How many sessions of a person there are besides one."""
    values = {"user": user_id, "except": session_id}
    cursor = await connection.execute(sql.COUNT_OTHERS, values)
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def end_sessions_of_account(connection: Connection, account_id: UUID) -> int:
    """End all sessions that act in an account, everywhere at once; how many there were."""
    return (await connection.execute(sql.END_OF_ACCOUNT, {"account": account_id})).rowcount


async def end_session(connection: Connection, user_id: UUID, session_id: UUID) -> None:
    """End one of a person's; raises SessionError where it is none of theirs."""
    cursor = await connection.execute(sql.END, {"user": user_id, "id": session_id})
    if cursor.rowcount == 0:
        raise SessionError


async def read_session(connection: Connection, user_id: UUID, session_id: UUID) -> Session:
    """One of a person's; raises SessionError where it ended or is none of theirs."""
    row = await _first(connection, sql.READ, {"user": user_id, "id": session_id})
    if row is None:
        raise SessionError
    return _read(row)


async def page_of_sessions(
    connection: Connection, user_id: UUID, limit: int, after: UUID | None
) -> Sequence[Session]:
    """A person's sessions that live, newest first."""
    values = {"user": user_id, "limit": limit, "after": after}
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(sql.PAGE, values)
        return [_read(row) for row in await cursor.fetchall()]


async def visit(connection: Connection, vault: Vault, token: str, network: str) -> Visitor | None:
    """Who has *token*; None: nobody, or not any more.

    That it was used, and from where, is written down once a minute.
    """
    if not _may_be_token(token):
        return None
    digests = vault.digests(PURPOSE, token.encode())
    row = await _first(connection, sql.VISIT, {"digests": digests})
    if row is None:
        return None
    if row["stale"]:
        values = {"id": row["session_id"], "network": _inet(network)}
        await connection.execute(sql.SEEN, values)
    return Visitor(
        row["session_id"],
        row["user_id"],
        row["account_id"],
        Role(row["role"]),
        row["suspended"],
        row["allowed_models"],
        row["seconds_since_proof"],
    )


def _may_be_token(text: str) -> bool:
    """Whether *text* has the form of a token: what has not costs the database nothing."""
    return (
        text.startswith(PREFIX)
        and len(text) == _TOKEN_LENGTH
        and _LETTERS.issuperset(text[len(PREFIX) :])
    )


def _inet(network: str) -> str | None:
    """*network* as the database takes it; None: it is no address."""
    address = read_address(network)
    return None if address is None else str(address)


def _new_token() -> str:
    return PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)


def _digest(vault: Vault, token: str) -> bytes:
    return vault.digest(PURPOSE, token.encode())


def _read(row: DictRow) -> Session:
    return Session(**row)


async def _first(
    connection: Connection, statement: str, values: Mapping[str, Any]
) -> DictRow | None:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, values)
        return await cursor.fetchone()
