"""Erases accounts: outputs and archives from the bucket first, then rows, then who it was.

Whatever a crash leaves is done again, by any process: the row in `erasure` goes last.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from accounts import erasure
from accounts.erasure import Claimed
from core.engine.account_stops import cancel_all
from core.engine.outputs import Store, asset_name, discard
from core.log import Emit, OutputsSwept
from core.values import dataclass
from storage.pool import AnyPool, StorageUnavailable

LEASE_SECONDS: Final = 60.0
"""Whose process dies is gone on with by another one; renewed with every batch of outputs."""
WAIT_SECONDS: Final = 1.0
"""Between looks at what still runs."""
AWAY_SECONDS: Final = 30.0
"""Until a bucket that did not delete, or a payment service that did not answer, is tried again."""
LOOK_SECONDS: Final = 2.0
"""Between looks for what other processes were asked for."""
STRAGGLERS: Final = timedelta(days=1)
"""How long rows are looked for that a process wrote late: counters gathered in memory and the like
are minutes old at most."""
BATCH: Final = 200

_OUTPUTS: Final = """
SELECT generation_id, output_index, link, media_type FROM asset
 WHERE account_id = %s AND removed_at IS NULL
   AND (generation_id, output_index) > (%s, %s)
 ORDER BY generation_id, output_index LIMIT %s
"""
_EVERY: Final = timedelta(hours=1)


async def no_pages(_account_id: UUID) -> bool:
    """Where nothing is sold there are no payment pages to close."""
    return True


@dataclass(frozen=True, slots=True)
class _Output:
    generation_id: UUID
    output_index: int
    link: str
    media_type: str

    @property
    def name(self) -> str:
        return asset_name(self.generation_id, self.link, self.output_index, self.media_type)


class Erasures:
    """Does what `accounts.erasure.begin_erasure` began.

    *archives* removes the archives of an account from the bucket, and says whether all are gone;
    *close_pages* does likewise with its payment pages, which outlive their rows at Stripe.
    """

    def __init__(
        self,
        pool: AnyPool,
        store: Store,
        archives: Callable[[UUID], Awaitable[bool]],
        emit: Emit,
        close_pages: Callable[[UUID], Awaitable[bool]] = no_pages,
    ) -> None:
        self._pool = pool
        self._store = store
        self._archives = archives
        self._emit = emit
        self._close_pages = close_pages
        self._hint = asyncio.Event()

    def hurry(self) -> None:
        """Somebody was just asked for: look now."""
        self._hint.set()

    async def keep(self) -> None:
        """Look for what is to be erased, for ever."""
        looked = datetime.min.replace(tzinfo=UTC)
        while True:
            self._hint.clear()
            with suppress(StorageUnavailable):
                while await self.work():
                    pass
                if (now := datetime.now(UTC)) - looked > _EVERY:
                    looked = now  # whatever comes of it: it takes long, and is done often enough
                    await self.look_again(now)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hint.wait(), LOOK_SECONDS)

    async def work(self) -> bool:
        """Go on with one account, as far as it goes now; False: there is nothing to do."""
        async with self._pool.connection() as connection:
            claimed = await erasure.claim(connection, LEASE_SECONDS)
        if claimed is None:
            return False
        # First of all: what is paid from now on would be nobody's.
        is_closed = await self._close_pages(claimed.account_id)
        if await self._is_busy(claimed.account_id):
            await self._postpone(claimed, WAIT_SECONDS)
        elif not (
            await self._emptied(claimed) and await self._archives(claimed.account_id) and is_closed
        ):
            await self._postpone(claimed, AWAY_SECONDS)
        else:
            await erasure.delete_rows(self._pool.connection, claimed.account_id)
            async with self._pool.connection() as connection, connection.transaction():
                await erasure.finish(connection, claimed)
        return True

    async def look_again(self, now: datetime) -> int:
        """Delete what was written late about accounts that were erased of late; how many rows.

        And have the database forget what it sampled of them. One process does it at a time.
        """
        async with erasure.alone(self._pool.connection) as is_alone:
            return await self._delete_late(now) if is_alone else 0

    async def _delete_late(self, now: datetime) -> int:
        async with self._pool.connection() as connection:
            accounts = await erasure.erased_since(connection, now - STRAGGLERS)
        rows = 0
        for account in accounts:
            rows += await erasure.delete_rows(self._pool.connection, account)
        if accounts:
            await erasure.forget_samples(self._pool.connection)
        return rows

    async def _is_busy(self, account_id: UUID) -> bool:
        async with self._pool.connection() as connection:
            if not await erasure.is_busy(connection, account_id):
                return False
        await cancel_all(self._pool, account_id)
        return True

    async def _emptied(self, claimed: Claimed) -> bool:
        """Remove the outputs from the bucket; whether none is left."""
        last, removed = (UUID(int=0), -1), 0
        while True:
            values = (claimed.account_id, *last, BATCH)
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_OUTPUTS, values)
                due = [_Output(*row) for row in await cursor.fetchall()]
            if not due:
                break
            gone = await discard(self._store, due)
            removed += len(gone)
            if len(gone) < len(due):
                self._emit(OutputsSwept(removed, len(due) - len(gone)))
                return False
            last = (due[-1].generation_id, due[-1].output_index)
            await self._postpone(claimed, LEASE_SECONDS)
        if removed:
            self._emit(OutputsSwept(removed, 0))
        return True

    async def _postpone(self, claimed: Claimed, seconds: float) -> None:
        async with self._pool.connection() as connection:
            await erasure.postpone(connection, claimed, seconds)
