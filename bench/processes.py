"""What other processes cost, from /proc, and where they may run. Linux; elsewhere: unknown."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

PROC = Path("/proc")
IS_LINUX = sys.platform == "linux"


def cores() -> tuple[int, int] | None:
    """A core for what is measured, and one for everything else; None where that is impossible."""
    if sys.platform != "linux":
        return None
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else None


@contextmanager
def running_on(core: int | None) -> Iterator[None]:
    """Processes started inside run on *core* only."""
    if sys.platform != "linux" or core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin(pids: Collection[int], core: int | None) -> None:
    """Move every thread of *pids* to *core*."""
    if sys.platform != "linux" or core is None:
        return
    for pid in pids:
        with contextlib.suppress(OSError):
            for thread in (PROC / str(pid) / "task").iterdir():
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(int(thread.name), {core})


def tree(root: int, without: Collection[int] = ()) -> set[int]:
    """*root* and its descendants, leaving out *without* and theirs."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    ahead = [root]
    while ahead:
        pid = ahead.pop()
        if pid not in without:
            found.add(pid)
            ahead.extend(children.get(pid, ()))
    return found


def _parents() -> Iterator[tuple[int, int]]:
    if not IS_LINUX:
        return
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _fields(int(entry.name))):
            yield int(entry.name), int(fields[1])


def _fields(pid: int) -> list[str]:
    """`/proc/<pid>/stat` after the name: state, parent, …; empty if the process is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def command(pid: int) -> str:
    """The command line; empty if the process is gone."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def cpu_seconds(pids: Collection[int], *, reaped: bool = False) -> float | None:
    """User and system time of *pids*; with *reaped*, also of their children that have ended."""
    if not IS_LINUX:
        return None
    last = 15 if reaped else 13
    ticks = sum(sum(map(int, _fields(pid)[11:last])) for pid in pids)
    return ticks / os.sysconf("SC_CLK_TCK")


def machine_cpu_seconds() -> float | None:
    """What all processes of the machine have used since its start."""
    if not IS_LINUX:
        return None
    user, nice, system, _, _, irq, softirq, *_ = (PROC / "stat").read_text().split()[1:9]
    ticks = sum(map(int, (user, nice, system, irq, softirq)))
    return ticks / os.sysconf("SC_CLK_TCK")


def pss_bytes(pids: Collection[int]) -> int | None:
    """Memory of *pids*, pages shared with others counted by share; None if it cannot be read."""
    total = 0
    for pid in pids:
        try:
            rollup = (PROC / str(pid) / "smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(
            int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")
        )
    return total * 1024 or None


async def end(process: asyncio.subprocess.Process, seconds: float) -> int:
    """Ask *process* to end; after *seconds* make it and what it started. Its exit code."""
    if process.returncode is None:
        family = tree(process.pid)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            for pid in family & tree(process.pid) | {process.pid}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    return await process.wait()
