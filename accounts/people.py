"""People in PostgreSQL: made, found by their address, read. Addresses and names lie sealed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from accounts.addresses import address_digest, address_digests
from accounts.consents import Decision, record
from accounts.invitations import redeem
from accounts.places import open_own_account
from accounts.vault import Vault

ADDRESS: Final = "person-email"
"""The purpose of sealed addresses, bound to the id of their person."""
NAME: Final = "person-name"
"""Likewise of names."""

Connection: TypeAlias = AsyncConnection[Any]

_PERSON = """
SELECT user_id, email_sealed, email_hmac, email_verified_at IS NOT NULL AS email_verified,
       pending_email_sealed, display_name_sealed, password_hash, locale, newsletter,
       product_notices, billing_notices, created_at, deleting_at IS NOT NULL AS deleting
  FROM app_user
"""
_BY_ID = _PERSON + " WHERE user_id = %s"
_BY_EMAIL = _PERSON + " WHERE email_hmac = ANY(%s)"
_LOCKED = " FOR NO KEY UPDATE"
_INSERT = """
INSERT INTO app_user (user_id, email_hmac, email_sealed, email_verified_at, display_name_sealed,
                      password_hash, password_changed_at, locale, newsletter)
VALUES (%(id)s, %(email_hmac)s, %(email_sealed)s,
        CASE WHEN %(verified)s THEN clock_timestamp() END, %(name_sealed)s, %(password_hash)s,
        CASE WHEN %(password_hash)s::text IS NOT NULL THEN clock_timestamp() END, %(locale)s,
        %(newsletter)s)
    ON CONFLICT ON CONSTRAINT app_user_email_once DO NOTHING
RETURNING true
"""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed up."""

    user_id: UUID
    email: str = field(repr=False)
    email_digest: bytes = field(repr=False)
    """As it is stored: what mails to the address are tied to."""
    email_verified: bool
    pending_email: str = field(repr=False)
    """A new address that waits for its verification; empty: none."""
    display_name: str = field(repr=False)
    password_hash: str | None = field(repr=False)
    locale: str
    newsletter: bool
    product_notices: bool
    billing_notices: bool
    created_at: datetime
    deleting: bool
    """Being erased: may not sign in."""


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody who signs up. Whoever makes one has checked that everything may be so."""

    user_id: UUID
    email: str = field(repr=False)
    email_verified: bool = False
    """Proved elsewhere: by a service that verifies addresses."""
    display_name: str = field(default="", repr=False)
    password_hash: str | None = field(default=None, repr=False)
    locale: str = "en"
    newsletter: bool = False
    invitation: str = field(default="", repr=False)
    """The token of an invitation mail; empty: none."""
    decisions: Sequence[Decision] = ()
    """What the person agreed to."""


async def create_person(connection: Connection, vault: Vault, new: NewPerson) -> UUID | None:
    """Make a person with an account, or with a place in the account that invited; its id.

    None: somebody has the address. Must run in a transaction. Raises what
    `accounts.invitations.redeem` raises. An invitation was mailed to the address, so it proves it.
    """
    if await find_by_email(connection, vault, new.email) is not None:
        return None
    name = new.display_name
    values = {
        "id": new.user_id,
        "email_hmac": address_digest(vault, new.email),
        "email_sealed": vault.seal(ADDRESS, new.email, new.user_id.bytes),
        "verified": new.email_verified or bool(new.invitation),
        "name_sealed": vault.seal(NAME, name, new.user_id.bytes) if name else None,
        "password_hash": new.password_hash,
        "locale": new.locale,
        "newsletter": new.newsletter,
    }
    cursor = await connection.execute(_INSERT, values)
    if await cursor.fetchone() is None:
        return None
    if new.invitation:
        await redeem(connection, vault, new.invitation, new.user_id, new.email)
    else:
        await open_own_account(connection, vault, new.user_id)
    for decision in new.decisions:
        await record(connection, new.user_id, decision)
    return new.user_id


async def find_by_email(connection: Connection, vault: Vault, address: str) -> Person | None:
    """Whose *address* it is, in upper or lower case; None: nobody's."""
    return await _first(connection, vault, _BY_EMAIL, address_digests(vault, address))


async def read(connection: Connection, vault: Vault, user_id: UUID) -> Person | None:
    """The person; None: there is none, or no more."""
    return await _first(connection, vault, _BY_ID, user_id)


async def lock(connection: Connection, vault: Vault, user_id: UUID) -> Person | None:
    """The same, and until the transaction ends nobody else changes the person."""
    return await _first(connection, vault, _BY_ID + _LOCKED, user_id)


async def _first(
    connection: Connection, vault: Vault, statement: str, key: UUID | list[bytes]
) -> Person | None:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, (key,))
        row = await cursor.fetchone()
    return None if row is None else _person(vault, row)


def _person(vault: Vault, row: DictRow) -> Person:
    owner = row["user_id"].bytes
    pending, name = row.pop("pending_email_sealed"), row.pop("display_name_sealed")
    return Person(
        email=vault.open(ADDRESS, row.pop("email_sealed"), owner),
        email_digest=row.pop("email_hmac"),
        pending_email="" if pending is None else vault.open(ADDRESS, pending, owner),
        display_name="" if name is None else vault.open(NAME, name, owner),
        **row,
    )
