"""Makes what operators say about channels hold in this process, within a second.

Read before anything is served, at every notice, and twice a second besides. A database that is
away changes nothing: what was heard last goes on to hold.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import psycopg

from core.catalog.entries import Catalogue
from core.engine.channel_controls import NOTIFY_CHANNEL, Edit, change, read
from core.log import ChannelControlled, ControlsUnheard, Emit
from core.policy.health import HealthBook
from core.policy.overlay import Overlay
from storage.pool import AnyPool

READ_SECONDS = 0.5
"""Between two looks without a notice: half of the second within which a change holds."""
ANSWER_SECONDS = 1.0
"""What one statement may take; then the connection counts as dead."""
RETRY_SECONDS = 0.5

Connect = Callable[[], Awaitable[psycopg.AsyncConnection[Any]]]


class ChannelOverlay:
    """The overlay of this process, and the catalogue under it.

    The *book* is told which channels are closed; *users* are handed the catalogue with the
    weights that hold.
    """

    def __init__(
        self,
        pool: AnyPool,
        book: HealthBook,
        catalogue: Catalogue,
        users: Sequence[Callable[[Catalogue], None]],
        emit: Emit,
    ) -> None:
        self._pool = pool
        self._book = book
        self._users = users
        self._emit = emit
        self._looks = 0
        self._applied = 0
        self.catalogue = catalogue
        """As it is written."""
        self.overlay = Overlay()

    def use(self, catalogue: Catalogue) -> None:
        """Lay what holds over another catalogue from now on."""
        self.catalogue = catalogue
        self._hand_out()

    async def load(self) -> None:
        """Look now; raises what the pool raises."""
        async with self._pool.connection() as connection:
            await self._look(connection)

    async def change(self, edit: Edit) -> None:
        """Make *edit* hold: here at once, everywhere within a second. Raises as `change` does."""
        await change(self._pool, edit)
        await self.load()

    async def keep(self, connect: Connect) -> None:
        """Hear of changes, for ever; *connect* opens a connection of its own each time."""
        is_heard = True
        while True:
            try:
                async with await connect() as connection:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await connection.execute(f"LISTEN {NOTIFY_CHANNEL}")
                    while True:
                        async with asyncio.timeout(ANSWER_SECONDS):
                            await self._look(connection)
                        is_heard = True
                        async for _ in connection.notifies(timeout=READ_SECONDS, stop_after=1):
                            pass
            except (psycopg.Error, OSError, TimeoutError):
                if is_heard:
                    self._emit(ControlsUnheard())
                is_heard = False
            await asyncio.sleep(RETRY_SECONDS)

    async def _look(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Read, and apply it unless a look that began later was faster."""
        self._looks += 1
        look = self._looks
        overlay = await read(connection)
        if look > self._applied:
            self._applied = look
            self._apply(overlay)

    def _apply(self, overlay: Overlay) -> None:
        changed = self.overlay.changed(overlay)
        if not changed:
            return
        has_weights = any(self.overlay.rule(n).weight != overlay.rule(n).weight for n in changed)
        self.overlay = overlay
        self._book.closed = overlay.closed
        if has_weights:
            self._hand_out()
        for name in changed:
            rule = overlay.rule(name)
            self._emit(ChannelControlled(name, rule.admission, rule.weight or 0))

    def _hand_out(self) -> None:
        """Give the users the catalogue with the weights that hold."""
        routes = {
            id_: self.overlay.weighted(channels) for id_, channels in self.catalogue.routes.items()
        }
        catalogue = replace(self.catalogue, routes=routes)
        for use in self._users:
            use(catalogue)
