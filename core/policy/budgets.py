"""How much retrying is allowed: a share of the live traffic, per channel and per key.

Envoy's retry budget: retries in flight may be 20 % of what is in flight, and three at any
time. It needs no clock, forgets by itself, and its memory is bounded by the traffic: a
name that has nothing in flight is not remembered.
"""

from core.values import dataclass

RETRY_SHARE = 0.2
RETRY_MINIMUM = 3


@dataclass(frozen=True, slots=True)
class BudgetRules:
    """How large a budget is; a replay tries others."""

    share: float = RETRY_SHARE
    minimum: int = RETRY_MINIMUM


RULES = BudgetRules()


class RetryBudget:
    """Live traffic and live retries by name."""

    def __init__(self, rules: BudgetRules = RULES) -> None:
        self._rules = rules
        self._live: dict[str, int] = {}
        self._retries: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._live | self._retries)

    def enter(self, name: str) -> None:
        """Something of *name* begins."""
        self._live[name] = self._live.get(name, 0) + 1

    def leave(self, name: str) -> None:
        """What `enter` counted has ended."""
        _decrement(self._live, name)

    def allows(self, name: str) -> bool:
        """Whether one more retry of *name* may begin."""
        return self._retries.get(name, 0) + 1 <= self._limit(name)

    def used(self, name: str) -> float:
        """How much of what is allowed to *name* now is in use, from 0 to about 1."""
        return self._retries.get(name, 0) / self._limit(name)

    def take(self, name: str) -> None:
        """A retry begins; ask `allows` first."""
        self._retries[name] = self._retries.get(name, 0) + 1

    def give_back(self, name: str) -> None:
        """The retry has ended."""
        _decrement(self._retries, name)

    def _limit(self, name: str) -> float:
        return max(self._rules.minimum, self._rules.share * self._live.get(name, 0))


def _decrement(counts: dict[str, int], name: str) -> None:
    left = counts[name] - 1
    assert left >= 0
    if left:
        counts[name] = left
    else:
        del counts[name]


@dataclass(frozen=True, slots=True)
class Permit:
    """One retry that both budgets allowed. Give it back when the attempt ends."""

    channel: str
    key: str


class Budgets:
    """The budget of each channel and of each key; a retry needs both."""

    def __init__(self, rules: BudgetRules = RULES) -> None:
        self.channels = RetryBudget(rules)
        self.keys = RetryBudget(rules)

    def allow(self, channel: str, key: str) -> bool:
        """Whether a retry on *channel* for *key* may begin now."""
        return self.channels.allows(channel) and self.keys.allows(key)

    def take(self, channel: str, key: str) -> Permit | None:
        """Begin a retry; None when a budget is spent, and then nothing is taken."""
        if not self.allow(channel, key):
            return None
        self.channels.take(channel)
        self.keys.take(key)
        return Permit(channel, key)

    def give_back(self, permit: Permit) -> None:
        """The retry has ended."""
        self.channels.give_back(permit.channel)
        self.keys.give_back(permit.key)
