"""Retries are a share of the live traffic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.policy.budgets import Budgets, RetryBudget


def begin_all(budget: RetryBudget, name: str) -> int:
    taken = 0
    while budget.allows(name):
        budget.take(name)
        taken += 1
    return taken


@pytest.mark.parametrize(
    ("live", "retries"), [(0, 3), (1, 3), (15, 3), (19, 3), (20, 4), (100, 20), (1004, 200)]
)
def test_retries_are_a_fifth_of_the_live_traffic_and_three_at_least(live, retries) -> None:
    budget = RetryBudget()
    for _ in range(live):
        budget.enter("a")

    assert begin_all(budget, "a") == retries
    assert begin_all(budget, "b") == 3, "names do not share"


def test_a_retry_that_ended_makes_room() -> None:
    budget = RetryBudget()
    begin_all(budget, "a")
    budget.give_back("a")

    assert begin_all(budget, "a") == 1


def test_a_retry_needs_both_budgets_and_takes_neither_when_one_is_spent() -> None:
    budgets = Budgets()
    begin_all(budgets.keys, "key")

    assert budgets.take("channel", "key") is None
    assert begin_all(budgets.channels, "channel") == 3
    assert budgets.take("channel", "other key") is None


def test_permits_are_given_back_to_both() -> None:
    budgets = Budgets()
    permits = [budgets.take("channel", "key") for _ in range(3)]
    assert budgets.take("channel", "key") is None
    for permit in permits:
        assert permit is not None
        budgets.give_back(permit)

    assert budgets.take("channel", "key") is not None


def test_what_was_never_begun_cannot_end() -> None:
    with pytest.raises(KeyError):
        RetryBudget().leave("a")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=200))
def test_nothing_is_remembered_once_nothing_is_in_flight(steps) -> None:
    budget, live, retries = RetryBudget(), [], []
    for name, is_retry, ends in steps:
        if is_retry and ends and retries:
            budget.give_back(retries.pop())
        elif is_retry and budget.allows(name):
            budget.take(name)
            retries.append(name)
        elif ends and live:
            budget.leave(live.pop())
        else:
            budget.enter(name)
            live.append(name)
        assert len(budget) == len({*live, *retries})
    for name in retries:
        budget.give_back(name)
    for name in live:
        budget.leave(name)

    assert len(budget) == 0
