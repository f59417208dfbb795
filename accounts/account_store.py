"""Accounts in PostgreSQL, as their people see and change them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from accounts.known import Connection, Known
from accounts.members import Actor, MemberError, Note, role_of
from accounts.places import NAME_PURPOSE, account_name
from accounts.roles import GOVERN
from accounts.vault import Vault

_READ = """
SELECT account_id, name, name_sealed, suspended_at IS NOT NULL AS suspended,
       deleting_at IS NOT NULL AS deleting, outputs_not_stored, allowed_models, created_at, version
  FROM account WHERE account_id = %(account)s AND erased_at IS NULL
"""
_UPDATE = """
UPDATE account
   SET name_sealed = coalesce(%(name)s, name_sealed),
       allowed_models = coalesce(%(allowed_models)s::text[], allowed_models),
       version = version + 1
 WHERE account_id = %(account)s
"""


class Problem(StrEnum):
    """Why an account cannot be changed."""

    UNKNOWN = "unknown"
    NOT_PERMITTED = "not permitted"
    CHANGED = "changed meanwhile"


class AccountError(Exception):
    """It cannot be changed; nothing was."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Account:
    """An account, as its people see it."""

    account_id: UUID
    name: str = field(repr=False)
    suspended: bool
    deleting: bool
    outputs_not_stored: bool
    allowed_models: Sequence[str]
    """By id; empty: all."""
    created_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class Change:
    """What to change; None: leave it."""

    name: str | None = field(default=None, repr=False)
    allowed_models: Sequence[str] | None = None
    version: int | None = None
    """The one that is to be changed; None: whichever it is."""


class AccountStore:
    """The settings of accounts. Raises AccountError, and what the pool raises."""

    def __init__(self, pool: AsyncConnectionPool[Any], vault: Vault, note: Note) -> None:
        self._pool = pool
        self._vault = vault
        self._note = note

    async def read(self, account_id: UUID) -> Account:
        """One account."""
        async with self._pool.connection() as connection:
            return await self._read(connection, account_id)

    async def update(self, actor: Actor, change: Change, known: Known) -> Account:
        """Change it; every process hears of it within a second."""
        account_id = actor.account_id
        async with self._pool.connection() as connection, connection.transaction():
            try:
                role = await role_of(connection, actor)
            except MemberError:
                raise AccountError(Problem.NOT_PERMITTED) from None
            if role not in GOVERN:
                raise AccountError(Problem.NOT_PERMITTED)
            current = await self._read(connection, account_id)
            if await known(connection, account_id) is not None:
                return current
            if change.version not in (None, current.version):
                raise AccountError(Problem.CHANGED)
            values = {
                "account": account_id,
                "name": None
                if change.name is None
                else self._vault.seal(NAME_PURPOSE, change.name, account_id.bytes),
                "allowed_models": None
                if change.allowed_models is None
                else list(change.allowed_models),
            }
            await connection.execute(_UPDATE, values)
            await self._note(connection, "account.update", f"accounts/{account_id.hex}")
            return await self._read(connection, account_id)

    async def _read(self, connection: Connection, account_id: UUID) -> Account:
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_READ, {"account": account_id})
            row = await cursor.fetchone()
        if row is None:
            raise AccountError(Problem.UNKNOWN)
        given, sealed = row.pop("name"), row.pop("name_sealed")
        return Account(name=account_name(self._vault, account_id, given, sealed), **row)
