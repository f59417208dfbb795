"""Takes a changed catalogue over while the gateway runs, or keeps the one that it has.

What runs keeps the model, the price and the channels that it was accepted with; what comes next
gets the new ones. Health is kept by the names of channels. A catalogue with a mistake, or one
that changes an amount without a future date, is refused like at start (semantics.md 27).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

from core.catalog.entries import Catalogue
from core.catalog.source import CatalogueError
from core.engine.catalogue_versions import CatalogueChanged
from core.log import CatalogueActivated, CatalogueRefused, Emit
from core.values import dataclass
from storage.pool import StorageUnavailable

WATCH_SECONDS = 2.0

Stamps = tuple[tuple[int, int, int] | None, ...]
"""Of each file that is watched: inode, time of its last change, size; None where it is gone."""

Activate = Callable[[str, str], Awaitable[None]]
"""Asked with the hash of a version and its content; raises CatalogueChanged, StorageUnavailable."""


class Files(Protocol):
    """Where the catalogue is written."""

    def stamps(self) -> Stamps:
        """How the files stand."""

    def read(self) -> Catalogue:
        """Load them; raises CatalogueError."""

    def tell(self, text: str) -> None:
        """Tell the operator in words what a log event has no place for."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why a catalogue was not taken over."""

    text: str
    """All of it in one line, for the operator's terminal."""
    problem: str
    """What is wrong, and how to mend it."""
    file: str = ""
    """Its name without its folder; empty where it is not one file's."""
    line: int = 0
    """From 1; 0: not known."""
    key: str = ""


@dataclass(slots=True)
class Watch:
    """Decides when to load again: once the files are others than were loaded, and hold still."""

    loaded: Stamps
    seen: Stamps

    def is_due(self, stamps: Stamps) -> bool:
        """Whether to load now; called at each look with how the files stand."""
        is_still, self.seen = stamps == self.seen, stamps
        return is_still and stamps != self.loaded


class Reloading:
    """Watches the files, and hands a new catalogue to its *users*.

    *activate* makes a version (hash, content) the active one of the database; *may_activate* only
    raises what *activate* would.
    """

    def __init__(
        self,
        files: Files,
        activate: Activate,
        users: Sequence[Callable[[Catalogue], None]],
        emit: Emit,
        may_activate: Activate | None = None,
    ) -> None:
        self._files = files
        self._activate = activate
        self._may_activate = may_activate or _any
        self._alone = asyncio.Lock()
        self._users = users
        self._emit = emit
        stamps = files.stamps()
        self._watch = Watch(stamps, stamps)
        self._wished = asyncio.Event()

    def wish(self) -> None:
        """Load again soon, whether anything has changed or not: a credential's file may have."""
        self._wished.set()

    async def keep(self) -> None:
        """Look every 2 s, and when it is wished."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._wished.wait()
            await self.look()

    async def look(self) -> None:
        """Load again if that is due or wished."""
        stamps = await asyncio.to_thread(self._files.stamps)
        is_wished = self._wished.is_set()
        self._wished.clear()
        if self._watch.is_due(stamps) or is_wished:
            with suppress(StorageUnavailable):
                await self.reload()
                self._watch.loaded = stamps

    async def reload(self) -> Catalogue | Mistake:
        """Take the catalogue over as it is written now, or say why not.

        Raises StorageUnavailable where that could not be tried to its end.
        """
        async with self._alone:
            found = await self._read(self._activate)
            if isinstance(found, Mistake):
                self._files.tell(f"the catalogue stays as it was: {found.text}")
                self._emit(CatalogueRefused(found.file, found.line, found.key))
                return found
            for use in self._users:
                use(found)
            counts = len(found.models), len(found.channels)
            self._emit(CatalogueActivated(found.version, *counts))
            return found

    async def check(self) -> Catalogue | Mistake:
        """What `reload` would take over, or why it would not; raises StorageUnavailable."""
        return await self._read(self._may_activate)

    async def _read(self, judge: Activate) -> Catalogue | Mistake:
        try:
            catalogue = await asyncio.to_thread(self._files.read)
            await judge(catalogue.version, catalogue.content)
        except CatalogueError as error:
            return Mistake(str(error), error.problem, error.file.name, error.line or 0, error.key)
        except CatalogueChanged as error:
            return Mistake(str(error), error.problem, key=f"models.{error.model}.{error.key}")
        return catalogue


async def _any(_version: str, _content: str) -> None:
    """Nothing is asked of the database."""
