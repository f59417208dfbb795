"""Answers that take as long whether or not somebody is known: they wait for the next whole step."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

STEP_SECONDS: Final = 0.1
"""Ten times what finding nobody, or writing a mail for somebody, takes; nobody notices it."""


def pause_seconds(took: float) -> float:
    """How long to wait after work that *took* so many seconds."""
    return STEP_SECONDS - took % STEP_SECONDS


class EvenAnswers:
    """Makes work look alike from outside. *now* is monotonic."""

    def __init__(
        self,
        now: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._now = now
        self._sleep = sleep

    @asynccontextmanager
    async def alike(self) -> AsyncIterator[None]:
        """Around what differs, however it ends; hold no connection outside of it."""
        started = self._now()
        try:
            yield
        finally:
            await self._sleep(pause_seconds(self._now() - started))
