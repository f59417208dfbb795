"""Turns: of the calls of one kind, so many at once for each channel.

Thousands of jobs may be with a provider that has stopped answering. Without a bound each of them
would hold a connection of it, and the process would have none left for anybody else.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from core.errors import Fault, Phase, UpstreamError

LOOKS_AT_ONCE: Final = 512
"""At jobs: 10,000 of them every 10 s are a thousand a second, at a provider that takes half a
second to answer."""
DOWNLOADS_AT_ONCE: Final = 256
"""Of results: each holds a connection and up to a quarter of a mebibyte that is passing by."""
PATIENCE_SECONDS: Final = 15.0
"""For a turn, where it can be tried again: who gets none is late as if the provider had not
answered, which it did not."""


class Turns:
    """Gives turns, in the order in which they are asked for; channels do not wait for others."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._gates: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def turn(
        self, channel: str, patience: float | None = PATIENCE_SECONDS
    ) -> AsyncIterator[None]:
        """A turn of *channel*; raises UpstreamError TIMEOUT when there is none in *patience*
        seconds; None: whenever it comes.
        """
        gate = self._gates.get(channel)
        if gate is None:
            gate = self._gates[channel] = asyncio.Semaphore(self._at_once)
        try:
            async with asyncio.timeout(patience):
                await gate.acquire()
        except TimeoutError:
            raise UpstreamError(Fault.TIMEOUT, Phase.CONNECT) from None
        try:
            yield
        finally:
            gate.release()
