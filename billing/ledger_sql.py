"""The ledger in PostgreSQL: its part in a commit, and the balance as a question."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from billing.book import LedgerBook
from billing.budgets_sql import lock_budgets, opened_budgets, written_budgets
from billing.ledger import (
    LEDGER_PARTS,
    Balance,
    Clawback,
    LedgerPart,
    Settle,
    Transfer,
    Void,
    family,
)

_LOCK_BALANCES = """
SELECT account_id, posted, pending, debt
  FROM balance
 WHERE account_id = ANY ($1::uuid[])
 ORDER BY account_id
   FOR NO KEY UPDATE
"""
_ROW = "t.account_id, t.id, t.kind, t.amount_micros, t.resolves, t.releases_micros"
# What stands under the parts' own ids, for they may have been sent before, and what was derived
# from it. Under the balance's lock nobody else changes any of it.
_READ_TRANSFERS = f"""
SELECT {_ROW}
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS x (account_id, first, last)
  JOIN transfer t ON t.account_id = x.account_id AND t.id BETWEEN x.first AND x.last
"""  # noqa: S608 (a constant of ours)
# And the holds that they resolve; and what resolved these.
_READ_RESOLVING = f"""{_READ_TRANSFERS}
UNION ALL
SELECT {_ROW}
  FROM unnest($4::uuid[], $5::uuid[]) AS x (account_id, id)
  JOIN transfer t ON t.account_id = x.account_id AND t.id = x.id
UNION ALL
SELECT {_ROW}
  FROM unnest($4, $5) AS x (account_id, id)
  JOIN transfer t ON t.account_id = x.account_id AND t.resolves = x.id
"""  # noqa: S608 (a constant of ours)
_WRITE_BALANCES = """
UPDATE balance b SET posted = x.posted, pending = x.pending, debt = x.debt
  FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[])
       AS x (account_id, posted, pending, debt)
 WHERE b.account_id = x.account_id
"""
_WRITE_TRANSFERS = """
INSERT INTO transfer (account_id, id, kind, amount_micros, resolves, releases_micros, created_at)
SELECT x.*, statement_timestamp()
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::uuid[], $6::bigint[]) AS x
"""
_BALANCE = "SELECT posted, pending, debt FROM balance WHERE account_id = %s"
_SPLIT = {Settle, Clawback}
"""Parts that may become two transfers: the other one's amount belongs to what was asked."""


class LedgerSql:
    """The ledger's part in a commit to PostgreSQL (a `storage.transaction.Participant`)."""

    parts: tuple[type, ...] = LEDGER_PARTS

    def reads(self, parts: Sequence[LedgerPart]) -> Sequence[tuple[int, str, tuple[Any, ...]]]:
        accounts = list({part.account_id for part in parts})
        first = [part.transfer_id for part in parts]
        last = first.copy()
        for index, part in enumerate(parts):
            if type(part) in _SPLIT:
                first[index], last[index] = family(part.transfer_id)
        own = ([part.account_id for part in parts], first, last)
        resolving = [part for part in parts if isinstance(part, (Settle, Void))]
        holders, holds = [p.account_id for p in resolving], [p.hold_id for p in resolving]
        return [
            (15, *lock_budgets(accounts, holds)),
            (20, _LOCK_BALANCES, (accounts,)),
            (30, _READ_RESOLVING, (*own, holders, holds)) if holds else (30, _READ_TRANSFERS, own),
        ]

    def book(self, rows: Sequence[Sequence[tuple[Any, ...]]], now_us: int) -> LedgerBook:
        budgets, balances, transfers = rows
        return LedgerBook(
            {account: Balance(*amounts) for account, *amounts in balances},
            (Transfer(*row) for row in transfers),
            opened_budgets(budgets, now_us) if budgets else None,
        )

    def writes(self, book: LedgerBook) -> Sequence[tuple[str, tuple[Any, ...]]]:
        writes: list[tuple[str, tuple[Any, ...]]] = []
        if changed := book.changed:
            accounts, balances = list(changed), changed.values()
            posted = [balance.posted_micros for balance in balances]
            held = [balance.held_micros for balance in balances]
            debt = [balance.debt_micros for balance in balances]
            writes.append((_WRITE_BALANCES, (accounts, posted, held, debt)))
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
        if book.budgets is not None:
            writes += written_budgets(book.budgets)
        return writes


class Balances:
    """What accounts have, read without a lock."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[TupleRow]]) -> None:
        self._pool = pool

    async def balance(self, account_id: UUID) -> Balance | None:
        """Posted, held and owed; None for an account that is not there."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_BALANCE, (account_id,))
            row = await cursor.fetchone()
        return None if row is None else Balance(*row)
