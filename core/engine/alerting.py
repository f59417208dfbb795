"""Tells the log at the moment what Prometheus would alert about in a minute: a model that nobody
serves, and requests that are refused because this process has enough.

What channels do is told where it happens (`core.engine.upkeep`).
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from core.engine.channel_overlay import ChannelOverlay
from core.log import Emit, ModelDown, ModelRecovered, Overloaded
from core.model import Channel
from core.policy.health import HealthBook, Standing
from core.policy.overlay import Overlay

LOOK_SECONDS = 0.5
QUIET_SECONDS = 60.0
"""Between two records of one overload."""


def ready_channels(
    routes: Mapping[str, Sequence[Channel]], overlay: Overlay, book: HealthBook, now: float
) -> dict[str, int]:
    """How many channels of each model are open, and fit for something that they were asked.

    One that was asked nothing yet is taken to be fit. Models without any channel are left out.
    """
    fits: dict[str, bool] = {}
    for health in book:
        is_fit = health.standing(now) is Standing.HEALTHY
        fits[health.channel] = fits.get(health.channel, False) or is_fit
    closed = overlay.closed
    return {
        id_: sum(item.name not in closed and fits.get(item.name, True) for item in channels)
        for id_, channels in routes.items()
        if channels
    }


class Alerting:
    """Looks twice a second. *shed* is how many requests were refused for overload so far."""

    def __init__(
        self,
        book: HealthBook,
        overlay: ChannelOverlay,
        shed: Callable[[], int],
        emit: Emit,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._book = book
        self._overlay = overlay
        self._shed = shed
        self._emit = emit
        self._now = now
        self._down: set[str] = set()
        self._told_shed = 0
        self._quiet_until = float("-inf")

    async def keep(self) -> None:
        """Look, for ever."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Tell what has become bad, or good again, since the last look."""
        now = self._now()
        routes = self._overlay.catalogue.routes
        ready = ready_channels(routes, self._overlay.overlay, self._book, now)
        down = {id_ for id_, count in ready.items() if not count}
        for id_ in sorted(down - self._down):
            self._emit(ModelDown(id_, len(routes[id_])))
        for id_ in sorted(self._down - down):
            self._emit(ModelRecovered(id_))
        self._down = down
        shed = self._shed()
        if shed > self._told_shed and now >= self._quiet_until:
            self._emit(Overloaded(shed - self._told_shed))
            self._told_shed, self._quiet_until = shed, now + QUIET_SECONDS
