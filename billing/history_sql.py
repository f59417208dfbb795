"""An account's history in PostgreSQL: its movements, page by page, and its months.

What is sealed stands in the chain (billing/sealing.py) in order, with the balance after each row,
so that no balance is ever a sum over years. What was written in the last seconds is read from
the ledger itself and put behind it.
"""

# ruff: noqa: S608 (only constants of this file are put together)

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from billing.chain import Chain, Entry, Standing, chain_of
from billing.history import (
    USE,
    Group,
    Line,
    Month,
    Movement,
    Statement,
    cause_of,
    followed,
    lines_of,
    statement_between,
    statement_of,
)
from billing.ledger import Transfer
from billing.sealing import order_of

AROUND_HOLD = timedelta(minutes=1)
"""A generation's id is made a moment before its hold is written; the rest is for clocks that
differ. To look around a hold costs the hot path no index."""
STEPPED_BACK = timedelta(days=1)
"""So far a database's clock may step back: then a row stands behind later ones in its chain."""

_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_NOW = "SELECT sealed_until, clock_timestamp() FROM ledger_sealing"
_HEAD = """
SELECT sequence, posted, held, debt FROM ledger_chain
 WHERE account_id = %s AND chain = 'customer' ORDER BY sequence DESC LIMIT 1
"""
_ROW = "t.account_id, t.id, t.kind, t.amount_micros, t.resolves, t.releases_micros, t.created_at"
_UNSEALED = f"""
SELECT {_ROW} FROM transfer t
 WHERE t.created_at >= %s AND t.account_id = %s AND NOT EXISTS (
       SELECT FROM ledger_chain c WHERE c.account_id = t.account_id AND c.transfer_id = t.id)
"""
_PLACE = "SELECT ledger_sequence_at(%s, %s)"
_LINKED = """
  FROM ledger_chain c JOIN transfer t ON t.account_id = c.account_id AND t.id = c.transfer_id
 WHERE c.account_id = %(account)s AND c.chain = 'customer'
   AND c.sequence >= %(first)s AND c.sequence < %(end)s
"""
# The few rows that are no generation's, by an index that has no others; OFFSET keeps the planner
# from reading a whole chain for them.
_FEW = """
  FROM transfer t
 CROSS JOIN LATERAL (SELECT * FROM ledger_chain l
                      WHERE l.account_id = t.account_id AND l.transfer_id = t.id OFFSET 0) AS c
 WHERE t.account_id = %(account)s AND t.kind NOT IN ('hold', 'settle', 'void')
   AND c.chain = 'customer' AND c.sequence >= %(first)s AND c.sequence < %(end)s
"""
_PAGE = """
   AND (%(kinds)s::text[] = '{}' OR t.kind = ANY (%(kinds)s::text[]))
 ORDER BY c.sequence DESC LIMIT %(limit)s
"""
_SEALED = f"SELECT c.sequence, c.posted, {_ROW} {_LINKED} {_PAGE}"
_SEALED_FEW = f"SELECT c.sequence, c.posted, {_ROW} {_FEW} {_PAGE}"
_BALANCE = """
SELECT posted FROM ledger_chain
 WHERE account_id = %s AND chain = 'customer' AND sequence = %s
"""
_WRITTEN = """
SELECT t.created_at
  FROM ledger_chain c JOIN transfer t ON t.account_id = c.account_id AND t.id = c.transfer_id
 WHERE c.account_id = %s AND c.chain = 'customer' AND c.sequence = %s
"""
_DAY = "(t.created_at AT TIME ZONE 'UTC')::date"
_OTHERS = f"""
SELECT {_DAY}, t.kind, '', count(*), sum(t.amount_micros)::bigint {_FEW}
   AND t.created_at >= %(from)s AND t.created_at < %(to)s
 GROUP BY 1, 2
"""
# The model of a charge is known to its generation, as long as that lives.
_GROUPS = f"""
SELECT {_DAY}, t.kind, coalesce(g.model, ''), count(*), sum(t.amount_micros)::bigint
  FROM ledger_chain c JOIN transfer t ON t.account_id = c.account_id AND t.id = c.transfer_id
  LEFT JOIN generation g ON g.account_id = %(account)s AND g.hold_id = t.resolves
       AND g.id < %(before)s::uuid
 WHERE c.account_id = %(account)s AND c.chain = 'customer'
   AND c.sequence >= %(first)s AND c.sequence < %(end)s AND t.kind NOT IN ('hold', 'void')
 GROUP BY 1, 2, 3
"""
_HOLDS = """
SELECT created_at FROM transfer WHERE account_id = %s AND id = ANY (%s::uuid[])
"""
_GENERATIONS = """
SELECT g.hold_id, g.id, g.model
  FROM unnest(%(from)s::uuid[], %(to)s::uuid[]) AS w (first, last)
  JOIN generation g ON g.account_id = %(account)s AND g.id >= w.first AND g.id < w.last
   AND g.id >= %(first)s::uuid AND g.id < %(last)s::uuid
 WHERE g.hold_id = ANY (%(holds)s::uuid[])
"""
_PAYMENTS = """
SELECT id, id FROM payment WHERE account_id = %(account)s AND id = ANY (%(ids)s::uuid[])
UNION ALL
SELECT transfer_id, payment_id FROM payment_adjustment
 WHERE account_id = %(account)s AND transfer_id = ANY (%(ids)s::uuid[])
"""

