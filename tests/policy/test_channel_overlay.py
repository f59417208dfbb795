"""What operators say about channels: who is closed, and with which weight the rest are asked."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.body import Secret
from core.errors import Fault, Reason, UpstreamError
from core.model import Channel, Resubmit
from core.policy.budgets import Budgets
from core.policy.decisions import Attempt, Reconcile, Stop
from core.policy.failover import Failover, Fleet, Plan
from core.policy.health import HealthBook
from core.policy.overlay import AS_WRITTEN, Admission, Overlay, Rule
from core.policy.routing import Choice, Unroutable, Why, choose, look

OPERATION = "image.generate"
CLOSED = (Admission.DRAINING, Admission.DISABLED)


def channel(name: str, **more: Any) -> Channel:
    return Channel(name, "openai_images", "m", "http://127.0.0.1", Secret("k"), **more)


ABC = tuple(channel(name, priority=index) for index, name in enumerate("abc"))

RULES = st.dictionaries(
    st.sampled_from("abcd"),
    st.builds(Rule, st.sampled_from(Admission), st.none() | st.integers(1, 1000)),
)


@given(RULES)
def test_those_that_are_open_are_the_channels_without_those_that_are_closed(
    rules: Mapping[str, Rule],
) -> None:
    overlay = Overlay(rules)
    names = [item.name for item in overlay.open(ABC)]
    assert names == [item.name for item in ABC if item.name not in overlay.closed]
    assert overlay.closed == {name for name, rule in rules.items() if rule.admission in CLOSED}


@given(RULES)
def test_a_weight_of_the_operators_stands_for_the_catalogues_and_nothing_else_changes(
    rules: Mapping[str, Rule],
) -> None:
    for before, after in zip(ABC, Overlay(rules).weighted(ABC), strict=True):
        weight = rules.get(before.name, AS_WRITTEN).weight
        assert after.weight == (before.weight if weight is None else weight)
        assert after is before or weight is not None
        assert (after.name, after.priority, after.deadlines) == (
            before.name,
            before.priority,
            before.deadlines,
        )


@given(RULES, RULES)
def test_what_changed_is_what_differs(one: Mapping[str, Rule], other: Mapping[str, Rule]) -> None:
    before, after = Overlay(one), Overlay(other)
    changed = before.changed(after)
    assert changed == sorted(changed)
    assert set(changed) == {n for n in "abcd" if before.rule(n) != after.rule(n)}
    assert before.changed(before) == []


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(HealthBook(), Budgets(), random.Random(5).random)


def begin(fleet: Fleet, *channels: Channel) -> Failover:
    return Failover(fleet, Plan(channels or ABC, OPERATION, key="key"))


def booked(failover: Failover, now: float = 0.0) -> Attempt:
    attempt = failover.next_channel(now)
    assert isinstance(attempt, Attempt)
    return attempt


def test_a_closed_channel_gets_no_first_attempt(fleet: Fleet) -> None:
    fleet.health.closed = frozenset({"a"})
    assert booked(begin(fleet)).channel.name == "b"


def test_a_channel_that_closes_while_another_is_asked_gets_no_failover_attempt(
    fleet: Fleet,
) -> None:
    failover = begin(fleet)
    attempt = booked(failover)
    fleet.health.closed = frozenset({"b"})
    failover.failed(attempt, UpstreamError(Fault.SERVER_ERROR), 0.0)
    assert booked(failover).channel.name == "c"


def test_a_channel_that_closes_gets_no_second_try(fleet: Fleet) -> None:
    failover = begin(fleet, ABC[0])
    attempt = booked(failover)
    fleet.health.closed = frozenset({"a"})
    stop = failover.failed(attempt, UpstreamError(Fault.SERVER_ERROR), 0.0)
    assert isinstance(stop, Stop)
    assert stop.reason is Reason.UPSTREAM_ERROR, "what went wrong is said, not who is closed"


def test_an_attempt_on_a_channel_that_closes_goes_on(fleet: Fleet) -> None:
    failover = begin(fleet)
    attempt = booked(failover)
    fleet.health.closed = frozenset({"a"})
    failover.succeeded(attempt, 1.0)
    assert fleet.health.of("a", OPERATION).load.in_flight == 0


def test_a_job_that_may_be_there_is_looked_for_on_a_channel_that_closes(fleet: Fleet) -> None:
    failover = begin(fleet, channel("a", resubmit=Resubmit.RECONCILE_FIRST), *ABC[1:])
    attempt = booked(failover)
    fleet.health.closed = frozenset({"a"})
    assert failover.failed(attempt, UpstreamError(Fault.LOST), 0.0) == Reconcile(attempt)
    failover.found()
    failover.succeeded(attempt, 1.0)


def test_a_closed_channel_is_not_even_asked_when_all_others_are_ejected(fleet: Fleet) -> None:
    for name in "bc":
        health = fleet.health.of(name, OPERATION)
        health.failed(health.admit(0.0, 600), UpstreamError(Fault.AUTH), 0.0, 0.5)
    fleet.health.closed = frozenset({"a"})
    assert booked(begin(fleet)).channel.name in "bc"


def test_when_all_are_closed_the_error_says_so_and_when_to_come_back(fleet: Fleet) -> None:
    fleet.health.closed = frozenset("abc")
    stop = begin(fleet).next_channel(0.0)
    assert isinstance(stop, Stop)
    error = stop.to_error()
    assert (stop.reason, error.reason) == (Reason.OVERLOADED, Reason.OVERLOADED)
    assert error.retry_after
    assert "closed" in error.message


def test_one_that_is_full_is_told_before_those_that_are_closed(fleet: Fleet) -> None:
    fleet.health.closed = frozenset({"a"})
    full = channel("full", maximum_in_flight=0)
    for channels in ((ABC[0], full), (full, ABC[0])):
        found = choose(channels, fleet.health, OPERATION, 0.0, lambda: 0.5)
        assert found == Unroutable(Why.FULL)
    assert look(ABC[0], fleet.health, OPERATION, 0.0) is None
    assert isinstance(look(ABC[1], fleet.health, OPERATION, 0.0), Choice)
