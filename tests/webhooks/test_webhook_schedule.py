"""When messages are tried again, and when they and their receivers are given up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.webhooks.schedule import (
    GAPS,
    GIVE_UP,
    HOUR,
    JITTER,
    Course,
    Fault,
    Tried,
    Verdict,
    answered,
    judge,
    next_gap,
)

chances = st.floats(0, 1)
FAILED = Tried(fault=Fault.TIMEOUT)


def ages(chance: float, latency: float = 0.0) -> list[float]:
    """When the tries of a message are that always fails."""
    found: list[float] = []
    age = 0.0
    while True:
        found.append(age)
        age += latency
        gap = next_gap(len(found), age, lambda: chance)
        if gap is None:
            return found
        age += gap


@given(chances)
def test_a_message_is_tried_until_72_hours_are_over_and_then_not_again(chance: float) -> None:
    tries = ages(chance)

    assert tries[-1] == pytest.approx(GIVE_UP)
    assert 11 <= len(tries) <= len(GAPS) + 1
    assert tries == sorted(tries)
    assert tries[1] <= 6, "the first retry comes within seconds"


@given(chances)
def test_each_gap_is_within_a_tenth_of_what_it_should_be(chance: float) -> None:
    for number, (before, after) in enumerate(zip(ages(chance), ages(chance)[1:], strict=False)):
        if after < GIVE_UP - 1:
            assert after - before == pytest.approx(GAPS[number], rel=JITTER + 1e-9)


@given(chances, st.floats(0, 15))
def test_a_receiver_that_never_took_anything_is_disabled_with_the_last_try(
    chance: float, latency: float
) -> None:
    last = ages(chance, latency)[-1]
    course = Course(len(GAPS), last, failing_for=last - latency)

    assert judge(FAILED, course, lambda: chance) == Verdict(disable=True)


@given(st.integers(100, 599), st.integers(0, 20), st.floats(0, 2 * GIVE_UP), chances)
def test_a_2xx_ends_it_and_nothing_else_counts_as_taken(
    status: int, tries: int, age: float, chance: float
) -> None:
    verdict = judge(answered(status), Course(tries, age), lambda: chance)

    assert verdict.delivered is (200 <= status < 300)
    if verdict.delivered or status == 410:
        assert verdict.next_in is None
    assert verdict.disable is (status == 410)


def test_a_test_is_tried_once() -> None:
    course = Course(0, 0.0, once=True)

    assert judge(FAILED, course, lambda: 0.5) == Verdict()


def test_failures_of_less_than_three_days_disable_nobody() -> None:
    course = Course(3, 60.0, failing_for=71 * HOUR)

    assert not judge(FAILED, course, lambda: 0.5).disable
