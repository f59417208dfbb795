"""Suspends accounts and lets them go on. Keys hear of it by a trigger, sessions always ask."""

from typing import Any, Final

from psycopg_pool import AsyncConnectionPool

from accounts.known import Known
from accounts.security_log import Action, note
from accounts.sessions import end_sessions_of_account

SUSPEND: Final = "account.suspend"
RESUME: Final = "account.resume"


_LOCK = """
SELECT suspended_at IS NOT NULL FROM account
 WHERE account_id = %s AND erased_at IS NULL FOR NO KEY UPDATE
"""
_SUSPEND = "UPDATE account SET suspended_at = clock_timestamp() WHERE account_id = %s"
_RESUME = "UPDATE account SET suspended_at = NULL WHERE account_id = %s"


class Suspensions:
    """Who may spend. Raises what the pool raises."""

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool

    async def suspend(self, action: Action, known: Known) -> bool:
        """Stop the account of *action*, end its sessions, and note it; False: no such account.

        One that is suspended stays so since when it is, and a repeat changes nothing.
        """
        return await self._set(_SUSPEND, action, known, is_suspended=True)

    async def resume(self, action: Action, known: Known) -> bool:
        """Lift the suspension of the account of *action*; False: no such account."""
        return await self._set(_RESUME, action, known, is_suspended=False)

    async def _set(
        self, statement: str, action: Action, known: Known, *, is_suspended: bool
    ) -> bool:
        account_id = action.account_id
        async with self._pool.connection() as connection, connection.transaction():
            was_done = await known(connection, account_id) is not None
            cursor = await connection.execute(_LOCK, (account_id,))
            row = await cursor.fetchone()
            if row is None:
                return False
            if was_done or row[0] is is_suspended:
                return True
            await connection.execute(statement, (account_id,))
            if is_suspended:
                await end_sessions_of_account(connection, account_id)
            await note(connection, action)
        return True
