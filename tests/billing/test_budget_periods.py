"""When budgets start again: midnight and the first of the month, UTC."""

from datetime import UTC, datetime

import pytest

from billing.budgets import Period, period_end, period_start


def us(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("period", "begin", "end"),
    [
        (Period.DAY, us(2028, 2, 29), us(2028, 3, 1)),
        (Period.MONTH, us(2028, 2, 1), us(2028, 3, 1)),
        (Period.MONTH, us(2027, 12, 1), us(2028, 1, 1)),
        (Period.MONTH, us(2027, 1, 1), us(2027, 2, 1)),
    ],
)
def test_a_period_holds_its_first_microsecond_and_not_its_end(
    period: Period, begin: int, end: int
) -> None:
    for now in (begin, begin + 1, end - 1):
        assert (period_start(period, now), period_end(period, now)) == (begin, end)
    assert period_start(period, end) == end


def test_a_total_never_starts_again() -> None:
    assert period_start(Period.TOTAL, us(2028, 2, 29)) == 0
    assert period_end(Period.TOTAL, us(2028, 2, 29)) is None
