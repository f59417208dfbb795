"""The HTTP server below the bridge: applications that fail, and connections that stay open."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from rest_bridge.asgi import ASGIApp, Message, Receive, Scope, Send
from rest_bridge.server import HttpLimits, HttpServer
from tests.bridge.scripted_core import WAIT
from tests.bridge.wire import Wire

Dial = Callable[[int], Awaitable[Wire]]
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
START: Message = {"type": "http.response.start", "status": 200, "headers": []}


@asynccontextmanager
async def serving(app: ASGIApp, keep_alive_seconds: float = 75.0) -> AsyncIterator[HttpServer]:
    limits = HttpLimits(keep_alive_seconds=keep_alive_seconds, drain_idle_seconds=0.0)
    server = HttpServer(app, "127.0.0.1", 0, limits)
    await server.start()
    yield server
    await server.stop(grace=1.0)


async def empty(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": b""})


async def test_an_application_that_fails_before_it_answers_is_a_500_that_tells_nothing(
    dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("a secret")

    with caplog.at_level(logging.DEBUG):
        async with serving(app) as server:
            wire = await dial(server.port)
            await wire.send(GET)
            answer = await wire.answer()
            assert (answer.status, answer.body) == (500, b"Internal Server Error")
            assert await wire.is_closed()
    assert "secret" not in caplog.text


async def test_an_application_that_ends_without_an_answer_is_a_500(dial: Dial) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    async with serving(app) as server:
        wire = await dial(server.port)
        await wire.send(GET)

        assert (await wire.answer()).status == 500
        assert await wire.is_closed()


async def test_an_answer_that_breaks_off_ends_the_connection(dial: Dial) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError

    async with serving(app) as server:
        wire = await dial(server.port)
        await wire.send(GET)

        assert await wire.is_closed()


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb"])
async def test_a_header_cannot_break_into_two(dial: Dial, value: bytes) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"x-name", value)]})
        await send({"type": "http.response.body", "body": b""})

    async with serving(app) as server:
        wire = await dial(server.port)
        await wire.send(GET)

        assert await wire.read() == b""


async def test_a_connection_in_use_outlives_its_idle_time_and_closes_after_it(dial: Dial) -> None:
    loop = asyncio.get_running_loop()
    async with serving(empty, keep_alive_seconds=0.3) as server:
        wire = await dial(server.port)
        for _ in range(5):
            await wire.send(GET)
            assert (await wire.answer()).status == 200
            await asyncio.sleep(0.1)
        answered = loop.time() - 0.1

        assert await wire.is_closed()

    assert 0.2 < loop.time() - answered < WAIT
