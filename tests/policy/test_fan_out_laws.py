"""Laws of machines that share one generation: parts, fillings and hedges, in any order."""

import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.body import Secret
from core.errors import MEANING, Another, Fault, UpstreamError
from core.model import Channel, Resubmit
from core.policy.budgets import Budgets
from core.policy.failover import MAXIMUM_ATTEMPTS, Attempt, Failover, Fleet, Plan, Reconcile, Stop
from core.policy.health import HealthBook, Standing
from core.policy.routing import Needs

OPERATION = "image.generate"
OUTPUTS = 4


def channel(name: str, **more: Any) -> Channel:
    return Channel(name, "openai_images", "m", "http://127.0.0.1", Secret("k"), **more)


@dataclass(eq=False)
class Part:
    """A machine, what it runs, and what it has asked."""

    failover: Failover
    generation: "Generation"
    running: list[Attempt] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    is_committed: bool = False
    is_alone: bool = True


@dataclass(eq=False)
class Generation:
    numbers: list[int] = field(default_factory=list)
    delivered: int = 0
    given_up: int = 0
    is_divided: bool = False


class Shared(RuleBasedStateMachine):
    """Generations of four outputs over channels that make four, two or one of them at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.chance = random.Random(0)
        self.fleet = Fleet(HealthBook(), Budgets(), self.chance.random)
        self.channels = (
            channel("a", maximum_count=4),
            channel("b", maximum_count=1, weight=50),
            channel("c", maximum_count=2, priority=1),
            channel("d", maximum_count=4, priority=1, resubmit=Resubmit.RECONCILE_FIRST),
            channel("e", maximum_count=1, priority=2, resubmit=Resubmit.RECONCILE_FIRST),
        )
        self.idle: list[Part] = []
        self.busy: list[Part] = []
        self.generations: list[Generation] = []

    def _pick(self, parts: list[Part], index: int) -> Part:
        return parts[index % len(parts)]

    @rule(seconds=st.floats(0, 40), seed=st.integers(0, 2**16))
    def time_passes(self, seconds: float, seed: int) -> None:
        self.now += seconds
        self.chance.seed(seed)

    @rule(count=st.integers(1, 3))
    def requests_arrive(self, count: int) -> None:
        needs = Needs(count=OUTPUTS, is_divisible=True)
        for _ in range(count):
            generation = Generation()
            self.generations.append(generation)
            plan = Plan(self.channels, OPERATION, needs, key="k")
            self.idle.append(Part(Failover(self.fleet, plan), generation))

    def _end(self, part: Part, delivered: int) -> None:
        generation = part.generation
        generation.delivered += delivered
        generation.given_up += part.failover.count - delivered
        for parts in (self.idle, self.busy):
            if part in parts:
                parts.remove(part)
        part.failover.close()

    def _began(self, part: Part, attempt: Attempt) -> None:
        name = attempt.channel.name
        assert name != "e", "a channel that leaves a job is never asked for a part"
        assert not part.is_committed
        assert part.failover.attempts <= MAXIMUM_ATTEMPTS
        if part.generation.is_divided:
            assert attempt.channel.resubmit is Resubmit.DUPLICATE_OK
        assert attempt.number not in part.generation.numbers
        assert attempt.number == len(part.generation.numbers) + 1, "in the order of the starts"
        part.generation.numbers.append(attempt.number)
        part.running.append(attempt)
        part.asked.append(name)

    @precondition(lambda self: self.idle)
    @rule(index=st.integers(0, 99))
    def one_begins(self, index: int) -> None:
        part = self._pick(self.idle, index)
        step = part.failover.next_channel(self.now)
        if isinstance(step, Stop):
            self._end(part, 0)
            return
        self._began(part, step)
        self.idle.remove(part)
        self.busy.append(part)
        rest = part.failover.count - step.channel.maximum_count
        if rest > 0:
            part.generation.is_divided = True
            branch = part.failover.branch(rest)
            # It goes on from where this one was before.
            assert branch.attempts == part.failover.attempts - 1
            self.idle.append(Part(branch, part.generation))

    @precondition(lambda self: self.busy)
    @rule(index=st.integers(0, 99))
    def one_is_hedged(self, index: int) -> None:
        part = self._pick(self.busy, index)
        if len(part.running) > 1 or part.running[0].channel.resubmit is not Resubmit.DUPLICATE_OK:
            return
        budgets = self.fleet.budgets
        allowed = {each.name: budgets.allow(each.name, "k") for each in self.channels}
        hedge = part.failover.hedge(self.now)
        if hedge is None:
            return
        assert hedge.is_hedge
        assert hedge.standing is Standing.HEALTHY
        assert hedge.channel.name not in part.asked
        assert hedge.channel.maximum_count >= part.failover.count
        assert hedge.channel.resubmit is Resubmit.DUPLICATE_OK
        assert allowed[hedge.channel.name], "within both budgets"
        assert hedge.permit is not None
        self._began(part, hedge)

    @precondition(lambda self: self.busy)
    @rule(index=st.integers(0, 99), which=st.integers(0, 1), left=st.integers(0, 3))
    def one_delivers(self, index: int, which: int, left: int) -> None:
        part = self._pick(self.busy, index)
        winner = part.running[which % len(part.running)]
        for other in part.running:
            if other is not winner:
                part.failover.withdrawn(other)
        part.running.clear()
        wanted = part.failover.count
        left = min(left, wanted - 1)
        is_job = winner.channel.resubmit is Resubmit.RECONCILE_FIRST
        if not left or is_job:
            part.failover.succeeded(winner, self.now)
            self._end(part, wanted - left)
            return
        if part.failover.fell_short(winner, left, self.now):
            assert not part.is_committed
            assert part.failover.count == left
            part.generation.delivered += wanted - left
            part.generation.is_divided = True
            self.busy.remove(part)
            self.idle.append(part)
        else:
            assert part.is_committed
            self._end(part, wanted - left)

    @precondition(lambda self: self.busy)
    @rule(index=st.integers(0, 99), which=st.integers(0, 1), fault=st.sampled_from(list(Fault)))
    def one_fails(self, index: int, which: int, fault: Fault) -> None:
        part = self._pick(self.busy, index)
        loser = part.running.pop(which % len(part.running))
        error = UpstreamError(fault)
        never = MEANING[fault].another is Another.NEVER
        if part.running:
            stop = part.failover.faltered(loser, error, self.now)
            assert (stop is not None) == (never and not part.is_committed)
            if stop is not None:
                part.failover.withdrawn(part.running.pop())
                self._end(part, 0)
            return
        decision = part.failover.failed(loser, error, self.now)
        if isinstance(decision, Reconcile):
            decision = part.failover.absent(self.now)
        if isinstance(decision, Stop):
            self._end(part, 0)
            return
        assert not never
        assert not part.is_committed
        self.busy.remove(part)
        self.idle.append(part)

    @precondition(lambda self: self.busy)
    @rule(index=st.integers(0, 99), which=st.integers(0, 1))
    def one_shows_output(self, index: int, which: int) -> None:
        part = self._pick(self.busy, index)
        winner = part.running[which % len(part.running)]
        for other in part.running:
            if other is not winner:
                part.failover.withdrawn(other)
        part.running[:] = [winner]
        part.failover.delivered()
        part.is_committed = True

    @invariant()
    def every_output_is_made_given_up_or_somebody_s_to_make(self) -> None:
        for generation in self.generations:
            parts = [each for each in (*self.idle, *self.busy) if each.generation is generation]
            open_ = sum(part.failover.count for part in parts)
            assert generation.delivered + generation.given_up + open_ == OUTPUTS
            assert len(generation.numbers) <= MAXIMUM_ATTEMPTS * OUTPUTS

    @invariant()
    def loads_are_what_is_running(self) -> None:
        flying = [attempt.channel.name for part in self.busy for attempt in part.running]
        for health in self.fleet.health:
            assert health.load.in_flight == flying.count(health.channel)

    def teardown(self) -> None:
        for part in (*self.idle, *self.busy):
            part.failover.close()
        assert len(self.fleet.budgets.channels) == len(self.fleet.budgets.keys) == 0
        assert all(health.load.in_flight == 0 for health in self.fleet.health)


TestShared = Shared.TestCase
TestShared.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
