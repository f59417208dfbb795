"""The ledger in PostgreSQL: its part in a commit, and the balance as a question."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from billing.ledger import (
    Balance,
    Credit,
    Hold,
    LedgerBook,
    LedgerPart,
    Loss,
    Settle,
    Transfer,
    Void,
)

_LOCK_BALANCES = """
SELECT account_id, posted, pending
  FROM balance
 WHERE account_id = ANY ($1::uuid[])
 ORDER BY account_id
   FOR NO KEY UPDATE
"""
_ROW = "t.account_id, t.id, t.kind, t.amount_micros, t.resolves, t.releases_micros"
# What stands under the parts' own ids, for they may have been sent before; the holds that they
# resolve; and what resolved these. Under the balance's lock nobody else changes any of it.
_READ_TRANSFERS = f"""
SELECT {_ROW}
  FROM unnest($1::uuid[], $2::uuid[]) AS x (account_id, id)
  JOIN transfer t ON t.account_id = x.account_id AND t.id = x.id
UNION ALL
SELECT {_ROW}
  FROM unnest($3::uuid[], $4::uuid[]) AS x (account_id, id)
  JOIN transfer t ON t.account_id = x.account_id AND t.resolves = x.id
"""  # noqa: S608 (a constant of ours)
_WRITE_BALANCES = """
UPDATE balance b SET posted = x.posted, pending = x.pending
  FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS x (account_id, posted, pending)
 WHERE b.account_id = x.account_id
"""
_WRITE_TRANSFERS = """
INSERT INTO transfer (account_id, id, kind, amount_micros, resolves, releases_micros, created_at)
SELECT x.*, statement_timestamp()
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::uuid[], $6::bigint[]) AS x
"""
_BALANCE = "SELECT posted, pending FROM balance WHERE account_id = %s"


class LedgerSql:
    """The ledger's part in a commit to PostgreSQL (a `storage.transaction.Participant`)."""

    parts: tuple[type, ...] = (Hold, Settle, Void, Credit, Loss)

    def reads(self, parts: Sequence[LedgerPart]) -> Sequence[tuple[int, str, tuple[Any, ...]]]:
        accounts = list({part.account_id for part in parts})
        resolving = [part for part in parts if isinstance(part, (Settle, Void))]
        holders, holds = [p.account_id for p in resolving], [p.hold_id for p in resolving]
        owners = [*(part.account_id for part in parts), *holders]
        ids = [*(part.transfer_id for part in parts), *holds]
        return [
            (20, _LOCK_BALANCES, (accounts,)),
            (30, _READ_TRANSFERS, (owners, ids, holders, holds)),
        ]

    def book(self, rows: Sequence[Sequence[tuple[Any, ...]]], now_us: int) -> LedgerBook:  # noqa: ARG002 (money knows no time)
        balances, transfers = rows
        return LedgerBook(
            {account: Balance(posted, pending) for account, posted, pending in balances},
            (Transfer(*row) for row in transfers),
        )

    def writes(self, book: LedgerBook) -> Sequence[tuple[str, tuple[Any, ...]]]:
        writes: list[tuple[str, tuple[Any, ...]]] = []
        if book.changed:
            accounts = list(book.changed)
            balances = [book.balances[account] for account in accounts]
            posted = [balance.posted_micros for balance in balances]
            held = [balance.held_micros for balance in balances]
            writes.append((_WRITE_BALANCES, (accounts, posted, held)))
        if book.written:
            rows = book.written
            columns = (
                [row.account_id for row in rows],
                [row.id for row in rows],
                [row.kind for row in rows],
                [row.amount_micros for row in rows],
                [row.resolves for row in rows],
                [row.releases_micros for row in rows],
            )
            writes.append((_WRITE_TRANSFERS, columns))
        return writes


class Balances:
    """What accounts have, read without a lock."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[TupleRow]]) -> None:
        self._pool = pool

    async def balance(self, account_id: UUID) -> Balance | None:
        """Posted and held; None for an account that is not there."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_BALANCE, (account_id,))
            row = await cursor.fetchone()
        return None if row is None else Balance(*row)
