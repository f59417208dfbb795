"""What accounts did lately that may be abuse, counted for `core.policy.abuse` to judge."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import DictRow, dict_row

from core.engine.ids import first_id
from core.policy.abuse import (
    FAILED_PAYMENTS,
    LEAST_GENERATIONS,
    LOSS_MICROS,
    NETWORKS,
    Observed,
    Sign,
)
from storage.pool import AnyPool

_STRONGEST: Final = 1_000
"""Figures of each sign: more are too many to look at one by one."""

# What callers are told of as refused by a provider's safety system. Generations that were cut
# short otherwise say nothing about what was asked for.
_REFUSALS = """
SELECT account_id, ''::text AS key,
       count(*) FILTER (WHERE reason = 'CONTENT_POLICY_VIOLATION') AS figure,
       count(*) AS of,
       max(finished_at) FILTER (WHERE reason = 'CONTENT_POLICY_VIOLATION') AS observed_at
  FROM generation
 WHERE id >= %(first)s AND finished_at IS NOT NULL
   AND (state = 'succeeded' OR reason = 'CONTENT_POLICY_VIOLATION')
 GROUP BY account_id
HAVING count(*) >= %(least)s AND count(*) FILTER (WHERE reason = 'CONTENT_POLICY_VIOLATION') > 0
 ORDER BY figure DESC LIMIT %(limit)s
"""
# Every try on one payment page is an event of its own; one that was never heard of counts once.
_CARDS = """
SELECT account_id, ''::text AS key, sum(tries)::bigint AS figure, 0 AS of,
       max(observed_at) AS observed_at
  FROM (SELECT p.account_id, greatest(count(e.event_id), (p.state = 'failed')::integer) AS tries,
               coalesce(max(e.applied_at), p.booked_at) AS observed_at
          FROM payment p
          LEFT JOIN stripe_event e ON e.payment_intent = p.payment_intent
           AND e.kind = 'payment_intent.payment_failed' AND e.applied_at >= %(start)s
         WHERE p.booked_at >= %(start)s
         GROUP BY p.account_id, p.id) AS payments
 WHERE tries > 0
 GROUP BY account_id HAVING sum(tries) >= %(least)s
 ORDER BY figure DESC LIMIT %(limit)s
"""
# The worst day of each key. Networks are known by day: the day of *start* counts whole.
_SHARING = """
SELECT DISTINCT ON (u.account_id, u.key_id) u.account_id, k.public_id AS key, u.networks AS figure,
       0 AS of, u.day::timestamp AT TIME ZONE 'UTC' AS observed_at
  FROM (SELECT account_id, key_id, day, count(*) AS networks
          FROM key_network WHERE day >= (%(start)s AT TIME ZONE 'UTC')::date
         GROUP BY account_id, key_id, day HAVING count(*) >= %(least)s
         ORDER BY networks DESC LIMIT %(limit)s) AS u
  JOIN api_key k ON k.account_id = u.account_id AND k.key_id = u.key_id
 ORDER BY u.account_id, u.key_id, u.networks DESC, u.day DESC
"""
# What hedges lose is the operator's own doing, and no sign of anything.
_COSTS = """
SELECT account_id, ''::text AS key, sum(amount_micros)::bigint AS figure, 0 AS of,
       max(created_at) AS observed_at
  FROM transfer WHERE created_at >= %(start)s AND kind = 'risk_loss'
 GROUP BY account_id HAVING sum(amount_micros) >= %(least)s
 ORDER BY figure DESC LIMIT %(limit)s
"""
_STATEMENTS: Final[Sequence[tuple[Sign, str, int]]] = (
    (Sign.REFUSAL_RATE, _REFUSALS, LEAST_GENERATIONS),
    (Sign.CARD_TESTING, _CARDS, FAILED_PAYMENTS),
    (Sign.KEY_SHARING, _SHARING, NETWORKS),
    (Sign.PROVIDER_COST, _COSTS, LOSS_MICROS),
)
"""With how little is not worth reading."""


async def observed(pool: AnyPool, start: datetime) -> Sequence[Observed]:
    """The figures of all accounts since *start*. Raises what the pool raises."""
    values: dict[str, Any] = {"start": start, "first": first_id(start), "limit": _STRONGEST}
    async with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        found: list[Observed] = []
        for sign, statement, least in _STATEMENTS:
            await cursor.execute(statement, {**values, "least": least})
            found += [_observed(sign, row) for row in await cursor.fetchall()]
    return found


def _observed(sign: Sign, row: DictRow) -> Observed:
    facts: Mapping[str, Any] = row
    owner: UUID = facts["account_id"]
    at = facts["observed_at"].timestamp()
    return Observed(owner, sign, facts["figure"], at, of=facts["of"], key=facts["key"])
