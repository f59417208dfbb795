"""The attempts of one generation: which channel next, or stop."""

import random
from typing import Any

import pytest

from core.body import Secret
from core.errors import MEANING, Another, Fault, Phase, Reason, UpstreamError
from core.model import Channel, Deadlines, Resubmit
from core.policy.budgets import Budgets
from core.policy.failover import (
    Attempt,
    Failover,
    Fleet,
    Plan,
    Reconcile,
    Stop,
    TryAnother,
)
from core.policy.health import HealthBook, Standing
from core.policy.routing import Needs

OPERATION = "image.generate"
HARD = [fault for fault in Fault if MEANING[fault].another is Another.ALWAYS]
MAYBE = [fault for fault in Fault if MEANING[fault].another is Another.IF_DUPLICATE_OK]
NEVER = [fault for fault in Fault if MEANING[fault].another is Another.NEVER]


def channel(name: str, **more: Any) -> Channel:
    return Channel(name, "openai_images", "m", "http://127.0.0.1", Secret("k"), **more)


ABC = tuple(channel(f"{name}", priority=index) for index, name in enumerate("abc"))


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(HealthBook(), Budgets(), random.Random(5).random)


def begin(fleet: Fleet, *channels: Channel, **more: Any) -> Failover:
    return Failover(fleet, Plan(channels or ABC, OPERATION, key="key", **more))


def booked(failover: Failover, now: float = 0.0) -> Attempt:
    attempt = failover.next_channel(now)
    assert isinstance(attempt, Attempt)
    return attempt


def lose(failover: Failover, fault: Fault = Fault.SERVER_ERROR, now: float = 0.0, **more: Any):
    """Fail the next attempt."""
    return failover.failed(booked(failover, now), UpstreamError(fault, **more), now)


def eject(fleet: Fleet, name: str, now: float = 0.0, fault: Fault = Fault.AUTH) -> None:
    health = fleet.health.of(name, OPERATION)
    health.failed(health.admit(now, 600), UpstreamError(fault), now, 0.5)


def spend(fleet: Fleet, channel_name: str) -> None:
    while fleet.budgets.channels.allows(channel_name):
        fleet.budgets.channels.take(channel_name)


@pytest.mark.parametrize("fault", [*HARD, *MAYBE])
def test_after_a_fault_the_next_channel_is_asked_at_once(fleet, fault) -> None:
    failover = begin(fleet)

    assert lose(failover, fault) == TryAnother(0.0)
    assert booked(failover).channel.name == "b"
    assert booked(failover).number == 3


@pytest.mark.parametrize("fault", NEVER)
def test_a_request_that_is_refused_for_what_it_is_goes_to_nobody_else(fleet, fault) -> None:
    failover = begin(fleet)
    stop = lose(failover, fault, stage="output", parameter="size")

    assert isinstance(stop, Stop)
    assert stop.reason is MEANING[fault].reason
    assert failover.next_channel(0.0) is stop


@pytest.mark.parametrize("fault", [*HARD, *MAYBE])
def test_a_committed_stream_never_changes_channel(fleet, fault) -> None:
    failover = begin(fleet)
    attempt = booked(failover)
    failover.delivered()
    stop = failover.failed(attempt, UpstreamError(fault), 1.0)

    assert isinstance(stop, Stop)
    assert stop.reason is Reason.STREAM_INTERRUPTED
    assert failover.next_channel(1.0) is stop


def test_after_the_commit_point_no_attempt_begins_even_unasked(fleet) -> None:
    failover = begin(fleet)
    booked(failover)
    failover.delivered()

    assert failover.next_channel(0.0) == Stop(Reason.STREAM_INTERRUPTED, 1)


def test_moderation_after_previews_is_still_called_moderation(fleet) -> None:
    failover = begin(fleet)
    attempt = booked(failover)
    failover.delivered()
    stop = failover.failed(attempt, UpstreamError(Fault.CONTENT_POLICY, stage="output"), 1.0)

    assert isinstance(stop, Stop)
    assert stop.to_error().metadata == {"attempts": "1", "stage": "output"}
    assert stop.reason is Reason.CONTENT_POLICY_VIOLATION


# How often


def test_there_are_four_attempts_at_most(fleet) -> None:
    channels = [channel(str(index)) for index in range(9)]
    failover = begin(fleet, *channels)
    decisions = [lose(failover) for _ in range(4)]

    assert decisions[:3] == [TryAnother()] * 3
    assert isinstance(decisions[3], Stop)
    assert failover.attempts == 4
    assert decisions[3].to_error().metadata["attempts"] == "4"


