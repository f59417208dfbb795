"""Keeps background loops running; a supervision boundary."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from core.log import Emit, defect

RESTART_SECONDS = 1.0


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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, name: str, loop: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await loop()
            except Exception as error:  # noqa: BLE001 - the supervision boundary of loops
                self._emit(defect(name, error))
            await asyncio.sleep(RESTART_SECONDS)
