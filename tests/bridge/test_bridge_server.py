"""The hardened HTTP server: every wait has a limit, every refusal is an answer."""

import asyncio
import socket

import httpx
import orjson
import pytest

from rest_bridge.server import HttpLimits, HttpServer
from tests.bridge.scripted_core import (
    GOOD_KEY,
    WAIT,
    FakeCore,
    accepted,
    completed,
    outputs,
    picture,
)
from tests.bridge.wire import Answer
from tests.fix_bridge import Bridge, StartBridge

URL = "/v1/images/generations"
BODY = orjson.dumps({"model": "gpt-image-2", "prompt": "a red square"})
HEAD = f"POST {URL} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {GOOD_KEY}\r\n"


def is_refusal(answer: Answer, status: int) -> bool:
    error = orjson.loads(answer.body)["error"]
    return (
        answer.status == status
        and set(error) == {"message", "type", "param", "code"}
        and answer.headers["content-type"] == "application/json"
        and answer.headers["x-request-id"].startswith("req_")
    )


async def test_an_idle_new_connection_is_closed(start_bridge: StartBridge, dial) -> None:
    bridge = await start_bridge(HttpLimits(header_seconds=0.1, drain_idle_seconds=0.0))

    assert await (await dial(bridge.port)).is_closed()


async def test_dripped_headers_are_a_408(start_bridge: StartBridge, dial) -> None:
    bridge = await start_bridge(HttpLimits(header_seconds=0.15, drain_idle_seconds=0.0))
    wire = await dial(bridge.port)
    for byte in b"POST /":
        await wire.send(bytes([byte]))

    assert is_refusal(await wire.answer(), 408)
    assert await wire.is_closed()


async def test_a_kept_connection_has_a_limit_for_its_next_head_too(
    start_bridge: StartBridge, dial
) -> None:
    bridge = await start_bridge(HttpLimits(header_seconds=0.15, drain_idle_seconds=0.0))
    wire = await dial(bridge.port)
    await wire.post(URL, BODY)
    assert (await wire.answer()).status == 200

    await wire.send(b"POST / HTTP/1.1\r\nhost:")

    assert is_refusal(await wire.answer(), 408)


async def test_an_idle_kept_connection_is_closed(start_bridge: StartBridge, dial) -> None:
    bridge = await start_bridge(HttpLimits(keep_alive_seconds=0.1, drain_idle_seconds=0.0))
    wire = await dial(bridge.port)
    await wire.post(URL, BODY)
    assert (await wire.answer()).status == 200

    assert await wire.is_closed()


@pytest.mark.parametrize(
    "headers",
    [
        "a: " + "x" * 33_000,
        "\r\n".join(f"h{n}: {'x' * 400}" for n in range(90)),
        "\r\n".join(f"h{n}: x" for n in range(101)),
    ],
    ids=["one long", "many long", "too many"],
)
async def test_a_head_beyond_its_limits_is_a_431(bridge: Bridge, dial, headers: str) -> None:
    wire = await dial(bridge.port)

    await wire.send(f"{HEAD}{headers}\r\n\r\n".encode())

    assert is_refusal(await wire.answer(), 431)
    assert await wire.is_closed()


async def test_a_head_within_its_limits_is_served(bridge: Bridge, dial) -> None:
    wire = await dial(bridge.port)

    await wire.post(URL, BODY, "a: " + "x" * 31_000)

    assert (await wire.answer()).status == 200


async def test_a_header_without_end_is_a_431_before_it_fills_the_memory(
    bridge: Bridge, dial
) -> None:
    wire = await dial(bridge.port)
    await wire.send(HEAD.encode() + b"a: ")

    async def pour() -> None:
        for _ in range(200):
            await wire.send(b"x" * 65_536)

    pouring = asyncio.ensure_future(pour())
    answer = await wire.answer()
    pouring.cancel()
    await asyncio.gather(pouring, return_exceptions=True)

    assert is_refusal(answer, 431)


async def test_a_url_beyond_the_limit_is_a_431(bridge: Bridge, dial) -> None:
    wire = await dial(bridge.port)

    await wire.send(b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n")

    assert is_refusal(await wire.answer(), 431)


BROKEN = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "length and chunks": HEAD.encode()
    + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD.encode() + b"content-length: 5\r\ncontent-length: 6\r\n\r\nabcde",
    "a negative length": HEAD.encode() + b"content-length: -5\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    "an url that is no ascii": b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
    "connect": b"CONNECT a.example:443 HTTP/1.1\r\nhost: x\r\n\r\n",
    "a bad chunk": HEAD.encode() + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
}


