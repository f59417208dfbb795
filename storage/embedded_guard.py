"""One server per data folder: file locks, and the end of servers that outlived their parent.

Pids are never trusted: they are recycled, above all in containers. The server holds a lock file
open, every one of its processes inherits it, and the kernel releases the lock when the last of
them is gone. Whoever gets that lock knows that nothing runs on the folder.
"""

import asyncio
import fcntl
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from storage.embedded_place import LAUNCHER

_POLL_SECONDS = 0.02
_QUIT_AFTER_SECONDS = 3.0  # a fast shutdown writes a checkpoint
_KILL_AFTER_SECONDS = 5.0


def try_lock(path: Path) -> int | None:
    """The descriptor that now holds the lock on *path*; None when somebody else does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


async def lock_after_orphans(path: Path, data: Path) -> int:
    """Take the server's lock on *path*, ending servers that still run on *data*.

    Waits for them without limit of its own: bound it with `asyncio.timeout`.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    sent: dict[int, signal.Signals] = {}
    while (descriptor := try_lock(path)) is None:
        waited = clock() - began
        for orphan in await orphans(data):
            wanted = escalation(orphan, waited)
            if sent.get(orphan.pid) != wanted:
                sent[orphan.pid] = wanted
                end(orphan.pid, wanted)
        await asyncio.sleep(_POLL_SECONDS)
    return descriptor


@dataclass(frozen=True, slots=True)
class Orphan:
    """A process of a server on our folder: its leader, or one of the leader's children."""

    pid: int
    leads: bool


def escalation(orphan: Orphan, waited: float) -> signal.Signals:
    """What to send after *waited* seconds. Children leave with their leader, or are leaderless."""
    if waited >= _KILL_AFTER_SECONDS:
        return signal.SIGKILL
    if waited >= _QUIT_AFTER_SECONDS or not orphan.leads:
        return signal.SIGQUIT
    return signal.SIGINT


def end(pid: int, how: signal.Signals) -> None:
    """Signal *pid*, which may be gone by now."""
    try:
        os.kill(pid, how)
    except (ProcessLookupError, PermissionError):
        return


def folder_name(data: Path) -> str:
    """What a server on *data* calls itself (its cluster_name): a copied folder has another name."""
    status = data.stat()
    return f"reapi-{status.st_dev:x}-{status.st_ino:x}"


async def orphans(data: Path, processes: Path = Path("/proc")) -> list[Orphan]:
    """The processes of servers on *data*: leaders, or children where no leader is left."""
    try:
        name = folder_name(data)
    except FileNotFoundError:
        return []
    found = [
        Orphan(pid, leads)
        for pid, command in await commands(processes)
        if (leads := is_leader(command, name)) or command.startswith(f"postgres: {name}: ")
    ]
    return [orphan for orphan in found if orphan.leads] or found


def is_leader(command: str, name: str) -> bool:
    """Whether *command* is the first process of the server called *name*.

    Its launcher, and the watcher that may stay of that, have the same words among their arguments.
    """
    program, _, arguments = command.partition("/bin/postgres -D ")
    return f"/{LAUNCHER.name} run " not in program and f" -c cluster_name={name} " in arguments


async def commands(processes: Path) -> list[tuple[int, str]]:
    """Pid and command line of every process we may see: from /proc, or from `ps` without one."""
    if (processes / "self").exists():
        return list(proc_commands(processes))
    ps = await asyncio.create_subprocess_exec(
        "/bin/ps",
        "-axwwo",
        "pid=,command=",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await ps.communicate()
    lines = (line.split(maxsplit=1) for line in output.decode(errors="replace").splitlines())
    return [(int(line[0]), line[1]) for line in lines if len(line) > 1]


def proc_commands(processes: Path) -> list[tuple[int, str]]:
    """Pid and command line of every process in the folder *processes*, a Linux /proc."""
    found = []
    for entry in processes.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:  # gone meanwhile, or not ours to see
            continue
        found.append((int(entry.name), command.replace(b"\0", b" ").decode(errors="replace")))
    return found
