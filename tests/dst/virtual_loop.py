"""An event loop whose time is virtual: when nothing is ready, it jumps to the next timer.

Whoever runs in it belongs to a simulated process, or to the outside world. A process that is
killed takes no further step: none of its callbacks is called any more, nothing of it is
cancelled, no `finally` runs. One that stalls takes its steps later, all at once. A step is what
runs between two awaits, so a process can be killed at each of them by the number of the step.
"""

import asyncio
import heapq
import selectors
import time
import weakref
from asyncio import base_events
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any

from tests.dst.wires import Wire, dial

START = 1000.0
"""Seconds on the virtual clock when a loop is made: any number but 0, which hides mistakes."""


class Hangs(AssertionError):
    """Nothing can ever happen any more, or far too much does."""


class Process:
    """A simulated process: what runs in its context dies with it."""

    def __init__(self, name: str, crash_at: int = 0, stalls: Mapping[int, float] = {}) -> None:
        """It is killed before step number *crash_at*; 0: never.

        *stalls* are the steps before which it takes none for so many seconds (a page fault, a
        paused machine).
        """
        self.name = name
        self.crash_at = crash_at
        self._stalls = stalls
        self._waiting: list[asyncio.Handle] | None = None
        """What it will do when it goes on; None: it runs."""
        self.stalled = 0
        """How often it has stalled."""
        self.steps = 0
        self.is_dead = False
        self.wires: list[Wire] = []
        self.tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        self.on_death: list[Callable[[], None]] = []

    def steps_on(self, handle: asyncio.Handle) -> bool:
        """Whether its next step, *handle*, is taken now."""
        if self.is_dead:
            return False
        if self._waiting is not None:
            self._waiting.append(handle)
            return False
        self.steps += 1
        if self.steps == self.crash_at:
            self.kill()
            return False
        if self.steps in self._stalls:
            self.stalled += 1
            self._waiting = [handle]
            loop: Any = handle._loop
            seconds = self._stalls[self.steps]
            loop.call_later(seconds, self._goes_on, loop, context=outside())
            return False
        return True

    @property
    def is_stalled(self) -> bool:
        return self._waiting is not None

    def _goes_on(self, loop: Any) -> None:
        waiting, self._waiting = self._waiting, None
        loop._ready.extend(waiting)

    def kill(self) -> None:
        """End it here and now; its connections are cut by the kernel."""
        self.is_dead = True
        for wire in self.wires:
            wire.cut()
        self.wires.clear()
        for tell in self.on_death:
            tell()

    def dispose(self) -> None:
        """Free the memory of its tasks; whom their `finally` calls must refuse by now."""
        self.is_dead = True
        for task in list(self.tasks):
            if not task.done():
                task._log_destroy_pending = False
                with suppress(BaseException):
                    task.get_coro().close()

    def context(self) -> Context:
        """A context in which everything belongs to it."""
        context = copy_context()
        context.run(PROCESS.set, self)
        return context


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class _Handle(asyncio.Handle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(PROCESS)
        if process is None or process.steps_on(self):
            super()._run()


class _Timer(asyncio.TimerHandle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(PROCESS)
        if process is None or process.steps_on(self):
            super()._run()


class _Selector:
    """Where a real loop would sleep."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Hangs("everything waits, and nothing will happen")
        self._loop.now += timeout
        return []


class Simulated(base_events.BaseEventLoop):
    """What both loops have in common: virtual time, and steps that belong to processes.

    What it connects to is in `listeners`, by path.
    """

    now: float
    listeners: dict[str, Any]
    failures: list[dict[str, Any]]
    """What nobody caught."""

    def begin(self, limit: float) -> None:
        """Time may run for *limit* seconds."""
        self._clock_resolution = 1e-9
        self.now = START
        self._limit = START + limit
        self.listeners = {}
        self.failures = []
        self.set_exception_handler(lambda _, context: self._failed(context))

    def _failed(self, context: dict[str, Any]) -> None:
        # What a killed process leaves is closed when its memory is freed: no failure of anybody.
        if not isinstance(context.get("exception"), GeneratorExit | asyncio.CancelledError):
            self.failures.append(context)

    def _asyncgen_finalizer_hook(self, agen: Any) -> None:
        if agen.ag_running:  # in the middle of a step that its process will never end
            self._asyncgens.discard(agen)
        else:
            super()._asyncgen_finalizer_hook(agen)

    def time(self) -> float:
        return self.now

    def call_soon(
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        if when > self._limit:
            raise Hangs("more time has passed than anything may take")
        timer = _Timer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def create_task(
        self, coro: Any, *, name: Any = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is not None:
            process.tasks.add(task)
        return task

    async def create_unix_connection(
        self, protocol_factory: Any, path: Any = None, **_: Any
    ) -> Any:
        """Connect to what listens at *path*; see `tests.dst.wires.dial`."""
        wire = await dial(self, self.listeners.get(str(path)), protocol_factory)
        process = PROCESS.get()
        if process is not None:
            process.wires.append(wire)
        return wire, wire.get_protocol()


class VirtualLoop(Simulated):
    """Without sockets and threads: nothing but the simulation."""

    def __init__(self, limit: float = 100_000.0) -> None:
        super().__init__()
        self._selector = _Selector(self)
        self.begin(limit)

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_soon(callback, *args, context=context)

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class HybridLoop(Simulated, asyncio.SelectorEventLoop):
    """With real sockets: time does not jump while an answer of the real world is awaited."""

    def __init__(self) -> None:
        asyncio.SelectorEventLoop.__init__(self, _HybridSelector(self))
        self.begin(float("inf"))
        self.is_waiting: Callable[[], bool] = lambda: True

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = self.call_soon(callback, *args, context=context)
        self._write_to_self()
        return handle


class _HybridSelector(selectors.DefaultSelector):
    def __init__(self, loop: HybridLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        loop = self._loop
        if timeout == 0 or loop.is_waiting():
            begun = time.monotonic()
            found = super().select(1.0 if timeout is None else timeout)
            loop.now += time.monotonic() - begun
            return found
        found = super().select(0)
        if not found:
            if timeout is None:
                raise Hangs("everything waits, and nothing will happen")
            loop.now += timeout
        return found


def outside() -> Context:
    """A context that belongs to no process: the world's."""
    context = copy_context()
    context.run(PROCESS.set, None)
    return context
