"""Seals new rows of the ledger, in whichever process comes first; never on the hot path.

Rows of one account become visible in the order of `created_at`, for the lock on its balance
serialises them, so chains follow that. What was written before the oldest transaction that is still
open is complete: sealing goes up to there and remembers it. A clock that stepped back writes rows
that this has passed already; a slow pass over the whole table finds them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from billing.chain import Chain, Entry, Link, Seal, Signer, Standing, chain_of, extended, sealed
from billing.ledger import Transfer

BATCH = 1_000
"""Rows in one transaction: some milliseconds of hashing and signing, in a thread."""
STEPS = 40
"""Of one run: 40,000 rows, which is what the ledger writes between two runs at its best."""
SWEEP = 5_000
"""Rows that the slow pass looks at in each run: a hundred million in half a day."""
REST = timedelta(seconds=1)
"""What was sealed so short ago is not looked at again: many processes ask, one needs to."""
_AHEAD = timedelta(minutes=1)
"""By more than this what is sealed is never ahead of what could be, if clocks are right."""
_NARROWEST, _WIDEST = timedelta(milliseconds=10), timedelta(days=30)
"""Of the window that one step reads; it halves when it is full, and doubles when it is not."""

# Before this moment nothing can be written any more: it is that of the oldest transaction that may
# write. One that has written nothing for 15 s, longer than any statement of ours takes, only reads;
# and for one that somebody forgot nobody waits longer than a minute (the slow pass finds its rows).
_HORIZON = """
SELECT greatest(clock_timestamp() - interval '1 minute', least(clock_timestamp(), min(xact_start)))
  FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND (backend_xid IS NOT NULL OR xact_start > clock_timestamp() - interval '15 seconds')
"""
_TAKE = """
SELECT sealed_until, swept_account, swept_id FROM ledger_sealing FOR NO KEY UPDATE SKIP LOCKED
"""
# A look into the index for each row: a join might be planned as a scan of years of rows.
_UNSEALED = """
(SELECT true FROM ledger_chain c WHERE c.account_id = t.account_id AND c.transfer_id = t.id) IS NULL
"""
_COLUMNS = """
t.account_id, t.id, t.kind, t.amount_micros, t.resolves, t.releases_micros, t.created_at
"""
_NEW = f"""
SELECT {_COLUMNS} FROM transfer t
 WHERE t.created_at >= %s AND t.created_at < %s AND {_UNSEALED}
 ORDER BY t.created_at LIMIT %s
"""  # noqa: S608 (constants of ours)
_SLICE_END = """
SELECT account_id, id FROM transfer
 WHERE (account_id, id) > (%s, %s) ORDER BY account_id, id OFFSET %s LIMIT 1
"""
_PASSED = f"""
SELECT {_COLUMNS} FROM transfer t
 WHERE (t.account_id, t.id) > (%s, %s) AND (t.account_id, t.id) <= (%s, %s)
   AND t.created_at < %s AND {_UNSEALED}
 ORDER BY t.created_at LIMIT %s
"""  # noqa: S608 (constants of ours)
_HEADS = """
SELECT x.account_id, x.chain, c.sequence, c.transfer_id, c.chain_sha256, c.posted, c.held, c.debt
  FROM unnest(%s::uuid[], %s::text[]) AS x (account_id, chain)
 CROSS JOIN LATERAL (SELECT * FROM ledger_chain l
                      WHERE l.account_id = x.account_id AND l.chain = x.chain
                      ORDER BY l.sequence DESC LIMIT 1) AS c
"""
_WRITE_LINKS = """
INSERT INTO ledger_chain
       (account_id, chain, sequence, transfer_id, chain_sha256, posted, held, debt)
SELECT account_id, chain, sequence, transfer_id, decode(digest, 'hex'), posted, held, debt
  FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::uuid[], %s::text[],
              %s::bigint[], %s::bigint[], %s::bigint[])
    AS x (account_id, chain, sequence, transfer_id, digest, posted, held, debt)
"""
_WRITE_SEALS = """
INSERT INTO ledger_seal (account_id, chain, sequence, chain_sha256, signature, key_id, sealed_at)
SELECT account_id, chain, sequence, decode(digest, 'hex'), decode(signature, 'hex'), key_id, %s
  FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[])
    AS x (account_id, chain, sequence, digest, signature, key_id)
