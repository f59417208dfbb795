"""Notices balances that fell below the threshold of their account's automatic top-up.

Apart from the commits that move money: a sweep, a few seconds late.
"""

from typing import Any

from psycopg_pool import AsyncConnectionPool

# One that goes up and down about its threshold is told of at most once an hour.
_FORGET = """
DELETE FROM low_balance l
 WHERE l.since < clock_timestamp() - interval '1 hour'
   AND NOT EXISTS (SELECT FROM auto_top_up a JOIN balance b USING (account_id)
                    WHERE a.account_id = l.account_id
                      AND b.posted - b.pending < a.threshold_micros)
"""
_NOTICE = """
WITH low AS (
    SELECT a.account_id, b.posted - b.pending AS available_micros, a.threshold_micros
      FROM auto_top_up a JOIN balance b USING (account_id)
     WHERE b.posted - b.pending < a.threshold_micros
), fallen AS (
    INSERT INTO low_balance (account_id) SELECT account_id FROM low
        ON CONFLICT DO NOTHING
    RETURNING account_id, since
)
INSERT INTO notice (account_id, id, expires_at, kind, subject, facts)
SELECT account_id, uuid_at(f.since), f.since + interval '30 days', 'balance_low', f.since::text,
       jsonb_build_object('available_micros', l.available_micros,
                          'threshold_micros', l.threshold_micros)
  FROM fallen f JOIN low l USING (account_id)
"""


class LowBalances:
    """The accounts whose balance is low. Raises what the pool raises."""

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool

    async def notice(self) -> int:
        """Notice those that fell since the last time, once whoever looks; how many."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_FORGET)
            count: int = (await connection.execute(_NOTICE)).rowcount
            return count
