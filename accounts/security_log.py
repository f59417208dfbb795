"""The log of security-relevant actions: what people and operators did, for both to read."""

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

OPERATOR: Final = "operator"
GATEWAY: Final = "gateway"
PERSON: Final = "person"
KEY: Final = "api_key"

_NOTE = """
INSERT INTO audit_log (account_id, id, at, actor, action, target, user_id, succeeded, network,
                       reason, changes)
VALUES (%(account)s, %(id)s, clock_timestamp(), %(actor)s, %(action)s, %(resource)s, %(user)s,
        %(succeeded)s, %(network)s::inet, %(reason)s, %(changes)s)
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


async def note(connection: AsyncConnection[Any], action: Action) -> None:
    """Write it down, in the transaction that does it."""
    values = {
        "account": action.account_id,
        "id": action.id,
        "actor": action.actor,
        "action": action.action,
        "resource": action.resource,
        "user": action.user_id,
        "succeeded": action.succeeded,
        "network": action.network or None,
        "reason": action.reason,
        "changes": Jsonb(action.changes) if action.changes else None,
    }
    await connection.execute(_NOTE, values)
