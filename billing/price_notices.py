"""Which prices rise from one price list to the next, and when: 14 days' notice at least. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import lcm

from billing.pricing import PriceError, PriceRow, begins, dearest

NOTICE = timedelta(days=14)
"""Of an increase (design.md 6): who holds credits bought them at the prices of the day."""


@dataclass(frozen=True, slots=True)
class Increase:
    """A price that will be higher than was announced before."""

    unit: str
    conditions: Mapping[str, str]
    old_micros: int
    """What `per` units would cost then by the list before."""
    new_micros: int
    per: int
    effective_from: datetime


def increases(
    before: Sequence[PriceRow],
    after: Sequence[PriceRow],
    unit: str,
    conditions: Mapping[str, str],
    now: datetime,
) -> Iterator[Increase]:
    """When, from *now* on, *after* asks more for a *unit* than *before* did for the same moment.

    Each step once. Where either has no price there is nothing to compare: what was not offered
    may cost anything.
    """
    told: Fraction | None = None
    steps = {begins(row) for row in (*before, *after) if row.unit == unit}
    for moment in [now, *sorted(step for step in steps if step > now)]:
        old, new = (_price(rows, unit, conditions, moment) for rows in (before, after))
        if old is None or new is None or new <= old:
            told = None
        elif new != told:
            told = new
            per = lcm(old.denominator, new.denominator)
            yield Increase(unit, conditions, int(old * per), int(new * per), per, moment)


def is_in_time(increase: Increase, now: datetime) -> bool:
    """Whether its notice is long enough, if it is given *now*."""
    return increase.effective_from >= now + NOTICE


def first_day(now: datetime) -> date:
    """The first day (UTC) on which an increase may begin that is announced *now*."""
    moment = (now + NOTICE).astimezone(UTC)
    day = moment.date()
    return day if moment == datetime(day.year, day.month, day.day, tzinfo=UTC) else day + _DAY


_DAY = timedelta(days=1)


def _price(
    rows: Sequence[PriceRow], unit: str, conditions: Mapping[str, str], moment: datetime
) -> Fraction | None:
    """Micro-dollars per unit; None where there is no price."""
    try:
        row = dearest(rows, unit, conditions, moment)
    except PriceError:
        return None
    return Fraction(row.amount_micros, row.per)
