"""What operators say about channels, in PostgreSQL: read, and changed with a note of it."""

import hashlib
from dataclasses import field
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

from accounts.security_log import NOBODYS, OPERATOR, Action, note
from core.errors import GatewayError, Reason
from core.policy.overlay import AS_WRITTEN, Admission, Overlay, Rule
from core.values import dataclass
from storage.pool import AnyPool

NOTIFY_CHANNEL: Final = "reapi_channels"
"""Told by a trigger at every change; without a payload."""
_ACTION: Final = "channel.update"
_AS_CATALOGUE: Final = "catalogue"

_ALONE = "SELECT pg_advisory_xact_lock(hashtext('channel overlay'))"
_READ = "SELECT channel, admission, weight FROM channel_overlay"
_SET = """
INSERT INTO channel_overlay (channel, admission, weight) VALUES (%s, %s, %s)
    ON CONFLICT (channel) DO UPDATE
    SET admission = EXCLUDED.admission, weight = EXCLUDED.weight, changed_at = clock_timestamp()
"""
_CLEAR = "DELETE FROM channel_overlay WHERE channel = %s"
_NOTED = "SELECT target, changes FROM audit_log WHERE account_id = %s AND id = %s"


@dataclass(frozen=True, slots=True)
class Edit:
    """What to change of one channel; None leaves a setting, weight 0 is the catalogue's."""

    channel: str
    id: UUID
    """Of the note in the audit log: the same again is a repeat."""
    admission: Admission | None = None
    weight: int | None = None
    catalogue_weight: int = 0
    etag: str = ""
    """What the operator has seen; empty: whatever it is."""
    network: str = field(default="", repr=False)
    """The IP address of the operator."""

    @property
    def changes(self) -> dict[str, str]:
        """The settings by name, as the audit log has them."""
        found: dict[str, str] = {}
        if self.admission is not None:
            found["admission"] = self.admission
        if self.weight is not None:
            found["weight"] = str(self.weight) if self.weight else _AS_CATALOGUE
        return found

    def applied(self, rule: Rule) -> Rule:
        """*rule* with the change made."""
        return Rule(
            rule.admission if self.admission is None else self.admission,
            rule.weight if self.weight is None else self.weight or None,
        )


def etag_of(rule: Rule, catalogue_weight: int) -> str:
    """Changes with admission and weight."""
    text = f"{rule.admission}/{rule.weight}/{catalogue_weight}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


async def read(connection: AsyncConnection[Any]) -> Overlay:
    """Everything that holds now."""
    cursor = await connection.execute(_READ)
    rows = await cursor.fetchall()
    return Overlay({name: Rule(Admission(word), weight) for name, word, weight in rows})


async def change(pool: AnyPool, edit: Edit) -> None:
    """Make *edit*, and note it, in one commit; a repeat changes nothing.

    Raises INVALID_PARAMETER for an etag of the past, IDEMPOTENCY_MISMATCH, and what the pool
    raises.
    """
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(_ALONE)
        if await _is_repeat(connection, edit):
            return
        rule = (await read(connection)).rule(edit.channel)
        if edit.etag and edit.etag != etag_of(rule, edit.catalogue_weight):
            raise GatewayError(
                Reason.INVALID_PARAMETER,
                "The channel was changed meanwhile: read it again and use its etag.",
                parameter="channel.etag",
            )
        await _write(connection, edit.channel, edit.applied(rule))
        target = f"channels/{edit.channel}"
        done = Action(
            edit.id,
            NOBODYS,
            _ACTION,
            target,
            OPERATOR,
            network=edit.network,
            changes=edit.changes,
        )
        await note(connection, done)


async def _is_repeat(connection: AsyncConnection[Any], edit: Edit) -> bool:
    cursor = await connection.execute(_NOTED, (NOBODYS, edit.id))
    row = await cursor.fetchone()
    if row is not None and row != (f"channels/{edit.channel}", edit.changes):
        raise GatewayError(
            Reason.IDEMPOTENCY_MISMATCH,
            "This request_id was used for another request.",
            parameter="request_id",
        )
    return row is not None


async def _write(connection: AsyncConnection[Any], channel: str, rule: Rule) -> None:
    if rule == AS_WRITTEN:
        await connection.execute(_CLEAR, (channel,))
    else:
        await connection.execute(_SET, (channel, rule.admission, rule.weight))
