"""Which of a channel's credentials to use: the least used of those that are not cooling.

A refused credential, a spent balance and a rate limit are the credential's, not the channel's:
they cool it for every operation, and the channel is asked with the next one at once. The channel
itself is out only while all of them cool. Pure, and as `core.policy.circuit`.
"""

from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet

from core.errors import Fault
from core.model import Channel
from core.policy.circuit import RANK, RULES, Circuit, CircuitRules, Standing
from core.policy.notices import Alert
from core.policy.rate_limits import RateLimit

BLAMED = frozenset({Fault.AUTH, Fault.QUOTA, Fault.RATE_LIMITED})
"""Faults of the credential: of an account at the provider, whatever it was asked for."""
COOL_AT_ONCE = frozenset({Fault.AUTH, Fault.QUOTA})
"""What the next request would meet too: a refused credential, a spent balance."""
_UNNAMED = ("",)


class Credential:
    """How one credential of a channel does."""

    __slots__ = ("alert", "circuit", "in_flight", "limit", "name", "used")

    def __init__(
        self, name: str, rules: CircuitRules = RULES, opened: set[Circuit] | None = None
    ) -> None:
        self.name = name
        """Where the catalogue says it is: `env:NAME`. Never the secret."""
        self.circuit = Circuit(rules, opened)
        self.limit = RateLimit()
        self.in_flight = 0
        self.used = 0
        """When it was last chosen, in attempts of the channel: ties go to the longest unused."""
        self.alert: Alert | None = None
        """It was refused, or its balance is spent; None since its last success."""

    def is_spent(self, now: float) -> bool:
        """Whether its provider said that nothing is left for now."""
        return self.limit.is_spent(self.in_flight, now)


class Load:
    """What the operations of a channel have in common: attempts in flight, and credentials."""

    __slots__ = ("_opened", "_rules", "_turn", "credentials", "in_flight")

    def __init__(self, rules: CircuitRules = RULES, opened: set[Circuit] | None = None) -> None:
        self._rules = rules
        self._opened = opened
        self.in_flight = 0
        self.credentials: dict[str, Credential] = {}
        """Those that were asked for, by name."""
        self._turn = 0

    def __iter__(self) -> Iterator[Credential]:
        return iter(self.credentials.values())

    def of(self, name: str) -> Credential:
        """Give the state of a credential; a new one is good."""
        credential = self.credentials.get(name)
        if credential is None:
            credential = self.credentials[name] = Credential(name, self._rules, self._opened)
        return credential

    def enter(self, name: str) -> Credential:
        """One more attempt, with this credential."""
        credential = self.of(name)
        self._turn += 1
        credential.used = self._turn
        credential.in_flight += 1
        self.in_flight += 1
        return credential

    def leave(self, credential: Credential) -> None:
        """The attempt is over."""
        credential.in_flight -= 1
        self.in_flight -= 1

    def standing(self, now: float) -> Standing:
        """How the best of them stands."""
        standings = [each.circuit.standing(now) for each in self.credentials.values()]
        return min(standings, key=RANK.__getitem__, default=Standing.HEALTHY)

    def cooled_until(self) -> float | None:
        """When the first of them may be asked again; None while one is good."""
        times = [each.circuit.ejected_until for each in self.credentials.values()]
        known = [time for time in times if time is not None]
        return min(known) if known and len(known) == len(times) else None

    def pick(
        self, channel: Channel, now: float, refused: AbstractSet[str], *, probes: bool
    ) -> Credential | None:
        """Choose a credential of *channel* that is not in *refused*; changes nothing.

        With *probes*, one whose probe is due comes first, so that it comes back even when
        better ones exist. None when all are refused.
        """
        names: Collection[str] = channel.credentials or _UNNAMED
        if len(names) == 1 and not refused:
            (name,) = names
            return self.credentials.get(name) or self.of(name)
        best: Credential | None = None
        best_rank: tuple[int, int, int] | None = None
        for name in names:
            if name in refused:
                continue
            credential = self.of(name)
            rank = (_order(credential, now, probes=probes), credential.in_flight, credential.used)
            if best_rank is None or rank < best_rank:
                best, best_rank = credential, rank
        return best

    def keep(self, names: Iterable[str]) -> None:
        """Forget all other credentials."""
        kept = set(names) or set(_UNNAMED)
        for name in [name for name in self.credentials if name not in kept]:
            self.credentials.pop(name).circuit.retire()


def _order(credential: Credential, now: float, *, probes: bool) -> int:
    match credential.circuit.standing(now):
        case Standing.PROBE_DUE:
            return 0 if probes else 3
        case Standing.HEALTHY:
            return 2 if credential.is_spent(now) else 1
        case _:
            return 4
