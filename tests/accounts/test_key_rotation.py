"""Rotation: a new key with the old one's settings; the old one ends, and no budget is escaped."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest_asyncio

from accounts.directory import TRUST_SECONDS
from tests.fix_core import catalogue
from tests.webhooks.whole_core import Whole, whole_core

KEYS = "/api/v1/api_keys"
MANAGER = ["SCOPE_GENERATE", "SCOPE_READ_BILLING", "SCOPE_MANAGE_API_KEYS"]
KEPT = ("display_name", "mode", "scopes", "limits", "allowed_models", "allowed_networks")


@pytest_asyncio.fixture
async def whole(database_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_core(database_url, tmp_path / "outputs") as made:
        yield made


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


async def made(whole: Whole, **fields: Any) -> tuple[dict[str, Any], dict[str, str]]:
    answer = await whole.ask("POST", KEYS, json=fields)
    return answer["api_key"], bearer(answer["secret"])


async def rotated(whole: Whole, name: str, request_id: str = "", **fields: Any) -> Any:
    headers = {"idempotency-key": request_id} if request_id else {}
    return await whole.ask("POST", f"/api/v1/{name}:rotate", json=fields, headers=headers)


async def refused(whole: Whole, name: str, headers: Any = None, **fields: Any) -> tuple[int, str]:
    answer = await whole.http.post(f"/api/v1/{name}:rotate", json=fields, headers=headers)
    return answer.status_code, answer.json()["error"]["code"]


async def status(whole: Whole, headers: dict[str, str]) -> int:
    return (await whole.http.get("/api/v1/balance", headers=headers)).status_code


def in_(hours: float) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


def is_about(text: str, moment: datetime) -> bool:
    return abs(datetime.fromisoformat(text) - moment) < timedelta(minutes=1)


async def test_the_new_key_has_the_settings_and_both_work_for_a_day(whole: Whole) -> None:
    old, before = await made(
        whole,
        display_name="Builds",
        scopes=MANAGER,
        limits={"requests_per_minute": 500, "concurrent_generations": 7},
        allowed_models=[min(catalogue().models)],
        allowed_networks=["127.0.0.0/8", "2001:db8::1"],
    )
    answer = await rotated(whole, old["name"])
    new, replaced = answer["api_key"], answer["replaced"]

    assert {name: new[name] for name in KEPT} == {name: old[name] for name in KEPT}
    assert new["name"] != old["name"]
    assert "expire_time" not in new
    assert replaced["name"] == old["name"]
    assert is_about(replaced["expire_time"], in_(24))
    assert await status(whole, before) == await status(whole, bearer(answer["secret"])) == 200


async def test_a_grace_of_none_stops_the_old_key_at_once(whole: Whole) -> None:
    old, before = await made(whole)
    assert await status(whole, before) == 200
    answer = await rotated(whole, old["name"], grace="0s")

    assert answer["replaced"]["state"] == "STATE_EXPIRED"
    started = datetime.now(UTC)
    while await status(whole, before) != 401:
        assert datetime.now(UTC) - started < timedelta(seconds=TRUST_SECONDS)
    assert await status(whole, bearer(answer["secret"])) == 200


async def test_the_grace_has_bounds_and_never_lengthens_a_life(whole: Whole) -> None:
    old, _ = await made(whole, expire_time=in_(1).isoformat())
    for grace in ("-1s", "2592001s", "2592000.1s"):
        assert await refused(whole, old["name"], grace=grace) == (400, "invalid_value")
    answer = await rotated(whole, old["name"], grace="2592000s")

    assert is_about(answer["replaced"]["expire_time"], in_(1))
    assert is_about(answer["api_key"]["expire_time"], in_(1))


async def test_a_repeat_gives_the_same_keys_without_the_secret(whole: Whole) -> None:
    old, _ = await made(whole)
    first = await rotated(whole, old["name"], "once")
    again = await rotated(whole, old["name"], "once")

    assert first["secret"]
    assert again == {**first, "secret": ""}
    assert len((await whole.ask("GET", KEYS))["api_keys"]) == 3


async def test_of_two_rotations_at_once_one_happens(whole: Whole) -> None:
    old, _ = await made(whole)
    path = f"/api/v1/{old['name']}:rotate"
    answers = await asyncio.gather(*[whole.http.post(path, json={}) for _ in range(4)])

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert len((await whole.ask("GET", KEYS))["api_keys"]) == 3


async def test_the_same_rotation_twice_at_once_makes_one_key(whole: Whole) -> None:
    old, _ = await made(whole)
    answers = await asyncio.gather(*[rotated(whole, old["name"], "once") for _ in range(4)])

    assert len({answer["api_key"]["name"] for answer in answers}) == 1
    assert sum(bool(answer["secret"]) for answer in answers) == 1


async def test_what_was_rotated_revoked_or_has_expired_is_not_rotated(whole: Whole) -> None:
    old, _ = await made(whole)
    await rotated(whole, old["name"])
    patched = await whole.http.patch(f"/api/v1/{old['name']}", json={"display_name": "b"})
    revoked, _ = await made(whole)
    await whole.ask("POST", f"/api/v1/{revoked['name']}:revoke", json={})
    gone, _ = await made(whole)
    await rotated(whole, gone["name"], grace="0s")

    assert patched.status_code == 409
    for key in (old, revoked, gone):
        assert await refused(whole, key["name"]) == (409, "conflict")
    strangers = await whole.stranger()
    assert (await refused(whole, old["name"], strangers))[0] == 404


async def test_a_key_rotates_none_that_may_do_more(whole: Whole) -> None:
    stronger, _ = await made(whole, scopes=[*MANAGER, "SCOPE_MANAGE_BILLING"])
    everywhere, _ = await made(whole)
    _, lesser = await made(whole, scopes=[*MANAGER, "SCOPE_READ_GENERATIONS"])
    _, at_home = await made(whole, scopes=MANAGER, allowed_networks=["127.0.0.1"])
    by_default = {"scopes": ["SCOPE_GENERATE"]}

    assert (await refused(whole, stronger["name"], lesser))[0] == 403
    assert (await refused(whole, everywhere["name"], at_home))[0] == 403
    for body, expected in (
        ({**by_default, "allowed_networks": ["127.0.0.0/8"]}, 403),
        (by_default, 403),
        ({**by_default, "allowed_networks": ["127.0.0.1"]}, 200),
    ):
        answer = await whole.http.post(KEYS, json=body, headers=at_home)
        assert answer.status_code == expected, body


async def test_a_key_may_rotate_itself(whole: Whole) -> None:
    key, headers = await made(whole, scopes=MANAGER)
    answer = await whole.ask("POST", f"/api/v1/{key['name']}:rotate", json={}, headers=headers)
    twice = bearer(answer["secret"])
    await whole.ask("POST", f"/api/v1/{answer['api_key']['name']}:rotate", json={}, headers=twice)


async def test_a_budget_counts_for_both_keys_and_is_shown_by_the_new_one(whole: Whole) -> None:
    old, before = await made(whole)
    budget = {"period": "PERIOD_TOTAL", "limit_micros": "5", "api_key": old["name"]}
    made_ = (await whole.ask("POST", "/api/v1/budgets", json=budget))["budget"]
    answer = await rotated(whole, old["name"])
    second = await rotated(whole, answer["api_key"]["name"])
    newest = second["api_key"]["name"]

    shown = (await whole.ask("GET", f"/api/v1/{made_['name']}"))["budget"]
    assert shown["api_key"] == newest
    for name in (old["name"], newest):
        listed = await whole.ask("GET", f"/api/v1/budgets?api_key={name}")
        assert [item["name"] for item in listed["budgets"]] == [made_["name"]]
    body = {"model": "gpt-image-2", "prompt": "a pear"}
    for headers in (before, bearer(answer["secret"]), bearer(second["secret"])):
        refusal = await whole.http.post("/v1/images/generations", json=body, headers=headers)
        assert refusal.json()["error"]["code"] == "budget_exceeded", refusal.text
    more = {"period": "PERIOD_DAY", "limit_micros": "1", "api_key": newest}
    of_new = (await whole.ask("POST", "/api/v1/budgets", json=more))["budget"]
    assert of_new["api_key"] == newest


async def test_what_is_done_to_keys_is_written_down(whole: Whole, database_url: str) -> None:
    key, _ = await made(whole)
    answer = await rotated(whole, key["name"])
    new = answer["api_key"]["name"]
    await whole.ask("PATCH", f"/api/v1/{new}", json={"display_name": "b"})
    await whole.ask("POST", f"/api/v1/{new}:revoke", json={})
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(
            "SELECT action, target, actor FROM audit_log WHERE account_id = %s ORDER BY at",
            (whole.account,),
        )
        rows = await cursor.fetchall()

    done = [row for row in rows if row[0].startswith("api_key.")]
    assert done == [
        ("api_key.create", key["name"], "api_key"),
        ("api_key.rotate", key["name"], "api_key"),
        ("api_key.update", new, "api_key"),
        ("api_key.revoke", new, "api_key"),
    ]
