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


class Files(Protocol):
    """Where the catalogue is written."""

    def stamps(self) -> Stamps:
        """How the files stand."""

    def read(self) -> Catalogue:
        """Load them; raises CatalogueError."""

    def tell(self, text: str) -> None:
        """Tell the operator in words what a log event has no place for."""


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

    *activate* makes a version (hash, content) the active one of the database.
    """

    def __init__(
        self,
        files: Files,
        activate: Callable[[str, str], Awaitable[None]],
        users: Sequence[Callable[[Catalogue], None]],
        emit: Emit,
    ) -> None:
        self._files = files
        self._activate = activate
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
        if (self._watch.is_due(stamps) or is_wished) and await self._reload():
            self._watch.loaded = stamps

    async def _reload(self) -> bool:
        """Take the catalogue over; False when that could not be tried to its end."""
        try:
            catalogue = await asyncio.to_thread(self._files.read)
            await self._activate(catalogue.version, catalogue.content)
        except CatalogueError as error:
            self._refuse(error, CatalogueRefused(error.file.name, error.line or 0, error.key))
        except CatalogueChanged as error:
            self._refuse(error, CatalogueRefused(key=f"models.{error.model}.{error.key}"))
        except StorageUnavailable:
            return False
        else:
            for use in self._users:
                use(catalogue)
            counts = len(catalogue.models), len(catalogue.channels)
            self._emit(CatalogueActivated(catalogue.version, *counts))
        return True

    def _refuse(self, error: Exception, event: CatalogueRefused) -> None:
        self._files.tell(f"the catalogue stays as it was: {error}")
        self._emit(event)
