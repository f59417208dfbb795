"""Why a generation failed, chosen over everything that went wrong."""

import random
from typing import Any

import pytest

from core.body import Body, Secret
from core.errors import Fault, Reason, UpstreamError
from core.model import Channel
from core.policy.budgets import Budgets
from core.policy.decisions import conclude
from core.policy.failover import (
    Attempt,
    Cause,
    Failover,
    Fleet,
    Plan,
    Stop,
    TryAnother,
)
from core.policy.health import HealthBook

OPERATION = "image.generate"


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


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ([Fault.OVERLOADED, Fault.TIMEOUT, Fault.CONTENT_POLICY], Reason.CONTENT_POLICY_VIOLATION),
        ([Fault.SERVER_ERROR, Fault.BAD_REQUEST], Reason.UPSTREAM_REJECTED),
        ([Fault.QUOTA, Fault.RATE_LIMITED, Fault.QUOTA], Reason.UPSTREAM_OVERLOADED),
        ([Fault.OVERLOADED, Fault.SERVER_ERROR, Fault.TIMEOUT], Reason.UPSTREAM_TIMEOUT),
        ([Fault.TIMEOUT, Fault.AUTH, Fault.QUOTA], Reason.UPSTREAM_ERROR),
        ([Fault.TIMEOUT, Fault.TIMEOUT, Fault.QUOTA], Reason.UPSTREAM_ERROR),
    ],
)
def test_the_reason_is_chosen_over_all_causes(faults, reason) -> None:
    causes = [Cause(channel("a"), UpstreamError(fault)) for fault in faults]
    stop = conclude(causes, len(causes))

    assert (stop.reason, stop.attempts) == (reason, len(faults))
    assert stop.cause in [cause.error for cause in causes]


def test_the_causes_are_kept_in_order(fleet) -> None:
    failover = begin(fleet)
    faults = [Fault.AUTH, Fault.TIMEOUT, Fault.NOT_FOUND]
    decision = [lose(failover, fault) for fault in faults][-1]

    assert isinstance(decision, Stop)
    assert [(cause.channel.name, cause.error.fault) for cause in failover.causes] == list(
        zip("abc", faults, strict=True)
    )


def test_overload_tells_the_soonest_moment_to_come_back(fleet) -> None:
    failover = begin(fleet)
    waits = (30.0, 12.0, None)
    decision = [lose(failover, Fault.RATE_LIMITED, retry_after=wait) for wait in waits][-1]
    while isinstance(decision, TryAnother):
        decision = lose(failover, Fault.RATE_LIMITED, retry_after=40.0)

    assert isinstance(decision, Stop)
    assert decision.to_error().retry_after == 12.0


def test_the_providers_words_are_not_in_the_error(fleet) -> None:
    stop = lose(begin(fleet), Fault.BAD_REQUEST, detail=Body("canary"), parameter="size")

    assert isinstance(stop, Stop)
    error = stop.to_error()
    assert error.parameter == "size"
    assert "canary" not in f"{error.message}{error.metadata}{stop!r}{error!r}"
    assert stop.cause is not None
    assert stop.cause.detail == Body("canary")
