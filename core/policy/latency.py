"""How long a channel takes: a moving average for the choice, a percentile for hedges. Pure."""

from collections import deque

WEIGHT = 0.2
"""How much one more sample moves the average."""
HALF_LIFE = 30.0
"""Seconds after which an average that nobody confirmed counts half, so that a channel
which was slow once is asked again."""
KEPT = 128
"""Samples: enough for a 95th percentile, and sorted in microseconds."""
PERCENTILE_MINIMUM = 20
"""Samples below which there is no 95th percentile: it would be the slowest one."""
PERCENTILE_SECONDS = 600.0
"""A sample older than that says nothing about now."""


class Latency:
    """Of the successes of one operation of a channel, in seconds."""

    __slots__ = ("_at", "_average", "_p95", "_samples")

    def __init__(self) -> None:
        self._average: float | None = None
        self._at = 0.0
        self._samples: deque[tuple[float, float]] = deque(maxlen=KEPT)
        self._p95: float | None = None

    def add(self, seconds: float, now: float) -> None:
        """Take one sample."""
        if self._average is None:
            self._average = seconds
        else:
            self._average += WEIGHT * (seconds - self._average)
        self._at = now
        self._samples.append((now, seconds))
        self._p95 = None

    def average(self, now: float) -> float | None:
        """Give the moving average, faded since its last sample; None without one."""
        if self._average is None:
            return None
        faded: float = 0.5 ** ((now - self._at) / HALF_LIFE)
        return self._average * faded

    def p95(self, now: float) -> float | None:
        """Give the 95th percentile of the latest samples; None where there are too few."""
        samples = self._samples
        while samples and samples[0][0] < now - PERCENTILE_SECONDS:
            samples.popleft()
            self._p95 = None
        if len(samples) < PERCENTILE_MINIMUM:
            return None
        if self._p95 is None:
            ordered = sorted([seconds for _, seconds in samples])
            self._p95 = ordered[-(len(ordered) // PERCENTILE_MINIMUM) - 1]
        return self._p95
