"""Removes outputs whose time is over, or whose generation was deleted, from the bucket.

The rows say what is due until it is gone, so that neither a crash nor a failing bucket makes
anybody forget it. Several processes may do this at a time: removing twice does no harm.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from core.engine.outputs import Store, asset_name, discard
from core.log import Emit, OutputsSwept
from core.values import dataclass
from storage.pool import AnyPool

BATCH: Final = 200
BATCHES: Final = 500
"""In one pass: the rest is for the next."""
GRACE: Final = timedelta(minutes=1)
"""Whoever deletes a generation deletes its outputs too, and counts them."""

_DUE = """
SELECT least(expires_at, deleted_at), account_id, generation_id, output_index, link, media_type
  FROM asset
 WHERE removed_at IS NULL AND least(expires_at, deleted_at) <= %(now)s
   AND (expires_at <= %(now)s OR deleted_at <= %(deleted)s)
   AND (%(after)s::timestamptz IS NULL OR
        (least(expires_at, deleted_at), generation_id, output_index)
        > (%(after)s::timestamptz, %(generation)s::uuid, %(index)s::integer))
 ORDER BY 1, generation_id, output_index
 LIMIT %(limit)s
"""
_REMOVED = """
UPDATE asset a SET removed_at = %(now)s
  FROM unnest(%(accounts)s::uuid[], %(generations)s::uuid[], %(indices)s::integer[])
       AS x (account_id, generation_id, output_index)
 WHERE a.account_id = x.account_id AND a.generation_id = x.generation_id
   AND a.output_index = x.output_index AND a.generation_id BETWEEN %(first)s AND %(last)s
"""


@dataclass(frozen=True, slots=True)
class DueOutput:
    """An output that is to be removed."""

    due_at: datetime
    account_id: UUID
    generation_id: UUID
    output_index: int
    link: str
    media_type: str

    @property
    def name(self) -> str:
        """Of its object."""
        return asset_name(self.generation_id, self.link, self.output_index, self.media_type)


class Sweeper:
    """Removes what is due, pass by pass."""

    def __init__(self, pool: AnyPool, store: Store, emit: Emit) -> None:
        self._pool = pool
        self._store = store
        self._emit = emit

    async def run(self, now: datetime) -> int:
        """One pass; returns how many outputs were found gone or removed.

        What the bucket does not remove is left for the next pass. Raises what the pool raises.
        """
        removed = failed = 0
        last: DueOutput | None = None
        for _ in range(BATCHES):
            due = await self._due(now, last)
            gone = await discard(self._store, due)
            await self._note(gone, now)
            removed, failed = removed + len(gone), failed + len(due) - len(gone)
            if len(due) < BATCH or not gone:  # all of it, or a bucket that is away
                break
            last = due[-1]
        if removed or failed:
            self._emit(OutputsSwept(removed, failed))
        return removed

    async def _due(self, now: datetime, last: DueOutput | None) -> list[DueOutput]:
        values = {
            "now": now,
            "deleted": now - GRACE,
            "after": None if last is None else last.due_at,
            "generation": None if last is None else last.generation_id,
            "index": None if last is None else last.output_index,
            "limit": BATCH,
        }
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_DUE, values)
            return [DueOutput(*row) for row in await cursor.fetchall()]

    async def _note(self, gone: Sequence[DueOutput], now: datetime) -> None:
        if not gone:
            return
        generations = [output.generation_id for output in gone]
        values = {
            "now": now,
            "accounts": [output.account_id for output in gone],
            "generations": generations,
            "indices": [output.output_index for output in gone],
            "first": min(generations),
            "last": max(generations),
        }
        async with self._pool.connection() as connection:
            await connection.execute(_REMOVED, values)
