"""What a replay came to, and how two replays differ."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from core.errors import Reason
from core.policy.decisions import Attempt

REQUESTS_OWN = frozenset({Reason.CONTENT_POLICY_VIOLATION, Reason.UPSTREAM_REJECTED})
"""Failures that are the request's own: no gateway could have served it."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of all requests. Times are seconds, money is millionths of a US dollar."""

    requests: int
    delivered: int
    rejected: int
    """Failed through their own fault."""
    failures: Mapping[str, int]
    """All other ones, by reason."""
    p50: float | None
    """Of those that were delivered."""
    p99: float | None
    attempts: int
    failovers: int
    """Requests that were delivered by a later attempt."""
    hedges: int
    hedges_won: int
    calls: Mapping[str, int]
    """By channel."""
    cost_micros: int | None
    """Of calls that delivered, and of those given up that are charged; None: not known."""
    waste_micros: int | None
    """The part of it for what was given up."""
    unsure_micros: int | None
    """What calls with an unknown outcome may have cost besides."""

    @property
    def availability(self) -> float | None:
        """Which part of the requests that could be served was."""
        possible = self.requests - self.rejected
        return self.delivered / possible if possible else None

    def facts(self) -> dict[str, object]:
        """The same as JSON has it."""
        return {
            "requests": self.requests,
            "availability": self.availability,
            "delivered": self.delivered,
            "rejected": self.rejected,
            "failures": dict(sorted(self.failures.items())),
            "p50_seconds": self.p50,
            "p99_seconds": self.p99,
            "attempts": self.attempts,
            "failovers": self.failovers,
            "hedges": self.hedges,
            "hedges_won": self.hedges_won,
            "calls": dict(sorted(self.calls.items())),
            "cost_micros": self.cost_micros,
            "waste_micros": self.waste_micros,
            "unsure_micros": self.unsure_micros,
        }


@dataclass(slots=True)
class Counts:
    """What is counted during a replay."""

    seconds: list[float] = field(default_factory=list)
    """Of each that was delivered."""
    rejected: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    paid: Counter[str] = field(default_factory=Counter)
    wasted: Counter[str] = field(default_factory=Counter)
    unsure: Counter[str] = field(default_factory=Counter)
    failovers: int = 0
    hedges: int = 0
    hedges_won: int = 0

    def begun(self, attempt: Attempt) -> None:
        """A call is made."""
        self.calls[attempt.channel.name] += 1
        self.hedges += attempt.is_hedge

    def delivered(self, attempt: Attempt, seconds: float) -> None:
        """A call gave the outputs, so long after its request came."""
        self.seconds.append(seconds)
        self.paid[attempt.channel.name] += 1
        self.failovers += attempt.number > 1 and not attempt.is_hedge
        self.hedges_won += attempt.is_hedge

    def failed(self, attempt: Attempt, *, is_paid: bool) -> None:
        """A call failed; *is_paid*: it may be charged all the same."""
        if is_paid:
            self.unsure[attempt.channel.name] += 1

    def withdrawn(self, attempt: Attempt, *, is_paid: bool) -> None:
        """A call was given up for another."""
        if is_paid:
            self.wasted[attempt.channel.name] += 1

    def refused(self, reason: Reason) -> None:
        """A request failed."""
        if reason in REQUESTS_OWN:
            self.rejected += 1
        else:
            self.failures[reason] += 1

    def result(self, costs: Mapping[str, int | None]) -> Result:
        """Sum up. *costs* are those of a call that delivers, by channel; None: not known."""
        ordered = sorted(self.seconds)
        return Result(
            requests=len(ordered) + self.rejected + self.failures.total(),
            delivered=len(ordered),
            rejected=self.rejected,
            failures=self.failures,
            p50=percentile(ordered, 0.50),
            p99=percentile(ordered, 0.99),
            attempts=self.calls.total(),
            failovers=self.failovers,
            hedges=self.hedges,
            hedges_won=self.hedges_won,
            calls=self.calls,
            cost_micros=_sum(self.paid + self.wasted, costs),
            waste_micros=_sum(self.wasted, costs),
            unsure_micros=_sum(self.unsure, costs),
        )


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest rank; None of nothing."""
    if not ordered:
        return None
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def _sum(calls: Mapping[str, int], costs: Mapping[str, int | None]) -> int | None:
    """What the calls cost; None where that of a channel that was called is not known."""
    total = 0
    for channel, number in calls.items():
        cost = costs[channel]
        if cost is None:
            return None
        total += number * cost
    return total
