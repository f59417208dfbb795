"""Seals again, under the newest server key, what lies sealed under older ones; the gateway runs on.

Values are read in batches by primary key and replaced only where they are still what was read, so
that a change meanwhile wins. What was done is not done again: it can be stopped and begun anew.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, sql

from core.engine.process_secrets import sealed_since
from core.keyring import Keyring
from core.sealed_columns import Digest, Fixed, Sealed
from core.sealing import Sealer, UnsealError
from storage.pool import Pool

BATCH: Final = 200
"""Values that are read at once. Each is replaced by itself: no lock outlives a statement."""
_FOLLOW = sql.SQL(
    "UPDATE {table} SET email_hmac = {new} WHERE email_hmac = {old} "
    "AND NOT (%(once)s AND EXISTS (SELECT FROM {table} o WHERE o.email_hmac = {new}))"
)
_ONCE: Final = frozenset({"mail_suppression"})
"""Followers that hold a digest once."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a column stands."""

    name: str
    total: int = 0
    old: int = 0
    """That need an older key."""
    unreadable: int = 0
    """That open under no key: it is gone, or they were changed."""


@dataclass(frozen=True, slots=True)
class _Value:
    """One value, as it was read."""

    key: Sequence[Any]
    sealed: bytes
    bound: Sequence[bytes]
    digest: bytes | None


class Resealing:
    """Over one database. Raises what the pool raises."""

    def __init__(self, pool: Pool, keyring: Keyring) -> None:
        self._pool = pool
        self._keyring = keyring

    async def standing(self, column: Sealed) -> Standing:
        """How many of a column need an older key."""
        total = old = unreadable = 0
        async for batch in self._batches(column):
            for value in batch:
                text = self._text(column, value)
                total += 1
                unreadable += text is None
                old += text is not None and not self._is_new(column, value, text)
        return Standing(column.name, total, old, unreadable)

    async def fixed_standing(self, column: Fixed) -> Standing:
        """The same of digests that cannot be made again: those that may need an older key."""
        statement = sql.SQL(
            "SELECT count(*), count(*) FILTER (WHERE %(since)s::timestamptz IS NULL "
            "OR {made} < %(since)s::timestamptz) FROM {table} WHERE {used}"
        ).format(
            made=sql.SQL(column.made),
            table=sql.Identifier(column.table),
            used=sql.SQL(column.used),
        )
        async with self._pool.connection() as connection:
            since = await sealed_since(connection, self._keyring)
            row = await (await connection.execute(statement, {"since": since})).fetchone()
        assert row is not None
        if len(self._keyring.keys) == 1:
            return Standing(column.name, row[0])
        return Standing(column.name, row[0], row[1])

    async def reseal(self, column: Sealed) -> int:
        """Seal again what needs an older key; returns how many values that were."""
        count = 0
        async for batch in self._batches(column):
            texts = [(value, self._text(column, value)) for value in batch]
            for value, text in texts:
                if text is not None and not self._is_new(column, value, text):
                    count += await self._replace(column, value, text)
        return count

    def _text(self, column: Sealed, value: _Value) -> str | None:
        try:
            sealer = Sealer(self._keyring, column.purpose)
            return sealer.open(value.sealed, *value.bound).reveal()
        except UnsealError:
            return None

    def _is_new(self, column: Sealed, value: _Value, text: str) -> bool:
        """Whether only the newest key is needed, for the text and for its digest."""
        try:
            Sealer(self._keyring.newest, column.purpose).open(value.sealed, *value.bound)
        except UnsealError:
            return False
        return column.digest is None or value.digest == self._digest(column.digest, text)

    def _digest(self, digest: Digest, text: str) -> bytes:
        return self._keyring.mac(digest.purpose, digest.text(text))

    async def _replace(self, column: Sealed, value: _Value, text: str) -> bool:
        """Put the new values where the old ones still are; False when they are not."""
        sets = {column.column: Sealer(self._keyring, column.purpose).seal(text, *value.bound)}
        olds = {column.column: value.sealed}
        if column.digest is not None and value.digest is not None:
            sets[column.digest.column] = self._digest(column.digest, text)
            olds[column.digest.column] = value.digest
        wheres = dict(zip(column.key, value.key, strict=True)) | olds
        statement = sql.SQL("UPDATE {} SET {} WHERE {}").format(
            sql.Identifier(column.table), _equal(sets, ", ", "new"), _equal(wheres, " AND ", "old")
        )
        values = {f"new_{name}": new for name, new in sets.items()}
        values |= {f"old_{name}": old for name, old in wheres.items()}
        try:
            async with self._pool.connection() as connection, connection.transaction():
                cursor = await connection.execute(statement, values)
                if cursor.rowcount == 0:
                    return False
                await self._follow(connection, column, sets, olds)
        except psycopg.errors.UniqueViolation:  # two rows of one address: `status` goes on counting
            return False
        return True

    async def _follow(
        self,
        connection: AsyncConnection[Any],
        column: Sealed,
        sets: dict[str, bytes],
        olds: dict[str, bytes],
    ) -> None:
        """Keep whatever is about the same address alike."""
        if column.digest is None or column.digest.column not in sets:
            return
        new, old = sets[column.digest.column], olds[column.digest.column]
        if new == old:
            return
        for table in column.digest.followers:
            statement = _FOLLOW.format(
                table=sql.Identifier(table), new=sql.Literal(new), old=sql.Literal(old)
            )
            await connection.execute(statement, {"once": table in _ONCE})

    async def _batches(self, column: Sealed) -> AsyncIterator[list[_Value]]:
        """All values of a column, by primary key."""
        after: Sequence[Any] | None = None
        while True:
            async with self._pool.connection() as connection:
                batch = await _read(connection, column, after)
            if batch:
                yield batch
                after = batch[-1].key
            if len(batch) < BATCH:
                return


async def _read(
    connection: AsyncConnection[Any], column: Sealed, after: Sequence[Any] | None
) -> list[_Value]:
    bound = [part.column for part in column.bound if part.column]
    digest = [] if column.digest is None else [column.digest.column]
    keys = sql.SQL(", ").join(map(sql.Identifier, column.key))
    parts = {
        "columns": sql.SQL(", ").join(
            map(sql.Identifier, (*column.key, column.column, *digest, *bound))
        ),
        "table": sql.Identifier(column.table),
        "sealed": sql.Identifier(column.column),
        "keys": keys,
        "after": sql.SQL("")
        if after is None
        else sql.SQL("AND ({}) > ({})").format(keys, sql.SQL(", ").join(map(sql.Literal, after))),
    }
    statement = sql.SQL(
        "SELECT {columns} FROM {table} WHERE {sealed} IS NOT NULL {after} ORDER BY {keys} LIMIT %s"
    ).format(**parts)
    rows = await (await connection.execute(statement, (BATCH,))).fetchall()
    return [_value(column, row) for row in rows]


def _value(column: Sealed, row: Sequence[Any]) -> _Value:
    place = len(column.key)
    first = place + (1 if column.digest is None else 2)
    columns = iter(row[first:])
    bound = [_bytes(next(columns)) if part.column else part.word for part in column.bound]
    digest = None if column.digest is None or row[place + 1] is None else bytes(row[place + 1])
    return _Value(row[:place], bytes(row[place]), bound, digest)


def _bytes(value: UUID | bytes) -> bytes:
    return value.bytes if isinstance(value, UUID) else bytes(value)


def _equal(columns: dict[str, Any], between: str, prefix: str) -> sql.Composed:
    """`column = %(prefix_column)s` for each."""
    return sql.SQL(between).join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(f"{prefix}_{name}"))
        for name in columns
    )
