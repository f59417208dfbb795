"""Budgets: what a key or an account may spend in a day, a month or at all. Pure.

A hold counts against every budget of its key and of its account from the moment it is granted,
in the period of that moment: what it becomes later (a charge, or nothing) stays there. Periods
are of UTC, by the database's clock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Period(StrEnum):
    """After which time a budget starts again."""

    DAY = "day"
    MONTH = "month"
    TOTAL = "total"
    """Never."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit, and what was spent and is held in the period that began then."""

    account_id: UUID
    budget_id: UUID
    key_id: UUID | None
    """Whose spending counts; None: the whole account's."""
    period: Period
    limit_micros: int
    spent_micros: int = 0
    held_micros: int = 0
    period_start_us: int = 0
    """Microseconds since 1970; an older period than the current one means that both sums are 0."""

    @property
    def left_micros(self) -> int:
        """0 where the limit was lowered below what is spent and held."""
        return max(0, self.limit_micros - self.spent_micros - self.held_micros)


@dataclass(frozen=True, slots=True)
class BudgetHold:
    """An unresolved hold counts against a budget, in the period that began then."""

    account_id: UUID
    budget_id: UUID
    hold_id: UUID
    period_start_us: int


@dataclass(frozen=True, slots=True)
class BudgetExceeded:
    """The amount does not fit a budget; of several, the tightest is named."""

    budget_id: UUID
    period: Period
    limit_micros: int
    needed_micros: int
    left_micros: int
    is_of_key: bool
    """Else of the account."""


def period_start(period: Period, now_us: int) -> int:
    """When the period of that moment began, in microseconds since 1970; 0 for TOTAL."""
    now = _EPOCH + now_us * _MICROSECOND
    match period:
        case Period.DAY:
            start = now.replace(hour=0, minute=0, second=0, microsecond=0)
        case Period.MONTH:
            start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        case Period.TOTAL:
            start = _EPOCH
    return (start - _EPOCH) // _MICROSECOND


def period_end(period: Period, now_us: int) -> int | None:
    """When the period of that moment ends and the next one begins; None for TOTAL."""
    start = _EPOCH + period_start(period, now_us) * _MICROSECOND
    match period:
        case Period.DAY:
            end = start + timedelta(days=1)
        case Period.MONTH:
            end = (start + timedelta(days=31)).replace(day=1)
        case Period.TOTAL:
            return None
    return (end - _EPOCH) // _MICROSECOND


def at(budget: Budget, now_us: int) -> Budget:
    """The budget as it stands at that moment: a new period begins with nothing spent.

    A clock that goes back does not bring back an earlier period.
    """
    start = period_start(budget.period, now_us)
    if start <= budget.period_start_us:
        return budget
    return replace(budget, spent_micros=0, held_micros=0, period_start_us=start)


class BudgetBook:
    """Which holds the budgets of some accounts allow."""

    def __init__(
        self, budgets: Iterable[Budget], counted: Iterable[BudgetHold], now_us: int
    ) -> None:
        """*budgets* are all of the accounts'; *counted* those of the holds to be resolved."""
        self.budgets = {(each.account_id, each.budget_id): each for each in budgets}
        self.changed: set[tuple[UUID, UUID]] = set()
        self.opened: dict[BudgetHold, None] = {}
        """What is to be written, in order."""
        self.closed: list[BudgetHold] = []
        """What is to be removed."""
        self._now_us = now_us
        self._of_account: dict[UUID, list[UUID]] = {}
        for account_id, budget_id in self.budgets:
            self._of_account.setdefault(account_id, []).append(budget_id)
        self._counted: dict[tuple[UUID, UUID], list[BudgetHold]] = {}
        for each in counted:
            self._counted.setdefault((each.account_id, each.hold_id), []).append(each)

    def refusal(self, account_id: UUID, key_id: UUID, amount_micros: int) -> BudgetExceeded | None:
        """The budget that has least left, where that is not enough."""
        tightest = min(
            self._budgets(account_id, key_id), key=lambda each: each.left_micros, default=None
        )
        if tightest is None or amount_micros <= tightest.left_micros:
            return None
        return BudgetExceeded(
            tightest.budget_id,
            tightest.period,
            tightest.limit_micros,
            amount_micros,
            tightest.left_micros,
            tightest.key_id is not None,
        )

    def hold(self, account_id: UUID, key_id: UUID, hold_id: UUID, amount_micros: int) -> None:
        """Count a hold that was not refused."""
        for budget in self._budgets(account_id, key_id):
            held = budget.held_micros + amount_micros
            self._set(replace(budget, held_micros=held))
            opened = BudgetHold(account_id, budget.budget_id, hold_id, budget.period_start_us)
            self._counted.setdefault((account_id, hold_id), []).append(opened)
            self.opened[opened] = None

    def resolve(self, account_id: UUID, hold_id: UUID, held_micros: int, charged: int) -> None:
        """Count what a hold became, in the period in which it was granted."""
        for hold in self._counted.pop((account_id, hold_id), ()):
            if hold in self.opened:
                del self.opened[hold]
            else:
                self.closed.append(hold)
            budget = self.budgets[account_id, hold.budget_id]
            if budget.period_start_us == hold.period_start_us:
                held = budget.held_micros - held_micros
                spent = budget.spent_micros + charged
                self._set(replace(budget, held_micros=held, spent_micros=spent))

    def _budgets(self, account_id: UUID, key_id: UUID) -> Sequence[Budget]:
        """Those that a hold of this key counts against, as they stand now."""
        found = [self.budgets[account_id, id_] for id_ in self._of_account.get(account_id, ())]
        return [at(each, self._now_us) for each in found if each.key_id in (None, key_id)]

    def _set(self, budget: Budget) -> None:
        assert budget.held_micros >= 0
        name = (budget.account_id, budget.budget_id)
        self.budgets[name] = budget
        self.changed.add(name)
