"""Connections that break, and answers that are none."""

import asyncio
import socket
from dataclasses import replace
from typing import NoReturn

import orjson
import pybase64
import pytest
from aiohttp.resolver import DefaultResolver

from core.errors import Fault, Phase, UpstreamError
from core.model import Ask, Final, Piece
from core.providers.driver import Driver
from core.providers.wire import Call
from tests.fix_upstream import (
    Peer,
    Script,
    Upstream,
    chunk,
    chunked,
    closes,
    head,
    http,
    resets,
)
from tests.providers.asking import (
    COMPLETED,
    EVENTS,
    MEGABYTE,
    PARTIAL,
    asked,
    attempt,
    channel,
    failure,
    hangs_after,
    resets_after,
    settled,
)
from tests.providers.tapes_openai_images import (
    ASK,
    IMAGE,
    MODERATION,
    PIXEL,
    STREAMED,
    answer,
    error,
)


async def test_a_refused_connection_was_never_sent_on(driver: Driver, refused: str) -> None:
    found = await failure(driver, ASK, channel(refused))

    assert (found.fault, found.phase, found.http_status) == (Fault.UNREACHABLE, Phase.CONNECT, 0)


async def test_a_name_that_does_not_exist_was_never_sent_to(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def knows_nobody(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "never shown")

    monkeypatch.setattr(DefaultResolver, "resolve", knows_nobody)
    found = await failure(driver, ASK, channel("nobody.invalid:80"))

    assert (found.fault, found.phase) == (Fault.UNREACHABLE, Phase.CONNECT)


async def test_a_peer_without_tls_was_never_sent_to(driver: Driver, upstream: Upstream) -> None:
    async def speaks_plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    upstream.talks = speaks_plain
    found = await failure(driver, ASK, channel(upstream.address, scheme="https"))

    assert (found.fault, found.phase) == (Fault.UNREACHABLE, Phase.CONNECT)


@pytest.mark.parametrize(
    ("ask", "script", "phase"),
    [
        (ASK, closes, Phase.FIRST_BYTE),
        (ASK, resets, Phase.FIRST_BYTE),
        (ASK, resets_after(b"HTTP/1.1 200 OK\r\nX-"), Phase.FIRST_BYTE),
        (ASK, resets_after(http(200, answer(1))[:-1]), Phase.BODY),
        (STREAMED, closes, Phase.ACKNOWLEDGE),
        (STREAMED, resets, Phase.ACKNOWLEDGE),
        (STREAMED, resets_after(head(200, EVENTS)), Phase.FIRST_BYTE),
        (STREAMED, resets_after(head(200, EVENTS), chunk(PARTIAL)), Phase.BODY),
        (STREAMED, resets_after(head(200, EVENTS), chunk(PARTIAL)[:50]), Phase.BODY),
    ],
)
async def test_a_connection_that_breaks_after_sending_is_lost(
    driver: Driver, upstream: Upstream, ask: Ask, script: Script, phase: Phase
) -> None:
    upstream.plays(script)

    found = await failure(driver, ask, channel(upstream.address))

    assert (found.fault, found.phase) == (Fault.LOST, phase)
    assert len(upstream.requests) == 1


async def test_a_request_on_a_used_connection_that_breaks_is_lost_and_not_sent_again(
    driver: Driver, upstream: Upstream
) -> None:
    upstream.plays(http(200, answer(1)), closes)
    await asked(driver, ASK, channel(upstream.address))

    found = await failure(driver, ASK, channel(upstream.address))

    assert found.fault is Fault.LOST
    assert (len(upstream.requests), upstream.connections) == (2, 1)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_may_be_asked_twice_is_asked_again_once_where_the_connection_broke(
    driver: Driver, upstream: Upstream, method: str
) -> None:
    call = Call(method, "/jobs/1", {})
    upstream.plays(closes, http(200, b"{}"))
    assert (await driver.call(call, channel(upstream.address))).status == 200

    upstream.plays(resets)
    with pytest.raises(UpstreamError) as caught:
        await driver.call(call, channel(upstream.address))

    assert (caught.value.fault, caught.value.phase) == (Fault.LOST, Phase.FIRST_BYTE)
    assert [request.method for request in upstream.requests] == [method] * 4


async def test_a_connection_that_the_peer_closed_while_idle_is_not_used_again(
    driver: Driver, upstream: Upstream
) -> None:
    async def answers_once(peer: Peer) -> None:
        await peer.send(http(200, answer(1)))
        peer.close()

    upstream.plays(answers_once)
    for _ in range(20):
        assert Final(0, IMAGE) in await asked(driver, ASK, channel(upstream.address))
        await settled()

    assert upstream.connections == 20


async def test_an_answer_that_nobody_asked_for_is_never_given_to_the_next_caller(
    driver: Driver, upstream: Upstream
) -> None:
    other = orjson.dumps({"data": [{"b64_json": "T1RIRVI="}]})

    async def answers_twice(peer: Peer) -> None:
        await peer.send(http(200, answer(1)))
        await taken.wait()
        await peer.send(http(200, other))
        sent.set()

    taken, sent = asyncio.Event(), asyncio.Event()
    upstream.plays(answers_twice)
    target = channel(upstream.address)
    assert Final(0, IMAGE) in await asked(driver, ASK, target)
    taken.set()
    await asyncio.wait_for(sent.wait(), 5)
    await settled()
    found = await failure(driver, ASK, target)

    assert (found.fault, found.phase, found.http_status) == (
        Fault.UNREACHABLE,
        Phase.CONNECT,
        0,
    )
    assert len(upstream.requests) == 1
    # And the connection is gone.
    assert Final(0, IMAGE) in await asked(driver, ASK, target)
    assert upstream.connections == 2


async def test_nor_is_one_whose_beginning_came_behind_an_earlier_answer(
    driver: Driver, upstream: Upstream
) -> None:
    other = http(200, orjson.dumps({"data": [{"b64_json": "T1RIRVI="}]}))
    upstream.plays(http(200, answer(1)) + other[:20], hangs_after(other[20:]))
    target = channel(upstream.address)
    assert Final(0, IMAGE) in await asked(driver, ASK, target)
    found = await failure(driver, ASK, target)

    assert (found.fault, found.phase) == (Fault.INVALID_RESPONSE, Phase.FIRST_BYTE)
    assert upstream.connections == 1


@pytest.mark.parametrize(
    ("ask", "reply", "phase"),
    [
        (ASK, b"SSH-2.0-OpenSSH\r\n\r\n", Phase.FIRST_BYTE),
        (ASK, b"HTTP/1.1 abc OK\r\n\r\n", Phase.FIRST_BYTE),
        (ASK, b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Phase.FIRST_BYTE),
        (
            ASK,
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            Phase.FIRST_BYTE,
        ),
        (ASK, b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", Phase.FIRST_BYTE),
        (ASK, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1_000 + b"\r\n", Phase.FIRST_BYTE),
    ],
)
async def test_what_is_no_http_is_invalid(
    driver: Driver, upstream: Upstream, ask: Ask, reply: bytes, phase: Phase
) -> None:
    upstream.plays(hangs_after(reply))

    found = await failure(driver, ask, channel(upstream.address))

    assert (found.fault, found.phase) == (Fault.INVALID_RESPONSE, phase)


@pytest.mark.parametrize("ask", [ASK, STREAMED], ids=["whole", "stream"])
async def test_chunks_that_are_none_are_invalid(
    driver: Driver, upstream: Upstream, ask: Ask
) -> None:
    upstream.plays(hangs_after(head(200, EVENTS), chunk(PARTIAL), b"what?\r\n"))

    found = await failure(driver, ask, channel(upstream.address))

    assert (found.fault, found.phase) == (Fault.INVALID_RESPONSE, Phase.BODY)


@pytest.mark.parametrize(
    ("ask", "script"),
    [
        (ASK, hangs_after(head(200, {"Content-Length": "10001"}))),
        (ASK, hangs_after(chunked(200, b"x" * 10_001, media_type="application/json")[:-5])),
        (STREAMED, hangs_after(chunked(200, b"data: " + b"x" * 10_001)[:-5])),
        (STREAMED, hangs_after(chunked(200, b"data: x\n\n" * 2_000)[:-5])),
        (STREAMED, hangs_after(chunked(200, b": x\n" * 3_000)[:-5])),
    ],
)
async def test_an_answer_beyond_the_cap_is_cut_short(
    driver: Driver, upstream: Upstream, ask: Ask, script: Script
) -> None:
    upstream.plays(script)

    found = await failure(driver, ask, channel(upstream.address, most=10_000))

    assert (found.fault, found.http_status) == (Fault.INVALID_RESPONSE, 200)


async def test_a_final_is_given_before_the_failure_that_follows_it(
    driver: Driver, upstream: Upstream
) -> None:
    broken = b"event: error\ndata: " + orjson.dumps(error("server_error", None)) + b"\n\n"
    upstream.plays(chunked(200, COMPLETED + PARTIAL + broken))
    seen: list[Piece] = []
    two = replace(STREAMED, count=2)
    with pytest.raises(UpstreamError) as caught:
        await attempt(driver, two, channel(upstream.address), seen.append)

    assert [type(piece).__name__ for piece in seen] == ["Acknowledged", "Final", "Preview"]
    assert (caught.value.fault, caught.value.phase) == (Fault.SERVER_ERROR, Phase.BODY)


async def test_a_refusal_to_a_streaming_call_is_read_whole(
    driver: Driver, upstream: Upstream
) -> None:
    upstream.plays(http(400, orjson.dumps(MODERATION)))

    found = await failure(driver, STREAMED, channel(upstream.address))

    assert (found.fault, found.stage, found.http_status) == (Fault.CONTENT_POLICY, "output", 400)


BROAD = pybase64.b64encode(bytes(6 * MEGABYTE)).decode()


@pytest.mark.parametrize("framing", ["close", "chunks", "length"])
@pytest.mark.parametrize("ask", [ASK, STREAMED], ids=["whole", "stream"])
async def test_a_large_answer_is_whole_although_the_connection_closes_behind_it(
    driver: Driver, upstream: Upstream, ask: Ask, framing: str
) -> None:
    body = orjson.dumps({"data": [{"b64_json": BROAD}]})
    media_type = "application/json"
    if ask.partials:
        media_type = "text/event-stream"
        body = PARTIAL.replace(PIXEL.encode(), BROAD.encode()) * 2 + COMPLETED
    lines = {"Content-Type": media_type, "Connection": "close"}
    answers = {
        "close": head(200, lines) + body,
        "chunks": chunked(200, body, headers=lines, media_type=media_type),
        "length": http(200, body, lines, media_type),
    }

    async def closes_behind(peer: Peer) -> None:
        peer.writer.write(answers[framing])
        await peer.writer.drain()
        peer.close()

    upstream.plays(closes_behind)
    pieces = await asked(driver, ask, channel(upstream.address))

    found = [type(piece).__name__ for piece in pieces]
    assert found == ["Acknowledged", *["Preview"] * ask.partials, "Final", "Report"]
