"""How often something may be done: so many times at once, and once more after each interval.

The same law as that of keys (`accounts.limits`), in one process. Pure; times are seconds of one
monotonic clock, given by the caller.
"""

from collections.abc import Hashable
from typing import Final

KEPT: Final = 10_000
"""Names that are remembered: whoever is forgotten, the longest idle first, begins anew."""


class Pace:
    """Of each name: *burst* at once, and one more after each *interval* seconds."""

    def __init__(self, interval: float, burst: int = 1) -> None:
        self._interval = interval
        self._window = interval * burst
        self._taken: dict[Hashable, float] = {}
        """When all that was taken would be due, the one that was used last at the end."""

    def take(self, name: Hashable, now: float) -> float:
        """Seconds until *name* may; 0.0: it may now, and it is taken."""
        due = max(self._taken.get(name, now), now) + self._interval
        early = due - self._window - now
        if early > 0:
            return early
        self._taken.pop(name, None)
        if len(self._taken) >= KEPT:
            del self._taken[next(iter(self._taken))]
        self._taken[name] = due
        return 0.0
