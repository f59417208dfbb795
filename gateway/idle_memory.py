"""Freed memory goes back to the system in a quiet moment.

Under load a process keeps what it frees (`gateway.hardening.keep_freed_memory`). Once it does next
to nothing, others have more use for it: after a load of large images it is a third of all memory.
"""

import asyncio
import ctypes
import gc
import sys
import time

LOOK_SECONDS = 10.0
_QUIET_CORES = 0.05
_WORTH_SECONDS = 2.0
"""Of CPU since the last time: who did less than that has not freed much."""


class QuietMoments:
    """Says when to give memory back. Times are CPU seconds, as `time.process_time` counts."""

    def __init__(self) -> None:
        self._used = self._used_at_last = 0.0

    def is_now(self, used: float) -> bool:
        """Whether it is time; asked every LOOK_SECONDS, with all that the process has *used*."""
        lately, self._used = used - self._used, used
        if lately > LOOK_SECONDS * _QUIET_CORES or used - self._used_at_last < _WORTH_SECONDS:
            return False
        self._used_at_last = used
        return True


async def wait_quietly(stopping: asyncio.Event) -> None:
    """Wait until *stopping* is set, and give memory back in quiet moments until then."""
    moments = QuietMoments()
    while not stopping.is_set():
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await stopping.wait()
        except TimeoutError:
            if moments.is_now(time.process_time()):
                gc.collect()
                await asyncio.to_thread(give_back)


def give_back() -> None:
    """Return every free page of the heap to the system: 10 ms after a load, 0.2 ms for each MB.

    Where the C library is not glibc, nothing changes.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "malloc_trim"):
            libc.malloc_trim(0)
