"""One timer for the waits of one exchange, moved instead of made anew for each."""

import asyncio
import math
from collections.abc import Callable

_GRAIN = 0.0005
"""Seconds: uvloop's timers count whole milliseconds, and may be half of one too early."""


class Alarm:
    """Calls *ring* when a wait takes too long, and notes that it `rang`.

    Moving it further ahead costs nothing, and most waits are over soon: so the timer under it
    stays where it is, and is set again only if it comes too early.
    """

    __slots__ = ("_at", "_by", "_handle", "_loop", "_ring", "rang")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring: Callable[[], None] | None = ring
        self._handle: asyncio.TimerHandle | None = None
        self._at = self._by = math.inf
        self.rang = False

    def set(self, by: float) -> None:
        """Ring at *by*, in the seconds of the event loop, and not before."""
        self._by = by
        if by < self._at:
            if self._handle is not None:
                self._handle.cancel()
            self._at = by
            self._handle = self._loop.call_at(by, self._due)

    def rest(self) -> None:
        """Nobody waits at the moment."""
        self._by = math.inf

    def close(self) -> None:
        """Never ring again, and know nobody: whom it would ring holds it, which were a cycle."""
        self._ring = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _due(self) -> None:
        self._at = math.inf
        if self._ring is None or self._by == math.inf:
            return
        if self._by - self._loop.time() > _GRAIN:
            self.set(self._by)
            return
        self.rang = True
        self._ring()