AnyConnection = AsyncConnection[TupleRow]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND, _MILLISECOND = timedelta(microseconds=1), timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which movements. No kinds: all."""

    start: datetime | None = None
    end: datetime | None = None
    """Exclusive."""
    kinds: frozenset[str] = frozenset()
    """The ledger's."""


class History:
    """Answers what accounts ask of their past. Raises what the pool raises."""

    def __init__(self, pool: AsyncConnectionPool[AnyConnection]) -> None:
        self._pool = pool

    async def movements(
        self, account_id: UUID, wanted: Wanted, limit: int, before: int | None = None
    ) -> list[Movement]:
        """One page, newest first; *before* is the sequence of the last one of the page before."""
        async with self._snapshot(account_id) as past:
            first, end = await past.span(wanted.start, wanted.end)
            end = end if before is None else min(end, before)
            found = await past.page(first, end, wanted.kinds, limit)
            return await past.linked(found)

    async def statements(
        self, account_id: UUID, limit: int, before: Month | None = None
    ) -> list[Statement]:
        """The months with movements, newest first, older than *before*."""
        found: list[Statement] = []
        async with self._snapshot(account_id) as past:
            end = past.end if before is None else await past.place(before.start)
            while len(found) < limit and end > 1:
                month = Month.of(await past.written(end - 1))
                first = min(await past.place(month.start), end - 1)
                balances = await past.balance(first), await past.balance(end)
                others = lines_of(await past.others(first, end, month))
                is_final = past.is_final(month)
                found.append(statement_between(month, balances, others, is_final=is_final))
                end = first
        return found

    async def statement(
        self, account_id: UUID, month: Month
    ) -> tuple[Statement, Sequence[Line]] | None:
        """One month with its lines; None before the first movement and in the future."""
        async with self._snapshot(account_id) as past:
            first, end = await past.span(month.start, month.end)
            if end == 1 or month.start > past.now:
                return None
            lines = lines_of(await past.groups(first, end, month))
            opening, closing = await past.balance(first), await past.balance(end)
            is_final = past.is_final(month)
        found = statement_of(month, opening, lines, is_final=is_final)
        assert found.closing_micros == closing, "the lines are all of the month"
        return found, lines

    @asynccontextmanager
    async def _snapshot(self, account_id: UUID) -> AsyncIterator["_Past"]:
        """The account's past as it stands at one moment."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_SNAPSHOT)
            sealed_until, now = await _one(connection, _NOW, ())
            sequence, *standing = await _first(connection, _HEAD, (account_id,)) or (0, 0, 0, 0)
            # Not prepared: a plan for any moment would not know how few rows are this young.
            cursor = await connection.execute(_UNSEALED, (sealed_until, account_id), prepare=False)
            rows = [_entry(row) for row in await cursor.fetchall()]
            new = sorted(filter(_is_customers, rows), key=order_of)
            tail = followed(sequence, Standing(*standing), new)
            yield _Past(connection, account_id, sequence, tail, (sealed_until, now))


class _Past:
    """What a snapshot can be asked: the sealed rows, then those of the `tail`."""

    def __init__(
        self,
        connection: AnyConnection,
        account_id: UUID,
        sealed: int,
        tail: Sequence[Movement],
        clock: tuple[datetime, datetime],
    ) -> None:
        self._connection = connection
        self._account_id = account_id
        self._sealed = sealed
        self._tail = tail
        self._sealed_until, self.now = clock
        self.end = sealed + len(tail) + 1
        """After the last sequence."""

    def is_final(self, month: Month) -> bool:
        """Whether nothing can be added to it."""
        return self._sealed_until >= month.end

    async def span(self, start: datetime | None, end: datetime | None) -> tuple[int, int]:
        """The first sequence of a time and the first one after it."""
        first = 1 if start is None else await self.place(start)
        return first, self.end if end is None else await self.place(end)

    async def place(self, moment: datetime) -> int:
        """The first sequence that was written at *moment* or later."""
        (place,) = await _one(self._connection, _PLACE, (self._account_id, moment))
        if place <= self._sealed:
            return int(place)
        micros = (moment - _EPOCH) // _MICROSECOND
        return self._sealed + 1 + sum(item.entry.created_us < micros for item in self._tail)

    async def balance(self, sequence: int) -> int:
        """What was posted before the row of that sequence."""
        if sequence > self._sealed + 1:
            return self._tail[sequence - self._sealed - 2].balance_micros
        row = await _first(self._connection, _BALANCE, (self._account_id, sequence - 1))
        return 0 if row is None else int(row[0])

    async def written(self, sequence: int) -> datetime:
        """When the row of that sequence was written."""
        if sequence > self._sealed:
            return _moment(self._tail[sequence - self._sealed - 1].entry)
        (moment,) = await _one(self._connection, _WRITTEN, (self._account_id, sequence))
        assert isinstance(moment, datetime)
        return moment

    async def page(self, first: int, end: int, kinds: frozenset[str], limit: int) -> list[Movement]:
        """The newest rows from *first* to before *end*."""
        new = [
            item
            for item in reversed(self._between(first, end))
            if not kinds or item.entry.transfer.kind in kinds
        ][:limit]
        if len(new) == limit:
            return new
        statement = _SEALED_FEW if kinds and not kinds & USE else _SEALED
        values = self._values(first, end) | {"kinds": sorted(kinds), "limit": limit - len(new)}
        cursor = await self._connection.execute(statement, values)
        return new + [
            Movement(sequence, _entry(row), posted)
            for sequence, posted, *row in await cursor.fetchall()
        ]

    async def others(self, first: int, end: int, month: Month) -> list[Group]:
        """What is no generation's."""
        times = {"from": month.start - STEPPED_BACK, "to": month.end + STEPPED_BACK}
        cursor = await self._connection.execute(_OTHERS, self._values(first, end) | times)
        groups = [Group(*row) for row in await cursor.fetchall()]
        new = [item for item in self._between(first, end) if item.entry.transfer.kind not in USE]
        return groups + [_group(item, "") for item in new]

    async def groups(self, first: int, end: int, month: Month) -> list[Group]:
        """Everything, by day, kind and model."""
        values = self._values(first, end) | {"before": _id_at(month.end)}
        cursor = await self._connection.execute(_GROUPS, values)
        groups = [Group(*row) for row in await cursor.fetchall()]
        new = self._between(first, end)
        models = {hold: model for hold, _, model in await self._generations(new)}
        return groups + [_group(item, models.get(_hold_of(item), "")) for item in new]

    async def linked(self, items: Sequence[Movement]) -> list[Movement]:
        """The same with what they belong to."""
        generations = {hold: id_ for hold, id_, _ in await self._generations(items)}
        rows = [item.entry.transfer for item in items if item.entry.transfer.kind not in USE]
        values = {"account": self._account_id, "ids": [cause_of(row) for row in rows]}
        payments: Mapping[UUID, UUID] = {}
        if rows:
            cursor = await self._connection.execute(_PAYMENTS, values)
            payments = dict(await cursor.fetchall())
        return [
            replace(
                item,
                generation_id=generations.get(_hold_of(item)),
                payment_id=payments.get(cause_of(item.entry.transfer)),
            )
            for item in items
        ]

    async def _generations(self, items: Sequence[Movement]) -> list[tuple[UUID, UUID, str]]:
        """Hold, id and model of the generations that live."""
        holds = {_hold_of(item) for item in items if item.entry.transfer.kind in USE}
        if not holds:
            return []
        cursor = await self._connection.execute(_HOLDS, (self._account_id, list(holds)))
        spans = around([moment for (moment,) in await cursor.fetchall()], AROUND_HOLD)
        values = {
            "account": self._account_id,
            "holds": list(holds),
            "from": [_id_at(first) for first, _ in spans],
            "to": [_id_at(last) for _, last in spans],
            # Once more around all of them: days out of range are not even planned for.
            "first": _id_at(spans[0][0]),
            "last": _id_at(spans[-1][1]),
        }
        cursor = await self._connection.execute(_GENERATIONS, values)
        return [(hold, id_, model) for hold, id_, model in await cursor.fetchall()]

    def _between(self, first: int, end: int) -> Sequence[Movement]:
        """Those of the tail."""
        after = self._sealed + 1
        return self._tail[max(0, first - after) : max(0, end - after)]

    def _values(self, first: int, end: int) -> dict[str, Any]:
        return {"account": self._account_id, "first": first, "end": end}