async def test_broken_http_is_a_400_without_details(bridge: Bridge, dial) -> None:
    for name, data in BROKEN.items():
        wire = await dial(bridge.port)
        await wire.send(data)

        assert is_refusal(await wire.answer(), 400), name
        assert await wire.is_closed(), name
    assert bridge.defects == []


async def test_garbage_behind_a_good_request_does_not_spoil_its_answer(
    bridge: Bridge, dial
) -> None:
    wire = await dial(bridge.port)

    await wire.post(URL, BODY + b"\x00\x01garbage\r\n\r\n", length=len(BODY))

    assert (await wire.answer()).status == 200
    assert await wire.is_closed()


async def test_a_body_that_stalls_is_a_408(start_bridge: StartBridge, dial) -> None:
    bridge = await start_bridge(body_idle_seconds=0.1)
    wire = await dial(bridge.port)
    await wire.post(URL, BODY[:5], length=len(BODY))

    answer = await wire.answer()

    assert is_refusal(answer, 408)
    assert orjson.loads(answer.body)["error"]["code"] == "request_timeout"


async def test_a_body_that_drips_is_a_408(start_bridge: StartBridge, dial) -> None:
    bridge = await start_bridge(body_grace_seconds=0.15, body_bytes_per_second=10_000)
    wire = await dial(bridge.port)
    await wire.post(URL, b"", length=len(BODY))

    async def drip() -> None:
        for byte in BODY:
            await wire.send(bytes([byte]))
            await asyncio.sleep(0.02)

    dripping = asyncio.ensure_future(drip())
    answer = await wire.answer()
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)

    assert is_refusal(answer, 408)


async def test_a_body_too_large_by_its_length_is_a_413_before_it_is_sent(
    bridge: Bridge, dial
) -> None:
    wire = await dial(bridge.port)

    await wire.post(URL, b"", "expect: 100-continue", length=10**10)
    answer = await wire.answer()

    assert is_refusal(answer, 413)
    assert answer.headers["connection"] == "close"


async def test_a_caller_who_is_still_writing_reads_the_413(bridge: Bridge) -> None:
    """httpx writes its whole body before it reads: a reset would lose the answer."""
    for body in (b"x" * 20_000_000, _pour(20_000_000)):
        answer = await bridge.http.post(
            URL, content=body, headers={"content-type": "application/json"}
        )

        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "request_too_large"
    assert (await bridge.http.post(URL, content=BODY)).status_code == 200


async def test_a_caller_who_asked_to_close_reads_it_too(bridge: Bridge, dial) -> None:
    wire = await dial(bridge.port)

    await wire.post(URL, b"x" * 20_000_000, "connection: close")
    answer = await wire.answer()

    assert is_refusal(answer, 413)
    assert answer.headers["connection"] == "close"
    assert await wire.is_closed()


async def test_an_answered_body_is_not_read_for_ever(start_bridge: StartBridge, dial) -> None:
    bridge = await start_bridge(HttpLimits(discard_seconds=0.1, drain_idle_seconds=0.0))
    wire = await dial(bridge.port)
    await wire.post(URL, b"", length=10**9)

    assert is_refusal(await wire.answer(), 413)
    assert await wire.is_closed()


