"""What the process refuses before it handles the first request: leaks by debugging aids."""

import ctypes
import resource
import sys
from collections.abc import Mapping

_PR_SET_DUMPABLE = 4

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_BYTES = 64 << 20
_MAP_BYTES = 32 << 20

_TRACING = ("GRPC_TRACE", "PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONFAULTHANDLER")


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
