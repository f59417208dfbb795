"""Notices of money: made once, in the commit that has the reason, and told to who asked for them."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg

from billing.ledger import Hold
from billing.low_balances import LowBalances
from core.engine.records import NewGeneration
from core.engine.rules import apply_rules
from core.webhooks.records import EventType
from storage.commits import Committed, Refused, Verdict
from tests.webhooks.posting_office import Desk, working
from tests.webhooks.receiving import Receiver
from tests.webhooks.test_webhook_deliveries import verified

NEW_BUDGET = """
INSERT INTO budget (account_id, budget_id, key_id, period, limit_micros, alert_percents)
VALUES (%s, %s, %s, %s, 1000, %s) RETURNING budget_id
"""


async def budget(desk: Desk, *percents: int, period: str = "day", of_key: bool = False) -> UUID:
    values = (desk.account, uuid4(), desk.customer.key_id if of_key else None, period)
    ((id_,),) = await desk.house.query(NEW_BUDGET, *values, list(percents))
    made: UUID = id_
    return made


async def begin(desk: Desk, micros: int) -> tuple[NewGeneration, Verdict]:
    """A generation that would hold so much on the customer's key."""
    new = desk.customer.new(micros)
    opened = desk.customer.open(new)
    parts = tuple(
        replace(part, key_id=desk.customer.key_id) if isinstance(part, Hold) else part
        for part in opened.parts
    )
    return new, await desk.house.commit(opened._replace(parts=parts))


async def hold(desk: Desk, micros: int) -> NewGeneration:
    new, verdict = await begin(desk, micros)
    assert isinstance(verdict, Committed)
    return new


async def percents(desk: Desk) -> list[int]:
    rows = await desk.house.query(
        "SELECT (facts->>'percent')::int FROM notice WHERE kind = 'budget_alert' ORDER BY 1"
    )
    return [row[0] for row in rows]


async def test_each_percent_is_noticed_once_in_the_commit_that_passes_it(desk: Desk) -> None:
    await budget(desk, 50, 80, 100)
    first = await hold(desk, 499)
    assert await percents(desk) == []
    await hold(desk, 1)
    assert await percents(desk) == [50]
    await desk.house.commit(desk.customer.settle(first, 400))
    await hold(desk, 400)
    assert await percents(desk) == [50, 80], "passed again, told once"
    await hold(desk, 199)
    assert await percents(desk) == [50, 80, 100]


async def test_a_commit_that_passes_several_percents_notices_each(desk: Desk) -> None:
    await budget(desk, 10, 20, 30, 90)
    given_back = await hold(desk, 300)
    await desk.house.commit(desk.customer.void(given_back))

    assert await percents(desk) == [10, 20, 30]


async def test_many_commits_at_once_notice_each_percent_once(desk: Desk) -> None:
    for period in ("day", "month", "total"):
        await budget(desk, 1, 50, 100, period=period)
    await asyncio.gather(*(hold(desk, 10) for _ in range(100)))

    assert await percents(desk) == [1] * 3 + [50] * 3 + [100] * 3


async def test_a_new_period_is_told_of_again(desk: Desk) -> None:
    await budget(desk, 50)
    await hold(desk, 600)
    await desk.house.query(
        "UPDATE budget SET period_start = period_start - interval '1 day' RETURNING 1"
    )
    await desk.house.query(
        "UPDATE budget_hold SET period_start = period_start - interval '1 day' RETURNING 1"
    )
    await desk.house.query("DELETE FROM notice RETURNING 1")
    await hold(desk, 100)
    assert await percents(desk) == []
    await hold(desk, 400)
    assert await percents(desk) == [50]


async def test_a_lower_limit_or_another_percent_is_noticed_when_it_is_set(desk: Desk) -> None:
    await budget(desk, 90)
    await hold(desk, 500)
    await desk.house.query("UPDATE budget SET limit_micros = 550 RETURNING 1")
    assert await percents(desk) == [90]
    await desk.house.query("UPDATE budget SET alert_percents = '{60,90}' RETURNING 1")
    assert await percents(desk) == [60, 90]


