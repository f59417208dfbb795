"""Members of accounts in PostgreSQL: shown, given another role, removed.

Roles are read in the transaction that goes by them, and one transaction at a time changes the
members of an account: two owners who take each other's place end with one of them. That an account
keeps an owner is a constraint of the database.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from accounts import key_statements
from accounts import member_statements as sql
from accounts.granting import EVERYTHING, Scope
from accounts.known import Connection, Known
from accounts.people import ADDRESS, NAME
from accounts.places import account_name
from accounts.roles import SCOPES, Role, may_place
from accounts.vault import Vault

_NO_SCOPES: Final[frozenset[Scope]] = frozenset()


class Note(Protocol):
    """Writes down what the caller did, in the transaction that does it."""

    async def __call__(
        self,
        connection: Connection,
        action: str,
        resource: str,
        account_id: UUID | None = None,
    ) -> None:
        """*action*: `member.remove`; *resource*: `members/{id}`; *account_id*: not the caller's."""
        ...


class Problem(StrEnum):
    """Why a member cannot be changed."""

    UNKNOWN = "unknown"
    NOT_PERMITTED = "not permitted"
    LAST_OWNER = "the last owner stays"


class MemberError(Exception):
    """It cannot be changed; nothing was."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Member:
    """A person's place in an account."""

    member_id: UUID
    account_id: UUID
    account_name: str = field(repr=False)
    user_id: UUID
    email: str = field(repr=False)
    display_name: str = field(repr=False)
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, and in which account."""

    account_id: UUID
    user_id: UUID


class MemberStore:
    """The members of accounts. Raises MemberError, and what the pool raises."""

    def __init__(self, pool: AsyncConnectionPool[Any], vault: Vault, note: Note) -> None:
        self._pool = pool
        self._vault = vault
        self._note = note

    async def page(self, account_id: UUID, limit: int, after: UUID | None) -> Sequence[Member]:
        """One page of the people in an account, by the time they joined."""
        return await self._page(sql.PAGE, {"account": account_id, "limit": limit, "after": after})

    async def places(self, user_id: UUID, limit: int, after: UUID | None) -> Sequence[Member]:
        """One page of the places of a person, likewise."""
        return await self._page(sql.PAGE_OF_USER, {"user": user_id, "limit": limit, "after": after})

    async def change_role(self, actor: Actor, member_id: UUID, role: Role, known: Known) -> Member:
        """Give somebody another role: their sessions in the account end, and stronger keys."""
        async with self._deciding() as connection:
            mine = await role_of(connection, actor)
            target = await self._named(connection, actor.account_id, member_id)
            if not may_place(mine, target.role, role):
                raise MemberError(Problem.NOT_PERMITTED)
            if await known(connection, member_id) is not None or target.role is role:
                return target
            values = _values(target, SCOPES[role])
            await connection.execute(sql.CHANGE, {**values, "role": role})
            await connection.execute(sql.END_SESSIONS, values)
            if SCOPES[role] != EVERYTHING:
                await connection.execute(sql.REVOKE_KEYS, values)
            await connection.execute(sql.UNINVITE, values)
            await self._note(connection, "member.update", f"members/{member_id.hex}")
            return await self._named(connection, actor.account_id, member_id)

    async def remove(self, actor: Actor, member_id: UUID, known: Known) -> None:
        """Take somebody out: their keys and sessions in the account stop. Everybody may leave."""
        async with self._deciding() as connection:
            mine = await role_of(connection, actor)
            if await known(connection, member_id) is not None:
                return
            target = await self._named(connection, actor.account_id, member_id)
            if target.user_id != actor.user_id and not may_place(mine, target.role, None):
                raise MemberError(Problem.NOT_PERMITTED)
            values = _values(target, _NO_SCOPES)
            await connection.execute(sql.REVOKE_KEYS, values)
            await connection.execute(sql.UNINVITE, values)
            await connection.execute(sql.REMOVE, values)
            await self._note(connection, "member.remove", f"members/{member_id.hex}")

    @asynccontextmanager
    async def _deciding(self) -> AsyncIterator[Connection]:
        """A transaction that the database may refuse at its end."""
        try:
            async with self._pool.connection() as connection, connection.transaction():
                yield connection
        except psycopg.errors.CheckViolation as error:
            if error.diag.constraint_name != sql.LAST_OWNER:
                raise
            raise MemberError(Problem.LAST_OWNER) from None

    async def _named(self, connection: Connection, account_id: UUID, member_id: UUID) -> Member:
        values = {"account": account_id, "member": member_id}
        return await read_member(connection, self._vault, sql.READ, values)

    async def _page(self, statement: str, values: Mapping[str, Any]) -> Sequence[Member]:
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(statement, values)
            return [_read(self._vault, row) for row in await cursor.fetchall()]


async def role_of(connection: Connection, actor: Actor) -> Role:
    """The role of *actor*, and until the transaction ends nobody else changes the members, or
    makes keys by a role that changes here.

    Raises MemberError where they have no place in the account.
    """
    values = {"account": actor.account_id, "user": actor.user_id}
    await connection.execute(sql.ALONE, values)
    await connection.execute(key_statements.ALONE, values)
    cursor = await connection.execute(sql.ROLE, values)
    row = await cursor.fetchone()
    if row is None:
        raise MemberError(Problem.NOT_PERMITTED)
    return Role(row[0])


async def read_member(
    connection: Connection, vault: Vault, statement: str, values: Mapping[str, Any]
) -> Member:
    """The one that *statement* finds; raises MemberError."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, values)
        row = await cursor.fetchone()
    if row is None:
        raise MemberError(Problem.UNKNOWN)
    return _read(vault, row)


def _read(vault: Vault, row: DictRow) -> Member:
    account_id, user_id, name = row["account_id"], row["user_id"], row["display_name_sealed"]
    return Member(
        row["member_id"],
        account_id,
        account_name(vault, account_id, row["account_name"], row["account_name_sealed"]),
        user_id,
        vault.open(ADDRESS, row["email_sealed"], user_id.bytes),
        "" if name is None else vault.open(NAME, name, user_id.bytes),
        Role(row["role"]),
        row["created_at"],
    )


def _values(target: Member, scopes: frozenset[Scope]) -> dict[str, Any]:
    return {
        "account": target.account_id,
        "member": target.member_id,
        "target": target.user_id,
        "scopes": sorted(scopes),
    }
