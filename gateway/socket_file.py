"""The file of a Unix socket: for its owner only, in a folder that nobody else can change."""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.process import ServeError

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OWNER_ONLY = 0o177
"""A umask: what is made under it has mode 0600."""
_PROBE_SECONDS = 1.0


@contextmanager
def place(path: Path) -> Iterator[None]:
    """Make room for a socket at *path*; inside, sockets are made with mode 0600.

    A stale socket is removed, one that somebody listens on is not. Raises ServeError.
    """
    _own_folder(path.parent)
    if path.is_socket():
        if _is_listened_on(path):
            raise ServeError(f"another process listens on {path.name}: set REAPI_GRPC_BIND")
        path.unlink(missing_ok=True)
    elif path.exists() or path.is_symlink():
        raise ServeError(f"{path.name} is not a socket: set REAPI_GRPC_BIND to another path")
    before = os.umask(_OWNER_ONLY)
    try:
        yield
    finally:
        os.umask(before)


def identity(path: Path) -> tuple[int, int]:
    """Which file it is, whatever takes its name later."""
    found = path.lstat()
    return found.st_dev, found.st_ino


def remove(path: Path, known: tuple[int, int]) -> None:
    """Remove the socket unless another process has put its own there."""
    with suppress(FileNotFoundError):
        if identity(path) == known:
            path.unlink()


def _own_folder(folder: Path) -> None:
    """Make it (mode 0700), or check that only this user may put files there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise ServeError(
            f"REAPI_GRPC_BIND: the folder of the socket cannot be had ({error.strerror})"
        ) from None
    if found.st_uid != os.geteuid() or found.st_mode & _OTHERS_MAY_WRITE:
        raise ServeError(
            "REAPI_GRPC_BIND: the socket must be in a folder that belongs to the user who runs "
            "core and that nobody else may write to (mode 0700)"
        )


def _is_listened_on(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # busy, or not ours to connect to
    return True