"""
_REACHED = "UPDATE ledger_sealing SET sealed_until = %s"
_SWEPT = "UPDATE ledger_sealing SET swept_account = %s, swept_id = %s"

AnyConnection = AsyncConnection[TupleRow]
_Name = tuple[int, Chain]
"""Of a chain: the account as a number, for hashing a UUID is a call of Python."""
_NIL, _LAST = UUID(int=0), UUID(int=(1 << 128) - 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Of rows that one transaction wrote, in which order a reader expects them.
_ORDER = {"hold": 1, "settle": 2, "void": 2, "refund": 3, "debt": 4, "repayment": 5}


@dataclass(frozen=True, slots=True)
class _Step:
    """What one transaction did."""

    rows: int
    is_last: bool


class Sealer:
    """Seals what is new. Any number of them may run; one at a time does anything."""

    def __init__(
        self, pool: AsyncConnectionPool[AnyConnection], signer: Signer, rest: timedelta = REST
    ) -> None:
        self._pool = pool
        self._signer = signer
        self._rest = rest
        self._window = REST

    async def run(self) -> int:
        """Seal what has come; how many rows. A backlog is left to the next runs.

        Raises what the pool raises; then a step was done whole or not at all.
        """
        rows = 0
        for _ in range(STEPS):
            step = await self._step()
            if step is None:
                return rows
            rows += step.rows
            if step.is_last:
                break
        return rows + await self.sweep()

    async def sweep(self) -> int:
        """Look at the next slice of everything for rows that were passed; how many were."""
        async with self._pool.connection() as connection, connection.transaction():
            taken = await _one(connection, _TAKE)
            if taken is None:
                return 0
            reached, *after = taken
            end = await _one(connection, _SLICE_END, (*after, SWEEP - 1)) or (_LAST, _LAST)
            rows = await _entries(connection, _PASSED, (*after, *end, reached, BATCH))
            await self._seal(connection, rows)
            if len(rows) < BATCH:  # else the same slice again
                await connection.execute(_SWEPT, (_NIL, _NIL) if end[0] == _LAST else end)
        return len(rows)

    async def _step(self) -> _Step | None:
        """One window; None where somebody else is at it, or has just been."""
        async with self._pool.connection() as connection:
            horizon = await _one(connection, _HORIZON)
            assert horizon is not None
            async with connection.transaction():
                taken = await _one(connection, _TAKE)
                if taken is None:
                    return None
                since = taken[0]
                if since - horizon[0] > _AHEAD:  # a clock that ran ahead has been set right
                    since = horizon[0] - _AHEAD
                if horizon[0] - since < self._rest:
                    return None
                return await self._advance(connection, since, horizon[0])

    async def _advance(self, connection: AnyConnection, since: datetime, upto: datetime) -> _Step:
        """Seal one window, or as much of it as fits a batch."""
        until = min(upto, since + self._window)
        rows = await _entries(connection, _NEW, (since, until, BATCH))
        await self._seal(connection, rows)
        if len(rows) == BATCH:
            self._window = max(_NARROWEST, self._window / 2)
            until = rows[-1][1]  # more may have been written in that very moment
        else:
            self._window = min(_WIDEST, self._window * 2)
        await connection.execute(_REACHED, (until,))
        return _Step(len(rows), is_last=until == upto)

    async def _seal(
        self, connection: AnyConnection, rows: Sequence[tuple[Entry, datetime]]
    ) -> None:
        if not rows:
            return
        grouped: dict[_Name, list[Entry]] = {}
        for entry, _ in sorted(rows, key=lambda row: order_of(row[0])):
            name = (entry.transfer.account_id.int, chain_of(entry.transfer.kind))
            grouped.setdefault(name, []).append(entry)
        cursor = await connection.execute(_HEADS, _columns([_words(name) for name in grouped]))
        heads = {(row[0].int, Chain(row[1])): _link(row[2:]) for row in await cursor.fetchall()}
        now = await _one(connection, "SELECT clock_timestamp()")
        assert now is not None
        links, seals = await asyncio.to_thread(self._compute, grouped, heads, _micros(now[0]))
        await connection.execute(_WRITE_LINKS, _columns(links))
        await connection.execute(_WRITE_SEALS, (now[0], *_columns(seals)))

    def _compute(
        self, grouped: dict[_Name, list[Entry]], heads: dict[_Name, Link], now_us: int
    ) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """The rows of both tables."""
        links, seals = [], []
        for name, entries in grouped.items():
            made, words = extended(heads.get(name), entries), _words(name)
            links += [(*words, *_link_row(link)) for link in made]
            seal = sealed(UUID(int=name[0]), name[1], made, now_us, self._signer)
            seals.append((*words, *_seal_row(seal)))
        return links, seals


def order_of(entry: Entry) -> tuple[int, int, int]:
    row = entry.transfer
    return entry.created_us, _ORDER.get(row.kind, 0), row.id.int


def _link(row: Sequence[Any]) -> Link:
    sequence, transfer_id, digest, *standing = row
    return Link(sequence, transfer_id, digest, Standing(*standing))


def _words(name: _Name) -> tuple[str, str]:
    account, chain = name
    return f"{account:032x}", chain.value


def _link_row(link: Link) -> tuple[Any, ...]:
    now = link.standing
    standing = (now.posted_micros, now.held_micros, now.debt_micros)
    return (link.sequence, link.transfer_id.hex, link.chain_sha256.hex(), *standing)


def _seal_row(seal: Seal) -> tuple[Any, ...]:
    return (seal.sequence, seal.chain_sha256.hex(), seal.signature.hex(), seal.key_id)


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    """Rows of numbers and plain words as arrays for `unnest`, as PostgreSQL writes them itself.

    Nothing in them needs quotes; psycopg would look at each value for some, which takes most of
    the time of a step.
    """
    return ["{" + ",".join(map(str, column)) + "}" for column in zip(*rows, strict=True)]


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


async def _one(
    connection: AnyConnection, statement: str, values: Sequence[Any] = ()
) -> TupleRow | None:
    cursor = await connection.execute(statement, values)
    return await cursor.fetchone()


async def _entries(
    connection: AnyConnection, statement: str, values: Sequence[Any]
) -> list[tuple[Entry, datetime]]:
    """Rows with their moment as the database wrote it."""
    cursor = await connection.execute(statement, values, binary=True)
    return [
        (Entry(Transfer(*row), _micros(moment)), moment) for *row, moment in await cursor.fetchall()
    ]
