"""Who manages, as the database knows the key or the person now; what they did is written down."""

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from accounts.granting import Manager, Scope
from accounts.key_entries import KeyStoreError
from accounts.key_holders import require
from accounts.security_log import KEY, PERSON, Action, note
from core.caller import current_caller, current_network
from core.engine.ids import new_id
from core.permissions import denied
from core.services.proving import require_verified_on
from storage.pool import Pool


def manager() -> Manager:
    """Whoever calls: a person who signed in, or a key."""
    caller = current_caller()
    if caller.user_id is not None and caller.session_id is not None:
        return Manager(user_id=caller.user_id)
    return Manager(key_id=caller.key_id)


async def noted(
    connection: AsyncConnection[Any],
    action: str,
    resource: str,
    account_id: UUID | None = None,
) -> None:
    """Write down what the caller did to *resource*, in the transaction that does it.

    *account_id*: where it was done, if not in the account that the caller acts in.
    """
    caller, who = current_caller(), manager()
    actor = KEY if who.user_id is None else PERSON
    deed = Action(
        new_id(),
        account_id or caller.account_id,
        action,
        resource,
        actor,
        who.user_id,
        current_network(),
    )
    await note(connection, deed)


async def may_manage_billing(connection: AsyncConnection[Any]) -> None:
    """Let the caller through, in the transaction that does it; raises PERMISSION_DENIED."""
    try:
        await require(connection, current_caller().account_id, manager(), Scope.MANAGE_BILLING)
    except KeyStoreError:
        raise denied(Scope.MANAGE_BILLING) from None


class BillingManager:
    """The same question, for what is done in a commit; and people have proved their address."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def check(self) -> None:
        """Raise PERMISSION_DENIED where the caller may not, or EMAIL_NOT_VERIFIED."""
        async with self._pool.connection() as connection:
            await may_manage_billing(connection)
            await require_verified_on(connection, current_caller())
