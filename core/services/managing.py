"""Whether the caller may manage the account's money, by what the database knows of its key now."""

from typing import Any

from psycopg import AsyncConnection

from accounts.granting import Scope
from accounts.key_store import KeyStoreError, require
from core.caller import current_caller
from core.permissions import denied
from storage.pool import Pool


async def may_manage_billing(connection: AsyncConnection[Any]) -> None:
    """Let the caller through, in the transaction that does it; raises PERMISSION_DENIED."""
    caller = current_caller()
    try:
        await require(connection, caller.account_id, caller.key_id, Scope.MANAGE_BILLING)
    except KeyStoreError:
        raise denied(Scope.MANAGE_BILLING) from None


class BillingManager:
    """The same question, for what is done in a commit."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def check(self) -> None:
        """Raise PERMISSION_DENIED where the caller may not."""
        async with self._pool.connection() as connection:
            await may_manage_billing(connection)
