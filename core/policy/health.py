"""Which channels are fit: ejection by live traffic alone, and recovery by one live probe.

Vocabulary and defaults follow Envoy's outlier detection and gRFC A50: a channel is
ejected after consecutive faults or by its failure rate, for longer each time; then it is
half-open and exactly one live request, the probe, decides. All times are seconds of one
monotonic clock, given by the caller; every operation is O(1).

Each attempt holds a `Slot` from admission to verdict. A verdict counts only if the
channel was not ejected or recovered meanwhile (the slot's epoch): what a request that
started before an ejection ends like says nothing about the channel now, and can neither
lengthen the ejection nor end it.
"""

from collections import deque
from collections.abc import Callable, Iterator
from enum import StrEnum

from core.errors import MEANING, Fault, UpstreamError
from core.values import dataclass

EJECT_AFTER = 3
"""Consecutive blamed faults."""
EJECT_AT_ONCE = frozenset({Fault.AUTH, Fault.QUOTA})
"""What the next request would meet too: a refused credential, a spent balance."""
EJECT_SECONDS = 30.0
"""Times the number of ejections since the last recovery."""
EJECT_SECONDS_MAX = 60.0
JITTER = 0.1
RATE_BUCKETS = 6
RATE_BUCKET_SECONDS = 10.0
RATE_MINIMUM = 20
"""Verdicts within the window, below which a failure rate says nothing."""
RATE_LIMIT = 0.5
LATENCY_WEIGHT = 0.2
"""How much one more sample moves the average."""
LATENCY_HALF_LIFE = 30.0
"""Seconds after which an average that nobody confirmed counts half, so that a channel
which was slow once is asked again."""
KEPT_NOTICES = 256


class Standing(StrEnum):
    """Whether a channel may be asked."""

    HEALTHY = "healthy"
    EJECTED = "ejected"
    PROBE_DUE = "probe_due"
    """Half-open: the next request is the probe."""
    PROBING = "probing"
    """Half-open: the probe is on its way, everybody else keeps off."""


@dataclass(frozen=True, slots=True)
class Ejected:
    """A channel will not be asked for a while."""

    channel: str
    operation: str
    fault: Fault
    seconds: float


@dataclass(frozen=True, slots=True)
class Recovered:
    """A probe found the channel good again."""

    channel: str
    operation: str


@dataclass(frozen=True, slots=True)
class Alert:
    """An operator must act: the credential is refused or the provider's balance is spent."""

    channel: str
    operation: str
    fault: Fault
    since: float


Notice = Ejected | Recovered | Alert


class Load:
    """How many attempts a channel has in flight, over all its operations."""

    __slots__ = ("in_flight",)

    def __init__(self) -> None:
        self.in_flight = 0


class Slot:
    """One attempt's place on a channel, from admission to its one verdict."""

    __slots__ = ("epoch", "is_open", "is_probe", "started")

    def __init__(self, epoch: int, *, is_probe: bool, started: float) -> None:
        self.epoch = epoch
        self.is_probe = is_probe
        self.started = started
        self.is_open = True


