"""What the bridge refuses without asking core, and how the caller's time reaches core."""

import asyncio
from collections.abc import Callable

import pytest

from rest_bridge.settings import TurnedAway
from tests.bridge.scripted_core import GOOD_KEY, FakeCore, accepted, completed, failed, status
from tests.fix_bridge import StartBridge

URL = "/v1/images/generations"
ASK = {"model": "gpt-image-2", "prompt": "a red square"}
BUSY = TurnedAway("OVERLOADED", "Busy.", 1.0, {"resource": "turns"})
LIMITED = TurnedAway(
    "RATE_LIMIT_EXCEEDED",
    "Rate limit reached.",
    2.2,
    {"limit": "60", "remaining": "0", "reset_ms": "2200"},
)


def turning_away(
    answer: TurnedAway, seen: list[tuple[str, bool]]
) -> Callable[[str, bool], TurnedAway | None]:
    def turned_away(credential: str, starts: bool) -> TurnedAway | None:
        seen.append((credential, starts))
        return answer if starts else None

    return turned_away


async def test_a_certain_refusal_is_told_before_core_or_the_body(
    start_bridge: StartBridge, fake_core: FakeCore, dial
) -> None:
    seen: list[tuple[str, bool]] = []
    bridge = await start_bridge(turned_away=turning_away(BUSY, seen))
    wire = await dial(bridge.port)
    head = f"authorization: Bearer {GOOD_KEY}\r\nexpect: 100-continue\r\n"
    await wire.send(f"POST {URL} HTTP/1.1\r\nhost: x\r\n{head}content-length: 900\r\n\r\n".encode())
    answer = await wire.answer()

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["connection"] == "close"
    assert "x-request-id" in answer.headers
    assert seen == [(GOOD_KEY, True)]
    assert fake_core.calls == []


async def test_who_is_turned_away_may_ask_again_on_the_same_connection(
    start_bridge: StartBridge, dial
) -> None:
    """Whatever of the body comes later is dropped, and is no request."""
    answers = [BUSY, None]

    def turned_away(credential: str, starts: bool) -> TurnedAway | None:
        return answers[0]

    bridge = await start_bridge(turned_away=turned_away)
    wire = await dial(bridge.port)
    head = f"host: x\r\norigin: https://a.example\r\nauthorization: Bearer {GOOD_KEY}\r\n"
    await wire.send(f"POST {URL} HTTP/1.1\r\n{head}content-length: 30\r\n\r\nGET ".encode())
    turned = await wire.answer()
    answers.pop(0)
    await wire.send(b"/v1/models HTTP/1.1\r\n\r\n---")
    await wire.send(f"GET /v1/models HTTP/1.1\r\n{head}\r\n".encode())
    served = await wire.answer()

    assert (turned.status, served.status) == (503, 200)
    assert set(served.headers) <= {*turned.headers, "transfer-encoding"}
    assert turned.headers["x-request-id"] != served.headers["x-request-id"]
    assert {"date", "access-control-allow-origin", "cache-control"} <= set(turned.headers)


async def test_a_key_over_its_rate_gets_the_headers_that_say_so(start_bridge: StartBridge) -> None:
    bridge = await start_bridge(turned_away=turning_away(LIMITED, []))
    answer = await bridge.http.post(URL, json=ASK)

    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    assert answer.headers["retry-after"] == "3"
    assert answer.headers["x-ratelimit-reset-requests"] == "2.2s"


@pytest.mark.parametrize("path", ["/v1/images/edits", "/v1/videos", "/api/v1/videos/generations"])
async def test_every_route_that_starts_a_generation_is_rationed(
    start_bridge: StartBridge, path: str
) -> None:
    bridge = await start_bridge(turned_away=turning_away(BUSY, []))

    assert (await bridge.http.post(path, json=ASK)).status_code == 503
    assert (await bridge.http.get("/v1/models")).status_code == 200


async def test_the_callers_time_goes_to_core_as_it_came(bridge, fake_core: FakeCore) -> None:
    fake_core.script = [failed(status("DEADLINE_EXCEEDED", "The time is over."))]
    answer = await bridge.http.post(URL, json=ASK, headers={"x-reapi-timeout": "2.5"})

    assert fake_core.calls[0].metadata["x-reapi-timeout"] == "2.5"
    assert fake_core.calls[0].start is not None
    assert fake_core.calls[0].start.detached
    assert (answer.status_code, answer.headers["x-should-retry"]) == (504, "false")
    assert answer.json()["error"]["code"] == "deadline_exceeded"


@pytest.mark.parametrize("name", ["x-stainless-timeout", "x-stainless-read-timeout"])
async def test_what_sdks_say_of_their_own_patience_is_no_deadline(
    bridge, fake_core: FakeCore, name: str
) -> None:
    fake_core.script = [accepted(), completed()]
    await bridge.http.post(URL, json=ASK, headers={name: "600"})

    assert "x-reapi-timeout" not in fake_core.calls[0].metadata


async def test_a_caller_with_little_time_is_not_kept_waiting_for_a_core_that_says_nothing(
    bridge, fake_core: FakeCore
) -> None:
    fake_core.script = [accepted(), asyncio.Event().wait]
    async with asyncio.timeout(10):
        answer = await bridge.http.post(URL, json=ASK, headers={"x-reapi-timeout": "0.1"})

    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "still_running"
    assert answer.headers["x-reapi-generation"].startswith("gen_")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/models"), ("HEAD", "/healthz"), ("GET", "/v1/models/gpt-image-2")],
)
async def test_who_is_welcome_is_looked_at_once(
    start_bridge: StartBridge, method: str, path: str
) -> None:
    seen: list[tuple[str, bool]] = []
    bridge = await start_bridge(turned_away=turning_away(BUSY, seen))
    await bridge.http.request(method, path)

    assert seen == [(GOOD_KEY, False)]


async def test_a_head_that_is_turned_away_has_no_body(start_bridge: StartBridge) -> None:
    bridge = await start_bridge(turned_away=lambda credential, starts: BUSY)
    answers = [await bridge.http.head("/healthz") for _ in range(2)]

    assert [(answer.status_code, answer.content) for answer in answers] == [(503, b"")] * 2
