"""Chains and seals as their account reads them, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from billing.ledger import Transfer

_ENTRIES = """
SELECT c.sequence, c.chain_sha256, t.created_at,
       t.account_id, t.id, t.kind, t.amount_micros, t.resolves, t.releases_micros
  FROM ledger_chain c
  JOIN transfer t ON t.account_id = c.account_id AND t.id = c.transfer_id
 WHERE c.account_id = %s AND c.chain = 'customer' AND c.sequence > %s
 ORDER BY c.sequence LIMIT %s
"""
_SEALS = """
SELECT s.sequence, s.chain_sha256, s.sealed_at, s.signature, s.key_id,
       coalesce((SELECT max(p.sequence) FROM ledger_seal p
                  WHERE p.account_id = s.account_id AND p.chain = s.chain
                    AND p.sequence < s.sequence), 0)
  FROM ledger_seal s
 WHERE s.account_id = %s AND s.chain = 'customer' AND s.sequence > %s
 ORDER BY s.sequence LIMIT %s
"""
_OF_HOLD = """
SELECT c.posted, t.created_at,
       t.account_id, t.id, t.kind, t.amount_micros, t.resolves, t.releases_micros
  FROM transfer t
  LEFT JOIN ledger_chain c ON c.account_id = t.account_id AND c.transfer_id = t.id
 WHERE t.account_id = %(account)s AND (t.id = %(hold)s OR t.resolves = %(hold)s)
 ORDER BY t.created_at, t.resolves NULLS FIRST
"""


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """A row of an account's ledger in its chain."""

    sequence: int
    chain_sha256: bytes
    created_at: datetime
    transfer: Transfer


@dataclass(frozen=True, slots=True)
class ChainSeal:
    """A signature over an account's chain up to one row."""

    sequence: int
    chain_sha256: bytes
    sealed_at: datetime
    signature: bytes
    key_id: str
    previous_sequence: int
    """The last row that the seal before covers; 0 for the first."""


@dataclass(frozen=True, slots=True)
class Movement:
    """A row of the ledger, and the balance after it as far as it is sealed."""

    balance_micros: int | None
    created_at: datetime
    transfer: Transfer


class ChainReads:
    """What an account may know of its chain. Raises what the pool raises."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[TupleRow]]) -> None:
        self._pool = pool

    async def entries(self, account_id: UUID, after: int, limit: int) -> list[ChainEntry]:
        """The rows after a sequence number, oldest first."""
        rows = await self._rows(_ENTRIES, (account_id, after, limit))
        return [ChainEntry(row[0], row[1], row[2], Transfer(*row[3:])) for row in rows]

    async def seals(self, account_id: UUID, after: int, limit: int) -> list[ChainSeal]:
        """The seals over rows after a sequence number, oldest first."""
        return [ChainSeal(*row) for row in await self._rows(_SEALS, (account_id, after, limit))]

    async def of_hold(self, account_id: UUID, hold_id: UUID) -> list[Movement]:
        """A hold, and its settle or void."""
        rows = await self._rows(_OF_HOLD, {"account": account_id, "hold": hold_id})
        return [Movement(row[0], row[1], Transfer(*row[2:])) for row in rows]

    async def _rows(
        self, statement: str, values: Sequence[object] | dict[str, Any]
    ) -> list[TupleRow]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall()
