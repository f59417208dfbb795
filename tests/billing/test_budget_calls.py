"""Budgets over REST: made, shown, changed and removed, by those who may."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio

from billing.ledger import Hold, Settle
from storage.commits import Commit, Committed
from tests.webhooks.whole_core import Whole, whole_core

BUDGETS = "/api/v1/budgets"
OWN_BUDGET = """
INSERT INTO budget (account_id, budget_id, key_id, period, limit_micros)
SELECT account_id, gen_random_uuid(), key_id, 'day', 5 FROM api_key
"""
DAY = {"period": "PERIOD_DAY", "limit_micros": "1000000"}


@pytest_asyncio.fixture
async def whole(database_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_core(database_url, tmp_path / "outputs") as made:
        yield made


async def made(whole: Whole, **fields: Any) -> dict[str, Any]:
    answer = await whole.ask("POST", BUDGETS, json={**DAY, **fields})
    budget: dict[str, Any] = answer["budget"]
    return budget


async def refused(whole: Whole, method: str, path: str, **request: Any) -> tuple[int, str, str]:
    answer = await whole.http.request(method, path, **request)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"] or ""


def own_key(whole: Whole) -> str:
    return f"api_keys/{whole.key.split('_')[2]}"


async def key_id(whole: Whole) -> UUID:
    caller = await whole.core.authenticator.authenticate(whole.key)
    return caller.key_id


async def hold(whole: Whole, micros: int, key: UUID | None = None) -> UUID:
    id_ = uuid4()
    part = Hold(id_, whole.account, micros, key or await key_id(whole))
    assert isinstance(await whole.core.committer.commit(Commit((part,))), Committed)
    return id_


async def settle(whole: Whole, id_: UUID, micros: int) -> None:
    part = Settle(uuid4(), whole.account, id_, micros)
    assert isinstance(await whole.core.committer.commit(Commit((part,))), Committed)


async def test_a_budget_is_made_shown_listed_changed_and_removed(whole: Whole) -> None:
    budget = await made(whole, alert_percents=[80, 50, 80])
    path = f"/api/v1/{budget['name']}"
    of_key = await made(whole, period="PERIOD_TOTAL", api_key=own_key(whole))

    assert budget["alert_percents"] == [50, 80]
    assert (budget["limit_micros"], budget["spent_micros"], budget["held_micros"]) == (
        "1000000",
        "0",
        "0",
    )
    assert budget["reset_time"].endswith("T00:00:00Z")
    assert (of_key["api_key"], of_key.get("reset_time")) == (own_key(whole), None)
    assert (await whole.ask("GET", path))["budget"] == budget
    assert (await whole.ask("GET", BUDGETS))["budgets"] == [of_key, budget]
    only = await whole.ask("GET", f"{BUDGETS}?api_key={own_key(whole)}")
    assert only["budgets"] == [of_key]


async def test_a_budget_is_changed_by_mask_and_etag(whole: Whole) -> None:
    budget = await made(whole, alert_percents=[50])
    path = f"/api/v1/{budget['name']}"
    change = {"limit_micros": "5", "alert_percents": [], "etag": budget["etag"]}

    by_mask = (await whole.ask("PATCH", f"{path}?update_mask=alert_percents", json=change))[
        "budget"
    ]
    stale = await refused(whole, "PATCH", path, json={"limit_micros": "5", "etag": budget["etag"]})
    unmasked = (await whole.ask("PATCH", path, json={"limit_micros": "5"}))["budget"]

    assert (by_mask["limit_micros"], by_mask["alert_percents"]) == ("1000000", [])
    assert stale == (409, "conflict", "budget.etag")
    assert (unmasked["limit_micros"], unmasked["etag"]) != ("1000000", by_mask["etag"])
    immutable = await refused(whole, "PATCH", f"{path}?update_mask=period", json=DAY)
    assert immutable == (400, "invalid_value", "update_mask")
    assert await whole.ask("DELETE", path) == {}
    assert (await refused(whole, "GET", path))[:2] == (404, "not_found")
    assert (await refused(whole, "DELETE", path))[:2] == (404, "not_found")


async def test_what_is_held_and_spent_counts_from_when_the_budget_was_made(whole: Whole) -> None:
    before = await hold(whole, 70)
    budget = await made(whole)
    held = await hold(whole, 100)
    await settle(whole, before, 70)
    path = f"/api/v1/{budget['name']}"

    during = (await whole.ask("GET", path))["budget"]
    await settle(whole, held, 60)
    after = (await whole.ask("GET", path))["budget"]

    assert (during["spent_micros"], during["held_micros"]) == ("0", "100")
    assert (after["spent_micros"], after["held_micros"]) == ("60", "0")
    assert after["etag"] == budget["etag"]


async def test_a_period_that_is_over_shows_nothing(whole: Whole, database_url: str) -> None:
    budget = await made(whole, alert_percents=[1])
    await settle(whole, await hold(whole, 100), 100)
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("UPDATE budget SET period_start = period_start - interval '1 day'")
    path = f"/api/v1/{budget['name']}"

    assert (await whole.ask("GET", path))["budget"]["spent_micros"] == "0"
    changed = await whole.ask("PATCH", path, json={"limit_micros": "50"})
    assert changed["budget"]["spent_micros"] == "0"
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute("SELECT count(*) FROM notice")
        assert await cursor.fetchone() == (0,), "nobody is told of yesterday"


async def test_holds_outlive_the_budget_or_the_period_that_they_counted_in(
    whole: Whole, database_url: str
) -> None:
    removed, kept = await made(whole), await made(whole)
    held = await hold(whole, 100)
    await whole.ask("DELETE", f"/api/v1/{removed['name']}")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        for table in ("budget", "budget_hold"):
            await connection.execute(
                f"UPDATE {table} SET period_start = period_start - interval '1 day'"
            )
    path = f"/api/v1/{kept['name']}"
    await whole.ask("PATCH", path, json={"limit_micros": "500"})
    await settle(whole, held, 60)

    budget = (await whole.ask("GET", path))["budget"]
    assert (budget["spent_micros"], budget["held_micros"]) == ("0", "0")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute("TABLE ledger_discrepancy")
        assert await cursor.fetchall() == []


async def test_a_repeat_under_one_request_id_makes_one_budget(whole: Whole) -> None:
    once = {"idempotency-key": "once"}
    first = await whole.ask("POST", BUDGETS, json=DAY, headers=once)
    again = await whole.ask("POST", BUDGETS, json=DAY, headers=once)
    other = {**DAY, "limit_micros": "7"}

    assert again == first
    assert (await refused(whole, "POST", BUDGETS, json=other, headers=once))[:2] == (
        422,
        "idempotency_mismatch",
    )
    assert (await whole.ask("GET", BUDGETS))["budgets"] == [first["budget"]]
    path = f"/api/v1/{first['budget']['name']}"
    gone = {"idempotency-key": "gone"}
    assert await whole.ask("DELETE", path, headers=gone) == {}
    assert await whole.ask("DELETE", path, headers=gone) == {}


WRONG: list[tuple[dict[str, Any], int, str, str]] = [
    ({"period": "PERIOD_UNSPECIFIED"}, 400, "missing_required_parameter", "budget.period"),
    ({"period": 9}, 400, "invalid_value", "budget.period"),
    ({"limit_micros": "0"}, 400, "missing_required_parameter", "budget.limit_micros"),
    ({"limit_micros": "-5"}, 400, "invalid_value", "budget.limit_micros"),
    ({"limit_micros": "1000000000000001"}, 400, "invalid_value", "budget.limit_micros"),
    ({"alert_percents": [0]}, 400, "invalid_value", "budget.alert_percents"),
    ({"alert_percents": [101]}, 400, "invalid_value", "budget.alert_percents"),
    ({"alert_percents": list(range(1, 12))}, 400, "invalid_value", "budget.alert_percents"),
    ({"api_key": "api_keys/AAAAAAAAAAAA"}, 404, "not_found", ""),
    ({"api_key": "no"}, 404, "not_found", ""),
]


async def test_a_wrong_field_is_named(whole: Whole) -> None:
    for fields, status, code, parameter in WRONG:
        answer = await refused(whole, "POST", BUDGETS, json={**DAY, **fields})
        assert answer == (status, code, parameter), fields


async def test_an_account_has_a_hundred_budgets_at_most_in_pages(whole: Whole) -> None:
    names = [(await made(whole))["name"] for _ in range(100)]
    found, token = [], ""
    while True:
        page = await whole.ask("GET", f"{BUDGETS}?page_size=40&page_token={token}")
        found += [item["name"] for item in page["budgets"]]
        if not (token := page["next_page_token"]):
            break

    assert found == names[::-1]
    assert await refused(whole, "POST", BUDGETS, json=DAY) == (400, "invalid_value", "budget")
    foreign = await refused(whole, "GET", f"{BUDGETS}?api_key={own_key(whole)}&page_token=AAAA")
    assert foreign == (400, "invalid_value", "page_token")


async def test_another_accounts_budget_is_not_there(whole: Whole) -> None:
    path = f"/api/v1/{(await made(whole))['name']}"
    headers = await whole.stranger()
    for method, extra in (("GET", {}), ("DELETE", {}), ("PATCH", {"json": {"limit_micros": "1"}})):
        assert (await refused(whole, method, path, headers=headers, **extra))[:2] == (
            404,
            "not_found",
        )
    theirs = await refused(
        whole, "POST", BUDGETS, headers=headers, json={**DAY, "api_key": own_key(whole)}
    )
    assert theirs[:2] == (404, "not_found")


@pytest.mark.parametrize(
    "limited",
    [
        "UPDATE api_key SET allowed_models = '{m}'",
        "UPDATE api_key SET scopes = '{read_billing,manage_api_keys}'",
        OWN_BUDGET,
    ],
)
async def test_a_key_that_is_limited_changes_no_limits(
    whole: Whole, database_url: str, limited: str
) -> None:
    budget = await made(whole)
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(limited)
    path = f"/api/v1/{budget['name']}"
    forbidden = (403, "permission_denied")
    raised = {"limit_micros": "9"}

    await eventually_refused(whole)
    assert (await refused(whole, "POST", BUDGETS, json=DAY))[:2] == forbidden
    assert (await refused(whole, "PATCH", path, json=raised))[:2] == forbidden
    assert (await refused(whole, "DELETE", path))[:2] == forbidden
    assert (await whole.ask("GET", path))["budget"] == budget


async def eventually_refused(whole: Whole) -> None:
    """Wait until this process has heard that the key changed."""
    async with asyncio.timeout(5):
        while (await whole.http.post(BUDGETS, json=DAY)).status_code != 403:
            pass
