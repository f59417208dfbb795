"""What an account asked for and what it cost, read back from its generations and their usage.

Rows live for 30 days. They are found by their ids, which begin with their time: days out of
range are not opened, and the primary key gives an account's rows newest first. What was deleted by
its caller is told all the same: it was charged.
"""

# ruff: noqa: S608 (only constants of this file are put together)

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow, dict_row

from core.engine.ids import first_id
from core.errors import Reason
from core.model import GenerationState, Kind
from core.values import dataclass
from storage.pool import AnyPool

_FIRST, _BEYOND = UUID(int=0), UUID(int=(1 << 128) - 1)
"""Around the ids of all time."""

_CHOSEN = """
  FROM generation g
 WHERE g.account_id = %(account)s AND g.id >= %(from)s::uuid AND g.id < %(to)s::uuid
   AND (%(sandbox)s OR NOT g.sandbox)
   AND (%(models)s::text[] = '{}' OR g.model = ANY (%(models)s::text[]))
   AND (%(keys)s::text[] = '{}' OR g.key_id = ANY (ARRAY (
           SELECT k.key_id FROM api_key k
            WHERE k.account_id = %(account)s AND k.public_id = ANY (%(keys)s::text[]))))
"""
# The page first: only its rows are looked up in the other tables.
_RECORDS = f"""
SELECT g.id, g.request_id, k.public_id, g.model, g.kind, g.endpoint, g.state, g.reason,
       g.charged_micros, g.requested_count, g.delivered_count, g.channel, g.attempt_count,
       g.finished_at, g.sandbox, u.output_tokens,
       u.input_text_tokens + u.input_image_tokens AS input_tokens
  FROM (SELECT g.* {_CHOSEN}
           AND (%(states)s::text[] = '{{}}' OR g.state = ANY (%(states)s::text[]))
         ORDER BY g.id DESC LIMIT %(limit)s) AS g
  LEFT JOIN usage_event u ON u.account_id = g.account_id AND u.generation_id = g.id
  LEFT JOIN api_key k ON k.account_id = g.account_id AND k.key_id = g.key_id
 ORDER BY g.id DESC
"""
# A partition is a day, so its table says which; what a provider counted stands in a table of its
# own, of the same days.
_SUMS = f"""
WITH chosen AS (
    SELECT g.id, g.state, g.delivered_count, g.charged_micros,
           CASE WHEN %(by_model)s THEN g.model ELSE '' END AS model,
           CASE WHEN %(by_key)s THEN g.key_id END AS key_id,
           CASE WHEN %(by_day)s THEN g.tableoid END AS part
    {_CHOSEN}
), sums AS (
    SELECT c.model, c.key_id, c.part, count(*) AS requests,
           count(*) FILTER (WHERE c.state = 'succeeded') AS succeeded,
           count(*) FILTER (WHERE c.state = 'failed') AS failed,
           count(*) FILTER (WHERE c.state = 'cancelled') AS cancelled,
           sum(c.delivered_count) AS delivered,
           coalesce(sum(u.input_text_tokens + u.input_image_tokens), 0)::bigint AS input_tokens,
           coalesce(sum(u.output_tokens), 0)::bigint AS output_tokens,
           sum(c.charged_micros)::bigint AS charged_micros
      FROM chosen c
      LEFT JOIN usage_event u ON u.account_id = %(account)s AND u.generation_id = c.id
       AND u.generation_id >= %(from)s::uuid AND u.generation_id < %(to)s::uuid
     GROUP BY c.model, c.key_id, c.part
), named AS (
    SELECT s.*, coalesce(k.public_id, '') AS key,
           coalesce(to_date(right(s.part::regclass::text, 8), 'YYYYMMDD'), '-infinity') AS day
      FROM sums s
      LEFT JOIN api_key k ON k.account_id = %(account)s AND k.key_id = s.key_id
)
SELECT n.model, n.key, nullif(n.day, '-infinity') AS day, n.requests, n.succeeded, n.failed,
       n.cancelled, n.delivered, n.input_tokens, n.output_tokens, n.charged_micros
  FROM named n
 WHERE %(is_first)s
    OR (n.day, n.charged_micros) < (%(day)s::date, %(charged)s::bigint)
    OR ((n.day, n.charged_micros) = (%(day)s::date, %(charged)s::bigint)
        AND (n.model, n.key) > (%(model)s::text, %(key)s::text))
 ORDER BY n.day DESC, n.charged_micros DESC, n.model, n.key
 LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which of an account's requests. Empty sets mean all."""

    start: datetime | None = None
    end: datetime | None = None
    """Exclusive."""
    keys: frozenset[str] = frozenset()
    """Public ids of keys."""
    models: frozenset[str] = frozenset()
    states: frozenset[GenerationState] = frozenset()
    sandbox: bool = False
    """Requests of test keys too."""


