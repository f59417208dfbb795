"""Keeps background loops running; a supervision boundary."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from core.log import Emit, defect

RESTART_SECONDS = 1.0
REPEAT_SECONDS = 2.0
"""Between two cancellations of a loop: what an orderly end of one may take."""


class Supervisor:
    """Runs named loops until it is left; one that fails is logged and started again."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._tasks: list[asyncio.Task[None]] = []

    def run(self, name: str, loop: Callable[[], Awaitable[object]]) -> None:
        """Start a loop, and again whenever it ends."""
        self._tasks.append(asyncio.create_task(self._keep(name, loop), name=name))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        # A cancellation can be lost: until Python 3.12, `asyncio.wait_for` drops one that comes
        # with its result, and pools and workers are full of it. So it is said again.
        pending = set(self._tasks)
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=REPEAT_SECONDS)

    async def _keep(self, name: str, loop: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await loop()
            except Exception as error:  # noqa: BLE001 - the supervision boundary of loops
                self._emit(defect(name, error))
            await asyncio.sleep(RESTART_SECONDS)
