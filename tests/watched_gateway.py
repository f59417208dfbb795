"""The gateway, which tells how much is alive in it: `python -m tests.watched_gateway serve`.

Once a second it adds a line to the file `WATCHED_FILE`; at SIGUSR2 it collects its garbage first.
"""

import asyncio
import gc
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from gateway import serve as serving
from gateway.cli import main
from gateway.process import settle_memory

SECONDS = 1.0
KINDS = 12
"""How many kinds of tasks and objects are named: those there are most of."""


class Watch:
    """Writes what it sees."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._wish = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, self._wish.set)

    async def keep(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                async with asyncio.timeout(SECONDS):
                    await self._wish.wait()
            except TimeoutError:
                self._write({})
                continue
            self._wish.clear()
            gc.collect()
            kinds = Counter(type(each).__qualname__ for each in gc.get_objects())
            self._write({"objects": kinds.total(), "kinds": dict(kinds.most_common(KINDS))})

    def _write(self, more: dict[str, object]) -> None:
        tasks = Counter(_name(task) for task in asyncio.all_tasks())
        line = {
            "at": time.monotonic(),
            "tasks": tasks.total(),
            "names": dict(tasks.most_common(KINDS)),
            **more,
        }
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def _name(task: "asyncio.Task[object]") -> str:
    return getattr(task.get_coro(), "__qualname__", "?")


def watched(settle: Callable[[], None]) -> Callable[[], None]:
    """The last thing that a start does, and a watch from then on."""

    def settle_and_watch() -> None:
        settle()
        watch = Watch(Path(os.environ["WATCHED_FILE"]))
        KEPT.append(asyncio.get_running_loop().create_task(watch.keep()))

    return settle_and_watch


KEPT: list[object] = []

if __name__ == "__main__":
    serving.__dict__["settle_memory"] = watched(settle_memory)
    main()
