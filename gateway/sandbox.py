"""What serves test keys: the simulator, in a process that starts with the first of them."""

import asyncio

from core.catalog.loader import Catalogue, embedded_files, load
from core.engine.sandbox import SandboxDown
from gateway.demo import DemoError, SimulatorProcess


class SandboxSimulator:
    """The simulated channels, as a catalogue. In the demo, its simulator serves test keys too."""

    def __init__(self, demo: SimulatorProcess | None = None) -> None:
        self._process = demo
        self._is_own = demo is None
        self._known: Catalogue | None = None
        self._alone = asyncio.Lock()

    async def catalogue(self) -> Catalogue:
        """What is simulated; starts it, and again where it has died. Raises SandboxDown."""
        if self._known is not None and self._is_running():
            return self._known
        async with self._alone:
            if self._known is not None and self._is_running():
                return self._known
            self._known = await self._opened()
            return self._known

    async def stop(self) -> None:
        """End what was started here."""
        if self._process is not None and self._is_own:
            await self._process.stop()

    def _is_running(self) -> bool:
        return self._process is not None and self._process.is_running

    async def _opened(self) -> Catalogue:
        if not self._is_running():
            if self._process is not None and self._is_own:
                await self._process.stop()
            self._process, self._is_own = SimulatorProcess(peers=False), True
            try:
                await self._process.start()
            except (DemoError, OSError):
                raise SandboxDown from None
        assert self._process is not None
        # A tenth of a second of the loop's time, were it not for the thread.
        return await asyncio.to_thread(load, embedded_files(), self._process.environment)