def test_a_second_try_of_a_channel_comes_last_and_waits(fleet) -> None:
    failover = begin(fleet)
    for _ in range(2):
        assert lose(failover) == TryAnother(0.0)
    decision = lose(failover)

    assert isinstance(decision, TryAnother)
    assert 0.25 <= decision.delay <= 0.5
    assert booked(failover).channel.name == "a"


def test_the_wait_doubles_and_is_never_shorter_than_the_provider_asked(fleet) -> None:
    failover = begin(fleet, channel("a"))
    delays = []
    for retry_after in (None, None, 7.0):
        decision = lose(failover, Fault.OVERLOADED, retry_after=retry_after)
        assert isinstance(decision, TryAnother)
        delays.append(decision.delay)

    assert 0.25 <= delays[0] <= 0.5 <= delays[1] <= 1.0
    assert delays[2] == 7.0


def test_a_provider_that_asks_for_more_than_ten_seconds_is_not_waited_for(fleet) -> None:
    stop = lose(begin(fleet, channel("a")), Fault.OVERLOADED, retry_after=10.1)

    assert isinstance(stop, Stop)
    assert stop.to_error().retry_after == 10.1


@pytest.mark.parametrize("fault", [Fault.AUTH, Fault.QUOTA, Fault.NOT_FOUND, Fault.TIMEOUT])
def test_what_will_not_change_is_not_tried_on_the_same_channel(fleet, fault) -> None:
    assert isinstance(lose(begin(fleet, channel("a")), fault), Stop)


def test_a_second_try_needs_the_budget_of_the_channel(fleet) -> None:
    spend(fleet, "a")
    failover = begin(fleet, channel("a"), channel("b"))
    lose(failover)
    decision = lose(failover)

    assert isinstance(decision, TryAnother)
    assert booked(failover).channel.name == "b"


def test_a_second_try_needs_the_budget_of_the_key(fleet) -> None:
    others = [begin(fleet, channel("a")) for _ in range(4)]
    for other in others[:3]:
        lose(other, Fault.OVERLOADED)
        booked(other)

    assert isinstance(lose(others[3], Fault.OVERLOADED), Stop)

    others[0].close()
    fresh = begin(fleet, channel("b"))

    assert isinstance(lose(fresh, Fault.OVERLOADED), TryAnother)


def test_an_untried_channel_needs_no_budget(fleet) -> None:
    for name in "abc":
        spend(fleet, name)
    failover = begin(fleet)
    lose(failover)
    lose(failover)

    assert booked(failover).channel.name == "c"


def test_an_ejected_channel_needs_the_budget_unless_it_is_the_first_attempt(fleet) -> None:
    for name in "abc":
        eject(fleet, name)
    spend(fleet, "b")
    failover = begin(fleet)

    assert booked(failover, 1.0).channel.name == "a"
    assert booked(failover, 1.0).channel.name == "c"
    assert begin(fleet, channel("b")).next_channel(1.0) != Stop(Reason.UPSTREAM_ERROR, 0)


def test_a_failed_probe_costs_a_request_one_failover(fleet) -> None:
    eject(fleet, "a")
    eject(fleet, "c")
    failover = begin(fleet)
    probe = booked(failover, 60.0)

    assert (probe.channel.name, probe.standing) == ("a", Standing.PROBE_DUE)
    assert failover.failed(probe, UpstreamError(Fault.AUTH), 60.0) == TryAnother(0.0)
    assert booked(failover, 60.0).channel.name == "b", "not the other probe"


# Fate unknown


@pytest.mark.parametrize("fault", MAYBE)
def test_a_channel_that_must_be_reconciled_is_never_left_before_its_answer(fleet, fault) -> None:
    careful = channel("a", resubmit=Resubmit.RECONCILE_FIRST)
    failover = begin(fleet, careful, channel("b", priority=1))
    attempt = booked(failover)
    decision = failover.failed(attempt, UpstreamError(fault), 1.0)

    assert decision == Reconcile(attempt)
    with pytest.raises(AssertionError):
        failover.next_channel(1.0)

    assert failover.absent(60.0) == TryAnother(0.0)
    assert booked(failover, 60.0).channel.name == "b"