async def _pour(count: int):
    for _ in range(count // 100_000):
        yield b"x" * 100_000


async def test_bodies_beyond_the_budget_of_the_process_are_shed(
    start_bridge: StartBridge, fake_core: FakeCore
) -> None:
    hold = asyncio.Event()
    fake_core.script = [accepted(), hold.wait, *outputs(picture()), completed()]
    bridge = await start_bridge(body_bytes_in_flight=1_000)
    large = {"model": "m", "prompt": "x" * 700}

    first = asyncio.ensure_future(bridge.http.post(URL, json=large))
    await fake_core.waiting()
    second = await bridge.http.post(URL, json=large)
    hold.set()
    third = await first

    assert (second.status_code, second.headers["retry-after"]) == (503, "1")
    assert third.status_code == 200
    assert (await bridge.http.post(URL, json=large)).status_code == 200


async def test_too_many_busy_connections_are_a_503_and_idle_ones_give_way(
    start_bridge: StartBridge, fake_core: FakeCore, dial
) -> None:
    bridge = await start_bridge(HttpLimits(connections=2, drain_idle_seconds=0.0))
    fake_core.script = [accepted(), asyncio.Event().wait]
    busy = [await dial(bridge.port), await dial(bridge.port)]
    for wire in busy:
        await wire.post(URL, BODY)
        await fake_core.waiting()

    refused = await (await dial(bridge.port)).answer()
    busy[0].close()
    await asyncio.wait_for(fake_core.calls[0].cancelled.wait(), WAIT)
    idle = await dial(bridge.port)
    late = await dial(bridge.port)
    await late.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")

    assert is_refusal(refused, 503)
    assert (await late.answer()).status == 200
    assert await idle.is_closed()


async def test_pipelined_requests_are_answered_in_order(bridge: Bridge, dial) -> None:
    wire = await dial(bridge.port)
    get = b"GET /%s HTTP/1.1\r\nhost: x\r\n\r\n"

    await wire.send(get % b"healthz" + get % b"v1/nope" + get % b"healthz")

    assert [(await wire.answer()).status for _ in range(3)] == [200, 404, 200]


async def test_endless_pipelining_is_cut(bridge: Bridge, fake_core: FakeCore, dial) -> None:
    fake_core.script = [accepted(), asyncio.Event().wait]
    wire = await dial(bridge.port)

    await wire.post(URL, BODY + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 50, length=len(BODY))

    assert await wire.is_closed()


async def test_http_1_0_is_answered_and_closed_without_chunks(bridge: Bridge, dial) -> None:
    for path, body in ((URL, BODY), (URL, BODY[:-1] + b',"stream":true}')):
        wire = await dial(bridge.port)
        head = f"POST {path} HTTP/1.0\r\nauthorization: Bearer {GOOD_KEY}\r\n"
        await wire.send(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)

        answer = await wire.answer()

        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert "transfer-encoding" not in answer.headers
        assert b"b64_json" in answer.body
        assert await wire.is_closed()


async def test_an_upgrade_is_answered_as_plain_http(bridge: Bridge, dial) -> None:
    wire = await dial(bridge.port)

    await wire.send(
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    )

    answer = await wire.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_nothing_is_logged_by_the_server(
    bridge: Bridge, dial, caplog: pytest.LogCaptureFixture
) -> None:
    wire = await dial(bridge.port)
    await wire.send(b"\x00garbage with a secret\r\n\r\n")
    await wire.answer()
    await bridge.http.post(URL, content=BODY)

    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_stopping_answers_what_is_under_way_and_says_close(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    hold = asyncio.Event()
    fake_core.script = [accepted(), hold.wait, *outputs(picture()), completed()]
    request = asyncio.ensure_future(bridge.http.post(URL, content=BODY))
    await fake_core.waiting()

    stopping = asyncio.ensure_future(bridge.server.stop(grace=WAIT))
    await asyncio.sleep(0)
    with pytest.raises(httpx.ConnectError):
        await bridge.http.post(URL, content=BODY)
    hold.set()
    answer = await request
    await asyncio.wait_for(stopping, WAIT)

    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


async def test_stopping_answers_what_comes_on_a_kept_connection_a_moment_later(
    start_bridge: StartBridge, dial
) -> None:
    bridge = await start_bridge(HttpLimits(drain_idle_seconds=0.5))
    wire = await dial(bridge.port)
    await wire.post(URL, BODY)
    await wire.answer()

    stopping = asyncio.ensure_future(bridge.server.stop(grace=WAIT))
    await asyncio.sleep(0)
    await wire.post(URL, BODY)
    answer = await wire.answer()
    await asyncio.wait_for(stopping, WAIT)

    assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_stopping_cuts_what_does_not_end(bridge: Bridge, fake_core: FakeCore, dial) -> None:
    fake_core.script = [accepted(), asyncio.Event().wait]
    wire = await dial(bridge.port)
    await wire.post(URL, BODY)
    call = await fake_core.waiting()

    await asyncio.wait_for(bridge.server.stop(grace=0.1), WAIT)

    assert await wire.is_closed()
    await asyncio.wait_for(call.cancelled.wait(), WAIT)


async def test_a_bound_socket_can_be_served() -> None:
    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    sock = socket.create_server(("127.0.0.1", 0))
    server = HttpServer(app, "", 0, HttpLimits(drain_idle_seconds=0.0), sock=sock)
    await server.start()

    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        answer = await client.get(f"http://127.0.0.1:{sock.getsockname()[1]}/")
    await server.stop()

    assert answer.status_code == 204
