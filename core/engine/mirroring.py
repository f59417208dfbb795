"""Copies hosted outputs into the bucket, as often as it takes: the provider has made them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from core.engine.outputs import Fetch, Kept, Store, Wish, discard, keep_hosted, new_link
from core.errors import Fault, Reason, UpstreamError, explained
from core.model import Channel, Hosted, Kind

FIRST_DELAY = 0.2
LONGEST_DELAY = 15.0
CALL_TRIES = 3
"""For the outputs of a call that left no job: another channel is soon asked."""
JOB_TRIES = 9
"""For those of a job, which somebody paid for: about a minute."""
AT_ONCE = 4


class Mirror:
    """Brings outputs home. *sleep* is for tests."""

    def __init__(
        self,
        store: Store,
        fetch: Fetch,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._fetch = fetch
        self._sleep = sleep

    async def keep(
        self,
        id_: UUID,
        hosted: Sequence[Hosted],
        channel: Channel,
        kind: Kind,
        media_type: str = "",
        *,
        tries: int = CALL_TRIES,
    ) -> list[Kept]:
        """Copy those that can be had, at least one; else raise what happened to the first.

        UpstreamError: the provider does not give it. GatewayError STORAGE_UNAVAILABLE: the
        bucket does not take it. Being cancelled leaves nothing behind.
        """
        wish = Wish(id_, new_link(), datetime.now(UTC), kind, media_type)
        gate = asyncio.Semaphore(AT_ONCE)

        async def copy(item: Hosted) -> Kept:
            async with gate:
                return await self._copied(item, channel, wish, tries)

        copies = [asyncio.ensure_future(copy(item)) for item in hosted]
        try:
            await asyncio.wait(copies)
        except asyncio.CancelledError:
            for each in copies:
                each.cancel()
            await asyncio.gather(*copies, return_exceptions=True)
            with suppress(OSError):
                await discard(self._store, [kept.asset for kept in _done(copies)])
            raise
        kept = _done(copies)
        if not kept:
            raise copies[0].exception() or UpstreamError(Fault.INVALID_RESPONSE)
        return kept

    async def _copied(self, item: Hosted, channel: Channel, wish: Wish, tries: int) -> Kept:
        delay, missing = FIRST_DELAY, 0
        for left in range(tries - 1, -1, -1):
            try:
                return await keep_hosted(self._store, self._fetch, item, channel, wish)
            except UpstreamError as error:
                missing += error.fault is Fault.NOT_FOUND
                if not left or missing > 1:
                    raise
            except OSError:
                if not left:
                    raise explained(Reason.STORAGE_UNAVAILABLE, retry_after=1) from None
            await self._sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)
        raise AssertionError("the last try returns or raises")


def _done(copies: Sequence["asyncio.Future[Kept]"]) -> list[Kept]:
    return [
        each.result()
        for each in copies
        if each.done() and not each.cancelled() and each.exception() is None
    ]
