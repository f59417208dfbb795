"""Which channels are fit: ejection by live traffic alone, and recovery by one live probe.

Each operation of a channel has a circuit, and so has each of its credentials: the class of a
fault says which of the two it blames (`credentials.BLAMED`). A channel stands as well as its
operation and the best of its credentials. All times are seconds of one monotonic clock, given by
the caller; every operation is O(1) in the traffic.

Each attempt holds a `Slot` from admission to verdict. What other processes of the gateway found
out comes in by `core.policy.signals`, and may be missing altogether.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from core.body import Secret
from core.errors import MEANING, Fault, UpstreamError
from core.model import Channel
from core.policy.circuit import RULES, Circuit, CircuitRules, Standing, Ticket, Verdicts, worse
from core.policy.credentials import BLAMED, COOL_AT_ONCE, Credential, Load
from core.policy.latency import Latency
from core.policy.notices import Alert, Cooled, Ejected, Notice, Notices, Recovered, Warmed

__all__ = [
    "Alert",
    "Chance",
    "Cooled",
    "Ejected",
    "Health",
    "HealthBook",
    "Load",
    "Notice",
    "Recovered",
    "Slot",
    "Standing",
    "Warmed",
]

MAYBE_OURS = frozenset({Fault.UNREACHABLE, Fault.TIMEOUT, Fault.LOST})
"""Faults that the network of the process that met them may have made."""
PROVED_SECONDS = 60.0
"""For so long a channel that worked here although another process could not reach it is not
ejected on that other's word: its network is its own."""


class Slot:
    """One attempt's place on a channel, from admission to its one verdict."""

    __slots__ = ("credential", "is_open", "key", "started", "ticket")

    def __init__(self, ticket: Ticket, credential: Credential, key: Ticket, started: float) -> None:
        self.ticket = ticket
        """Of the operation."""
        self.credential = credential
        self.key = key
        """Of the credential."""
        self.started = started
        self.is_open = True

    @property
    def is_probe(self) -> bool:
        """Whether its verdict decides about an ejection."""
        return self.ticket.is_probe or self.key.is_probe


class Health:
    """How one operation of one channel does."""

    __slots__ = (
        "_circuit",
        "_latency",
        "_notices",
        "_proved_at",
        "_recent",
        "_was_told",
        "channel",
        "last_fault",
        "load",
        "operation",
    )

    def __init__(
        self,
        channel: str,
        operation: str,
        load: Load,
        notices: Notices,
        circuit: Circuit,
    ) -> None:
        self.channel = channel
        self.operation = operation
        self.load = load
        self.last_fault: Fault | None = None
        """The latest that blamed the channel or its credential; it outlives successes."""
        self._notices = notices
        self._circuit = circuit
        self._recent = Verdicts()
        self._latency = Latency()
        self._was_told = False
        """Whether it is ejected on another process's word, that may be that one's own trouble."""
        self._proved_at = float("-inf")

    @property
    def ejected_until(self) -> float | None:
        """None while healthy; a time in the past means half-open."""
        times = (self._circuit.ejected_until, self.load.cooled_until())
        return max([time for time in times if time is not None], default=None)

    @property
    def ejections(self) -> int:
        """Of the operation, since its last recovery."""
        return self._circuit.ejections

    @property
    def consecutive(self) -> int:
        """Faults of the operation since its last success, ejection or recovery."""
        return self._circuit.consecutive

    def standing(self, now: float) -> Standing:
        """Say whether the channel may be asked, with whichever credential."""
        return worse(self._circuit.standing(now), self.load.standing(now))

    def standing_with(self, credential: Credential, now: float) -> Standing:
        """Say whether the channel may be asked with *credential*."""
        mine, its = self._circuit, credential.circuit
        if mine.ejected_until is None and its.ejected_until is None:
            return Standing.HEALTHY
        return worse(mine.standing(now), its.standing(now))

    def latency(self, now: float) -> float | None:
        """Give the moving average in seconds, faded since its last sample; None without one."""
        return self._latency.average(now)

    def latency_p95(self, now: float) -> float | None:
        """Give the 95th percentile of live successes in seconds; None where there are too few."""
        return self._latency.p95(now)

    def success_permille(self, now: float) -> int | None:
        """How many of a thousand attempts of the last minute were good; None without any."""
        return self._recent.good_permille(now)

    def admit(self, now: float, patience: float, credential: str = "") -> Slot:
        """Take a place, with the credential of that name; it may be a probe (`Circuit.admit`)."""
        ticket = self._circuit.admit(now, patience)
        used = self.load.enter(credential)
        return Slot(ticket, used, used.circuit.admit(now, patience), now)

    def succeeded(self, slot: Slot, now: float) -> None:
        """The attempt delivered everything."""
        if not self._leave(slot):
            return
        self._latency.add(now - slot.started, now)
        self._recent.add(now, bad=False)
        credential = slot.credential
        if credential.alert is not None and credential.circuit.is_current(slot.key):
            credential.alert = None
        if credential.circuit.succeeded(slot.key, now):
            self._notices.add(Warmed(self.channel, credential.name))
        if self._circuit.succeeded(slot.ticket, now):
            if self._was_told:
                self._proved_at, self._was_told = now, False
            self._notices.add(Recovered(self.channel, self.operation))

    def failed(self, slot: Slot, error: UpstreamError, now: float, chance: float) -> None:
        """The attempt failed; *chance* in [0, 1) is the jitter of an ejection."""
        if not self._leave(slot):
            return
        fault = error.fault
        meaning = MEANING[fault]
        if not meaning.blames_channel:
            return
        self.last_fault = fault
        self._recent.add(now, bad=True)
        if fault in BLAMED:
            if meaning.alerts:
                self._alert(slot.credential, fault, now)
            self._blame(slot, error, now, chance)
            return
        seconds = self._circuit.failed(slot.ticket, now, chance, None, at_once=False)
        if seconds is not None:
            self._was_told = False
            times = self._circuit.ejections
            self._notices.add(Ejected(self.channel, self.operation, fault, seconds, times))

    def released(self, slot: Slot) -> None:
        """The attempt ended without a verdict: cancelled, or out of the caller's time."""
        self._leave(slot)

    def hear_ejection(self, fault: Fault, until: float, ejections: int, now: float) -> None:
        """Another process ejected it, until then."""
        if fault in MAYBE_OURS:
            if now < self._proved_at + PROVED_SECONDS:
                return
            self._was_told = self._circuit.ejected_until is None
        self._circuit.open_until(until, ejections)

    def hear_recovery(self) -> None:
        """Another process's probe found it good."""
        self._was_told = False
        if self._circuit.ejected_until is not None:
            self._circuit.recover()

    def _leave(self, slot: Slot) -> bool:
        """Give the place back; False if that has been done."""
        if not slot.is_open:
            return False
        slot.is_open = False
        self.load.leave(slot.credential)
        self._circuit.leave(slot.ticket)
        slot.credential.circuit.leave(slot.key)
        return True

    def _blame(self, slot: Slot, error: UpstreamError, now: float, chance: float) -> None:
        """Count a fault of the credential."""
        credential, fault = slot.credential, error.fault
        wait = error.retry_after if fault is Fault.RATE_LIMITED else None
        circuit, at_once = credential.circuit, fault in COOL_AT_ONCE
        seconds = circuit.failed(slot.key, now, chance, wait, at_once=at_once)
        if seconds is not None:
            times = circuit.ejections
            self._notices.add(Cooled(self.channel, credential.name, fault, seconds, times))

    def _alert(self, credential: Credential, fault: Fault, now: float) -> None:
        if credential.alert is None or credential.alert.fault is not fault:
            credential.alert = Alert(self.channel, self.operation, fault, now, credential.name)
            self._notices.add(credential.alert)


