"""How generations went, read in the order in which they came: for replays (`reapi simulate`).

Names of models and channels, times, faults: no account, no id, nothing of a request or an answer.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from core.engine.ids import moment_of
from core.errors import Fault, Phase
from core.model import AttemptState
from core.values import dataclass

ROWS_AT_ONCE = 2_000
_WINDOW = timedelta(hours=1)
"""What one statement sorts: the rows have no order of their own by time."""
_SEEN = """
SELECT DISTINCT g.model, a.channel
  FROM generation g
  JOIN attempt a ON a.account_id = g.account_id AND a.generation_id = g.id
 WHERE g.id >= %(first)s AND g.id < %(end)s AND a.generation_id >= %(first)s
   AND a.generation_id < %(end)s AND g.finished_at IS NOT NULL AND NOT g.sandbox
 ORDER BY 1, 2
"""
_TRACED = """
SELECT g.id, g.model, g.kind, g.reason,
       extract(epoch FROM g.finished_at - g.created_at)::float8,
       a.channel, a.state, a.fault, a.phase, a.started_ms, a.first_byte_ms, a.ended_ms, a.is_hedge
  FROM generation g
  JOIN attempt a ON a.account_id = g.account_id AND a.generation_id = g.id
 WHERE g.id >= %(first)s AND g.id < %(end)s AND a.generation_id >= %(first)s
   AND a.generation_id < %(end)s AND g.finished_at IS NOT NULL AND NOT g.sandbox
 ORDER BY g.id, a.number
"""


@dataclass(frozen=True, slots=True)
class TracedAttempt:
    """One attempt; times in milliseconds since the acceptance."""

    channel: str
    state: AttemptState
    fault: Fault | None
    phase: Phase | None
    started_ms: int
    first_byte_ms: int | None
    ended_ms: int | None
    is_hedge: bool


@dataclass(frozen=True, slots=True)
class TracedGeneration:
    """One generation that has ended."""

    came_at: datetime
    model: str
    kind: str
    reason: str
    """Why it failed; empty where it did not."""
    seconds: float
    attempts: list[TracedAttempt] = field(default_factory=list)


async def channels_seen(
    connection: AsyncConnection[TupleRow], since: datetime, until: datetime
) -> Sequence[tuple[str, str]]:
    """Model and channel of the attempts of that time."""
    cursor = await connection.execute(_SEEN, {"first": _id_at(since), "end": _id_at(until)})
    return [(model, channel) for model, channel in await cursor.fetchall()]


async def traced(
    connection: AsyncConnection[TupleRow], since: datetime, until: datetime
) -> AsyncIterator[TracedGeneration]:
    """The generations that came between *since* and *until*, and have ended; oldest first.

    Raises what psycopg raises.
    """
    while since < until:
        end = min(since + _WINDOW, until)
        bounds = {"first": _id_at(since), "end": _id_at(end)}
        async with connection.transaction(), connection.cursor("traced") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            await cursor.execute(_TRACED, bounds)
            async for found in _grouped(cursor):
                yield found
        since = end


async def _grouped(rows: AsyncIterator[TupleRow]) -> AsyncIterator[TracedGeneration]:
    """Rows with the same id together."""
    id_: UUID | None = None
    found: TracedGeneration | None = None
    async for row in rows:
        if row[0] != id_:
            if found is not None:
                yield found
            id_ = row[0]
            assert id_ is not None
            found = TracedGeneration(moment_of(id_), row[1], row[2], row[3] or "", row[4])
        assert found is not None
        found.attempts.append(_attempt(row[5:]))
    if found is not None:
        yield found


def _attempt(row: Sequence[Any]) -> TracedAttempt:
    channel, state, fault, phase, started_ms, first_byte_ms, ended_ms, is_hedge = row
    return TracedAttempt(
        channel,
        AttemptState(state),
        None if fault is None else Fault(fault),
        None if phase is None else Phase(phase),
        started_ms,
        first_byte_ms,
        ended_ms,
        is_hedge,
    )


def _id_at(moment: datetime) -> UUID:
    """The smallest UUIDv7 of that millisecond."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