async def test_a_refused_hold_notices_nothing(desk: Desk) -> None:
    await budget(desk, 50)
    _, verdict = await begin(desk, 1001)

    assert isinstance(verdict, Refused)
    assert await percents(desk) == []


async def test_an_alert_reaches_the_endpoints_that_asked_for_it(
    desk: Desk, receiver: Receiver
) -> None:
    _, secret = await desk.endpoint(receiver.url + "/all", event_types=[EventType.BUDGET_ALERT])
    await desk.endpoint(receiver.url + "/none")
    id_ = await budget(desk, 50, period="month", of_key=True)
    async with working(desk):
        await hold(desk, 700)
        (message,) = await receiver.wait("/all")
    verified(message, secret)
    body = json.loads(message.body)
    ((public_id,),) = await desk.house.query(
        "SELECT public_id FROM api_key WHERE key_id = %s", desk.customer.key_id
    )

    assert body["type"] == "budget.alert"
    assert body["data"] == {
        "budget": f"budgets/{id_.hex}",
        "api_key": f"api_keys/{public_id}",
        "period": "month",
        "percent": 50,
        "limit_micros": 1000,
        "spent_micros": 0,
        "held_micros": 700,
    }
    (delivery,) = await desk.deliveries()
    assert (delivery.event_type, delivery.generation_id) == (EventType.BUDGET_ALERT, None)
    assert receiver.at("/none") == [], "no event types mean those of generations"


async def test_a_notice_waits_for_mail_and_leaves_30_days_after_its_period(desk: Desk) -> None:
    await budget(desk, 50)
    await budget(desk, 50, period="total")
    await hold(desk, 700)
    await desk.house.query(
        "UPDATE notice SET expires_at = expires_at - interval '31 days'"
        " WHERE expires_at < now() + interval '31 days' RETURNING 1"
    )
    await apply_rules(desk.house.pool, datetime.now(UTC))
    rows: list[Any] = await desk.house.query(
        "SELECT facts->>'period', mailed_at, expires_at FROM notice"
    )
    assert rows == [("total", None, None)]
    await desk.house.query("DELETE FROM budget RETURNING 1")
    assert await desk.house.query("SELECT 1 FROM notice WHERE expires_at IS NULL") == []


async def test_a_balance_that_falls_below_its_threshold_is_noticed_once(desk: Desk) -> None:
    balances = LowBalances(desk.house.pool)
    threshold = (
        "INSERT INTO auto_top_up (account_id, threshold_micros, amount_micros,"
        " monthly_limit_micros) VALUES (%s, 99500, 0, 0) RETURNING 1"
    )
    await desk.house.query(threshold, desk.account)
    await hold(desk, 500)
    assert await balances.notice() == 0, "it is at the threshold, not below"
    below = await hold(desk, 10)
    assert sum(await asyncio.gather(*(balances.notice() for _ in range(5)))) == 1
    ((facts,),) = await desk.house.query("SELECT facts FROM notice WHERE kind = 'balance_low'")
    assert facts == {"available_micros": 99490, "threshold_micros": 99500}

    await desk.house.commit(desk.customer.void(below))
    assert await balances.notice() == 0
    await hold(desk, 10)
    assert await balances.notice() == 0, "at most once an hour"
    await desk.house.query("UPDATE low_balance SET since = since - interval '2 hours' RETURNING 1")
    assert await balances.notice() == 0, "it is the same fall still"
    await desk.house.fund(desk.customer, 1000)
    assert await balances.notice() == 0
    await hold(desk, 1500)
    assert await balances.notice() == 1


async def test_the_same_notice_is_given_once(desk: Desk) -> None:
    statement = (
        "INSERT INTO notice (account_id, id, kind, subject, facts)"
        " VALUES (%s, uuid_at(now()), 'price_increase', 'm/7', '{}') RETURNING 1"
    )
    await desk.house.query(statement, desk.account)
    try:
        await desk.house.query(statement, desk.account)
    except psycopg.errors.UniqueViolation as refused:
        assert refused.diag.constraint_name == "notice_once"
    else:
        raise AssertionError("the database said yes")
