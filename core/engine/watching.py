"""Tells what happens to generations: live where this process works on one, else from their rows.

The numbers of events say what a watcher has seen (`core.engine.events`), so that one who comes
back, here or elsewhere, and also when the generation has changed its process meanwhile, gets
what is missing and nothing twice.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from uuid import UUID

from core.engine.events import Accepted, Event, Failed, Live, gone, replay
from core.engine.library import Library
from core.errors import GatewayError, Reason
from core.model import Generation

WATCH_SECONDS = 0.25
"""How often a generation of another process is looked at."""

Numbered = tuple[int, Event]


class Watching:
    """The watchers of one process. *live* are the generations that it works on."""

    def __init__(
        self, live: Mapping[UUID, Live], library: Library, is_stopping: Callable[[], bool]
    ) -> None:
        self._live = live
        self._library = library
        self._is_stopping = is_stopping

    async def watch(
        self, account_id: UUID, id_: UUID, after: int = 0
    ) -> AsyncGenerator[Numbered, None]:
        """The events after sequence number *after*; raises GENERATION_NOT_FOUND."""
        live = self._here(account_id, id_)
        if live is not None:
            return self._heard(live, after)
        return self.follow(await self._library.find(account_id, id_), after)

    async def follow(
        self, generation: Generation, after: int = 0
    ) -> AsyncGenerator[Numbered, None]:
        """Tell from rows, and look again until it ends, or until this process works on it."""
        while True:
            for seq, event in replay(generation):
                if seq > after:
                    after = seq
                    yield seq, event
            if generation.state.is_terminal:
                return
            await asyncio.sleep(WATCH_SECONDS)
            live = self._here(generation.account_id, generation.id)
            if live is not None:
                async with aclosing(self._heard(live, after)) as events:
                    async for numbered in events:
                        yield numbered
                return
            try:
                generation = await self._library.find(generation.account_id, generation.id)
            except GatewayError as error:  # deleted meanwhile: a terminal event all the same
                yield gone(generation, error)
                return

    async def _heard(self, live: Live, after: int) -> AsyncGenerator[Numbered, None]:
        """Tell what happens here; and go on from rows when another process takes it over.

        Raises STILL_RUNNING when this process stops: who watches comes back elsewhere.
        """
        async for seq, event in live.watch(after):
            if isinstance(event, Failed) and event.error.reason is Reason.STILL_RUNNING:
                if self._is_stopping():
                    raise event.error
                break
            yield seq, event
            after = seq
        else:
            return
        generation = await self._library.find(live.account_id, live.id)
        async with aclosing(self.follow(generation, after)) as events:
            async for numbered in events:
                yield numbered

    def _here(self, account_id: UUID, id_: UUID) -> Live | None:
        live = self._live.get(id_)
        if live is None or live.account_id != account_id or live.delete_asked:
            return None
        return live


async def replayed(live: Live, generation: Generation) -> AsyncGenerator[Numbered, None]:
    """The events of a running twin; the first says that they are a replay."""
    async for seq, event in live.watch():
        yield seq, Accepted(generation, replayed=True) if isinstance(event, Accepted) else event
