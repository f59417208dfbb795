"""What happened in an account, for its people to read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

# Three months back: a break-in that nobody noticed for so long is found in other ways. Pages go by
# time and id, as the rows of those who act at the same moment do.
_PAGE = """
SELECT l.id, l.action, l.target AS resource, l.succeeded, l.at, m.member_id,
       -- Where the operator works from is no matter of members.
       CASE WHEN l.actor = 'operator' THEN '' ELSE coalesce(host(l.network), '') END AS network
  FROM audit_log l
  LEFT JOIN membership m ON m.account_id = l.account_id AND m.user_id = l.user_id
 WHERE l.account_id = %(account)s AND l.at > clock_timestamp() - interval '90 days'
   AND (%(after)s::uuid IS NULL OR (l.at, l.id) < (
        SELECT o.at, o.id FROM audit_log o
         WHERE o.account_id = %(account)s AND o.id = %(after)s::uuid))
 ORDER BY l.at DESC, l.id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """Something that somebody did, or was refused."""

    id: UUID
    action: str
    resource: str
    succeeded: bool
    at: datetime
    member_id: UUID | None
    """Who did it; None: the operator, the gateway, a key, or somebody who left."""
    network: str = field(repr=False)


class SecurityEvents:
    """Reads them; raises what the pool raises."""

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool

    async def page(
        self, account_id: UUID, limit: int, after: UUID | None
    ) -> Sequence[SecurityEvent]:
        """One page, newest first."""
        values = {"account": account_id, "limit": limit, "after": after}
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(_PAGE, values)
            return [SecurityEvent(**row) for row in await cursor.fetchall()]
