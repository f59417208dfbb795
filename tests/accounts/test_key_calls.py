"""API keys over REST: made, shown, changed and stopped, never by a key with less."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from accounts.directory import TRUST_SECONDS
from core.catalog.entries import Catalogue, Model
from core.errors import GatewayError, Reason
from tests.fix_core import catalogue
from tests.webhooks.whole_core import Whole, whole_core

KEYS = "/api/v1/api_keys"
BALANCE = "/api/v1/balance"
DEFAULT = [
    "SCOPE_GENERATE",
    "SCOPE_READ_GENERATIONS",
    "SCOPE_DELETE_GENERATIONS",
    "SCOPE_READ_BILLING",
]
MANAGER = [*DEFAULT, "SCOPE_MANAGE_API_KEYS"]


@pytest_asyncio.fixture
async def whole(database_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_core(database_url, tmp_path / "outputs") as made:
        yield made


async def made(whole: Whole, **fields: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """A new key, and the headers of who has it."""
    answer = await whole.ask("POST", KEYS, json=fields)
    return answer["api_key"], {"authorization": f"Bearer {answer['secret']}"}


async def refused(whole: Whole, method: str, path: str, **request: Any) -> tuple[int, str, str]:
    answer = await whole.http.request(method, path, **request)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"] or ""


async def status(whole: Whole, headers: dict[str, str], path: str = BALANCE) -> int:
    return (await whole.http.get(path, headers=headers)).status_code


async def until(whole: Whole, headers: dict[str, str], wanted: int) -> None:
    """Wait until the key is answered so; it must be within the second that is promised."""
    started = datetime.now(UTC)
    while await status(whole, headers) != wanted:
        assert datetime.now(UTC) - started < timedelta(seconds=TRUST_SECONDS)


def first_model() -> str:
    return min(catalogue().models)


async def test_a_key_is_made_shown_and_listed_without_its_secret(whole: Whole) -> None:
    key, headers = await made(whole, display_name="Builds", allowed_models=[first_model()])
    path = f"/api/v1/{key['name']}"

    assert await status(whole, headers) == 200
    assert (key["display_name"], key["mode"], key["state"]) == (
        "Builds",
        "MODE_LIVE",
        "STATE_ACTIVE",
    )
    assert key["scopes"] == DEFAULT
    assert key["limits"] == {"requests_per_minute": 600, "concurrent_generations": 50}
    assert key["allowed_models"] == [first_model()]
    assert headers["authorization"].split()[1].startswith(key["key_hint"])
    assert (await whole.ask("GET", path)) == {"api_key": key}
    assert (await whole.ask("GET", path, headers=headers)) == {"api_key": key}
    listed = (await whole.ask("GET", KEYS))["api_keys"]
    assert [item["name"] for item in listed] == [key["name"], own_name(whole)]
    assert "secret" not in str(listed)


def own_name(whole: Whole) -> str:
    return f"api_keys/{whole.key.split('_')[2]}"


async def test_the_secret_stands_nowhere_in_the_database(whole: Whole, database_url: str) -> None:
    _, headers = await made(whole, display_name="Builds")
    secret = headers["authorization"].split("_")[3]
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute("SELECT api_key::text FROM api_key")
        rows = str(await cursor.fetchall())

    assert secret not in rows


async def test_a_repeat_gives_the_same_key_without_its_secret(whole: Whole) -> None:
    once = {"idempotency-key": "once"}
    first = await whole.ask("POST", KEYS, json={"display_name": "a"}, headers=once)
    again = await whole.ask("POST", KEYS, json={"display_name": "a"}, headers=once)

    assert again == {"api_key": first["api_key"], "secret": ""}
    other = await refused(whole, "POST", KEYS, json={"display_name": "b"}, headers=once)
    assert other[:2] == (422, "idempotency_mismatch")
    assert len((await whole.ask("GET", KEYS))["api_keys"]) == 2


async def test_a_repeat_gives_the_same_key_when_its_model_is_gone(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"allowed_models": [first_model()]}
    once = {"idempotency-key": "once"}
    first = await whole.ask("POST", KEYS, json=wanted, headers=once)

    def gone(_catalogue: Catalogue, _name: str) -> Model:
        raise GatewayError(Reason.MODEL_NOT_FOUND, "There is no model of this name.")

    monkeypatch.setattr(Catalogue, "model", gone)
    again = await whole.ask("POST", KEYS, json=wanted, headers=once)

    assert again == {"api_key": first["api_key"], "secret": ""}
    new = await refused(whole, "POST", KEYS, json=wanted)
    assert new == (400, "invalid_value", "api_key.allowed_models")


async def test_a_quote_is_refused_for_a_model_that_the_key_may_not_use(whole: Whole) -> None:
    allowed, other, *_ = sorted(catalogue().models)
    _, headers = await made(whole, allowed_models=[allowed])
    spec = {"model": other, "parameters": {"prompt": "a pear"}}

    answer = await refused(
        whole, "POST", "/api/v1/generations:quote", json={"spec": spec}, headers=headers
    )

    assert answer == (403, "model_not_allowed", "model")


async def test_a_revoked_key_is_refused_within_a_second_and_stays_revoked(whole: Whole) -> None:
    key, headers = await made(whole)
    path = f"/api/v1/{key['name']}"
    assert await status(whole, headers) == 200

    revoked = (await whole.ask("POST", f"{path}:revoke", json={}))["api_key"]
    await until(whole, headers, 401)

    assert revoked["state"] == "STATE_REVOKED"
    assert (await whole.ask("POST", f"{path}:revoke", json={}))["api_key"] == revoked
    assert (await whole.ask("GET", path))["api_key"] == revoked
    assert len((await whole.ask("GET", KEYS))["api_keys"]) == 1
    assert len((await whole.ask("GET", f"{KEYS}?show_inactive=true"))["api_keys"]) == 2
    changed = await refused(whole, "PATCH", path, json={"display_name": "again"})
    assert changed == (409, "conflict", "api_key")


async def test_a_key_is_changed_by_mask_and_etag(whole: Whole) -> None:
    key, headers = await made(whole, display_name="a", allowed_models=[first_model()])
    path = f"/api/v1/{key['name']}"
    change = {
        "display_name": "b",
        "scopes": ["SCOPE_GENERATE"],
        "limits": {"requests_per_minute": 5},
        "etag": key["etag"],
    }

    masked = f"{path}?update_mask=limits.requests_per_minute,allowed_models,scopes"
    changed = (await whole.ask("PATCH", masked, json=change))["api_key"]

    assert changed["display_name"] == "a"
    assert changed["limits"] == {"requests_per_minute": 5, "concurrent_generations": 50}
    assert (changed["allowed_models"], changed["scopes"]) == ([], ["SCOPE_GENERATE"])
    await until(whole, headers, 403)
    assert await refused(whole, "PATCH", path, json=change) == (409, "conflict", "api_key")
    reset = await whole.ask("PATCH", f"{path}?update_mask=limits,scopes", json={})
    assert reset["api_key"]["limits"] == key["limits"]
    assert reset["api_key"]["scopes"] == DEFAULT
    unmasked = await whole.ask("PATCH", path, json={"display_name": "c"})
    assert unmasked["api_key"]["display_name"] == "c"


async def test_a_key_expires(whole: Whole) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    key, headers = await made(whole, expire_time=soon.isoformat())
    assert await status(whole, headers) == 200
    while await status(whole, headers) != 401:
        assert datetime.now(UTC) - soon < timedelta(seconds=TRUST_SECONDS)

    shown = (await whole.ask("GET", f"/api/v1/{key['name']}"))["api_key"]
    assert shown["state"] == "STATE_EXPIRED"
    mask = "?update_mask=expire_time"
    renewed = await whole.ask("PATCH", f"/api/v1/{key['name']}{mask}", json={})
    assert "expire_time" not in renewed["api_key"] or renewed["api_key"]["expire_time"] is None
    await until(whole, headers, 200)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"display_name": "x" * 101}, "api_key.display_name"),
    ({"mode": 3}, "api_key.mode"),
    ({"scopes": ["SCOPE_UNSPECIFIED"]}, "api_key.scopes"),
    ({"scopes": [99]}, "api_key.scopes"),
    ({"limits": {"requests_per_minute": 0}}, "api_key.limits.requests_per_minute"),
    ({"limits": {"concurrent_generations": 1000001}}, "api_key.limits.concurrent_generations"),
    ({"allowed_models": ["no-such-model"]}, "api_key.allowed_models"),
    ({"allowed_networks": ["203.0.113.7/24"]}, "api_key.allowed_networks"),
    ({"allowed_networks": ["here"]}, "api_key.allowed_networks"),
    ({"allowed_networks": ["::1"] * 101}, "api_key.allowed_networks"),
    ({"expire_time": "2020-01-01T00:00:00Z"}, "api_key.expire_time"),
]


async def test_a_wrong_field_is_named(whole: Whole) -> None:
    for fields, parameter in WRONG:
        answer = await refused(whole, "POST", KEYS, json=fields)
        assert answer == (400, "invalid_value", parameter), fields


async def test_keys_come_in_pages(whole: Whole) -> None:
    names = [(await made(whole))[0]["name"] for _ in range(4)]
    found, token = [], ""
    while True:
        page = await whole.ask("GET", f"{KEYS}?page_size=2&page_token={token}")
        found += [item["name"] for item in page["api_keys"]]
        if not (token := page["next_page_token"]):
            break

    assert found == [*names[::-1], own_name(whole)]


async def test_another_accounts_key_is_not_there(whole: Whole) -> None:
    key, _ = await made(whole)
    path, headers = f"/api/v1/{key['name']}", await whole.stranger()
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", path, {}),
        ("PATCH", path, {"json": {"display_name": "mine"}}),
        ("POST", f"{path}:revoke", {"json": {}}),
    ]
    for method, where, request in asked:
        answer = await refused(whole, method, where, headers=headers, **request)
        assert answer[:2] == (404, "not_found")
    assert len((await whole.ask("GET", KEYS, headers=headers))["api_keys"]) == 1


async def test_a_limited_key_manages_no_keys(whole: Whole) -> None:
    by_default, _ = await made(whole)
    of_models = await made(whole, scopes=MANAGER, allowed_models=[first_model()])
    of_rate = await made(whole, scopes=MANAGER, limits={"requests_per_minute": 1})
    of_budget = await made(whole, scopes=MANAGER)
    budget = {"period": "PERIOD_TOTAL", "limit_micros": "5", "api_key": of_budget[0]["name"]}
    await whole.ask("POST", "/api/v1/budgets", json=budget)
    path = f"/api/v1/{by_default['name']}"
    for headers in ((await made(whole))[1], of_models[1], of_rate[1], of_budget[1]):
        for method, where, body in (
            ("POST", KEYS, {}),
            ("GET", KEYS, None),
            ("GET", path, None),
            ("PATCH", path, {"display_name": "b"}),
            ("POST", f"{path}:revoke", {}),
        ):
            content = {} if body is None else {"json": body}
            answer = await refused(whole, method, where, headers=headers, **content)
            assert answer[:2] == (403, "permission_denied"), (method, where)


async def test_a_key_gives_no_other_more_than_it_has(whole: Whole) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    lesser, headers = await made(whole, scopes=MANAGER, expire_time=tomorrow)
    wishes: list[tuple[dict[str, Any], str]] = [
        ({"expire_time": tomorrow, "scopes": ["SCOPE_MANAGE_BILLING"]}, "scopes"),
        (
            {"expire_time": tomorrow, "limits": {"requests_per_minute": 601}},
            "limits.requests_per_minute",
        ),
        ({"expire_time": later}, "expire_time"),
        ({}, "expire_time"),
    ]
    for wish, setting in wishes:
        answer = await refused(whole, "POST", KEYS, json=wish, headers=headers)
        assert answer == (403, "permission_denied", f"api_key.{setting}")
    itself = f"/api/v1/{lesser['name']}?update_mask=expire_time"
    assert (await refused(whole, "PATCH", itself, json={}, headers=headers))[0] == 403

    await whole.ask("POST", KEYS, json={"expire_time": tomorrow}, headers=headers)


async def test_a_key_reaches_only_what_its_scopes_say(whole: Whole) -> None:
    _, headers = await made(whole, scopes=["SCOPE_READ_BILLING"])

    assert await status(whole, headers) == 200
    assert await status(whole, headers, "/v1/models") == 200
    assert await status(whole, headers, "/api/v1/generations") == 403
    body = {"model": first_model(), "prompt": "a pear"}
    answer = await refused(whole, "POST", "/v1/images/generations", json=body, headers=headers)
    assert answer[:2] == (403, "permission_denied")
