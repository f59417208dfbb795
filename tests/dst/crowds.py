"""The policy machines alone, under a crowd: thousands of decisions a seed, each of them judged.

No engine, no network: a heap of moments at which something begins or ends. What is rare in a
world of six generations (a failure rate over a minute, a third ejection, a spent budget) is the
rule here.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from types import SimpleNamespace
from typing import Any

from core.body import Secret
from core.errors import Fault, Phase, UpstreamError
from core.model import Channel, Deadlines, Resubmit
from core.policy import failover
from core.policy.budgets import Budgets
from core.policy.decisions import Attempt, Reconcile, Stop, TryAnother
from core.policy.failover import Fleet, Plan
from core.policy.hedging import patience
from core.policy.routing import Needs, Preference
from tests.dst import formulas
from tests.dst.oracle import Oracle, law

FAULTS = (*Fault, Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.LOST, Fault.TIMEOUT)
OPERATIONS = ("image.generate", "image.generate", "image.edit")
WAITS = (None, None, 0.2, 2.0, 9.0, 20.0, 45.0, 100.0)


class Crowd:
    """One seed's traffic."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.now = 1000.0
        self.is_steady = False
        self._moments: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self.oracle = Oracle(SimpleNamespace())
        self.book = self.oracle.health_book()
        self.fleet = Fleet(self.book, Budgets(), self.oracle.chance(rng.random))
        self.channels = [self._channel(number) for number in range(rng.choice((1, 2, 2, 3, 4)))]
        self.trouble = {channel.name: self._trouble() for channel in self.channels}
        self.pace = rng.choice((0.05, 0.3, 2.0))
        self.keys = [f"key-{number}" for number in range(rng.choice((1, 3)))]
        match rng.randrange(6):
            case 0 | 1:
                self._be_steady()
            case 2:
                self._be_busy()

    def _channel(self, number: int) -> Channel:
        rng = self.rng
        names = [f"env:KEY_{letter}" for letter in "ABC"[: rng.choice((1, 1, 2, 3))]]
        secret = Secret("sk-x")
        return Channel(
            f"channel-{number}",
            "openai_images",
            "model",
            "http://x",
            secret,
            priority=rng.choice((0, 0, number)),
            weight=rng.choice((50, 100, 100, 200)),
            region=rng.choice(("here", "there")),
            resubmit=rng.choice(
                (Resubmit.DUPLICATE_OK, Resubmit.DUPLICATE_OK, Resubmit.RECONCILE_FIRST)
            ),
            maximum_count=rng.choice((1, 2, 10)),
            maximum_in_flight=rng.choice((1, 3, 1000, 1000)),
            deadlines=Deadlines(connect=1, acknowledge=2, first_byte=3, idle=4, total=20),
            credentials={name: Secret(f"sk-{name}") for name in names},
            credential_name=names[0],
        )

    def _trouble(self) -> Any:
        """How often a channel fails, how, for how long, and how long it takes."""
        rng = self.rng
        return SimpleNamespace(
            share=rng.choice((0.0, 0.1, 0.45, 0.55, 0.8, 1.0)),
            faults=[rng.choice(FAULTS) for _ in range(rng.randint(1, 3))],
            until=self.now + rng.choice((30.0, 100.0, 1e9)),
            seconds=rng.choice((0.05, 0.3, 1.0, 4.0)),
            pattern=rng.choice(("", "", "10", "110", "1100", "10100")),
            asked=0,
        )

    def _be_steady(self) -> None:
        """One channel fails in a rhythm, within a minute: what a failure rate is for."""
        rng = self.rng
        self.channels = self.channels[:1]
        trouble = self.trouble[self.channels[0].name]
        trouble.pattern = rng.choice(("10", "10", "1100", "10100", "100"))
        trouble.faults, trouble.until = [Fault.SERVER_ERROR], 1e9
        trouble.seconds, self.pace, self.is_steady = 0.05, 0.3, True

    def _be_busy(self) -> None:
        """So much is in flight, and fails, that the retry budget is a share of it."""
        rng, self.pace, self.keys = self.rng, 0.05, self.keys[:1]
        for number, channel in enumerate(self.channels):
            self.channels[number] = replace(channel, maximum_in_flight=1000)
            trouble = self.trouble[channel.name]
            trouble.seconds, trouble.until = 4.0, 1e9
            trouble.share, trouble.pattern = rng.choice((0.3, 0.5, 0.8)), ""
            trouble.faults = [rng.choice((Fault.SERVER_ERROR, Fault.LOST))]

    def _has_trouble(self, trouble: Any) -> bool:
        """Whether it fails now. A pattern fails often without three in a row."""
        if self.now >= trouble.until:
            return False
        if not trouble.pattern:
            return self.rng.random() < trouble.share
        trouble.asked += 1
        return trouble.pattern[trouble.asked % len(trouble.pattern)] == "1"

    # ---- the course of events

    def run(self) -> None:
        rng = self.rng
        with self.oracle.watching():
            at = self.now
            for _ in range(rng.randint(60, 160)):
                at += rng.expovariate(1 / self.pace)
                if not self.is_steady:
                    at += rng.choice((0.0,) * 30 + (15.0, 50.0))
                self._later(at - self.now, self._arrives)
            while self._moments:
                self.now, _, happens = heapq.heappop(self._moments)
                happens()
        formulas.judge(rng, self.channels)
        self.oracle.check()
        shadow = next(iter(self.oracle.shadows.values()))
        law(len(self.fleet.budgets.channels) == 0, "a channel's budget was kept")
        law(len(self.fleet.budgets.keys) == 0, "a key's budget was kept")
        law(not any(health.load.in_flight for health in self.book), "load was kept")
        law(not any(shadow.load.values()), "the shadow's load was kept")

    def _later(self, seconds: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._moments, (self.now + seconds, next(self._order), happens))

    def _arrives(self) -> None:
        rng = self.rng
        only = frozenset({rng.choice(self.channels).name}) if rng.random() < 0.05 else frozenset()
        excluded = (
            frozenset({rng.choice(self.channels).name}) if rng.random() < 0.05 else frozenset()
        )
        ends = self.now + rng.choice((0.04, 1.0, 5.0, 19.0)) if rng.random() < 0.2 else None
        count = rng.choice((1, 1, 1, 2, 4))
        plan = Plan(
            self.channels,
            rng.choice(OPERATIONS[: 1 if self.is_steady else None]),
            Needs(count=count, is_divisible=count > 1 and rng.random() < 0.7),
            Preference(only, excluded, frozenset({"here"}) if rng.random() < 0.05 else frozenset()),
            key=rng.choice(self.keys),
            ends=ends,
        )
        machine = failover.Failover(self.fleet, plan)
        self._next(machine)

    def _next(self, machine: Any) -> None:
        found = machine.next_channel(self.now)
        if isinstance(found, Stop):
            machine.close()
            found.to_error()
            return
        if found.channel.maximum_count < machine.count:
            other = machine.branch(machine.count - found.channel.maximum_count)
            self._later(0.0, lambda: self._next(other))
        self._goes(machine, found)
        if self.rng.random() < 0.2:
            wait = patience(found, self.now)
            if wait is not None:
                law(wait >= 0, "a hedge is not in the past")
            self._later(0.01 if wait is None else wait, lambda: self._hedges(machine, found))

    def _goes(self, machine: Any, attempt: Attempt) -> None:
        trouble = self.trouble[attempt.channel.name]
        seconds = trouble.seconds * (0.5 + self.rng.random())
        self._later(min(seconds, attempt.deadlines.total), lambda: self._ends(machine, attempt))

    def _hedges(self, machine: Any, first: Attempt) -> None:
        if machine.open != [first]:
            return
        second = machine.hedge(self.now)
        if second is not None:
            self._goes(machine, second)

    def _ends(self, machine: Any, attempt: Attempt) -> None:
        """An attempt is over: well, badly, or because nobody wants it any more."""
        rng, trouble = self.rng, self.trouble[attempt.channel.name]
        if attempt not in machine.open:
            return
        others = [each for each in machine.open if each is not attempt]
        if rng.random() < 0.1:
            self.book.hear_limit(
                attempt.channel,
                rng.choice((0, 1, 2, 50)),
                rng.choice((0.5, 8.0, 90.0, -1.0)),
                self.now,
            )
        fails = self._has_trouble(trouble)
        is_late = self.now >= attempt.started + attempt.deadlines.total
        if fails or is_late:
            fault = Fault.TIMEOUT if is_late else rng.choice(trouble.faults)
            self._fails(machine, attempt, fault, others)
            return
        for other in others:
            machine.withdrawn(other)
        if machine.count > 1 and rng.random() < 0.3 and machine.fell_short(attempt, 1, self.now):
            self._next(machine)
            return
        if attempt in machine.open:
            machine.succeeded(attempt, self.now)
        machine.close()

    def _fails(self, machine: Any, attempt: Attempt, fault: Fault, others: list[Attempt]) -> None:
        rng = self.rng
        phase = rng.choice((Phase.CONNECT, Phase.FIRST_BYTE, Phase.BODY))
        error = UpstreamError(fault, phase, retry_after=rng.choice(WAITS))
        if others:
            if machine.faltered(attempt, error, self.now) is not None:
                machine.close()
            return
        if rng.random() < 0.05:
            machine.delivered()
        if rng.random() < 0.03:
            machine.close()
            return
        decision = machine.failed(attempt, error, self.now)
        if isinstance(decision, Reconcile):
            self._later(rng.choice((0.5, 10.0)), lambda: self._reconciles(machine, attempt))
            return
        self._follows(machine, decision)

    def _reconciles(self, machine: Any, attempt: Attempt) -> None:
        if self.rng.random() < 0.5:
            self._follows(machine, machine.absent(self.now))
            return
        machine.found()
        if self.rng.random() < 0.5:
            machine.succeeded(attempt, self.now)
            machine.close()
        else:
            self._follows(
                machine,
                machine.failed(attempt, UpstreamError(Fault.SERVER_ERROR, Phase.BODY), self.now),
            )

    def _follows(self, machine: Any, decision: Any) -> None:
        if isinstance(decision, Stop):
            decision.to_error()
            machine.close()
        else:
            assert isinstance(decision, TryAnother)
            self._later(decision.delay, lambda: self._next(machine))
