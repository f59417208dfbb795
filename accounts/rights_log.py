"""The log of rights requests, as a person sees it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

_PAGE: Final = """
SELECT id, kind, created_at, done_at FROM rights_request
 WHERE user_id = %(user)s AND (%(after)s::uuid IS NULL OR id < %(after)s::uuid)
 ORDER BY id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class RightsRequest:
    """One use of a right."""

    id: UUID
    kind: str
    created_at: datetime
    done_at: datetime | None


async def page(
    connection: AsyncConnection[Any], user_id: UUID, limit: int, after: UUID | None
) -> list[RightsRequest]:
    """Some of a person's, newest first."""
    values = {"user": user_id, "after": after, "limit": limit}
    cursor = await connection.execute(_PAGE, values)
    return [RightsRequest(*row) for row in await cursor.fetchall()]
