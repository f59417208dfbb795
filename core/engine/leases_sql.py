"""Leases in PostgreSQL, and the generations that outlived theirs."""

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from core.engine.leases import LEASE_SECONDS
from core.engine.records import Stray

_ACQUIRE = """
INSERT INTO process_lease (process_id, expires_at)
VALUES (%s, clock_timestamp() + %s * interval '1 second') RETURNING epoch
"""
_RENEW = """
UPDATE process_lease SET expires_at = clock_timestamp() + %s * interval '1 second'
 WHERE epoch = %s AND expires_at > clock_timestamp() RETURNING epoch
"""
_RELEASE = """
UPDATE process_lease SET expires_at = least(expires_at, clock_timestamp()) WHERE epoch = %s
"""
_STRAY = """
SELECT g.id, g.account_id, g.key_id, g.hold_id, g.owner_epoch, g.model
  FROM generation g
 WHERE g.finished_at IS NULL
"""
# Not "whose lease has expired": a lease's row may be gone before a late commit under it.
_STRAYS = f"""{_STRAY}
   AND NOT EXISTS (SELECT FROM process_lease l
                    WHERE l.epoch = g.owner_epoch AND l.expires_at > clock_timestamp())
   AND g.id > %s
 ORDER BY g.id LIMIT %s
"""
_OWN = f"""{_STRAY}
   AND g.owner_epoch = %s AND g.created_at < clock_timestamp() - %s * interval '1 second'
 ORDER BY g.id
"""
# What an account has accepted in the moment in which it was stopped has no wish in its row.
_WISHES = """
SELECT g.id FROM generation g
 WHERE g.owner_epoch = %s AND g.finished_at IS NULL
   AND (g.cancel_requested_at IS NOT NULL
     OR g.account_id IN (SELECT a.account_id FROM account a
                          WHERE a.suspended_at IS NOT NULL OR a.deleting_at IS NOT NULL))
"""
_FORGET = """
DELETE FROM process_lease l
 WHERE l.expires_at < clock_timestamp() - interval '1 day'
   AND NOT EXISTS (SELECT FROM generation g
                    WHERE g.owner_epoch = l.epoch AND g.finished_at IS NULL)
"""


class LeasesSql:
    """Leases by the database's clock. Raises what the pool raises."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[TupleRow]]) -> None:
        self._pool = pool

    async def acquire(self, process_id: UUID) -> int:
        ((epoch,),) = await self._rows(_ACQUIRE, process_id, LEASE_SECONDS)
        return int(epoch)

    async def renew(self, epoch: int) -> bool:
        return bool(await self._rows(_RENEW, LEASE_SECONDS, epoch))

    async def release(self, epoch: int) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(_RELEASE, (epoch,))

    async def forget_old(self) -> None:
        """Remove leases that ended long ago and own nothing."""
        async with self._pool.connection() as connection:
            await connection.execute(_FORGET)

    async def strays(self, limit: int, after: UUID) -> list[Stray]:
        """Generations that have not ended and whose owner has no valid lease, by rising id."""
        return [Stray(*row) for row in await self._rows(_STRAYS, after, limit)]

    async def open_of(self, epoch: int, older_than_seconds: float) -> list[Stray]:
        """Generations of one owner that have been open for so long, oldest first."""
        return [Stray(*row) for row in await self._rows(_OWN, epoch, older_than_seconds)]

    async def wishes(self, epoch: int) -> list[UUID]:
        """Generations of one owner that their callers asked to cancel, wherever they asked, and
        those of accounts that were suspended or are being erased.
        """
        return [id_ for (id_,) in await self._rows(_WISHES, epoch)]

    async def _rows(self, statement: str, *values: Any) -> list[TupleRow]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall()
