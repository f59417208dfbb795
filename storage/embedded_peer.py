"""The embedded PostgreSQL that another process runs: how to log in to it."""

from pathlib import Path

from storage.embedded_place import remembered_folder

_PORT_LINE = 3  # of postmaster.pid, from 0
_APPLICATION = "reapi"


def peer_url(home: Path) -> str | None:
    """The URL of the server that runs on *home*; None where none does. Holds the password.

    Raises PostgresError when its data have gone, and OSError when they are not ours to read.
    """
    folder = remembered_folder(home) or home
    try:
        lines = (folder / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        password = (home / "password").read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    if len(lines) <= _PORT_LINE or not lines[_PORT_LINE].isdigit():
        return None  # it is just starting
    return f"postgresql://{_APPLICATION}:{password}@127.0.0.1:{lines[_PORT_LINE]}/{_APPLICATION}"
