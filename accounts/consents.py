"""What people agreed to and refused, kept as a log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

Connection: TypeAlias = AsyncConnection[Any]

_INSERT = """
INSERT INTO consent (user_id, id, subject, given, policy_version) VALUES (%s, %s, %s, %s, %s)
"""
_PAGE = """
SELECT id, subject, given, policy_version, created_at
  FROM consent
 WHERE user_id = %(user)s AND (%(after)s::uuid IS NULL OR id < %(after)s)
 ORDER BY id DESC
 LIMIT %(limit)s
"""
_READ = """
SELECT id, subject, given, policy_version, created_at FROM consent WHERE user_id = %s AND id = %s
"""


class Subject(StrEnum):
    """What can be decided on; stored by these names."""

    TERMS = "terms"
    PRIVACY = "privacy"
    AGE = "age"
    NEWSLETTER = "newsletter"
    SUPPORT_COOKIES = "support_cookies"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision."""

    id: UUID
    """Rises with time."""
    subject: Subject
    given: bool
    policy_version: str = ""
    """That was shown: of terms and privacy."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One decision, as it is kept."""

    id: UUID
    subject: Subject
    given: bool
    policy_version: str
    created_at: datetime


async def record(connection: Connection, user_id: UUID, decision: Decision) -> None:
    """Write it down, in the transaction that follows it."""
    await connection.execute(
        _INSERT,
        (user_id, decision.id, decision.subject, decision.given, decision.policy_version),
    )


async def page(
    connection: Connection, user_id: UUID, limit: int, after: UUID | None
) -> Sequence[Recorded]:
    """One page, newest first."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_PAGE, {"user": user_id, "limit": limit, "after": after})
        rows = await cursor.fetchall()
    return [Recorded(**{**row, "subject": Subject(row["subject"])}) for row in rows]


async def read(connection: Connection, user_id: UUID, id_: UUID) -> Recorded | None:
    """One decision; None: it is gone with its person."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_READ, (user_id, id_))
        row = await cursor.fetchone()
    return None if row is None else Recorded(**{**row, "subject": Subject(row["subject"])})
