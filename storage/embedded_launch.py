"""Become the PostgreSQL server: give up root, tie our life to the parent's, exec.

A script of its own, run as ``python -I -S embedded_launch.py …`` and never imported by the
gateway: it forks, unshares and changes user, which is only safe in a fresh process with one
thread. PostgreSQL refuses to run as root, so root becomes either uid 65534 of a new user
namespace (outside, it is still root's uid, without any capability: no file changes owner) or
another user of the machine.

    probe IDENTITY PATH…                      exit 0 when IDENTITY is to be had and can enter
                                              every folder, execute every program
    run IDENTITY DEATH ALIVE_FD PARENT ARGV…  exec ARGV; it gets SIGINT when process PARENT dies

IDENTITY is ``self``, ``namespace`` or ``uid:gid``. DEATH is ``signal`` (prctl, Linux) or
``pipe`` (a small watcher process; also the fallback where there is no prctl). ALIVE_FD is the
read end of a pipe whose write end only PARENT holds.
"""

import os
import resource
import select
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

REFUSED = 80  # the identity is not to be had here (container policy, limits)
UNREACHABLE = 81  # it is, but it cannot execute the program or enter the folder
ORPHANED = 82  # the parent died before we could watch it

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_NAMESPACE_ID = 65534
_LOWEST_FREE_FD, _FD_CEILING = 3, 1024


def main(verb: str, identity: str, *rest: str) -> NoReturn:
    """Probe or run."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold table rows
    # Got while we are root: as another user we may be unable to read Python's own libraries.
    prctl = libc_function("prctl") if verb == "run" else None
    if not become(identity):
        sys.exit(REFUSED)
    if verb == "probe":
        sys.exit(0 if all(os.access(path, os.X_OK) for path in rest) else UNREACHABLE)
    death, alive_fd, parent, *argv = rest
    if death != "signal" or not die_with_parent(prctl):
        watch(int(alive_fd))
    os.close(int(alive_fd))
    if os.getppid() != int(parent):
        sys.exit(ORPHANED)
    os.execv(argv[0], argv)  # noqa: S606 - to replace this process is its whole purpose


def become(identity: str) -> bool:
    """Take on *identity*; False when the machine refuses."""
    if identity == "self":
        return True
    if identity == "namespace":
        return enter_namespace()
    uid, gid = map(int, identity.split(":"))
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    except OSError:
        return False
    return True


def enter_namespace() -> bool:
    """Enter a user namespace in which we are uid and gid 65534."""
    uid, gid = os.geteuid(), os.getegid()
    unshare = libc_function("unshare")
    if unshare is None or unshare(_CLONE_NEWUSER):
        return False
    try:
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"{_NAMESPACE_ID} {uid} 1")
        write("/proc/self/gid_map", f"{_NAMESPACE_ID} {gid} 1")
    except OSError:
        return False
    return True


def die_with_parent(prctl: Callable[..., int] | None) -> bool:
    """Ask the kernel for SIGINT, PostgreSQL's fast shutdown, when the parent's thread dies.

    Changing user clears the request, so it comes after `become`.
    """
    return prctl is not None and prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0) == 0


def watch(alive_fd: int) -> None:
    """Leave a process behind that sends us SIGINT when *alive_fd* reaches its end.

    It is nobody's child (PostgreSQL takes the death of a strange child for a crash) and goes
    when the last server process has closed its end of a second pipe: no recycled pid is signalled.
    """
    server = os.getpid()
    gone, held = os.pipe()
    first = os.fork()
    if first:
        os.waitpid(first, 0)
        os.close(gone)
        os.set_inheritable(held, True)
        return
    if os.fork() == 0:
        for descriptor in range(_LOWEST_FREE_FD, _FD_CEILING):
            if descriptor not in {alive_fd, gone}:
                close_if_open(descriptor)
        ready, _, _ = select.select([alive_fd, gone], [], [])
        if gone not in ready:
            os.kill(server, signal.SIGINT)
    os._exit(0)


def close_if_open(descriptor: int) -> None:
    """Close *descriptor*; nothing when it is not open."""
    try:
        os.close(descriptor)
    except OSError:
        return


def libc_function(name: str) -> Callable[..., int] | None:
    """A function of the C library; None where there is none, or Python has no ctypes."""
    try:
        import ctypes  # noqa: PLC0415 - missing from some minimal builds of Python

        function: Callable[..., int] = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (ImportError, AttributeError, OSError):
        return None
    return function


def write(path: str, text: str) -> None:
    """Write *text* to the kernel's file *path*."""
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib doubles start-up time
        file.write(text)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback when stopped before the exec
    main(*sys.argv[1:])
