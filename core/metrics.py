"""Prometheus metrics, counted from the typed events of the log; labels are bounded."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from core.log import AttemptEnded, CallEnded, Defect, Emit, Event, GenerationEnded, RouteEnded

SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counts what is emitted. Labels come from the catalogue and from our own enums."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._children: dict[tuple[object, ...], Counter] = {}
        self._timers: dict[str, Histogram] = {}
        self._calls = Counter(
            "reapi_calls", "RPCs ended", ("method", "code"), registry=self.registry
        )
        self._requests = Counter(
            "reapi_http_requests", "HTTP requests", ("route", "status"), registry=self.registry
        )
        self._generations = Counter(
            "reapi_generations",
            "Generations ended",
            ("model", "channel", "state", "reason"),
            registry=self.registry,
        )
        self._attempts = Counter(
            "reapi_attempts",
            "Attempts ended, by fault; empty means delivered",
            ("channel", "fault"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "reapi_attempt_seconds",
            "How long attempts took",
            ("channel",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._defects = Counter("reapi_defects", "Unexpected errors", registry=self.registry)
        self._running = Gauge(
            "reapi_generations_running", "Generations running here", registry=self.registry
        )

    def watch_running(self, running: Callable[[], float]) -> None:
        """Show how many generations run, asked for at each scrape."""
        self._running.set_function(running)

    def observe(self, event: Event) -> None:
        """Count one event."""
        match event:
            case CallEnded(method, code):
                self._count(self._calls, method, code)
            case AttemptEnded():
                self._count(self._attempts, event.channel, event.fault)
                self._timed(event.channel).observe(event.milliseconds / 1000)
            case GenerationEnded(model, channel, state, reason):
                self._count(self._generations, model, channel, state, reason)
            case RouteEnded():
                self._count(self._requests, event.route, str(event.status))
            case Defect():
                self._defects.inc()
            case _:
                pass

    def _count(self, counter: Counter, *labels: str) -> None:
        """Count one; looking a child up by its labels costs more than counting."""
        key = (id(counter), *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = counter.labels(*labels)
        child.inc()

    def _timed(self, channel: str) -> Histogram:
        child = self._timers.get(channel)
        if child is None:
            child = self._timers[channel] = self._seconds.labels(channel)
        return child

    def emit_to(self, emit: Emit) -> Emit:
        """An `Emit` that counts, and passes the event on."""

        def counted(event: Event) -> None:
            self.observe(event)
            emit(event)

        return counted

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)