@pytest.mark.parametrize(
    ("fault", "phase"),
    [(Fault.TIMEOUT, Phase.CONNECT), *((fault, Phase.FIRST_BYTE) for fault in HARD)],
)
def test_what_was_surely_refused_or_never_sent_needs_no_reconciliation(fleet, fault, phase) -> None:
    careful = channel("a", resubmit=Resubmit.RECONCILE_FIRST)
    failover = begin(fleet, careful, channel("b", priority=1))

    assert lose(failover, fault, phase=phase) == TryAnother(0.0)


# The caller's time


def test_an_attempt_is_cut_to_the_callers_time(fleet) -> None:
    failover = begin(fleet, ends=7.0)
    attempt = booked(failover, 2.0)

    assert attempt.deadlines == Deadlines(3.0, 5.0, 5.0, 5.0, 5.0)


def test_a_channel_is_not_blamed_when_the_callers_time_runs_out(fleet) -> None:
    for _ in range(5):
        failover = begin(fleet, ends=5.0)
        attempt = booked(failover)
        stop = failover.failed(attempt, UpstreamError(Fault.TIMEOUT), 5.0)

        assert isinstance(stop, Stop)
        assert stop.reason is Reason.UPSTREAM_TIMEOUT
        assert failover.next_channel(5.0) is stop

    assert fleet.health.of("a", OPERATION).standing(5.0) is Standing.HEALTHY


def test_a_channel_is_blamed_when_its_own_deadline_passes_first(fleet) -> None:
    for _ in range(3):
        with begin(fleet, ends=5.0) as failover:
            assert lose(failover, Fault.TIMEOUT, now=3.0, phase=Phase.CONNECT) == TryAnother(0.0)

    assert fleet.health.of("a", OPERATION).standing(3.0) is Standing.EJECTED


def test_no_attempt_begins_when_no_time_is_left(fleet) -> None:
    assert begin(fleet, ends=5.0).next_channel(5.0) == Stop(Reason.DEADLINE_EXCEEDED, 0)

    failover = begin(fleet, ends=5.0)
    attempt = booked(failover)
    stop = failover.failed(attempt, UpstreamError(Fault.SERVER_ERROR), 4.99)

    assert isinstance(stop, Stop)
    assert stop.reason is Reason.UPSTREAM_ERROR


def test_nobody_waits_for_a_second_try_beyond_the_callers_time(fleet) -> None:
    failover = begin(fleet, channel("a"), ends=5.0)
    attempt = booked(failover)

    assert isinstance(failover.failed(attempt, UpstreamError(Fault.OVERLOADED), 4.8), Stop)


# Dead ends


def test_a_request_no_channel_can_serve_stops_with_the_parameter(fleet) -> None:
    only = channel("a", unsupported=frozenset({"background"}))
    needs = Needs({"background": "background"})
    stop = begin(fleet, only, needs=needs).next_channel(0.0)

    assert isinstance(stop, Stop)
    assert stop.reason is Reason.NO_CHANNEL
    assert stop.to_error().parameter == "background"


def test_channels_at_their_limit_are_overload_that_may_be_retried(fleet) -> None:
    only = channel("a", maximum_in_flight=1)
    booked(begin(fleet, only))
    stop = begin(fleet, only).next_channel(0.0)

    assert isinstance(stop, Stop)
    assert stop.reason is Reason.OVERLOADED
    assert stop.to_error().retry_after == 1.0


# Nothing leaks


def test_leaving_gives_back_what_is_booked_without_a_verdict(fleet) -> None:
    eject(fleet, "a")
    with begin(fleet) as failover:
        assert booked(failover, 60.0).slot.is_probe
        booked(failover, 60.0)
    failover.close()

    assert [health.load.in_flight for health in fleet.health] == [0, 0, 0]
    assert fleet.health.of("a", OPERATION).standing(60.0) is Standing.PROBE_DUE
    assert len(fleet.budgets.channels) == len(fleet.budgets.keys) == 0


def test_a_success_is_a_verdict_and_ends_the_generation(fleet) -> None:
    with begin(fleet) as failover:
        attempt = booked(failover, 1.0)
        failover.succeeded(attempt, 3.0)

        assert isinstance(failover.next_channel(3.0), Stop)

    assert fleet.health.of("a", OPERATION).latency(3.0) == 2.0
    assert len(fleet.budgets.channels) == len(fleet.budgets.keys) == 0
