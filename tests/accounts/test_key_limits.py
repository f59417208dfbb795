"""The rate of a key, by the microsecond."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from accounts.limits import (
    MINUTE_US,
    KeyProblem,
    KeyRelease,
    KeyState,
    KeyUse,
    LimitExceeded,
    LimitsBook,
    key_problem,
)

ACCOUNT, KEY = uuid4(), uuid4()
USE, RELEASE = KeyUse(ACCOUNT, KEY), KeyRelease(ACCOUNT, KEY)
START = 1_700_000_000_000_000


class Meter:
    """One key over time; each request has a book of its own, as in a commit."""

    def __init__(self, rate: int, concurrency: int = 1_000_000) -> None:
        self.state = KeyState(ACCOUNT, KEY, 0, 0, rate, concurrency)

    def asks(self, now_us: int) -> LimitExceeded | int:
        """The refusal, or how many could follow at once."""
        book = LimitsBook([self.state], now_us)
        refusal = book.refusal(USE)
        if refusal is not None:
            assert isinstance(refusal, LimitExceeded)
            return refusal
        allowance = book.take(USE)
        assert allowance is not None
        return allowance.remaining


@given(st.integers(1, 60_000))
def test_a_burst_is_exactly_the_limit(rate: int) -> None:
    meter = Meter(rate)
    # The first rate - 1 at once, by arithmetic rather than one by one.
    meter.state.tat_us = START + (rate - 1) * (MINUTE_US // rate)

    assert meter.asks(START) == 0
    assert isinstance(meter.asks(START), LimitExceeded)


@given(st.integers(1, 100_000), st.lists(st.integers(0, 2_000_000), max_size=200))
def test_after_the_time_it_was_told_the_next_one_fits_and_not_before(
    rate: int, pauses: list[int]
) -> None:
    meter, now = Meter(rate), START
    for pause in pauses:
        now += pause
        refusal = meter.asks(now)
        if isinstance(refusal, LimitExceeded):
            assert isinstance(meter.asks(now + refusal.retry_after_us - 1), LimitExceeded)
            now += refusal.retry_after_us
            assert not isinstance(meter.asks(now), LimitExceeded)


@given(st.integers(1, 500), st.lists(st.integers(0, 1_000_000), min_size=1, max_size=300))
def test_no_window_holds_more_than_the_limit_and_what_flowed_in(
    rate: int, pauses: list[int]
) -> None:
    meter, now, granted = Meter(rate), START, []
    for pause in pauses:
        now += pause
        if not isinstance(meter.asks(now), LimitExceeded):
            granted.append(now)
    interval = MINUTE_US // rate
    for first in range(len(granted)):
        for last in range(first, len(granted)):
            flowed_in = (granted[last] - granted[first]) // interval
            assert last - first + 1 <= rate + flowed_in


def test_an_idle_key_saves_no_more_than_a_minute() -> None:
    meter = Meter(3)
    assert [meter.asks(START) for _ in range(3)] == [2, 1, 0]

    assert [meter.asks(START + 10 * MINUTE_US) for _ in range(3)] == [2, 1, 0]
    assert isinstance(meter.asks(START + 10 * MINUTE_US), LimitExceeded)


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    meter = Meter(2)
    assert [meter.asks(START) for _ in range(2)] == [1, 0]

    assert isinstance(meter.asks(START - 5_000_000), LimitExceeded)


def test_a_slot_that_nobody_has_taken_is_not_given_back() -> None:
    book = LimitsBook([KeyState(ACCOUNT, KEY, 0, 0, 1, 1)], START)

    book.take(RELEASE)

    assert book.changed == []
    assert book.refusal(RELEASE) is None


def test_why_a_key_is_refused() -> None:
    assert key_problem(None, None, None, 10) is None
    assert key_problem(None, 11, None, 10) is None
    assert key_problem(None, 10, None, 10) is KeyProblem.EXPIRED
    assert key_problem(9, 10, None, 10) is KeyProblem.REVOKED
    assert key_problem(9, 10, 9, 10) is KeyProblem.SUSPENDED
