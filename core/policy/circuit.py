"""One breaker: ejection by consecutive faults or their rate, recovery by one live probe.

Vocabulary and defaults follow Envoy's outlier detection and gRFC A50. What is behind it is an
operation of a channel, or a credential of one (`core.policy.health`): each has its own. All
times are seconds of one monotonic clock, given by the caller; every operation is O(1).

A verdict counts only if the circuit neither opened nor closed meanwhile (the ticket's epoch):
how a request ends that started before an ejection says nothing about now, and can neither
lengthen the ejection nor end it.
"""

from enum import StrEnum

from core.values import dataclass

EJECT_AFTER = 3
"""Consecutive blamed faults."""
EJECT_SECONDS = 30.0
"""Times the number of ejections since the last recovery."""
EJECT_SECONDS_MAX = 60.0
JITTER = 0.1
RATE_BUCKETS = 6
RATE_BUCKET_SECONDS = 10.0
RATE_MINIMUM = 20
"""Verdicts within the window, below which a failure rate says nothing."""
RATE_LIMIT = 0.5


@dataclass(frozen=True, slots=True)
class CircuitRules:
    """When a circuit opens, and for how long; a replay tries others."""

    eject_after: int = EJECT_AFTER
    eject_seconds: float = EJECT_SECONDS
    eject_seconds_max: float = EJECT_SECONDS_MAX
    rate_minimum: int = RATE_MINIMUM
    rate_limit: float = RATE_LIMIT


RULES = CircuitRules()


class Standing(StrEnum):
    """Whether a channel may be asked."""

    HEALTHY = "healthy"
    EJECTED = "ejected"
    PROBE_DUE = "probe_due"
    """Half-open: the next request is the probe."""
    PROBING = "probing"
    """Half-open: the probe is on its way, everybody else keeps off."""


BEST_FIRST = (Standing.HEALTHY, Standing.PROBE_DUE, Standing.PROBING, Standing.EJECTED)
RANK = {standing: rank for rank, standing in enumerate(BEST_FIRST)}


def worse(one: Standing, other: Standing) -> Standing:
    """How something stands that needs both."""
    return one if RANK[one] >= RANK[other] else other


