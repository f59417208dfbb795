"""The whole ledger as PostgreSQL has it at one moment, line by line, for `billing.audit`."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, AsyncServerCursor, IsolationLevel
from psycopg.rows import TupleRow

from billing.audit import BalanceLine, Line, LinkLine, LooseLine, SealLine, place
from billing.chain import Entry, Link, Seal, Standing
from billing.ledger import Transfer

ROWS_AT_ONCE = 2_000
"""That the server sends of each of the four lists."""
# All accounts where none is asked for.
_WHICH = "(%(account)s::uuid IS NULL OR {0}.account_id = %(account)s::uuid)"
_BALANCES = f"""
SELECT b.account_id, b.posted, b.pending, b.debt FROM balance b
 WHERE {_WHICH.format("b")} ORDER BY b.account_id
"""  # noqa: S608 (constants of ours, as below)
_LINKS = f"""
SELECT c.account_id, c.chain, c.sequence, c.transfer_id, c.chain_sha256, c.posted, c.held, c.debt,
       t.account_id, t.id, t.kind, t.amount_micros, t.resolves, t.releases_micros, t.created_at
  FROM ledger_chain c
  LEFT JOIN transfer t ON t.account_id = c.account_id AND t.id = c.transfer_id
 WHERE {_WHICH.format("c")} ORDER BY c.account_id, c.chain, c.sequence
"""  # noqa: S608
_SEALS = f"""
SELECT s.account_id, s.chain, s.sequence, s.chain_sha256, s.sealed_at, s.signature, s.key_id
  FROM ledger_seal s WHERE {_WHICH.format("s")} ORDER BY s.account_id, s.chain, s.sequence
"""  # noqa: S608
_LOOSE = f"""
SELECT t.account_id, t.id, t.kind, t.amount_micros, t.resolves, t.releases_micros, t.created_at
  FROM transfer t
 WHERE {_WHICH.format("t")} AND NOT EXISTS (
       SELECT FROM ledger_chain c WHERE c.account_id = t.account_id AND c.transfer_id = t.id)
 ORDER BY t.account_id, t.created_at, t.id
"""  # noqa: S608
_UNTIL = "SELECT sealed_until, now() FROM ledger_sealing"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_Reader = Callable[[Sequence[Any]], Line]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The ledger at one moment."""

    taken_us: int
    sealed_until_us: int
    """What was written before is sealed."""
    lines: AsyncIterator[Line]
    """In the order of `billing.audit.place`."""


@asynccontextmanager
async def snapshot(
    connection: AsyncConnection[TupleRow], account_id: UUID | None = None
) -> AsyncIterator[Snapshot]:
    """Open the books of one account, or of all; nothing is written, and nobody waits."""
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    await connection.set_read_only(True)
    async with connection.transaction():
        cursor = await connection.execute(_UNTIL)
        row = await cursor.fetchone()
        until, now = row or (_EPOCH, _EPOCH)
        yield Snapshot(_micros(now), _micros(until), _merged(connection, account_id))


async def _merged(
    connection: AsyncConnection[TupleRow], account_id: UUID | None
) -> AsyncIterator[Line]:
    lists = [
        _list(connection, account_id, name, statement, read)
        for name, statement, read in (
            ("balances", _BALANCES, _balance),
            ("links", _LINKS, _link),
            ("seals", _SEALS, _seal),
            ("loose", _LOOSE, _loose),
        )
    ]
    heads = [(await anext(lines, None), lines) for lines in lists]
    while waiting := [(place(line), line, lines) for line, lines in heads if line is not None]:
        _, first, lines = min(waiting, key=lambda item: item[0])
        yield first
        following = await anext(lines, None)
        heads = [(following if other is lines else line, other) for line, other in heads]


async def _list(
    connection: AsyncConnection[TupleRow],
    account_id: UUID | None,
    name: str,
    statement: str,
    read: _Reader,
) -> AsyncIterator[Line]:
    async with AsyncServerCursor(connection, f"ledger_{name}") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        await cursor.execute(statement, {"account": account_id})
        async for row in cursor:
            yield read(row)


def _balance(row: Sequence[Any]) -> Line:
    return BalanceLine(row[0], Standing(*row[1:]))


def _link(row: Sequence[Any]) -> Line:
    account_id, chain, sequence, transfer_id, digest, posted, held, debt, *columns = row
    entry = None if columns[0] is None else _entry(columns)
    link = Link(sequence, transfer_id, digest, Standing(posted, held, debt))
    return LinkLine(account_id, chain, link, entry)


def _seal(row: Sequence[Any]) -> Line:
    account_id, chain, sequence, digest, sealed_at, signature, key_id = row
    seal = Seal(sequence, digest, _micros(sealed_at), signature, key_id)
    return SealLine(account_id, chain, seal)


def _loose(row: Sequence[Any]) -> Line:
    return LooseLine(row[0], _entry(row))


def _entry(columns: Sequence[Any]) -> Entry:
    *row, created_at = columns
    return Entry(Transfer(*row), _micros(created_at))


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
