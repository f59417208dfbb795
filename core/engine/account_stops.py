"""Cancels what an account runs, in whichever process: it was suspended, or is being erased."""

from uuid import UUID

from storage.pool import AnyPool

# Locked in the order in which commits lock them.
_WISH = """
WITH open AS (
    SELECT g.account_id, g.id FROM generation g
     WHERE g.account_id = %s AND g.finished_at IS NULL
     ORDER BY g.account_id, g.id FOR NO KEY UPDATE
)
UPDATE generation g SET cancel_requested_at = coalesce(g.cancel_requested_at, clock_timestamp())
  FROM open o WHERE g.account_id = o.account_id AND g.id = o.id
RETURNING g.id
"""


async def cancel_all(pool: AnyPool, account_id: UUID) -> list[UUID]:
    """Note the wish to cancel for all that runs; returns which. Raises what the pool raises.

    Owners hear of it as of any wish. What is accepted at the same moment is found by the owner,
    which asks for generations of accounts that may not spend (`LeasesSql.wishes`).
    """
    async with pool.connection() as connection:
        cursor = await connection.execute(_WISH, (account_id,))
        return [id_ for (id_,) in await cursor.fetchall()]