class FailureRate:
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
        self._advance(int(now // RATE_BUCKET_SECONDS))
        bucket = self._buckets[self._bucket % RATE_BUCKETS]
        bucket[0] += 1
        self._total += 1
        if bad:
            bucket[1] += 1
            self._bad += 1

    @property
    def is_too_high(self) -> bool:
        """Whether enough verdicts were bad, of enough."""
        return self._total >= RATE_MINIMUM and self._bad >= RATE_LIMIT * self._total

    def _advance(self, bucket: int) -> None:
        for late in range(min(bucket - self._bucket, RATE_BUCKETS)):
            old = self._buckets[(bucket - late) % RATE_BUCKETS]
            self._total -= old[0]
            self._bad -= old[1]
            old[:] = [0, 0]
        self._bucket = max(self._bucket, bucket)


class Health:
    """How one operation of one channel does."""

    __slots__ = (
        "_consecutive",
        "_epoch",
        "_latency",
        "_latency_at",
        "_notices",
        "_probe",
        "_probe_until",
        "_rate",
        "alert",
        "channel",
        "ejected_until",
        "ejections",
        "load",
        "operation",
    )

    def __init__(self, channel: str, operation: str, load: Load, notices: deque[Notice]) -> None:
        self.channel = channel
        self.operation = operation
        self.load = load
        self.alert: Alert | None = None
        self.ejections = 0
        """Since the last recovery."""
        self.ejected_until: float | None = None
        """None while healthy; a time in the past means half-open."""
        self._notices = notices
        self._rate = FailureRate()
        self._consecutive = 0
        self._epoch = 0
        self._probe: Slot | None = None
        self._probe_until = 0.0
        self._latency: float | None = None
        self._latency_at = 0.0

    def standing(self, now: float) -> Standing:
        """Say whether the channel may be asked."""
        if self.ejected_until is None:
            return Standing.HEALTHY
        if now < self.ejected_until:
            return Standing.EJECTED
        if self._probe is not None and now < self._probe_until:
            return Standing.PROBING
        return Standing.PROBE_DUE

    def latency(self, now: float) -> float | None:
        """Give the moving average in seconds, faded since its last sample; None without one."""
        if self._latency is None:
            return None
        faded: float = 0.5 ** ((now - self._latency_at) / LATENCY_HALF_LIFE)
        return self._latency * faded

    def admit(self, now: float, patience: float) -> Slot:
        """Take a place. Where a probe is due, this attempt is it, for *patience* seconds.

        *patience* is the attempt's total deadline: a probe whose verdict never comes
        (a defect) must not keep the channel closed for ever.
        """
        is_probe = self.standing(now) is Standing.PROBE_DUE
        slot = Slot(self._epoch, is_probe=is_probe, started=now)
        if is_probe:
            self._probe = slot
            self._probe_until = now + patience
        self.load.in_flight += 1
        return slot

    def succeeded(self, slot: Slot, now: float) -> None:
        """The attempt delivered everything."""
        if not self._leave(slot):
            return
        self._sample(now - slot.started, now)
        if slot.epoch != self._epoch:
            return
        self.alert = None
        self._consecutive = 0
        if self.ejected_until is None:
            self._rate.add(now, bad=False)
        else:
            # A probe, or a request sent regardless because all channels were ejected.
            self._recover()

    def failed(self, slot: Slot, error: UpstreamError, now: float, chance: float) -> None:
        """The attempt failed; *chance* in [0, 1) is the jitter of an ejection."""
        if not self._leave(slot):
            return
        meaning = MEANING[error.fault]
        if not meaning.blames_channel:
            return
        if meaning.alerts:
            self._raise_alert(error.fault, now)
        if slot.epoch != self._epoch:
            return
        wait = error.retry_after if error.fault is Fault.RATE_LIMITED else None
        if self.ejected_until is not None:
            if slot.is_probe:
                self._eject(error.fault, now, chance, wait, escalates=True)
            return
        self._consecutive += 1
        self._rate.add(now, bad=True)
        is_unfit = (
            self._consecutive >= EJECT_AFTER
            or error.fault in EJECT_AT_ONCE
            or self._rate.is_too_high
        )
        if is_unfit or (wait is not None and wait > 0):
            self._eject(error.fault, now, chance, wait, escalates=is_unfit)

    def released(self, slot: Slot) -> None:
        """The attempt ended without a verdict: cancelled, or out of the caller's time."""
        self._leave(slot)

    def _leave(self, slot: Slot) -> bool:
        """Give the place back; False if that has been done."""
        if not slot.is_open:
            return False
        slot.is_open = False
        self.load.in_flight -= 1
        if self._probe is slot:
            self._probe = None
        return True

    def _sample(self, seconds: float, now: float) -> None:
        if self._latency is None:
            self._latency = seconds
        else:
            self._latency += LATENCY_WEIGHT * (seconds - self._latency)
        self._latency_at = now

    def _recover(self) -> None:
        self.ejected_until = None
        self.ejections = 0
        self._start_afresh()
        self._notices.append(Recovered(self.channel, self.operation))

    def _eject(
        self, fault: Fault, now: float, chance: float, wait: float | None, *, escalates: bool
    ) -> None:
        """Close the channel: for its turn's time, and for as long as the provider asked."""
        seconds = 0.0
        if escalates:
            self.ejections += 1
            seconds = min(EJECT_SECONDS * self.ejections, EJECT_SECONDS_MAX)
            seconds *= 1 - JITTER + 2 * JITTER * chance
        if wait is not None:
            # Never earlier than asked; the jitter keeps many channels from returning at once.
            seconds = max(seconds, min(wait, EJECT_SECONDS_MAX) * (1 + JITTER * chance))
        self.ejected_until = now + seconds
        self._start_afresh()
        self._notices.append(Ejected(self.channel, self.operation, fault, seconds))

    def _start_afresh(self) -> None:
        self._epoch += 1
        self._consecutive = 0
        self._probe = None
        self._rate.clear()

    def _raise_alert(self, fault: Fault, now: float) -> None:
        if self.alert is None or self.alert.fault is not fault:
            self.alert = Alert(self.channel, self.operation, fault, now)
            self._notices.append(self.alert)


class HealthBook:
    """The health of every channel that was asked. As large as the catalogue, no larger."""

    def __init__(self) -> None:
        self._healths: dict[tuple[str, str], Health] = {}
        self._loads: dict[str, Load] = {}
        self._notices: deque[Notice] = deque(maxlen=KEPT_NOTICES)

    def __iter__(self) -> Iterator[Health]:
        return iter(self._healths.values())

    def of(self, channel: str, operation: str) -> Health:
        """Give the health of an operation of a channel; a new one is healthy."""
        health = self._healths.get((channel, operation))
        if health is None:
            load = self._loads.setdefault(channel, Load())
            health = Health(channel, operation, load, self._notices)
            self._healths[channel, operation] = health
        return health

    def alerts(self) -> list[Alert]:
        """Give the alerts that stand: a success of the operation takes its own back."""
        return [health.alert for health in self._healths.values() if health.alert is not None]

    def drain(self) -> list[Notice]:
        """Give what has happened since the last call, oldest first; the newest 256 at most."""
        notices = list(self._notices)
        self._notices.clear()
        return notices


Chance = Callable[[], float]
"""A source of random numbers in [0, 1)."""
