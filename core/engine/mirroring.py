"""Copies hosted outputs into the bucket, as often as it takes: the provider has made them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from core.engine import turns
from core.engine.outputs import Fetch, Kept, Store, Wish, discard, keep_hosted, new_link
from core.engine.storing import PATIENCE_SECONDS
from core.errors import Fault, Reason, UpstreamError, explained
from core.model import Channel, Hosted, Kind
from core.values import dataclass

FIRST_DELAY = 0.2
LONGEST_DELAY = 15.0
LINK_SECONDS = 3600.0
"""How long a provider keeps what a job made, at least."""
AT_ONCE = 4
"""Of one generation; of one channel see `core.engine.turns`."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long it is tried to bring an output home."""

    tries: int
    """At a provider that does not give it."""
    store_seconds: float
    """With a bucket that does not take it, from its first failure on."""
    turn_seconds: float | None
    """For a turn, at each try; None: however long others take, which is not the provider's fault.
    """


CALL_PATIENCE = Patience(3, PATIENCE_SECONDS, turns.PATIENCE_SECONDS)
"""For the outputs of a call that left no job: another channel is soon asked."""
JOB_PATIENCE = Patience(9, LINK_SECONDS, None)
"""For those of a job, which somebody paid for: about a minute, or as long as the link lives."""


class Mirror:
    """Brings outputs home. *sleep* and *now*, the monotonic clock, are for tests."""

    def __init__(
        self,
        store: Store,
        fetch: Fetch,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._fetch = fetch
        self._sleep = sleep
        self._now = now
        self._turns = turns.Turns(turns.DOWNLOADS_AT_ONCE)

    async def keep(
        self,
        id_: UUID,
        hosted: Sequence[Hosted],
        channel: Channel,
        kind: Kind,
        media_type: str = "",
        *,
        patience: Patience = CALL_PATIENCE,
    ) -> list[Kept]:
        """Copy those that can be had, at least one; else raise what happened to the first.

        UpstreamError: the provider does not give it. GatewayError STORAGE_UNAVAILABLE: the
        bucket does not take it, for as long as *patience* says: until then the generation
        runs. Being cancelled leaves nothing behind.
        """
        wish = Wish(id_, new_link(), datetime.now(UTC), kind, media_type)
        gate = asyncio.Semaphore(AT_ONCE)

        async def copy(item: Hosted) -> Kept:
            async with gate:
                return await self._copied(item, channel, wish, patience)

        copies = [asyncio.ensure_future(copy(item)) for item in hosted]
        try:
            await asyncio.wait(copies)
        except asyncio.CancelledError:
            for each in copies:
                each.cancel()
            await asyncio.gather(*copies, return_exceptions=True)
            await discard(self._store, [kept.asset for kept in _done(copies)])
            raise
        kept = _done(copies)
        if not kept:
            raise copies[0].exception() or UpstreamError(Fault.INVALID_RESPONSE)
        return kept

    async def discard(self, kept: Sequence[Kept]) -> None:
        """Delete outputs that nobody will ask for."""
        if kept:
            await discard(self._store, [item.asset for item in kept])

    async def _copied(self, item: Hosted, channel: Channel, wish: Wish, patience: Patience) -> Kept:
        delay, failures, missing = FIRST_DELAY, 0, 0
        # Seconds of pauses and tries since the bucket failed first.
        waited: float | None = None
        while True:
            begun = self._now()
            try:
                async with self._turns.turn(channel.name, patience.turn_seconds):
                    return await keep_hosted(self._store, self._fetch, item, channel, wish)
            except UpstreamError as error:
                failures += 1
                missing += error.fault is Fault.NOT_FOUND
                if failures >= patience.tries or missing > 1:
                    if waited is None:
                        raise
                    # It was there, until the bucket had failed for too long.
                    raise explained(Reason.STORAGE_UNAVAILABLE, retry_after=1) from None
            except OSError:
                failures = missing = 0  # the provider gave it
                waited = 0.0 if waited is None else waited
                if waited >= patience.store_seconds:
                    raise explained(Reason.STORAGE_UNAVAILABLE, retry_after=1) from None
            if waited is not None:
                waited += delay + self._now() - begun
            await self._sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)


def _done(copies: Sequence["asyncio.Future[Kept]"]) -> list[Kept]:
    return [
        each.result()
        for each in copies
        if each.done() and not each.cancelled() and each.exception() is None
    ]
