"""The embedded PostgreSQL of a state folder: a way in, where its data are, and their end.

Where root may make no user namespaces the server runs as nobody, who cannot enter a test's own
folders: the data then stand in a system folder, and outlive the test's.
"""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from storage.embedded_guard import try_lock
from storage.embedded_peer import peer_url
from storage.embedded_place import SYSTEM_FOLDERS, remembered_folder
from tests.patience import wait_until

_OURS = "reapi-postgres-"
_LONGEST_NOTE = 4_096  # a path


def connected_to(
    home: Path, name: str = "reapi", *, autocommit: bool = False
) -> psycopg.Connection[Any]:
    """A connection of our own to the running server on *home*; `postgres` is the superuser's."""
    url = peer_url(home)
    assert url is not None, "no server runs there"
    return psycopg.connect(url, user=name, dbname=name, autocommit=autocommit)


def place_of(home: Path) -> Path:
    """The folder with the data of the server on *home*, and with its locks."""
    return remembered_folder(home) or home


def forget_databases(folder: Path) -> None:
    """Remove what servers on homes in *folder* keep elsewhere, as soon as they have ended."""
    if not any(list(base.glob(f"{_OURS}*")) for base in SYSTEM_FOLDERS):
        return
    for place in set(_places(folder)):
        wait_until(partial(_is_at_rest, place), 10)
        shutil.rmtree(place)


def _places(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        note = Path(parent) / "location"
        if note.name in names and note.stat().st_size < _LONGEST_NOTE:
            place = Path(note.read_text(errors="replace"))
            if place.parent in SYSTEM_FOLDERS and place.name.startswith(_OURS) and place.is_dir():
                yield place


def _is_at_rest(place: Path) -> bool:
    """Whether no process of a server on *place* lives: they all hold its lock."""
    descriptor = try_lock(place / "server.lock")
    if descriptor is None:
        return False
    os.close(descriptor)
    return True
