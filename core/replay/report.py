"""The figures of a replay as text: beside those of another one, and how they differ."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from core.replay.result import REQUESTS_OWN, Result, percentile
from core.replay.trace import Trace

Show = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    value: float | None
    other: float | None
    show: Show
    show_change: Show

    def cells(self, *, is_compared: bool) -> tuple[str, ...]:
        """Name and value; between them the other one's, and after them the difference."""
        if not is_compared:
            return self.name, _text(self.value, self.show)
        change = None
        if self.value is not None and self.other is not None:
            change = self.value - self.other
        return (
            self.name,
            _text(self.other, self.show),
            _text(self.value, self.show),
            _text(change, self.show_change),
        )


def table(result: Result, baseline: Result | None = None) -> str:
    """The figures, one a line; with a *baseline*, its own and the difference."""
    is_compared = baseline is not None
    head = ("", "baseline", "policy", "difference") if is_compared else ("", "policy")
    rows = [head, *[row.cells(is_compared=is_compared) for row in _rows(result, baseline)]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _rows(result: Result, baseline: Result | None) -> Iterator[_Row]:
    def row(name: str, value: Callable[[Result], float | None], *shows: Show) -> _Row:
        other = None if baseline is None else value(baseline)
        return _Row(name, value(result), other, shows[0], shows[-1])

    yield row("requests", lambda each: each.requests, _count, _change)
    yield row("availability", lambda each: each.availability, _share, _points)
    yield row("delivered", lambda each: each.delivered, _count, _change)
    yield row("rejected by a provider", lambda each: each.rejected, _count, _change)
    for reason in _names(result.failures, {} if baseline is None else baseline.failures):
        yield row(f"failed {reason}", _of("failures", reason), _count, _change)
    yield row("p50", lambda each: each.p50, _seconds, _seconds_change)
    yield row("p99", lambda each: each.p99, _seconds, _seconds_change)
    yield row("calls a request", _calls_a_request, _ratio, _ratio_change)
    for channel in _names(result.calls, {} if baseline is None else baseline.calls):
        yield row(f"calls to {channel}", _of("calls", channel), _count, _change)
    yield row("failovers", lambda each: each.failovers, _count, _change)
    yield row("hedges", lambda each: each.hedges, _count, _change)
    yield row("hedges that won", lambda each: each.hedges_won, _count, _change)
    yield row("cost", lambda each: each.cost_micros, _money, _money_change)
    yield row("  of it given up for hedges", lambda each: each.waste_micros, _money, _money_change)
    yield row("unsure cost besides", lambda each: each.unsure_micros, _money, _money_change)


def _names(one: Mapping[str, int], other: Mapping[str, int]) -> list[str]:
    return sorted({*one, *other})


def _of(field: str, name: str) -> Callable[[Result], float]:
    def value(result: Result) -> float:
        counts: Mapping[str, int] = getattr(result, field)
        return counts.get(name, 0)

    return value


def _calls_a_request(result: Result) -> float | None:
    return result.attempts / result.requests if result.requests else None


def _text(value: float | None, show: Show) -> str:
    return "-" if value is None else show(value)


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _change(value: float) -> str:
    return f"{value:+,.0f}" if value else "0"


def _share(value: float) -> str:
    return f"{value:.3%}"


def _points(value: float) -> str:
    return f"{value * 100:+.3f} points" if value else "0"


def _seconds(value: float) -> str:
    return f"{value:.3f} s"


def _seconds_change(value: float) -> str:
    return f"{value:+.3f} s" if round(value, 3) else "0"


def _ratio(value: float) -> str:
    return f"{value:.3f}"


def _ratio_change(value: float) -> str:
    return f"{value:+.3f}" if round(value, 3) else "0"


def _money(value: float) -> str:
    return f"${value / 1e6:,.4f}"


def _money_change(value: float) -> str:
    return f"{'-' if value < 0 else '+'}${abs(value) / 1e6:,.4f}" if value else "0"


def recorded_line(trace: Trace) -> str:
    """What really happened, where the trace tells: to compare with a replay of the same policy."""
    served = [request for request in trace.requests if request.seconds is not None]
    if not served:
        return ""
    good = sorted([request.seconds or 0.0 for request in served if not request.reason])
    possible = sum(request.reason not in REQUESTS_OWN for request in served)
    p50, p99 = percentile(good, 0.50), percentile(good, 0.99)
    return (
        f"as recorded: availability {_text(len(good) / possible if possible else None, _share)}, "
        f"p50 {_text(p50, _seconds)}, p99 {_text(p99, _seconds)}"
    )
