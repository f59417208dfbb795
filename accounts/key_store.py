"""API keys in PostgreSQL: made, shown, changed and stopped by their owners.

Every change is heard by all processes within a second (`accounts.directory`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from accounts import key_statements as sql
from accounts.granting import Holder, Scope, Settings, excess, may_manage, scopes_of
from accounts.registry import NewKey

MAXIMUM: Final = 1_000
"""Keys of one account that are not revoked: more than people can tell apart."""

Connection: TypeAlias = AsyncConnection[Any]
Known: TypeAlias = Callable[[Connection, UUID], Awaitable[UUID | None]]
"""What the same request made before, asked first in the transaction that does it; None: it is new,
and will have made the id it is told."""


class Problem(StrEnum):
    """Why a key cannot be made or changed."""

    UNKNOWN = "unknown"
    NOT_PERMITTED = "not permitted"
    TOO_MUCH = "more than the caller has"
    TOO_MANY = "too many"
    CHANGED = "changed meanwhile"
    INACTIVE = "revoked"
    PAST = "expires in the past"


class KeyStoreError(Exception):
    """It cannot be made or changed; nothing was. *setting* is which one goes too far."""

    def __init__(self, problem: Problem, setting: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.setting = setting


class State(StrEnum):
    """Whether a key works."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key as its owner sees it."""

    key_id: UUID
    public_id: str
    name: str
    """Typed by its owner."""
    scopes: frozenset[Scope]
    requests_per_minute: int
    concurrency: int
    allowed_models: Sequence[str]
    sandbox: bool
    state: State
    version: int
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_use_at: datetime | None
    """Of a generation: from the counter of its rate, so up to a minute late."""


@dataclass(frozen=True, slots=True)
class Change:
    """What to change of which key."""

    public_id: str
    wanted: Settings
    version: int | None
    """The one that is to be changed; None: whichever it is."""


class KeyStore:
    """The keys of accounts. Raises KeyStoreError, and what the pool raises."""

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool

    async def create(
        self,
        account_id: UUID,
        caller: UUID,
        new: NewKey,
        wanted: Callable[[], Settings],
        known: Known,
    ) -> tuple[KeyEntry, bool]:
        """Make *new* with the settings *wanted*; whether it is new, or the same request's before.

        *wanted* is asked only for a new one. A limit that is not wanted is that of *new*.
        """
        values: dict[str, Any] = {"account": account_id, "id": new.key_id}
        async with self._pool.connection() as connection, connection.transaction():
            holder = await require(connection, account_id, caller, Scope.MANAGE_API_KEYS)
            before = await known(connection, new.key_id)
            if before is not None:
                return await _entry(connection, {**values, "id": before}), False
            settings = wanted()
            await _check(connection, holder, settings)
            await connection.execute(sql.ALONE, values)  # who counts at the same time waits
            counted = await _first(connection, sql.COUNT, values)
            if counted is not None and counted["active"] >= MAXIMUM:
                raise KeyStoreError(Problem.TOO_MANY)
            values |= {
                "public_id": new.public_id,
                "digest": new.digest,
                "name": settings.name or "",
                "scopes": sorted(settings.scopes or ()),
                "requests_per_minute": settings.requests_per_minute or new.requests_per_minute,
                "concurrency": settings.concurrency or new.concurrency,
                "allowed_models": list(settings.allowed_models or ()),
                "sandbox": new.sandbox,
                "expires_at": settings.expires_at,
            }
            await connection.execute(sql.INSERT, values)
            return await _entry(connection, values), True

    async def get(self, account_id: UUID, caller: UUID, public_id: str) -> KeyEntry:
        """One key; a key may always look at itself."""
        async with self._pool.connection() as connection:
            entry = await _entry(connection, await _named(connection, account_id, public_id))
            if entry.key_id != caller:
                await require(connection, account_id, caller, Scope.MANAGE_API_KEYS)
            return entry

    async def page(
        self, account_id: UUID, caller: UUID, limit: int, after: UUID | None, *, inactive: bool
    ) -> Sequence[KeyEntry]:
        """One page, newest first; *inactive*: those that stopped in the last 30 days too."""
        values = {"account": account_id, "limit": limit, "after": after, "inactive": inactive}
        async with self._pool.connection() as connection:
            await require(connection, account_id, caller, Scope.MANAGE_API_KEYS)
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(sql.PAGE, values)
                return [_read(row) for row in await cursor.fetchall()]

    async def update(
        self, account_id: UUID, caller: UUID, change: Change, known: Known
    ) -> KeyEntry:
        """Change one that is not revoked."""
        wanted = change.wanted
        async with self._pool.connection() as connection, connection.transaction():
            holder = await require(connection, account_id, caller, Scope.MANAGE_API_KEYS)
            values = await _named(connection, account_id, change.public_id)
            current = await _entry(connection, values, sql.LOCK)
            if await known(connection, current.key_id) is not None:
                return current
            if current.state is State.REVOKED:
                raise KeyStoreError(Problem.INACTIVE)
            if change.version not in (None, current.version):
                raise KeyStoreError(Problem.CHANGED)
            await _check(connection, holder, wanted)
            values |= {
                "name": wanted.name,
                "scopes": None if wanted.scopes is None else sorted(wanted.scopes),
                "requests_per_minute": wanted.requests_per_minute,
                "concurrency": wanted.concurrency,
                "allowed_models": None
                if wanted.allowed_models is None
                else list(wanted.allowed_models),
                "expires_at": wanted.expires_at,
                "never_expires": wanted.never_expires,
            }
            await connection.execute(sql.UPDATE, values)
            return await _entry(connection, values)

    async def revoke(
        self, account_id: UUID, caller: UUID, public_id: str, known: Known
    ) -> KeyEntry:
        """Stop one for good; one that is stopped stays as it is."""
        async with self._pool.connection() as connection, connection.transaction():
            await require(connection, account_id, caller, Scope.MANAGE_API_KEYS)
            values = await _named(connection, account_id, public_id)
            current = await _entry(connection, values, sql.LOCK)
            if await known(connection, current.key_id) is None:
                await connection.execute(sql.REVOKE, values)
            return await _entry(connection, values)


