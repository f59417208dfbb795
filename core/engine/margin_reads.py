"""What generations brought and what was lost beside them, by model and channel, from rows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from psycopg import AsyncConnection

from billing.margins import Usage
from core.engine.ids import first_id
from core.engine.quotes import lines_of
from core.values import dataclass

LONGEST_RUN: Final = timedelta(days=1)
"""What ends within a span was begun so long before it at most: no job has a longer time."""

# Alike ones are counted together: there are few prices, and many generations.
_USAGE = """
SELECT u.model, u.channel, g.price_lines, coalesce(g.quality, ''), u.charged_micros, count(*)
  FROM usage_event u
  JOIN generation g ON g.account_id = u.account_id AND g.id = u.generation_id
 WHERE u.charged_micros > 0 AND u.created_at >= %(start)s AND u.created_at < %(end)s
   AND g.id >= %(first)s AND u.generation_id >= %(first)s
 GROUP BY 1, 2, 3, 4, 5
"""
# A loss has the mark of its attempt as its id (core/engine/closing.py).
_LOSSES = """
SELECT g.model, a.channel,
       coalesce(sum(t.amount_micros) FILTER (WHERE t.kind = 'hedge_loss'), 0)::bigint,
       coalesce(sum(t.amount_micros) FILTER (WHERE t.kind = 'risk_loss'), 0)::bigint
  FROM transfer t
  JOIN attempt a ON a.account_id = t.account_id AND a.mark = t.id
  JOIN generation g ON g.account_id = a.account_id AND g.id = a.generation_id
 WHERE t.kind IN ('hedge_loss', 'risk_loss')
   AND t.created_at >= %(start)s AND t.created_at < %(end)s
   AND a.generation_id >= %(first)s AND g.id >= %(first)s
 GROUP BY 1, 2
"""

Connection: TypeAlias = AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Losses:
    """What the operator paid for nothing."""

    model: str
    channel: str
    hedge_micros: int
    risk_micros: int


async def usage_between(connection: Connection, start: datetime, end: datetime) -> list[Usage]:
    """What was charged from *start* to before *end*."""
    cursor = await connection.execute(_USAGE, _span(start, end))
    return [
        Usage(model, channel, lines_of(lines), {"quality": quality} if quality else {}, *numbers)
        for model, channel, lines, quality, *numbers in await cursor.fetchall()
    ]


async def losses_between(
    connection: Connection, start: datetime, end: datetime
) -> Sequence[Losses]:
    """What was lost from *start* to before *end*."""
    cursor = await connection.execute(_LOSSES, _span(start, end))
    return [Losses(*row) for row in await cursor.fetchall()]


def _span(start: datetime, end: datetime) -> dict[str, object]:
    return {"start": start, "end": end, "first": first_id(start - LONGEST_RUN)}