def around(moments: Sequence[datetime], margin: timedelta) -> list[tuple[datetime, datetime]]:
    """Spans of time that have all *moments* with a margin around each, as few as that takes."""
    spans: list[tuple[datetime, datetime]] = []
    for moment in sorted(moments):
        if spans and moment - margin <= spans[-1][1]:
            spans[-1] = (spans[-1][0], moment + margin)
        else:
            spans.append((moment - margin, moment + margin))
    return spans


def _is_customers(entry: Entry) -> bool:
    return chain_of(entry.transfer.kind) is Chain.CUSTOMER


def _hold_of(item: Movement) -> UUID:
    row = item.entry.transfer
    return row.resolves or row.id


def _group(item: Movement, model: str) -> Group:
    row = item.entry.transfer
    name = model if row.kind == "settle" else ""
    return Group(_moment(item.entry).date(), row.kind, name, 1, row.amount_micros)


def _moment(entry: Entry) -> datetime:
    return _EPOCH + entry.created_us * _MICROSECOND


def _entry(row: Sequence[Any]) -> Entry:
    *columns, moment = row
    return Entry(Transfer(*columns), (moment - _EPOCH) // _MICROSECOND)


def _id_at(moment: datetime) -> UUID:
    """The smallest UUIDv7 of that time."""
    return UUID(int=(moment - _EPOCH) // _MILLISECOND << 80)


async def _first(
    connection: AnyConnection, statement: str, values: Sequence[Any]
) -> TupleRow | None:
    cursor = await connection.execute(statement, values)
    return await cursor.fetchone()


async def _one(connection: AnyConnection, statement: str, values: Sequence[Any]) -> TupleRow:
    row = await _first(connection, statement, values)
    assert row is not None
    return row
