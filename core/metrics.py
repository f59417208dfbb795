"""Prometheus metrics, counted from the typed events of the log; labels are bounded."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from core.log import (
    AttemptEnded,
    CallEnded,
    CostLost,
    Defect,
    Emit,
    Event,
    GenerationEnded,
    HedgeEnded,
    PaymentOdd,
    RequestShed,
    RouteEnded,
    SignalHeard,
)
from core.mail.told import MailSent, MailUnsent

SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
"""Upper bounds of the buckets for how long attempts took."""


class Metrics(Collector):
    """Counts what is emitted. Labels come from the catalogue and from our own enums.

    Counted in plain dictionaries and shown at each scrape: the library's own counters, with
    their labels and locks, cost every request a fortieth of its time.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._calls: Counter[tuple[str, ...]] = Counter()
        self._requests: Counter[tuple[str, ...]] = Counter()
        self._generations: Counter[tuple[str, ...]] = Counter()
        self._attempts: Counter[tuple[str, ...]] = Counter()
        self._seconds: dict[tuple[str, str], _Times] = {}
        self._hedges: Counter[tuple[str, ...]] = Counter()
        self._costs: Counter[tuple[str, ...]] = Counter()
        self._shed: Counter[tuple[str, ...]] = Counter()
        self._signals: Counter[tuple[str, ...]] = Counter()
        self._odd_payments: Counter[tuple[str, ...]] = Counter()
        self._mails: Counter[tuple[str, ...]] = Counter()
        self._defects = 0
        self._running: Callable[[], float] = lambda: 0.0
        self.registry.register(self)

    def watch_running(self, running: Callable[[], float]) -> None:
        """Show how many generations run, asked for at each scrape."""
        self._running = running

    @property
    def shed(self) -> int:
        """How many requests were refused because this process has enough."""
        return self._shed.total()

    def observe(self, event: Event) -> None:
        """Count one event."""
        if isinstance(event, CallEnded):
            self._calls[event.method, event.code] += 1
        elif isinstance(event, RouteEnded):
            self._requests[event.route, str(event.status)] += 1
        elif isinstance(event, AttemptEnded):
            self._attempts[event.channel, event.operation, event.fault] += 1
            what = event.channel, event.operation
            times = self._seconds.get(what)
            if times is None:
                times = self._seconds[what] = _Times()
            times.add(event.milliseconds / 1000)
        elif isinstance(event, GenerationEnded):
            self._generations[event.model, event.channel, event.state, event.reason] += 1
        elif isinstance(event, HedgeEnded):
            self._hedges[event.outcome,] += 1
        elif isinstance(event, CostLost):
            self._costs[event.account, event.channel] += event.micros
        elif isinstance(event, RequestShed):
            self._shed[event.resource,] += 1
        elif isinstance(event, SignalHeard):
            self._signals[event.channel, event.signal] += 1
        elif isinstance(event, PaymentOdd):
            self._odd_payments[event.oddity,] += 1
        elif isinstance(event, MailSent | MailUnsent):
            self._mails[event.kind, event.outcome] += 1
        elif isinstance(event, Defect):
            self._defects += 1

    def collect(self) -> Iterator[Metric]:
        """What a scrape is told."""
        yield _counter("reapi_calls", "RPCs ended", ("method", "code"), self._calls)
        yield _counter("reapi_http_requests", "HTTP requests", ("route", "status"), self._requests)
        yield _counter(
            "reapi_generations",
            "Generations ended",
            ("model", "channel", "state", "reason"),
            self._generations,
        )
        yield _counter(
            "reapi_attempts",
            "Attempts ended, by fault; empty means delivered",
            ("channel", "operation", "fault"),
            self._attempts,
        )
        family = HistogramMetricFamily(
            "reapi_attempt_seconds", "How long attempts took", labels=("channel", "operation")
        )
        for what, times in self._seconds.items():
            family.add_metric(what, times.buckets(), times.total)
        yield family
        yield _counter(
            "reapi_hedges", "Hedges ended: won, lost or failed", ("outcome",), self._hedges
        )
        yield _counter(
            "reapi_lost_cost_micros",
            "What providers bill and no caller pays, in millionths of a US dollar: hedge or risk",
            ("account", "channel"),
            self._costs,
        )
        yield _counter(
            "reapi_requests_shed",
            "Requests refused because this process has enough, by resource",
            ("resource",),
            self._shed,
        )
        yield _counter(
            "reapi_channel_signals",
            "What other processes told about channels",
            ("channel", "signal"),
            self._signals,
        )
        odd = "Payments that did not agree with the ledger: mended by a sweep, or why nobody can"
        yield _counter("reapi_odd_payments", odd, ("oddity",), self._odd_payments)
        yield _counter(
            "reapi_mails", "Mails, by what became of them", ("kind", "outcome"), self._mails
        )
        yield _counter("reapi_defects", "Unexpected errors", (), Counter({(): self._defects}))
        yield GaugeMetricFamily(
            "reapi_generations_running", "Generations running here", self._running()
        )

    def emit_to(self, emit: Emit) -> Emit:
        """An `Emit` that counts, and passes the event on."""

        def counted(event: Event) -> None:
            self.observe(event)
            emit(event)

        return counted

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)


class _Times:
    """How long something took: how often within each bucket, and in all."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as the exposition format wants them."""
        bounds = [*(str(float(bound)) for bound in SECONDS), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.counts)), strict=True))


def _counter(
    name: str, text: str, labels: tuple[str, ...], counts: Counter[tuple[str, ...]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family
