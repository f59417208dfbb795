"""The policy a second time, from its documents: what health and budgets must be by now.

Written after design.md 5 and the module docstrings, not after the code: lists instead of buckets,
nothing cached. Whatever is said here twice must be said the same.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from core.errors import MEANING, Fault

ALERTS = {"auth", "quota"}
BLAME_CREDENTIAL = {"auth", "quota", "rate_limited"}
HEALTHY, SPENT, DUE, PROBING, EJECTED = "healthy", "spent", "probe_due", "probing", "ejected"
WORST_LAST = [HEALTHY, DUE, PROBING, EJECTED]


@dataclass
class Breaker:
    """Ejected after three faults in a row, or by half of twenty in a minute."""

    until: float | None = None
    turns: int = 0
    row: int = 0
    verdicts: list[tuple[int, bool]] = field(default_factory=list)
    age: int = 0
    probe: object = None
    probe_until: float = 0.0
    ages: dict[object, int] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    """What happened to it: for whoever keeps a log."""

    def standing(self, now: float) -> str:
        if self.until is None:
            return HEALTHY
        if now < self.until:
            return EJECTED
        return PROBING if self.probe is not None and now < self.probe_until else DUE

    def begins(self, who: object, now: float, patience: float) -> None:
        self.ages[who] = self.age
        if self.standing(now) == DUE:
            self.probe, self.probe_until = who, now + patience

    def ends(self, who: object) -> bool:
        """Whether its verdict counts; and whether it was the probe is forgotten."""
        return self.ages.pop(who) == self.age

    def good(self, who: object, now: float) -> None:
        if self.ages[who] == self.age:
            self.row = 0
            if self.until is None:
                self._count(now, bad=False)
            else:
                self.until, self.turns = None, 0
                self.told.append("good")
                self._afresh()

    def bad(
        self, who: object, now: float, jitter: float, wait: float | None, at_once: bool
    ) -> None:
        if self.ages[who] != self.age:
            return
        if self.until is not None:
            if self.probe is who:
                self._eject(now, jitter, wait, is_unfit=True)
            return
        self.row += 1
        self._count(now, bad=True)
        total, bad = len(self.verdicts), sum(is_bad for _, is_bad in self.verdicts)
        is_unfit = at_once or self.row >= 3 or (total >= 20 and bad / total >= 0.5)
        if is_unfit or wait:
            self._eject(now, jitter, wait, is_unfit=is_unfit)

    def left(self, who: object) -> None:
        self.ages.pop(who, None)
        if self.probe is who:
            self.probe = None

    def _count(self, now: float, *, bad: bool) -> None:
        bucket = int(now / 10)
        self.verdicts.append((bucket, bad))
        self.verdicts = [each for each in self.verdicts if each[0] > bucket - 6]

    def _eject(self, now: float, jitter: float, wait: float | None, *, is_unfit: bool) -> None:
        seconds = 0.0
        if is_unfit:
            self.turns += 1
            seconds = min(30.0 * self.turns, 60.0) * (0.9 + 0.2 * jitter)
        if wait is not None:
            seconds = max(seconds, min(wait, 60.0) * (1 + 0.1 * jitter))
        self.until = now + seconds
        self.told.append("bad")
        self._afresh()

    def _afresh(self) -> None:
        self.age += 1
        self.row, self.verdicts, self.probe = 0, [], None


@dataclass
class Key:
    """A credential of a channel."""

    breaker: Breaker = field(default_factory=Breaker)
    in_flight: int = 0
    used: int = 0
    left: int = 0
    left_until: float = 0.0
    alert: Fault | None = None
    """Why an operator must act."""
    alerts: int = 0
    """How many were told since this was asked last."""

    def is_spent(self, now: float) -> bool:
        return now < self.left_until and (self.left <= 0 or self.left < self.in_flight)


@dataclass
class Speed:
    """A moving average that fades, and the slowest twentieth."""

    average: float | None = None
    at: float = 0.0
    samples: list[tuple[float, float]] = field(default_factory=list)

    def add(self, seconds: float, now: float) -> None:
        self.average = seconds if self.average is None else 0.8 * self.average + 0.2 * seconds
        self.at = now
        self.samples = [*self.samples, (now, seconds)][-128:]

    def now(self, now: float) -> float | None:
        return None if self.average is None else self.average / 2 ** ((now - self.at) / 30.0)

    def p95(self, now: float) -> float | None:
        known = sorted(seconds for at, seconds in self.samples if at >= now - 600.0)
        return known[len(known) - 1 - len(known) // 20] if len(known) >= 20 else None


class Shadow:
    """What one process must know by now."""

    def __init__(self) -> None:
        self.operations: dict[tuple[str, str], Breaker] = {}
        self.keys: dict[tuple[str, str], Key] = {}
        self.speeds: dict[tuple[str, str], Speed] = {}
        self.load: Counter[str] = Counter()
        self.machines: Counter[str] = Counter()
        """Generations, or parts of them, in flight: by the caller's key."""
        self.retries: Counter[tuple[str, str]] = Counter()
        self.turn = 0
        self.recent: dict[tuple[str, str], list[tuple[int, bool]]] = {}
        """Verdicts of the last minute, by their ten seconds."""

    def permille(self, channel: str, operation: str, now: float) -> int | None:
        """How many attempts of a thousand were good."""
        found = self._last_minute(channel, operation, now)
        return sum(not bad for _, bad in found) * 1000 // len(found) if found else None

    def _last_minute(self, channel: str, operation: str, now: float) -> list[tuple[int, bool]]:
        found = self.recent.get((channel, operation), [])
        return [each for each in found if each[0] > int(now / 10) - 6]

    def _verdict(self, channel: str, operation: str, now: float, *, bad: bool) -> None:
        found = self._last_minute(channel, operation, now)
        self.recent[channel, operation] = [*found, (int(now / 10), bad)]

    def told(self) -> list[tuple[str, str]]:
        """What happened since this was asked last: of operations, then of credentials."""
        found = []
        for (channel, _), breaker in self.operations.items():
            found += [(channel, f"operation {what}") for what in breaker.told]
            breaker.told.clear()
        for (channel, _), key in self.keys.items():
            found += [(channel, f"credential {what}") for what in key.breaker.told]
            key.breaker.told.clear()
        return sorted(found)

    def operation(self, channel: str, operation: str) -> Breaker:
        return self.operations.setdefault((channel, operation), Breaker())

    def key(self, channel: str, name: str) -> Key:
        return self.keys.setdefault((channel, name), Key())

    def speed(self, channel: str, operation: str) -> Speed:
        return self.speeds.setdefault((channel, operation), Speed())

    def standing(self, channel: str, operation: str, name: str, now: float) -> str:
        """How a channel stands with one of its credentials."""
        both = [
            self.operation(channel, operation).standing(now),
            self.key(channel, name).breaker.standing(now),
        ]
        return max(both, key=WORST_LAST.index)

    def allows(self, channel: str, key: str) -> bool:
        """Whether one more retry may be in flight: a fifth of what is, and three at any time."""
        return all(
            self.retries[name] + 1 <= max(3, 0.2 * live)
            for name, live in (
                (("channel", channel), self.load[channel]),
                (("key", key), self.machines[key]),
            )
        )

    # ---- what happens

    def begins(self, attempt: Any, operation: str, key: str, now: float) -> None:
        name, credential = attempt.channel.name, attempt.channel.credential_name
        patience = attempt.deadlines.total
        self.operation(name, operation).begins(attempt, now, patience)
        known = self.key(name, credential)
        known.breaker.begins(attempt, now, patience)
        self.turn += 1
        known.used = self.turn
        known.in_flight += 1
        self.load[name] += 1
        if attempt.permit is not None:
            self.retries["channel", name] += 1
            self.retries["key", key] += 1

    def ends(self, attempt: Any, operation: str, key: str) -> None:
        """It is over, whatever its verdict: to be said after it."""
        name, credential = attempt.channel.name, attempt.channel.credential_name
        self.operation(name, operation).left(attempt)
        known = self.key(name, credential)
        known.breaker.left(attempt)
        known.in_flight -= 1
        self.load[name] -= 1
        if attempt.permit is not None:
            self.retries["channel", name] -= 1
            self.retries["key", key] -= 1

    def good(self, attempt: Any, operation: str, now: float) -> None:
        name = attempt.channel.name
        self.speed(name, operation).add(now - attempt.started, now)
        self.operation(name, operation).good(attempt, now)
        self._verdict(name, operation, now, bad=False)
        key = self.key(name, attempt.channel.credential_name)
        if key.breaker.ages[attempt] == key.breaker.age:
            key.alert = None
        key.breaker.good(attempt, now)

    def bad(self, attempt: Any, operation: str, error: Any, now: float, jitter: float) -> None:
        if not MEANING[error.fault].blames_channel:
            return
        name = attempt.channel.name
        self._verdict(name, operation, now, bad=True)
        if error.fault in BLAME_CREDENTIAL:
            key = self.key(name, attempt.channel.credential_name)
            if error.fault in ALERTS and key.alert is not error.fault:
                key.alert, key.alerts = error.fault, key.alerts + 1
            wait = error.retry_after if error.fault is Fault.RATE_LIMITED else None
            breaker = self.key(name, attempt.channel.credential_name).breaker
            breaker.bad(attempt, now, jitter, wait, error.fault in ("auth", "quota"))
        else:
            self.operation(name, operation).bad(attempt, now, jitter, None, at_once=False)