class Verdicts:
    """Verdicts of the last minute in ten-second buckets."""

    __slots__ = ("_bad", "_bucket", "_buckets", "_total")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._buckets = [[0, 0] for _ in range(RATE_BUCKETS)]
        self._bucket = 0
        self._total = 0
        self._bad = 0

    def add(self, now: float, *, bad: bool) -> None:
        """Count one verdict."""
        number = int(now // RATE_BUCKET_SECONDS)
        if number != self._bucket:
            self._advance(number)
        bucket = self._buckets[self._bucket % RATE_BUCKETS]
        bucket[0] += 1
        self._total += 1
        if bad:
            bucket[1] += 1
            self._bad += 1

    def are_too_bad(self, rules: CircuitRules = RULES) -> bool:
        """Whether enough verdicts were bad, of enough."""
        return self._total >= rules.rate_minimum and self._bad >= rules.rate_limit * self._total

    def good_permille(self, now: float) -> int | None:
        """How many in a thousand were good; None without any."""
        self._advance(int(now // RATE_BUCKET_SECONDS))
        return (self._total - self._bad) * 1000 // self._total if self._total else None

    def _advance(self, bucket: int) -> None:
        for late in range(min(bucket - self._bucket, RATE_BUCKETS)):
            old = self._buckets[(bucket - late) % RATE_BUCKETS]
            self._total -= old[0]
            self._bad -= old[1]
            old[:] = [0, 0]
        self._bucket = max(self._bucket, bucket)


class Ticket:
    """One attempt's way through a circuit, from admission to its one verdict."""

    __slots__ = ("epoch", "is_probe")

    def __init__(self, epoch: int, *, is_probe: bool) -> None:
        self.epoch = epoch
        self.is_probe = is_probe


class Circuit:
    """Closed while healthy, open while ejected, half-open until one probe decides."""

    __slots__ = (
        "_epoch",
        "_opened",
        "_probe",
        "_probe_until",
        "_rules",
        "_verdicts",
        "consecutive",
        "ejected_until",
        "ejections",
    )

    def __init__(self, rules: CircuitRules = RULES, opened: "set[Circuit] | None" = None) -> None:
        """*opened* is kept by all circuits of a book: those that are not closed."""
        self._rules = rules
        self._opened = set() if opened is None else opened
        self.consecutive = 0
        """Blamed faults since the last success, ejection or recovery."""
        self.ejections = 0
        """Since the last recovery."""
        self.ejected_until: float | None = None
        """None while healthy; a time in the past means half-open."""
        self._verdicts = Verdicts()
        self._epoch = 0
        self._probe: Ticket | None = None
        self._probe_until = 0.0

    def standing(self, now: float) -> Standing:
        """Say whether what is behind it may be asked."""
        if self.ejected_until is None:
            return Standing.HEALTHY
        if now < self.ejected_until:
            return Standing.EJECTED
        if self._probe is not None and now < self._probe_until:
            return Standing.PROBING
        return Standing.PROBE_DUE

    def admit(self, now: float, patience: float) -> Ticket:
        """Let one pass. Where a probe is due, this is it, for *patience* seconds.

        *patience* is the attempt's total deadline: a probe whose verdict never comes
        (a defect) must not keep the circuit open for ever.
        """
        if self.ejected_until is None or self.standing(now) is not Standing.PROBE_DUE:
            return Ticket(self._epoch, is_probe=False)
        ticket = self._probe = Ticket(self._epoch, is_probe=True)
        self._probe_until = now + patience
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """The attempt is over, whatever its verdict."""
        if self._probe is ticket:
            self._probe = None

    def is_current(self, ticket: Ticket) -> bool:
        """Whether a verdict still counts."""
        return ticket.epoch == self._epoch

    def succeeded(self, ticket: Ticket, now: float) -> bool:
        """Count a success; True if that closed the circuit."""
        if ticket.epoch != self._epoch:
            return False
        self.consecutive = 0
        if self.ejected_until is None:
            self._verdicts.add(now, bad=False)
            return False
        # A probe, or a request sent regardless because everything was ejected.
        self.recover()
        return True

    def failed(
        self, ticket: Ticket, now: float, chance: float, wait: float | None, *, at_once: bool
    ) -> float | None:
        """Count a fault; the seconds of the ejection if that opened the circuit.

        *wait* is what the provider asked for; *at_once* ejects whatever came before.
        """
        if not self.is_current(ticket):
            return None
        if self.ejected_until is not None:
            return self._eject(now, chance, wait, escalates=True) if ticket.is_probe else None
        self.consecutive += 1
        self._verdicts.add(now, bad=True)
        rules = self._rules
        is_unfit = (
            at_once or self.consecutive >= rules.eject_after or self._verdicts.are_too_bad(rules)
        )
        if is_unfit or (wait is not None and wait > 0):
            return self._eject(now, chance, wait, escalates=is_unfit)
        return None

    def open_until(self, until: float, ejections: int) -> None:
        """Another process opened its own: eject at least as long, and count its ejections."""
        if self.ejected_until is not None and self.ejected_until >= until:
            return
        self.ejected_until = until
        self._opened.add(self)
        self.ejections = max(self.ejections, ejections)
        self._start_afresh()

    def recover(self) -> None:
        """Close it."""
        self.ejected_until = None
        self._opened.discard(self)
        self.ejections = 0
        self._start_afresh()

    def retire(self) -> None:
        """What is behind it is gone: only attempts that still run tell it anything."""
        self._opened.discard(self)
        self._opened = set()

    def _eject(self, now: float, chance: float, wait: float | None, *, escalates: bool) -> float:
        """Open it: for its turn's time, and for as long as the provider asked."""
        seconds, rules = 0.0, self._rules
        if escalates:
            self.ejections += 1
            seconds = min(rules.eject_seconds * self.ejections, rules.eject_seconds_max)
            seconds *= 1 - JITTER + 2 * JITTER * chance
        if wait is not None:
            # Never earlier than asked; the jitter keeps many from returning at once.
            seconds = max(seconds, min(wait, rules.eject_seconds_max) * (1 + JITTER * chance))
        self.ejected_until = now + seconds
        self._opened.add(self)
        self._start_afresh()
        return seconds

    def _start_afresh(self) -> None:
        self._epoch += 1
        self.consecutive = 0
        self._probe = None
        self._verdicts.clear()