async def require(connection: Connection, account_id: UUID, caller: UUID, scope: Scope) -> Holder:
    """What *caller*, a key id, has; raises KeyStoreError where it may not use *scope* to manage."""
    row = await _first(connection, sql.HOLDER, {"account": account_id, "id": caller})
    if row is not None:
        holder = Holder(**{**row, "scopes": scopes_of(row["scopes"])})
        if may_manage(holder, scope):
            return holder
    raise KeyStoreError(Problem.NOT_PERMITTED, scope)


async def _check(connection: Connection, holder: Holder, wanted: Settings) -> None:
    setting = excess(holder, wanted)
    if setting is not None:
        raise KeyStoreError(Problem.TOO_MUCH, setting)
    if wanted.expires_at is not None:
        late = await _first(connection, sql.IS_PAST, {"at": wanted.expires_at})
        if late is not None and late["past"]:
            raise KeyStoreError(Problem.PAST, "expire_time")


async def _named(connection: Connection, account_id: UUID, public_id: str) -> dict[str, Any]:
    values = {"account": account_id, "public_id": public_id}
    row = await _first(connection, sql.NAMED, values)
    if row is None:
        raise KeyStoreError(Problem.UNKNOWN)
    return {"account": account_id, "id": row["key_id"]}


async def _entry(
    connection: Connection, values: Mapping[str, Any], statement: str = sql.READ
) -> KeyEntry:
    row = await _first(connection, statement, values)
    if row is None:
        raise KeyStoreError(Problem.UNKNOWN)
    return _read(row)


def _read(row: DictRow) -> KeyEntry:
    read = {**row, "scopes": scopes_of(row["scopes"]), "state": State(row["state"])}
    return KeyEntry(**read)


async def _first(
    connection: Connection, statement: str, values: Mapping[str, Any]
) -> DictRow | None:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, values)
        return await cursor.fetchone()
