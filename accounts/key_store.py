"""API keys in PostgreSQL: made, shown, changed and stopped by their owners.

Every change is heard by all processes within a second (`accounts.directory`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias
from uuid import UUID

from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from accounts import key_statements as sql
from accounts.granting import Holder, Manager, Scope, Settings, excess, scopes_of
from accounts.key_entries import Change, KeyEntry, KeyStoreError, Problem, Rotation, State
from accounts.key_holders import require
from accounts.key_networks import Network, short
from accounts.known import Connection, Known
from accounts.registry import NewKey

MAXIMUM: Final = 1_000
"""Keys of one account that are not revoked: more than people can tell apart."""

Note: TypeAlias = Callable[[Connection, str, str], Awaitable[None]]
"""Writes an action of the caller down, and the name of the key that it was done to."""


class KeyStore:
    """The keys of accounts; *note* writes down what is done. Raises KeyStoreError, and what the
    pool raises.
    """

    def __init__(self, pool: AsyncConnectionPool[Any], note: Note) -> None:
        self._pool = pool
        self._note = note

    async def create(
        self,
        account_id: UUID,
        manager: Manager,
        new: NewKey,
        wanted: Callable[[], Settings],
        known: Known,
    ) -> tuple[KeyEntry, bool]:
        """Make *new* with the settings *wanted*; whether it is new, or the same request's before.

        *wanted* is asked only for a new one. A limit that is not wanted is that of *new*.
        """
        values: dict[str, Any] = {"account": account_id, "id": new.key_id}
        async with self._pool.connection() as connection, connection.transaction():
            holder = await require(connection, account_id, manager, Scope.MANAGE_API_KEYS)
            before = await known(connection, new.key_id)
            if before is not None:
                return await _entry(connection, {**values, "id": before}), False
            if holder.is_held:
                raise KeyStoreError(Problem.HELD)
            settings = wanted()
            await _check(connection, holder, settings)
            await _insert(connection, values | _columns(new, settings, holder.user_id))
            entry = await _entry(connection, values)
            await self._note(connection, "api_key.create", entry.name_of)
            return entry, True

    async def get(self, account_id: UUID, manager: Manager, public_id: str) -> KeyEntry:
        """One key; a key may always look at itself."""
        async with self._pool.connection() as connection:
            named = await _named(connection, account_id, public_id)
            if named["id"] != manager.key_id:
                holder = await require(connection, account_id, manager, Scope.MANAGE_API_KEYS)
                _own(holder, named)
            return await _entry(connection, named)

    async def page(
        self, account_id: UUID, manager: Manager, limit: int, after: UUID | None, *, inactive: bool
    ) -> Sequence[KeyEntry]:
        """One page, newest first; *inactive*: those that stopped in the last 30 days too."""
        values = {"account": account_id, "limit": limit, "after": after, "inactive": inactive}
        async with self._pool.connection() as connection:
            holder = await require(connection, account_id, manager, Scope.MANAGE_API_KEYS)
            async with connection.cursor(row_factory=dict_row) as cursor:
                user = holder.user_id if holder.only_own else None
                await cursor.execute(sql.PAGE, {**values, "user": user})
                return [_read(row) for row in await cursor.fetchall()]

    async def update(
        self, account_id: UUID, manager: Manager, change: Change, known: Known
    ) -> KeyEntry:
        """Change one that is not revoked."""
        wanted = change.wanted
        async with self._pool.connection() as connection, connection.transaction():
            holder, current = await _held(connection, account_id, manager, change.public_id)
            if await known(connection, current.key_id) is not None:
                return current
            if current.state is State.REVOKED:
                raise KeyStoreError(Problem.INACTIVE)
            if current.replaced_by is not None:
                raise KeyStoreError(Problem.REPLACED)
            if change.version not in (None, current.version):
                raise KeyStoreError(Problem.CHANGED)
            await _check(connection, holder, wanted)
            values = {
                "account": account_id,
                "id": current.key_id,
                "name": wanted.name,
                "scopes": None if wanted.scopes is None else sorted(wanted.scopes),
                "requests_per_minute": wanted.requests_per_minute,
                "concurrency": wanted.concurrency,
                "allowed_models": _listed(wanted.allowed_models),
                "allowed_networks": _texts(wanted.allowed_networks),
                "expires_at": wanted.expires_at,
                "never_expires": wanted.never_expires,
            }
            await connection.execute(sql.UPDATE, values)
            await self._note(connection, "api_key.update", current.name_of)
            return await _entry(connection, values)

    async def rotate(
        self,
        account_id: UUID,
        manager: Manager,
        rotation: Rotation,
        known: Known,
    ) -> tuple[KeyEntry, KeyEntry, bool]:
        """Make a key with the settings of another one, which stops after the grace.

        The new one, the old one, and whether they are new, or the same request's before.
        """
        new = rotation.new
        async with self._pool.connection() as connection, connection.transaction():
            holder, old = await _held(connection, account_id, manager, rotation.public_id)
            values: dict[str, Any] = {"account": account_id, "id": new.key_id}
            before = await known(connection, new.key_id)
            if before is not None:
                return await _entry(connection, {**values, "id": before}), old, False
            _rotatable(old)
            settings = _settings_of(old)
            # Whoever rotates a key has it: never one that may do more.
            if (setting := excess(holder, settings)) is not None and old.key_id != manager.key_id:
                raise KeyStoreError(Problem.TOO_MUCH, setting)
            new = replace(new, sandbox=old.sandbox)
            # Who gets the secret is whose it is: it goes when they go.
            user_id = holder.user_id or old.user_id
            columns = _columns(new, settings, user_id, old.line_id or old.key_id)
            await _insert(connection, values | columns)
            named = {"account": account_id, "id": old.key_id}
            grace = {"by": new.key_id, "grace": rotation.grace}
            await connection.execute(sql.REPLACE, named | grace)
            await self._note(connection, "api_key.rotate", old.name_of)
            return await _entry(connection, values), await _entry(connection, named), True

    async def revoke(
        self, account_id: UUID, manager: Manager, public_id: str, known: Known
    ) -> KeyEntry:
        """Stop one for good; one that is stopped stays as it is."""
        async with self._pool.connection() as connection, connection.transaction():
            _, current = await _held(connection, account_id, manager, public_id)
            values = {"account": account_id, "id": current.key_id}
            if await known(connection, current.key_id) is None:
                cursor = await connection.execute(sql.REVOKE, values)
                if cursor.rowcount:
                    await self._note(connection, "api_key.revoke", current.name_of)
            return await _entry(connection, values)


async def _held(
    connection: Connection, account_id: UUID, manager: Manager, public_id: str
) -> tuple[Holder, KeyEntry]:
    """What the manager has, and the key of that name, locked, if it may manage it."""
    holder = await require(connection, account_id, manager, Scope.MANAGE_API_KEYS)
    named = await _named(connection, account_id, public_id)
    _own(holder, named)
    return holder, await _entry(connection, named, sql.LOCK)


def _own(holder: Holder, named: Mapping[str, Any]) -> None:
    """Raise UNKNOWN for a key that is not of the only member whose keys *holder* manages."""
    if holder.only_own and named["user"] != holder.user_id:
        raise KeyStoreError(Problem.UNKNOWN)


def _rotatable(key: KeyEntry) -> None:
    if key.replaced_by is not None:
        raise KeyStoreError(Problem.REPLACED)
    if key.state is State.REVOKED:
        raise KeyStoreError(Problem.INACTIVE)
    if key.state is State.EXPIRED:
        raise KeyStoreError(Problem.EXPIRED)


def _settings_of(key: KeyEntry) -> Settings:
    """Those that another key is to have."""
    return Settings(
        key.name,
        key.scopes,
        key.requests_per_minute,
        key.concurrency,
        key.allowed_models,
        key.allowed_networks,
        key.expires_at,
        never_expires=key.expires_at is None,
    )


def _columns(
    new: NewKey, settings: Settings, user_id: UUID | None, line_id: UUID | None = None
) -> dict[str, Any]:
    """A new row, but for whose it is."""
    return {
        "public_id": new.public_id,
        "digest": new.digest,
        "name": settings.name or "",
        "scopes": sorted(settings.scopes or ()),
        "requests_per_minute": settings.requests_per_minute or new.requests_per_minute,
        "concurrency": settings.concurrency or new.concurrency,
        "allowed_models": list(settings.allowed_models or ()),
        "allowed_networks": _texts(settings.allowed_networks or ()),
        "sandbox": new.sandbox,
        "expires_at": settings.expires_at,
        "user": user_id,
        "line": line_id,
    }


async def _insert(connection: Connection, values: Mapping[str, Any]) -> None:
    """Add a row, where there is room for one more; `require` keeps others from counting now."""
    counted = await _first(connection, sql.COUNT, values)
    if counted is not None and counted["active"] >= MAXIMUM:
        raise KeyStoreError(Problem.TOO_MANY)
    await connection.execute(sql.INSERT, values)


def _listed(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else list(names)


def _texts(networks: Sequence[Network] | None) -> list[str] | None:
    return None if networks is None else [short(network) for network in networks]


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
    return {"account": account_id, "id": row["key_id"], "user": row["user_id"]}


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
