"""Which catalogue files this process loads, now and when they change."""

import re
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from core.catalog.loader import Catalogue, embedded_files, load, shipped_files
from core.engine.reloading import Stamps
from core.keyring import Keyring
from core.sealed_files import open_text
from core.settings import Settings

_LEFT_OUT = re.compile(r"channel (\S+) is left out: (.*)")


def brief(notes: Sequence[str]) -> list[str]:
    """The notes, with channels that are left out for the same reason in one line."""
    names: dict[str, list[str]] = {}
    others: list[str] = []
    for note in notes:
        if (found := _LEFT_OUT.fullmatch(note)) is not None:
            names.setdefault(found[2], []).append(found[1])
        else:
            others.append(note)
    left_out = [
        f"channel {each[0]} is left out: {reason}"
        if len(each) == 1
        else f"channels {', '.join(each)} are left out: {reason}"
        for reason, each in names.items()
    ]
    return left_out + others


class CatalogueFiles:
    """The shipped files, or the demo's, and the operator's laid over them.

    *simulator* holds the addresses and credentials of the demo's channels; None: no demo. *keyring*
    opens sealed files of credentials.
    """

    def __init__(
        self,
        settings: Settings,
        simulator: Mapping[str, str] | None,
        keyring: Keyring | None = None,
    ) -> None:
        files = shipped_files() if simulator is None else embedded_files()
        self._watched: Sequence[Path] = settings.catalogue
        self._credentials: Sequence[Path] = ()
        self._files = [*files, *settings.catalogue]
        self._environment = {**settings.environment, **(simulator or {})}
        self._unseal = None if keyring is None else partial(open_text, keyring)

    def read(self) -> Catalogue:
        """Load them, and tell what is left out; raises CatalogueError."""
        catalogue = load(self._files, self._environment, unseal=self._unseal)
        self._credentials = catalogue.credential_files
        for note in brief(catalogue.notes):
            self.tell(note)
        return catalogue

    def stamps(self) -> Stamps:
        """How the operator's files stand, and those that hold credentials."""
        found: list[tuple[int, int, int] | None] = []
        for file in (*self._watched, *self._credentials):
            try:
                stat = file.stat()
            except OSError:
                found.append(None)
            else:
                found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        return tuple(found)

    def tell(self, text: str) -> None:
        """Tell the operator, on standard error."""
        print(f"reapi: {text}", file=sys.stderr, flush=True)