class HealthBook:
    """The health of every channel that was asked. As large as the catalogue, no larger."""

    def __init__(self, rules: CircuitRules = RULES) -> None:
        self._rules = rules
        self._healths: dict[tuple[str, str], Health] = {}
        self._loads: dict[str, Load] = {}
        self._secrets: dict[str, Mapping[str, Secret[str]]] = {}
        self._notices = Notices()
        self._undrained = self._notices.listen()
        self.opened: set[Circuit] = set()
        """The circuits that are not closed: while there is none, no probe is due anywhere."""
        self.closed: frozenset[str] = frozenset()
        """Channels that an operator drains or has disabled: they take no new attempts."""

    def __iter__(self) -> Iterator[Health]:
        return iter(self._healths.values())

    def of(self, channel: str, operation: str) -> Health:
        """Give the health of an operation of a channel; a new one is healthy."""
        health = self._healths.get((channel, operation))
        if health is None:
            load = self.load_of(channel)
            circuit = Circuit(self._rules, self.opened)
            health = Health(channel, operation, load, self._notices, circuit)
            self._healths[channel, operation] = health
        return health

    def load_of(self, channel: str) -> Load:
        """Give what the operations of a channel have in common."""
        load = self._loads.get(channel)
        if load is None:
            load = self._loads[channel] = Load(self._rules, self.opened)
        return load

    def use(self, channels: Mapping[str, Channel]) -> None:
        """Forget what is known of credentials that are others, or gone, in this catalogue."""
        for name, channel in channels.items():
            load, known = self._loads.get(name), self._secrets.get(name, {})
            if load is not None:
                same = {
                    key for key, value in channel.credentials.items() if known.get(key) == value
                }
                load.keep(same)
        self._secrets = {name: channel.credentials for name, channel in channels.items()}

    def renewed(self, channel: Channel) -> Channel:
        """Give *channel* the credential that stands where its own was, if that has changed."""
        known = self._secrets.get(channel.name)
        if known is None or known is channel.credentials:
            return channel
        secret = known.get(channel.credential_name)
        if secret is None or secret == channel.credential:
            return channel
        return replace(channel, credential=secret)

    def hear_limit(self, channel: Channel, remaining: int, seconds: float, now: float) -> None:
        """An answer told how many requests the credential may send in the next *seconds*."""
        credential = self.load_of(channel.name).of(channel.credential_name)
        credential.limit.hear(remaining, seconds, now)

    def alerts(self) -> list[Alert]:
        """Give the alerts that stand: a success with the credential takes its own back."""
        return [each.alert for load in self._loads.values() for each in load if each.alert]

    def drain(self) -> list[Notice]:
        """Give what has happened since the last call, oldest first; the newest 256 at most."""
        notices = list(self._undrained)
        self._undrained.clear()
        return notices

    def listen(self, wake: Callable[[], None]) -> deque[Notice]:
        """Give what happens from now on to one more reader; *wake* is called at each notice."""
        return self._notices.listen(wake)


Chance = Callable[[], float]
"""A source of random numbers in [0, 1)."""
