"""The store as the engine and callers see it: patient when it writes, typed when it cannot read."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final

from core.engine.outputs import Store
from core.errors import GatewayError, Reason

FIRST_DELAY: Final = 0.2
LONGEST_DELAY: Final = 5.0
PATIENCE_SECONDS: Final = 75.0
"""Of pauses, for an output that is in memory: a bucket that is away for a minute loses none."""


class PatientStore:
    """A store that tries again before it says that it fails. *sleep* is for tests.

    Streams are not tried again here: whoever fetches them begins anew (`core.engine.mirroring`).
    """

    def __init__(
        self, store: Store, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._store = store
        self._sleep = sleep

    async def put(self, name: str, data: bytes) -> None:
        """Store *data*; raises OSError when that has failed for `PATIENCE_SECONDS`."""
        delay, waited = FIRST_DELAY, 0.0
        while True:
            try:
                await self._store.put(name, data)
                return
            except OSError:
                if waited >= PATIENCE_SECONDS:
                    raise
            await self._sleep(delay)
            waited += delay
            delay = min(2 * delay, LONGEST_DELAY)

    async def put_stream(self, name: str, chunks: AsyncIterator[bytes]) -> int:
        """Store what *chunks* yield, at the first try; raises OSError."""
        return await self._store.put_stream(name, chunks)

    async def read(self, name: str, offset: int = 0, limit: int = 0) -> AsyncGenerator[bytes, None]:
        """Yield bytes; raises FileNotFoundError, and STORAGE_UNAVAILABLE."""
        try:
            async with aclosing(self._store.read(name, offset, limit)) as pieces:
                async for piece in pieces:
                    yield piece
        except FileNotFoundError:
            raise
        except OSError:
            raise _away() from None

    async def delete(self, name: str) -> bool:
        """Remove an object; raises OSError."""
        return await self._store.delete(name)

    async def find(self, name: str) -> object | None:
        """Look an object up; raises STORAGE_UNAVAILABLE."""
        try:
            return await self._store.find(name)
        except OSError:
            raise _away() from None


def _away() -> GatewayError:
    return GatewayError(
        Reason.STORAGE_UNAVAILABLE, "The output cannot be read now; try again.", retry_after=1
    )