@dataclass(frozen=True, slots=True)
class Record:
    """One request."""

    id: UUID
    request_id: str
    key: str
    """The public id; empty where the key is there no more."""
    model: str
    kind: Kind
    endpoint: str
    state: GenerationState
    reason: Reason | None
    charged_micros: int
    requested_count: int
    delivered_count: int
    channel: str
    attempt_count: int
    input_tokens: int | None
    output_tokens: int | None
    finished_at: datetime | None
    sandbox: bool


@dataclass(frozen=True, slots=True)
class Groups:
    """What one sum stands for; nothing: for all of it."""

    by_model: bool = False
    by_key: bool = False
    by_day: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sum stands among the others: the newest day first, then the dearest."""

    day: date | None
    charged_micros: int
    model: str
    key: str


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of some requests."""

    model: str
    key: str
    day: date | None
    requests: int
    succeeded: int
    failed: int
    cancelled: int
    delivered: int
    input_tokens: int
    output_tokens: int
    charged_micros: int

    @property
    def place(self) -> Place:
        return Place(self.day, self.charged_micros, self.model, self.key)


class UsageReads:
    """Answers what `UsageService` is asked. Raises what the pool raises."""

    def __init__(self, pool: AnyPool) -> None:
        self._pool = pool

    async def records(
        self, account_id: UUID, chosen: Chosen, limit: int, after: UUID | None = None
    ) -> list[Record]:
        """One page, newest first; *after* is the last one of the page before."""
        values = _values(account_id, chosen)
        if after is not None:
            values["to"] = min(after, values["to"])
        values |= {"states": sorted(chosen.states), "limit": limit}
        return [_record(row) for row in await self._rows(_RECORDS, values)]

    async def sums(
        self,
        account_id: UUID,
        chosen: Chosen,
        groups: Groups,
        limit: int,
        after: Place | None = None,
    ) -> list[Sum]:
        """One page of the sums, in the order of their places; of states it tells all."""
        place = after or Place(None, 0, "", "")
        values = _values(account_id, chosen) | {
            "by_model": groups.by_model,
            "by_key": groups.by_key,
            "by_day": groups.by_day,
            "is_first": after is None,
            "day": place.day or "-infinity",
            "charged": place.charged_micros,
            "model": place.model,
            "key": place.key,
            "limit": limit,
        }
        return [Sum(**row) for row in await self._rows(_SUMS, values)]

    async def _rows(self, statement: str, values: Mapping[str, Any]) -> list[DictRow]:
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=dict_row, binary=True) as cursor,
        ):
            await cursor.execute(statement, values)
            return await cursor.fetchall()


def _values(account_id: UUID, chosen: Chosen) -> dict[str, Any]:
    return {
        "account": account_id,
        "from": first_id(chosen.start) if chosen.start is not None else _FIRST,
        "to": first_id(chosen.end) if chosen.end is not None else _BEYOND,
        "keys": sorted(chosen.keys),
        "models": sorted(chosen.models),
        "sandbox": chosen.sandbox,
    }


def _record(row: DictRow) -> Record:
    """A row of `_RECORDS` in our words."""
    return Record(
        id=row["id"],
        request_id=row["request_id"],
        key=row["public_id"] or "",
        model=row["model"],
        kind=Kind(row["kind"]),
        endpoint=row["endpoint"],
        state=GenerationState(row["state"]),
        reason=None if row["reason"] is None else Reason(row["reason"]),
        charged_micros=row["charged_micros"],
        requested_count=row["requested_count"],
        delivered_count=row["delivered_count"],
        channel=row["channel"] or "",
        attempt_count=row["attempt_count"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        finished_at=row["finished_at"],
        sandbox=row["sandbox"],
    )
