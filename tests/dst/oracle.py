"""Watches every decision of the failover machines, and says which of them break the rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from core.engine import engine as engine_module
from core.errors import MEANING, Another, Fault, Phase, Reason
from core.model import Resubmit
from core.policy import decisions, failover
from core.policy.health import HealthBook
from core.policy.notices import Alert, Cooled, Ejected, Recovered, Warmed
from core.policy.routing import Unroutable, Why
from tests.dst.breaking import BROKEN, Broken, law, same_time
from tests.dst.judging import MAXIMUM_ATTEMPTS, Judging
from tests.dst.shadow import (
    HEALTHY,
    WORST_LAST,
    Shadow,
)

NOTICES = {
    Ejected: "operation bad",
    Recovered: "operation good",
    Cooled: "credential bad",
    Warmed: "credential good",
}


class Watched(Judging, failover.Failover):
    """A failover machine whose every decision is judged."""

    oracle: "Oracle"

    def __init__(self, fleet: Any, plan: Any) -> None:
        super().__init__(fleet, plan)
        self.shadow = self.oracle.shadows[id(fleet.health)]
        self.shadow.machines[plan.key] += 1
        self.operation = plan.operation
        self.open: list[Any] = []
        self.past: list[tuple[Any, Any]] = []
        """(channel, error) of each failure."""
        self.tries: dict[str, int] = {}
        self.begun = 0
        self.is_done = False
        self.is_short = False
        self.jobs_out = False
        self.short_at: float | None = None
        """When it fell short, and nothing was asked since."""
        self.numbers: set[int] = set()
        self.draws: list[float] = fleet.chance.draws
        self.oracle.machines.append(self)

    # ---- booking

    def next_channel(self, now: float) -> Any:
        runners = self.runners(now)
        again = self.again(now)
        if self.short_at is not None and not self.oracle.stalls:
            law(now == self.short_at, "what is missing is asked for at once")
        self.short_at = None
        found = super().next_channel(now)
        if isinstance(found, decisions.Attempt):
            self._judge(found, runners, again, now)
            self._booked_one(found, now)
        else:
            self._judge_stop(found, runners, again, now)
        return found

    def hedge(self, now: float) -> Any:
        runners = [
            each
            for each in self.runners(now, hedges=True)
            if each.group == HEALTHY
            and each.channel.resubmit is Resubmit.DUPLICATE_OK
            and each.channel.maximum_count >= self.count
            and self.shadow.allows(each.channel.name, self._plan.key)
        ]
        has_time = self._plan.ends is None or self._plan.ends - now >= 0.05
        may = self.begun < MAXIMUM_ATTEMPTS and has_time and not (self.is_done or self._is_closed)
        found = super().hedge(now)
        law((found is not None) == (may and bool(runners)), "a hedge begins where one may")
        if found is None:
            return None
        law(found.is_hedge and found.permit is not None, "a hedge spends the retry budget")
        law(self.begun < MAXIMUM_ATTEMPTS, "four attempts at most")
        law(not self.is_done, "no attempt after the commit point")
        law(
            found.channel.name in [each.channel.name for each in runners],
            "a hedge asks who is healthy",
        )
        law(found.channel.resubmit is Resubmit.DUPLICATE_OK, "what leaves a job is never hedged")
        law(found.channel.maximum_count >= self.count, "a hedge makes all outputs")
        self._booked_one(found, now)
        return found

    def branch(self, outputs: int) -> Any:
        other = super().branch(outputs)
        self.jobs_out = other.jobs_out = True
        other.past, other.numbers = list(self.past), self.numbers
        running = [attempt.channel.name for attempt in self.open]
        other.tries = {
            name: count - running.count(name)
            for name, count in self.tries.items()
            if count > running.count(name)
        }
        other.begun = self.begun - len(self.open)
        return other

    def _booked_one(self, attempt: Any, now: float) -> None:
        law(attempt.number not in self.numbers, "attempts are numbered")
        law(attempt.number == max(self.numbers, default=0) + 1, "attempts are numbered in order")
        self.numbers.add(attempt.number)
        self.begun += 1
        name = attempt.channel.name
        self.tries[name] = self.tries.get(name, 0) + 1
        law(
            self.shadow.load[name] < attempt.channel.maximum_in_flight,
            "a full channel is not asked",
        )
        law(attempt.started == now, "an attempt starts when it is booked")
        if attempt.permit is not None:
            law(self.shadow.allows(name, self._plan.key), "the retry budget is kept")
        self._judge_deadlines(attempt, now)
        self.shadow.begins(attempt, self.operation, self._plan.key, now)
        self.open.append(attempt)
        self._compare(attempt.channel, now)

    # ---- verdicts

    def succeeded(self, attempt: Any, now: float) -> None:
        super().succeeded(attempt, now)
        self.is_done = True
        self._good(attempt, now)

    def fell_short(self, attempt: Any, left: int, now: float) -> bool:
        may = not self.is_done and self._plan.needs.is_divisible
        goes_on = super().fell_short(attempt, left, now)
        law(goes_on == may, "what fell short is filled up before the commit point only")
        if goes_on:
            self.short_at = now
            self._good(attempt, now)
            self.is_short = self.jobs_out = True
        return goes_on

    def delivered(self) -> None:
        super().delivered()
        self.is_done = True

    def failed(self, attempt: Any, error: Any, now: float) -> Any:
        was_stopped = self._stop is not None
        before = len(self.draws)
        decision = super().failed(attempt, error, now)
        self._bad(attempt, error, now, before)
        if was_stopped:
            return decision
        another = MEANING[error.fault].another
        unknown = another is Another.IF_DUPLICATE_OK and error.phase is not Phase.CONNECT
        if another is Another.NEVER:
            law(isinstance(decision, decisions.Stop), "a caller's fault ends it")
            self._judge_reason(decision)
        elif self.is_done:
            law(
                isinstance(decision, decisions.Stop)
                and decision.reason is Reason.STREAM_INTERRUPTED,
                "nothing is asked after the commit point",
            )
        elif unknown and attempt.channel.resubmit is Resubmit.RECONCILE_FIRST:
            law(
                isinstance(decision, decisions.Reconcile), "what may be working is looked for first"
            )
        else:
            self._judge_outlook(decision, now)
        return decision

    def absent(self, now: float) -> Any:
        decision = super().absent(now)
        self._judge_outlook(decision, now)
        return decision

    def faltered(self, attempt: Any, error: Any, now: float) -> Any:
        before = len(self.draws)
        stop = super().faltered(attempt, error, now)
        self._bad(attempt, error, now, before)
        never = MEANING[error.fault].another is Another.NEVER
        law((stop is not None) == (never and not self.is_done), "a caller's fault ends both")
        return stop

    def withdrawn(self, attempt: Any) -> None:
        super().withdrawn(attempt)
        self._over(attempt)

    def close(self) -> None:
        was_closed = self._is_closed
        super().close()
        if not was_closed:
            for attempt in list(self.open):
                self._over(attempt)
            self.shadow.machines[self._plan.key] -= 1

    def _good(self, attempt: Any, now: float) -> None:
        if attempt not in self.open:  # it was lost, and has been found: its verdict was given
            return
        self.shadow.good(attempt, self.operation, now)
        self._over(attempt)
        self._compare(attempt.channel, now)

    def _bad(self, attempt: Any, error: Any, now: float, before: int) -> None:
        cut = attempt.deadlines is not attempt.channel.deadlines
        late = now >= attempt.started + attempt.deadlines.total - 0.05
        verdict = attempt in self.open  # else it was lost and found, and has its verdict
        if verdict and not (error.fault is Fault.TIMEOUT and cut and late):
            self.shadow.bad(attempt, self.operation, error, now, self.draws[before])
        self._over(attempt)
        self.past.append((attempt.channel, error))
        self._compare(attempt.channel, now)

    def _over(self, attempt: Any) -> None:
        if attempt in self.open:
            self.open.remove(attempt)
            self.shadow.ends(attempt, self.operation, self._plan.key)

    def _compare(self, channel: Any, now: float) -> None:
        """The real health must be what it must be."""
        name, shadow = channel.name, self.shadow
        health = self._fleet.health.of(name, self.operation)
        for credential in channel.credentials or ("",):
            real = health.standing_with(health.load.of(credential), now)
            expected = shadow.standing(name, self.operation, credential, now)
            law(real == expected, f"{name} stands {real}, must stand {expected}")
            key = health.load.of(credential)
            same_time(key.circuit.ejected_until, shadow.key(name, credential).breaker.until)
        breakers = [shadow.key(name, each).breaker for each in channel.credentials or ("",)]
        best = min((each.standing(now) for each in breakers), key=WORST_LAST.index)
        own = shadow.operation(name, self.operation)
        worst = max(own.standing(now), best, key=WORST_LAST.index)
        law(health.standing(now) == worst, f"{name} stands {health.standing(now)} in all")
        cooled = [each.until for each in breakers if each.until is not None]
        times = [min(cooled)] if len(cooled) == len(breakers) else []
        times += [] if own.until is None else [own.until]
        same_time(health.ejected_until, max(times, default=None))
        same_time(health._circuit.ejected_until, shadow.operation(name, self.operation).until)
        same_time(health.latency(now), shadow.speed(name, self.operation).now(now))
        same_time(health.latency_p95(now), shadow.speed(name, self.operation).p95(now))
        law(health.load.in_flight == shadow.load[name], "load is what is in flight")
        budgets, key = self._fleet.budgets, self._plan.key
        live = budgets.channels._live.get(name, 0), budgets.keys._live.get(key, 0)
        law(live == (shadow.load[name], shadow.machines[key]), "budgets count what is in flight")
        good = health.success_permille(now)
        law(good == shadow.permille(name, self.operation, now), f"{good} of a thousand were good")
        drained = self._fleet.health.drain()
        self._compare_alerts([each for each in drained if isinstance(each, Alert)])
        notices = [(each.channel, NOTICES[type(each)]) for each in drained if type(each) in NOTICES]
        told = shadow.told()
        law(sorted(notices) == told, f"{notices} was told, must be {told}")

    def _compare_alerts(self, told: list[Alert]) -> None:
        """An operator is told once, and until a success."""
        keys = self.shadow.keys
        stand = {
            (each.channel, each.credential, each.fault) for each in self._fleet.health.alerts()
        }
        expected = {(*name, key.alert) for name, key in keys.items() if key.alert}
        law(stand == expected, f"{stand} are alerts, must be {expected}")
        law(len(told) == sum(key.alerts for key in keys.values()), "each alert is told once")
        for key in keys.values():
            key.alerts = 0


class WatchedBook(HealthBook):
    """Hears what providers say of limits, too."""

    shadow: Shadow

    def remember(self, name: str, operation: str, samples: list[float], now: float) -> None:
        """How long successes took, as if they had been seen."""
        for seconds in samples:
            self.of(name, operation)._latency.add(seconds, now)
            self.shadow.speed(name, operation).add(seconds, now)

    def hear_limit(self, channel: Any, remaining: int, seconds: float, now: float) -> None:
        super().hear_limit(channel, remaining, seconds, now)
        key = self.shadow.key(channel.name, channel.credential_name)
        key.left, key.left_until = remaining, now + max(0.0, min(seconds, 60.0))


class Chance:
    """Random numbers, remembered."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self.draws: list[float] = []

    def __call__(self) -> float:
        self.draws.append(self._draw())
        return self.draws[-1]


@dataclass
class Oracle:
    """Of one world."""

    world: Any
    shadows: dict[int, Shadow] = field(default_factory=dict)
    books: list[Any] = field(default_factory=list)
    machines: list[Watched] = field(default_factory=list)

    def __post_init__(self) -> None:
        BROKEN.clear()

    @property
    def stalls(self) -> bool:
        """Whether time passes within a process that does nothing."""
        return bool(getattr(self.world, "plan", None) and self.world.plan.stalls)

    def health_book(self) -> HealthBook:
        book = WatchedBook()
        book.shadow = self.shadows[id(book)] = Shadow()
        self.books.append(book)
        return book

    def chance(self, draw: Any) -> Chance:
        return Chance(draw)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Machines that are made meanwhile are watched."""
        real = engine_module.Failover, failover.Failover
        watched = type("Failover", (Watched,), {"oracle": self})
        engine_module.Failover = failover.Failover = watched
        try:
            yield
        finally:
            engine_module.Failover, failover.Failover = real

    def check(self) -> None:
        """After the end: no decision broke a law, and nothing is in flight any more."""
        assert not BROKEN, BROKEN


__all__ = ["Broken", "Chance", "Oracle", "Unroutable", "Watched", "Why"]
