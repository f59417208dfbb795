"""The log of security-relevant actions: what people and operators did, for both to read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from accounts.key_networks import address_text

OPERATOR: Final = "operator"
GATEWAY: Final = "gateway"
PERSON: Final = "person"
KEY: Final = "api_key"
NOBODYS: Final = UUID(int=0)
"""The account of what was done to no account, or to one that is erased."""
REASON_LENGTH: Final = 500
"""Characters that an operator may type."""

# Once: what is noted right after it was done is noted again by the repeat of a call.
_NOTE = """
INSERT INTO audit_log (account_id, id, at, actor, action, target, user_id, succeeded, network,
                       reason, changes)
VALUES (%(account)s, %(id)s, clock_timestamp(), %(actor)s, %(action)s, %(resource)s, %(user)s,
        %(succeeded)s, %(network)s::inet, %(reason)s, %(changes)s)
    ON CONFLICT (account_id, id) DO NOTHING
"""
_PAGE = """
SELECT id, account_id, action, target AS resource, actor, host(network) AS network, reason, changes,
       at
  FROM audit_log
 WHERE actor IN ('operator', 'gateway')
   AND (%(account)s::uuid IS NULL OR account_id = %(account)s)
   AND (%(action)s = '' OR action = %(action)s)
   AND (%(start)s::timestamptz IS NULL OR at >= %(start)s)
   AND (%(end)s::timestamptz IS NULL OR at < %(end)s)
   AND (%(after_at)s::timestamptz IS NULL OR (at, id) < (%(after_at)s, %(after_id)s::uuid))
 ORDER BY at DESC, id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that somebody did, or was refused."""

    id: UUID
    account_id: UUID
    action: str
    """A word of ours: `sign_in`, `api_key.revoke`, `account.suspend`."""
    resource: str = ""
    """What it was done to: `api_keys/{id}`. An id of ours."""
    actor: str = PERSON
    """One of the four above."""
    user_id: UUID | None = None
    """Which person."""
    network: str = ""
    """The IP address that it was done from; empty: unknown."""
    succeeded: bool = True
    reason: str = ""
    """What the operator typed, up to 500 characters."""
    changes: dict[str, str] = field(default_factory=dict)
    """Settings that changed, by name: words of ours and numbers."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An action of an operator, or of the gateway itself, as operators read it."""

    id: UUID
    account_id: UUID
    action: str
    resource: str
    actor: str
    network: str | None = field(repr=False)
    reason: str = field(repr=False)
    changes: dict[str, str] | None = field(repr=False)
    at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries to list."""

    limit: int
    account_id: UUID | None = None
    action: str = ""
    start: datetime | None = None
    end: datetime | None = None
    after: tuple[datetime, UUID] | None = None
    """The last one of the page before."""


async def note(connection: AsyncConnection[Any], action: Action) -> None:
    """Write it down, in the transaction that does it. One id is noted once."""
    values = {
        "account": action.account_id,
        "id": action.id,
        "actor": action.actor,
        "action": action.action,
        "resource": action.resource,
        "user": action.user_id,
        "succeeded": action.succeeded,
        "network": address_text(action.network) or None,
        "reason": action.reason,
        "changes": Jsonb(action.changes) if action.changes else None,
    }
    await connection.execute(_NOTE, values)


async def page(pool: AsyncConnectionPool[Any], wanted: Wanted) -> Sequence[Entry]:
    """What operators and the gateway did, newest first. Raises what the pool raises."""
    after_at, after_id = wanted.after or (None, None)
    values = {
        "account": wanted.account_id,
        "action": wanted.action,
        "start": wanted.start,
        "end": wanted.end,
        "after_at": after_at,
        "after_id": after_id,
        "limit": wanted.limit,
    }
    async with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_PAGE, values)
        return [Entry(**row) for row in await cursor.fetchall()]
