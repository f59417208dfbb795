"""What the process refuses before it handles the first request: leaks by debugging aids."""

import ctypes
import resource
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType

from core.log import Defect, Emit, frames

_PR_SET_DUMPABLE = 4

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_BYTES = 64 << 20
_MAP_BYTES = 32 << 20

_DESCRIPTORS = 65_536
"""Two for each of the most requests that a process takes on, and as many for jobs and idle ones."""

_TRACING = (
    *("GRPC_TRACE", "PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONFAULTHANDLER"),
    "STRIPE_LOG",
)


class UnsafeEnvironment(Exception):
    """A debugging aid that would write contents of requests is switched on."""


def refuse_tracing(env: Mapping[str, str]) -> None:
    """Raise UnsafeEnvironment when a variable would make a library log contents."""
    for name in _TRACING:
        if env.get(name, "") not in ("", "0", "none"):
            raise UnsafeEnvironment(f"unset {name}: it makes libraries log contents of requests")
    if env.get("GRPC_VERBOSITY", "").upper() in ("DEBUG", "INFO"):
        raise UnsafeEnvironment("unset GRPC_VERBOSITY, or set it to ERROR")
    if sys.flags.dev_mode:
        raise UnsafeEnvironment("do not run with -X dev: asyncio's debug mode logs contents")


def forbid_core_dumps() -> None:
    """Make sure that a crash writes no memory to disk, and that other users cannot read it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def keep_freed_memory() -> None:
    """Keep freed megabytes instead of returning them to the system after every image.

    glibc otherwise trims and refaults the heap for each large message, which costs ten times
    the copies themselves. Elsewhere nothing changes.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(_M_MMAP_THRESHOLD, _MAP_BYTES)
            libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)


def use_descriptors() -> None:
    """Let the process open as many sockets as it needs, where the system allows it.

    Shells and services begin with 1,024, which a thousand callers and their upstreams use up.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def hide_messages_of_exceptions(emit: Emit) -> None:
    """Log what nobody caught by its type and frames: its message may quote content."""

    def tell(where: str, kind: type[BaseException], trace: TracebackType | None) -> None:
        emit(Defect(where, kind.__name__, frames(trace)))

    def uncaught(
        kind: type[BaseException], _error: BaseException, trace: TracebackType | None
    ) -> None:
        tell("main", kind, trace)

    def in_thread(found: threading.ExceptHookArgs) -> None:
        tell("thread", found.exc_type, found.exc_traceback)

    def unraisable(found: "sys.UnraisableHookArgs") -> None:
        tell("unraisable", found.exc_type, found.exc_traceback)

    sys.excepthook = uncaught
    threading.excepthook = in_thread
    sys.unraisablehook = unraisable
