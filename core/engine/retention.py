"""The days of generations: made before they come, dropped when their time is over.

When that is says `accounts.retention`; `core.engine.rules` asks for it.
"""

from datetime import UTC, date, datetime, timedelta

from psycopg import errors

from accounts.retention import MONTH
from storage.pool import AnyPool

KEEP_DAYS = MONTH.days
AHEAD_DAYS = 7

_MAKE = "SELECT make_generation_days(%s, %s)"
_DAYS = """
SELECT to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') AS day
  FROM pg_inherits WHERE inhparent = 'generation'::regclass ORDER BY day
"""
_DROP = "SELECT drop_generation_day(%s)"
# Whoever waits for us would make everybody else wait for it.
_PATIENCE = "SET LOCAL lock_timeout = '1s'"


async def make_days(pool: AnyPool, now: datetime) -> None:
    """Make the partitions from yesterday to a week ahead; call it at start and daily."""
    today = now.astimezone(UTC).date()
    async with pool.connection() as connection:
        span = (today - timedelta(days=1), today + timedelta(days=AHEAD_DAYS))
        await connection.execute(_MAKE, span)


async def drop_days(pool: AnyPool, now: datetime, keep_days: int = KEEP_DAYS) -> list[date]:
    """Drop the days whose last generation is older than *keep_days*; returns them.

    A day in which a generation has not ended stays, and one that is in use is left for the
    next time.
    """
    last = last_day_over(now, keep_days)
    async with pool.connection() as connection:
        cursor = await connection.execute(_DAYS)
        over = [day for (day,) in await cursor.fetchall() if day <= last]
    dropped = []
    for day in over:
        try:
            async with pool.connection() as connection, connection.transaction():
                await connection.execute(_PATIENCE)
                cursor = await connection.execute(_DROP, (day,))
                if await cursor.fetchone() == (True,):
                    dropped.append(day)
        except errors.LockNotAvailable:
            continue
    return dropped


def last_day_over(now: datetime, keep_days: int) -> date:
    """The last day (UTC) of which everything is older than *keep_days*."""
    return now.astimezone(UTC).date() - timedelta(days=keep_days + 1)
