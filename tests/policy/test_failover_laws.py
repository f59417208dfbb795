"""Laws of the policy machines together, whatever the interleaving of requests."""

import heapq
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.body import Secret
from core.errors import MEANING, Another, Fault, UpstreamError
from core.model import Channel, Resubmit
from core.policy.budgets import Budgets
from core.policy.failover import Attempt, Failover, Fleet, Plan, Reconcile, Stop, TryAnother
from core.policy.health import HealthBook, Standing

OPERATION = "image.generate"
HARD = [fault for fault in Fault if MEANING[fault].another is Another.ALWAYS]
FIT = (Standing.HEALTHY, Standing.PROBE_DUE)


def channel(name: str, **more: Any) -> Channel:
    return Channel(name, "openai_images", "m", "http://127.0.0.1", Secret("k"), **more)


class Process(RuleBasedStateMachine):
    """Many generations of one process over four channels, in any order of events."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.chance = random.Random(0)
        self.fleet = Fleet(HealthBook(), Budgets(), self.chance.random)
        self.channels = (
            channel("a", maximum_in_flight=6),
            channel("b", weight=50),
            channel("c", priority=1, resubmit=Resubmit.RECONCILE_FIRST),
            channel("d", priority=2),
        )
        self.idle: list[Failover] = []
        self.waiting: list[Failover] = []
        self.running: list[tuple[Failover, Attempt]] = []
        self.tried: dict[Failover, list[str]] = {}
        self.committed: set[Failover] = set()
        self.limit = 0.0

    def _standing(self, name: str) -> Standing:
        return self.fleet.health.of(name, OPERATION).standing(self.now)

    def _has_room(self, each: Channel) -> bool:
        flying = [attempt for _, attempt in self.running if attempt.channel is each]
        return len(flying) < each.maximum_in_flight

    @rule(seed=st.integers(0, 2**16))
    def reseed(self, seed: int) -> None:
        self.chance.seed(seed)

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(key=st.sampled_from(["k", "l"]), count=st.integers(1, 8))
    def requests_arrive(self, key: str, count: int) -> None:
        for _ in range(count):
            failover = Failover(self.fleet, Plan(self.channels, OPERATION, key=key))
            self.idle.append(failover)
            self.tried[failover] = []

    @precondition(lambda self: self.idle)
    @rule(index=st.integers(0, 99), count=st.integers(1, 8))
    def attempts_begin(self, index: int, count: int) -> None:
        for _ in range(min(count, len(self.idle))):
            self._begin(self.idle.pop(index % len(self.idle)))

    def _begin(self, failover: Failover) -> None:
        tried = self.tried[failover]
        before = {
            each.name: self._standing(each.name)
            for each in self.channels
            if each.name not in tried and self._has_room(each)
        }
        budgets = self.fleet.budgets.channels
        allowed = {each.name: budgets.allows(each.name) for each in self.channels}
        step = failover.next_channel(self.now)
        if isinstance(step, Stop):
            assert not (len(tried) < 4 and any(standing in FIT for standing in before.values()))
            failover.close()
            return
        name = step.channel.name
        assert failover not in self.committed
        if step.standing not in FIT or name in tried:
            assert not any(standing in FIT for standing in before.values())
            assert not tried or allowed[name], "retries are within the budget"
            assert (step.permit is not None) == bool(tried)
        else:
            assert step.permit is None
        tried.append(name)
        assert len(tried) <= 4
        self.running.append((failover, step))

    def _pop(self, index: int) -> tuple[Failover, Attempt]:
        return self.running.pop(index % len(self.running))

    @precondition(lambda self: self.running)
    @rule(index=st.integers(0, 99))
    def one_succeeds(self, index: int) -> None:
        failover, attempt = self._pop(index)
        failover.succeeded(attempt, self.now)
        failover.close()

    @precondition(lambda self: self.running)
    @rule(index=st.integers(0, 99))
    def one_is_cancelled(self, index: int) -> None:
        self._pop(index)[0].close()

    @precondition(lambda self: self.running)
    @rule(index=st.integers(0, 99))
    def one_shows_output(self, index: int) -> None:
        failover, _ = self.running[index % len(self.running)]
        failover.delivered()
        self.committed.add(failover)

    @precondition(lambda self: self.running)
    @rule(
        index=st.integers(0, 99),
        count=st.integers(1, 8),
        fault=st.sampled_from(list(Fault)),
        retry_after=st.none() | st.floats(0, 100),
    )
    def some_fail(self, index: int, count: int, fault: Fault, retry_after: float | None) -> None:
        for _ in range(min(count, len(self.running))):
            failover, attempt = self._pop(index)
            error = UpstreamError(fault, retry_after=retry_after)
            self._decided(failover, attempt, error, failover.failed(attempt, error, self.now))

    def _decided(
        self,
        failover: Failover,
        attempt: Attempt,
        error: UpstreamError,
        decision: TryAnother | Reconcile | Stop,
    ) -> None:
        another = MEANING[error.fault].another
        if failover in self.committed or another is Another.NEVER:
            assert isinstance(decision, Stop)
        if isinstance(decision, Stop):
            failover.close()
        elif isinstance(decision, Reconcile):
            assert attempt.channel.resubmit is Resubmit.RECONCILE_FIRST
            assert another is Another.IF_DUPLICATE_OK
            self.waiting.append(failover)
        else:
            is_careful = attempt.channel.resubmit is Resubmit.RECONCILE_FIRST
            assert not (is_careful and another is Another.IF_DUPLICATE_OK)
            untried_fit = any(
                self._standing(each.name) in FIT
                for each in self.channels
                if each.name not in self.tried[failover] and self._has_room(each)
            )
            assert not (decision.delay and untried_fit)
            self.idle.append(failover)

    @precondition(lambda self: self.waiting)
    @rule(index=st.integers(0, 99))
    def a_provider_knows_no_job(self, index: int) -> None:
        failover = self.waiting.pop(index % len(self.waiting))
        with pytest.raises(AssertionError):
            failover.next_channel(self.now)
        if isinstance(failover.absent(self.now), Stop):
            failover.close()
        else:
            self.idle.append(failover)

    @invariant()
    def at_most_one_probe_per_channel(self) -> None:
        probes = [attempt.channel.name for _, attempt in self.running if attempt.slot.is_probe]
        current = [name for name in probes if self._standing(name) is Standing.PROBING]
        assert len(current) == len(set(current))

    @invariant()
    def loads_are_what_is_running(self) -> None:
        for health in self.fleet.health:
            flying = [each for _, each in self.running if each.channel.name == health.channel]
            assert health.load.in_flight == len(flying)

    @invariant()
    def ejections_end(self) -> None:
        for health in self.fleet.health:
            assert health.ejected_until is None or health.ejected_until <= self.now + 66

    def teardown(self) -> None:
        for failover in self.tried:
            failover.close()
        assert len(self.fleet.budgets.channels) == len(self.fleet.budgets.keys) == 0
        assert all(health.load.in_flight == 0 for health in self.fleet.health)


TestProcess = Process.TestCase
TestProcess.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(
    good=st.sampled_from("abc"),
    faults=st.dictionaries(st.sampled_from("abc"), st.sampled_from(HARD), min_size=3),
    priorities=st.lists(st.integers(0, 2), min_size=3, max_size=3),
    ejected=st.dictionaries(st.sampled_from("abc"), st.floats(0, 100)),
    seed=st.integers(0, 2**32),
)
def test_with_one_good_channel_among_three_a_request_succeeds(
    good, faults, priorities, ejected, seed
) -> None:
    fleet = Fleet(HealthBook(), Budgets(), random.Random(seed).random)
    channels = [channel(name, priority=tier) for name, tier in zip("abc", priorities, strict=True)]
    for name, when in ejected.items():
        health = fleet.health.of(name, OPERATION)
        health.failed(health.admit(when, 600), UpstreamError(Fault.AUTH), when, 0.5)
    with Failover(fleet, Plan(channels, OPERATION)) as failover:
        for _ in range(3):
            attempt = failover.next_channel(100.0)
            assert isinstance(attempt, Attempt)
            if attempt.channel.name == good:
                return
            error = UpstreamError(faults[attempt.channel.name])
            assert failover.failed(attempt, error, 100.0) == TryAnother(0.0)
    raise AssertionError


class Traffic:
    """A request every half second on virtual time; channel `a` is down until *down*."""

    def __init__(self, channels: list[Channel], down: float, fault: Fault, seed: int) -> None:
        self.fleet = Fleet(HealthBook(), Budgets(), random.Random(seed).random)
        self.channels = channels
        self.down = down
        self.fault = fault
        self.hang = 5.0 if fault is Fault.TIMEOUT else 0.01
        self.served: list[tuple[float, str]] = []
        self.wasted = 0
        self._due: list[tuple[float, int, Failover, Attempt]] = []
        self._count = 0

    def run(self, until: float) -> None:
        arrival = 0.0
        while arrival < until or self._due:
            if self._due and self._due[0][0] <= arrival:
                self._end(*heapq.heappop(self._due))
            else:
                self._begin(Failover(self.fleet, Plan(self.channels, OPERATION)), arrival)
                arrival = arrival + 0.5 if arrival < until else math.inf

    def _begin(self, failover: Failover, now: float) -> None:
        attempt = failover.next_channel(now)
        assert isinstance(attempt, Attempt)
        fails = attempt.channel.name == "a" and now < self.down
        self._count += 1
        heapq.heappush(
            self._due, (now + (self.hang if fails else 0.1), self._count, failover, attempt)
        )

    def _end(self, now: float, _: int, failover: Failover, attempt: Attempt) -> None:
        if attempt.channel.name == "a" and attempt.started < self.down:
            self.wasted += 1
            assert failover.failed(attempt, UpstreamError(self.fault), now) == TryAnother(0.0)
            self._begin(failover, now)
        else:
            failover.succeeded(attempt, now)
            failover.close()
            self.served.append((attempt.started, attempt.channel.name))


@settings(max_examples=60, deadline=None)
@given(
    down=st.floats(0.0, 400.0),
    fault=st.sampled_from([*HARD, Fault.TIMEOUT, Fault.LOST, Fault.INVALID_RESPONSE]),
    seed=st.integers(0, 2**32),
    same_tier=st.booleans(),
)
def test_every_request_succeeds_and_a_healed_channel_serves_again_within_80_seconds(
    down, fault, seed, same_tier
) -> None:
    channels = [channel(name, priority=0 if same_tier else i) for i, name in enumerate("abc")]
    traffic = Traffic(channels, down, fault, seed)
    traffic.run(until=down + 80)

    assert any(name == "a" and down <= started < down + 80 for started, name in traffic.served)
    # Those that began before the third fault, then one probe for each ejection.
    assert traffic.wasted <= 3 + 2 * traffic.hang + (down + traffic.hang) / 27 + 1
