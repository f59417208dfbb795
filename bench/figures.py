"""What the measurements amount to: percentiles, medians, ratios, floors. Pure.

Nothing here decides whether a run is good: floors are printed beside the figures.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

MILLI = 1e3
MICRO = 1e6
GOAL = 3.0
"""The goal is so many times better than the floor."""


@dataclass(frozen=True, slots=True)
class Run:
    """One load on one target. Times in seconds; None is "cannot be measured here"."""

    requests: int
    errors: int
    seconds: float
    p50: float
    p99: float
    first_p50: float | None = None
    """Until the first byte of the body."""
    cpu: float | None = None
    """User and system time of the target's processes."""
    foreign: float | None = None
    """CPU time of processes that have nothing to do with the benchmark."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over the runs of one target."""

    runs: int
    requests: int
    errors: int
    per_second: float
    p50_ms: float
    p99_ms: float
    first_p50_ms: float | None
    cpu_us: float | None
    """Per request."""
    busy: float | None
    """Share of its core that the target used; well below 1, something else was the limit."""
    foreign: float | None
    """Share of one core that others used meanwhile."""


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that *share* (0 to 1) of *values* do not exceed. At least one value."""
    ordered = sorted(values)
    assert ordered
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def measured(latencies: Sequence[float], firsts: Sequence[float], errors: int, took: float) -> Run:
    """A run of *took* seconds in which each good answer took one of *latencies*."""
    if not latencies:
        return Run(0, errors, took, 0.0, 0.0)
    return Run(
        requests=len(latencies),
        errors=errors,
        seconds=took,
        p50=percentile(latencies, 0.5),
        p99=percentile(latencies, 0.99),
        first_p50=percentile(firsts, 0.5) if firsts else None,
    )


def combined(runs: Sequence[Run]) -> Figures:
    """The medians of *runs*; requests and errors are sums."""
    good = [run for run in runs if run.requests]

    def middle(figure: Callable[[Run], float | None]) -> float | None:
        found = [value for run in good if (value := figure(run)) is not None]
        return median(found) if found else None

    first = middle(lambda run: run.first_p50)
    cpu = middle(lambda run: None if run.cpu is None else run.cpu / run.requests)
    return Figures(
        runs=len(runs),
        requests=sum(run.requests for run in runs),
        errors=sum(run.errors for run in runs),
        per_second=middle(lambda run: run.requests / run.seconds) or 0.0,
        p50_ms=(middle(lambda run: run.p50) or 0.0) * MILLI,
        p99_ms=(middle(lambda run: run.p99) or 0.0) * MILLI,
        first_p50_ms=None if first is None else first * MILLI,
        cpu_us=None if cpu is None else cpu * MICRO,
        busy=middle(lambda run: None if run.cpu is None else run.cpu / run.seconds),
        foreign=middle(lambda run: None if run.foreign is None else run.foreign / run.seconds),
    )


@dataclass(frozen=True, slots=True)
class Failover:
    """What a fault of the first channel costs a request that another one serves."""

    samples: int
    errors: int
    plain_p50_ms: float
    """Of requests between the faulty ones, which the first channel served."""
    added_p50_ms: float | None
    added_p99_ms: float | None


def failover(
    plain: Sequence[float], failed_over: Sequence[float], errors: int, waited: float = 0.0
) -> Failover:
    """Compare latencies in seconds; *waited* is a deadline that had to pass first."""
    base = percentile(plain, 0.5) if plain else 0.0
    added = [value - base - waited for value in failed_over]
    known = bool(plain and added)
    return Failover(
        samples=len(failed_over),
        errors=errors,
        plain_p50_ms=base * MILLI,
        added_p50_ms=percentile(added, 0.5) * MILLI if known else None,
        added_p99_ms=percentile(added, 0.99) * MILLI if known else None,
    )


@dataclass(frozen=True, slots=True)
class Floor:
    """A figure beside what it should at least be, and the goal. Information, no verdict."""

    name: str
    unit: str
    value: float | None
    floor: float
    goal: float
    more_is_better: bool


def at_least(name: str, unit: str, value: float | None, floor: float) -> Floor:
    """A floor in the plain sense."""
    return Floor(name, unit, value, floor, floor * GOAL, more_is_better=True)


def at_most(name: str, unit: str, value: float | None, floor: float) -> Floor:
    """A ceiling, really."""
    return Floor(name, unit, value, floor, floor / GOAL, more_is_better=False)


def ratio(ours: Figures | None, theirs: Figures | None) -> float | None:
    """Our requests per second over theirs."""
    if ours is None or theirs is None or not theirs.per_second:
        return None
    return ours.per_second / theirs.per_second


def by_cpu(ours: Figures | None, theirs: Figures | None) -> float | None:
    """The same ratio for cores that are never short of work, which survives a noisy machine."""
    if ours is None or theirs is None or not ours.cpu_us or not theirs.cpu_us:
        return None
    return theirs.cpu_us / ours.cpu_us


def added(ours: float | None, direct: float | None) -> float | None:
    """How much longer it takes than without us."""
    return None if ours is None or direct is None else ours - direct
