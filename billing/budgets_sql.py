"""Budgets in PostgreSQL: what the ledger's part in a commit locks and writes of them."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from billing.budgets import Budget, BudgetBook, BudgetHold, Period

Statement = tuple[str, tuple[Any, ...]]

_LOCK_BUDGETS = """
SELECT b.account_id, b.budget_id, b.key_id, b.period, b.limit_micros, b.spent_micros,
       b.held_micros, b.period_start, NULL::uuid, NULL::timestamptz
  FROM budget b
 WHERE b.account_id = ANY ($1::uuid[])
 ORDER BY b.account_id, b.budget_id
   FOR NO KEY UPDATE
"""
# All budgets of the accounts, each once for every hold to be resolved that counts against it: one
# look into an index where there are none. A hold's row may be as old as the wait for the lock; then
# its transfer, which is read later, says what has become of it.
_LOCK_COUNTING = """
SELECT b.account_id, b.budget_id, b.key_id, b.period, b.limit_micros, b.spent_micros,
       b.held_micros, b.period_start, h.hold_id, h.period_start
  FROM budget b
  LEFT JOIN budget_hold h ON h.account_id = b.account_id AND h.budget_id = b.budget_id
                         AND h.hold_id = ANY ($2::uuid[])
 WHERE b.account_id = ANY ($1::uuid[])
 ORDER BY b.account_id, b.budget_id
   FOR NO KEY UPDATE OF b
"""
_WRITE_BUDGETS = """
UPDATE budget b
   SET spent_micros = x.spent, held_micros = x.held, period_start = x.period_start
  FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::timestamptz[])
       AS x (account_id, budget_id, spent, held, period_start)
 WHERE b.account_id = x.account_id AND b.budget_id = x.budget_id
"""
_OPEN_HOLDS = """
INSERT INTO budget_hold (account_id, budget_id, hold_id, period_start)
SELECT x.* FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[]) AS x
"""
_CLOSE_HOLDS = """
DELETE FROM budget_hold h
 USING unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS x (account_id, budget_id, hold_id)
 WHERE h.account_id = x.account_id AND h.budget_id = x.budget_id AND h.hold_id = x.hold_id
"""


def lock_budgets(accounts: Sequence[UUID], holds: Sequence[UUID]) -> Statement:
    """What locks the budgets of the accounts and reads which of the holds count against them."""
    return (_LOCK_COUNTING, (accounts, holds)) if holds else (_LOCK_BUDGETS, (accounts,))


def opened_budgets(rows: Sequence[tuple[Any, ...]], now_us: int) -> BudgetBook:
    """The book over the rows of `lock_budgets`."""
    budgets: dict[tuple[UUID, UUID], Budget] = {}
    counted: list[BudgetHold] = []
    for account, budget, key, period, limit, spent, held, start, hold_id, hold_start in rows:
        if (account, budget) not in budgets:
            sums = (limit, spent, held, start)
            budgets[account, budget] = Budget(account, budget, key, Period(period), *sums)
        if hold_id is not None:
            counted.append(BudgetHold(account, budget, hold_id, hold_start))
    return BudgetBook(budgets.values(), counted, now_us)


def written_budgets(book: BudgetBook) -> Sequence[Statement]:
    """What makes durable what the book took."""
    writes: list[Statement] = []
    if book.changed:
        budgets = [book.budgets[name] for name in book.changed]
        columns: tuple[list[Any], ...] = (
            [each.account_id for each in budgets],
            [each.budget_id for each in budgets],
            [each.spent_micros for each in budgets],
            [each.held_micros for each in budgets],
            [each.period_start_us for each in budgets],
        )
        writes.append((_WRITE_BUDGETS, columns))
    if book.opened:
        starts = [each.period_start_us for each in book.opened]
        writes.append((_OPEN_HOLDS, (*_names(book.opened), starts)))
    if book.closed:
        writes.append((_CLOSE_HOLDS, _names(book.closed)))
    return writes


def _names(holds: Collection[BudgetHold]) -> tuple[list[UUID], list[UUID], list[UUID]]:
    accounts = [each.account_id for each in holds]
    return accounts, [each.budget_id for each in holds], [each.hold_id for each in holds]
