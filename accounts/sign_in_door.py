"""The door before signing in: counts tries, and says who waits (`accounts.lock_out`)."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection

from accounts.lock_out import PACES, Count, counts, forgotten, subject
from accounts.networks import NOWHERE
from accounts.throttle import Throttle

Connection: TypeAlias = AsyncConnection[Any]

# The same work whether or not there is such a person.
_FAMILIAR: Final = """
SELECT EXISTS (SELECT FROM session WHERE user_id = %(user)s AND network <<= %(network)s::inet)
    OR EXISTS (SELECT FROM audit_log
                WHERE user_id = %(user)s AND action = 'sign_in' AND succeeded
                  AND network <<= %(network)s::inet)
"""
NOBODY: Final = UUID(int=0)


class Door:
    """Where tries to sign in arrive."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle

    async def knock(
        self, connection: Connection, address: str, network: str, user_id: UUID = NOBODY
    ) -> float | None:
        """Count a try at *address*, which is *user_id*'s; the seconds to wait if it is refused.

        *network* is where it comes from, or NOWHERE. *connection* must not be in a transaction.
        """
        for count in await self._counts(connection, network, user_id):
            who = subject(count, address, network)
            wait = await self._throttle.take(connection, count, who, PACES[count])
            if wait is not None:
                return wait
        return None

    async def enter(
        self, connection: Connection, address: str, network: str, user_id: UUID
    ) -> None:
        """Take back what the last knock counted: it was the person. Asked before a session is."""
        for count in await self._counts(connection, network, user_id):
            who = subject(count, address, network)
            if forgotten(count):
                await self._throttle.clear(connection, count, who)
            else:
                await self._throttle.give_back(connection, count, who, PACES[count])

    async def _counts(self, connection: Connection, network: str, user_id: UUID) -> Sequence[Count]:
        if network == NOWHERE:  # nobody is known by being there
            return counts(network, familiar=False)
        cursor = await connection.execute(_FAMILIAR, {"user": user_id, "network": network})
        row = await cursor.fetchone()
        return counts(network, familiar=row is not None and row[0])
