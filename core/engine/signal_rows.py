"""The rows by which processes tell each other about channels. No secret, nothing of a request."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

from core.errors import Fault
from core.policy.signals import Signal
from core.values import dataclass

NOTIFY_CHANNEL: Final = "reapi_signals"
"""Told by a trigger at every change; without a payload."""
_FAULTS: Final = frozenset(Fault)

# Times by the database's clock. The newest word about a channel replaces the one before.
_WRITE = """
INSERT INTO channel_signal AS s (origin, id, until, ejections, channel, operation, credential,
                                 seal, fault)
VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s), %s, %s, %s, %s, %s, %s)
    ON CONFLICT (channel, operation, credential) DO UPDATE
   SET told_at = clock_timestamp(), origin = EXCLUDED.origin, id = EXCLUDED.id,
       until = EXCLUDED.until, ejections = EXCLUDED.ejections, seal = EXCLUDED.seal,
       fault = EXCLUDED.fault
"""
_READ = """
SELECT origin, id, seal, channel, operation, credential, fault,
       extract(epoch FROM until - clock_timestamp())::float8, ejections
  FROM channel_signal
 WHERE until > clock_timestamp() AND origin <> %s
"""
_SWEEP = "DELETE FROM channel_signal WHERE until < clock_timestamp() - interval '1 minute'"


@dataclass(frozen=True, slots=True)
class Told:
    """One row to write."""

    origin: UUID
    id: UUID
    signal: Signal
    seconds: float
    """What is left of it."""
    seal: bytes | None


@dataclass(frozen=True, slots=True)
class Heard:
    """One row that was read."""

    origin: UUID
    id: UUID
    seal: bytes
    signal: Signal


async def write(connection: AsyncConnection[Any], rows: Sequence[Told]) -> None:
    """Write *rows*, in the same order in every process; one that has no seal is not written."""
    values = [
        (
            row.origin,
            row.id,
            row.seconds,
            row.signal.ejections,
            *row.signal.key,
            row.seal,
            row.signal.fault or "",
        )
        for row in rows
        if row.seal is not None
    ]
    async with connection.cursor() as cursor:
        await cursor.executemany(_WRITE, values)


async def read(connection: AsyncConnection[Any], origin: UUID) -> list[Heard]:
    """What others than *origin* tell that means something now; unknown words are left out."""
    cursor = await connection.execute(_READ, (origin,))
    return [
        Heard(
            origin,
            id_,
            bytes(seal),
            Signal(
                channel,
                operation,
                credential,
                Fault(fault) if fault else None,
                seconds,
                ejections,
            ),
        )
        for (
            origin,
            id_,
            seal,
            channel,
            operation,
            credential,
            fault,
            seconds,
            ejections,
        ) in await cursor.fetchall()
        if not fault or fault in _FAULTS
    ]


async def sweep(connection: AsyncConnection[Any]) -> None:
    """Remove what means nothing any more."""
    await connection.execute(_SWEEP)
