"""Where the embedded PostgreSQL can be called without a network: a socket beside its data.

A call through it costs both sides some 10 us less than one through a loopback port. There is none
where its path would be too long for the system (107 bytes on Linux) or has a comma, which parts
hosts, where the file system keeps no sockets, and where we may not enter what belongs to the
server's user: then the port has to do.
"""

import os
import shutil
import socket
from pathlib import Path

from storage.embedded_place import Place

_NAMES = ".s.PGSQL.*"  # PostgreSQL's own, with the port; and that with .lock
_A_NAME = ".s.PGSQL.65535"


def socket_folder(place: Place) -> Path | None:
    """An empty folder in *place* that only the server's user enters; None where none is of use."""
    folder = place.folder / "socket"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    if place.owner is not None:
        os.chown(folder, *place.owner, follow_symlinks=False)
    if "," not in str(folder) and can_be_called(folder / _A_NAME):
        return folder
    folder.rmdir()
    return None


def can_be_called(path: Path) -> bool:
    """Whether a socket at *path* can be listened at and called."""
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as calling:
        try:
            listening.bind(str(path))
        except OSError:
            return False
        try:
            listening.listen()
            calling.connect(str(path))
        except OSError:
            return False
        finally:
            path.unlink()
    return True


def forget_sockets(place: Place) -> None:
    """Remove what a server left that was killed; its pid, which stands there, may be anybody's."""
    for left in (place.folder / "socket").glob(_NAMES):
        left.unlink(missing_ok=True)


def quoted(folder: Path | None) -> str:
    """*folder* in PostgreSQL's list of folders for sockets; the empty list for none."""
    return "" if folder is None else '"{}"'.format(str(folder).replace('"', '""'))
