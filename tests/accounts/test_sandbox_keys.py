"""Test keys are served by the simulator, for nothing; live keys never are."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from core.engine.sandbox import PREFIX, Sandbox, SandboxDown
from core.errors import GatewayError, Reason
from gateway.sandbox import SandboxSimulator
from tests.webhooks.whole_core import Whole, whole_core

pytestmark = pytest.mark.prove

KEYS = "/api/v1/api_keys"
IMAGES = "/v1/images/generations"
PEAR = {"model": "gpt-image-2", "prompt": "a pear", "size": "1024x1024", "quality": "low"}


@pytest_asyncio.fixture
async def whole(database_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    simulator = SandboxSimulator()
    try:
        outputs = tmp_path / "outputs"
        async with whole_core(database_url, outputs, sandbox=simulator.catalogue) as made:
            yield made
    finally:
        await simulator.stop()


async def tester(whole: Whole, **fields: Any) -> dict[str, str]:
    answer = await whole.ask("POST", KEYS, json={"mode": "MODE_TEST", **fields})
    assert answer["secret"].startswith("rk_test_")
    assert answer["api_key"]["key_hint"] == answer["secret"][:12]
    return {"authorization": f"Bearer {answer['secret']}"}


async def made(whole: Whole, headers: dict[str, str], **more: Any) -> httpx.Response:
    return await whole.http.post(IMAGES, json={**PEAR, **more}, headers=headers)


async def balance(whole: Whole) -> Any:
    return await whole.ask("GET", "/api/v1/balance")


async def posted(whole: Whole) -> list[str]:
    """What the ledger moved."""
    entries = (await whole.ask("GET", "/api/v1/ledger_entries"))["ledger_entries"]
    amounts = [(item["posted_micros"], item["held_micros"]) for item in entries]
    return [str(amount) for amount in amounts if amount != ("0", "0")]


async def sealed(whole: Whole) -> list[str]:
    """The same, once the credits that the account began with are in the chain."""
    async with asyncio.timeout(20):
        while not (found := await posted(whole)):
            await asyncio.sleep(0.05)
    return found


async def test_a_test_key_makes_images_for_nothing_and_each_answer_says_so(whole: Whole) -> None:
    headers = await tester(whole)
    budget = {"period": "PERIOD_TOTAL", "limit_micros": "1"}
    kept = (await whole.ask("POST", "/api/v1/budgets", json=budget))["budget"]
    before, moved = await balance(whole), await sealed(whole)
    answer = await made(whole, headers, response_format="b64_json")

    assert answer.status_code == 200, answer.text
    assert answer.json()["data"][0]["b64_json"]
    assert answer.headers["x-reapi-sandbox"] == "true"
    assert answer.headers["x-reapi-channel"].startswith(PREFIX)
    assert answer.headers["x-reapi-credits"] == "0"
    assert await balance(whole) == before
    assert await posted(whole) == moved
    spent = (await whole.ask("GET", f"/api/v1/{kept['name']}"))["budget"]
    assert (spent["spent_micros"], spent["held_micros"]) == ("0", "0")
    usage = (await whole.ask("GET", "/api/v1/usage?show_sandbox=true"))["records"]
    assert [item["sandbox"] for item in usage] == [True]
    assert (await whole.ask("GET", "/api/v1/usage"))["records"] == []


async def test_live_keys_do_not_reach_the_simulator(whole: Whole) -> None:
    headers = await tester(whole)
    assert (await made(whole, headers)).status_code == 200
    routed = {"x-reapi-routing": f"only={PREFIX}openai-a"}
    live = await whole.http.post(IMAGES, json=PEAR)
    pinned = await whole.http.post(IMAGES, json=PEAR, headers=routed)

    assert (live.status_code, live.json()["error"]["code"]) == (502, "upstream_error")
    assert "x-reapi-sandbox" not in live.headers
    assert pinned.status_code >= 400
    for item in (await whole.ask("GET", "/api/v1/generations"))["generations"]:
        assert item.get("sandbox", False) == item["channel"].startswith(PREFIX)


async def test_what_a_test_made_answers_no_live_request(whole: Whole) -> None:
    once = {"idempotency-key": "once"}
    tested = await made(whole, {**await tester(whole), **once})
    live = await whole.http.post(IMAGES, json=PEAR, headers=once)

    assert tested.status_code == 200
    assert live.status_code == 502


async def test_a_test_key_is_rotated_to_a_test_key(whole: Whole) -> None:
    answer = await whole.ask("POST", KEYS, json={"mode": "MODE_TEST"})
    name = answer["api_key"]["name"]
    rotated = await whole.ask("POST", f"/api/v1/{name}:rotate", json={})

    assert rotated["api_key"]["mode"] == "MODE_TEST"
    assert rotated["secret"].startswith("rk_test_")
    headers = {"authorization": f"Bearer {rotated['secret']}"}
    assert (await made(whole, headers)).status_code == 200


async def test_a_quote_for_a_test_key_shows_the_price_and_binds_live_ones_to_no_less(
    whole: Whole,
) -> None:
    spec = {"model": PEAR["model"], "parameters": {"prompt": "a pear"}}
    headers = await tester(whole)
    path = "/api/v1/generations:quote"
    free = await whole.ask("POST", path, json={"spec": spec}, headers=headers)
    live = await whole.ask("POST", path, json={"spec": spec})

    assert free["maximum_micros"] == live["maximum_micros"] != "0"
    assert free["likely_channels"]
    assert all(name.startswith(PREFIX) for name in free["likely_channels"])
    assert not any(name.startswith(PREFIX) for name in live["likely_channels"])


async def test_without_a_sandbox_test_keys_are_told_so(database_url: str, tmp_path: Path) -> None:
    async with whole_core(database_url, tmp_path / "outputs") as whole:
        answer = await made(whole, await tester(whole))

    assert answer.json()["error"]["code"] == "no_channel"
    assert "REAPI_SANDBOX" in answer.json()["error"]["message"]


async def test_a_simulator_that_does_not_start_is_said_and_tried_again() -> None:
    async def down() -> Any:
        raise SandboxDown

    for _ in range(2):
        try:
            await Sandbox("", down).open()
        except GatewayError as error:
            assert error.reason is Reason.NO_CHANNEL
        else:
            raise AssertionError


async def test_the_simulator_starts_with_the_first_test_and_again_when_it_died() -> None:
    simulator = SandboxSimulator()
    assert simulator._process is None
    first, second = await asyncio.gather(simulator.catalogue(), simulator.catalogue())
    assert first is second
    process = simulator._process
    assert process is not None
    await process.stop()
    third = await simulator.catalogue()
    await simulator.stop()

    assert third is not first
    assert simulator._process is not process
