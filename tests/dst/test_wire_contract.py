"""What the driver may rely on, of TCP over loopback and of the simulation's wires alike."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from core.body import Body
from core.errors import Fault, Phase, UpstreamError
from core.model import Acknowledged, Ask, Channel, Deadlines, Final, Kind, Preview
from core.providers import DIALECTS
from core.providers.driver import Driver
from core.providers.wire import Call
from tests.dst.pictures import TEXTS
from tests.dst.serving import chunk, error, head
from tests.dst.virtual_loop import VirtualLoop, outside
from tests.fix_core import catalogue
from tests.fix_upstream import Upstream, closes, hangs, http, resets

NAME = "upstream"
DEADLINES = Deadlines(connect=0.3, acknowledge=0.3, first_byte=0.4, idle=0.2, total=1.0)
ASK = Ask("gpt-image-2", Kind.IMAGE, Body("a lighthouse"), {}, count=1)
STREAMING = Ask("gpt-image-2", Kind.IMAGE, Body("a lighthouse"), {}, count=1, partials=1)
DIALECT = DIALECTS["openai_images"]
LOOK = Call("GET", "/jobs/1", {})
ANSWER = b'{"data": [{"b64_json": "%s"}]}' % TEXTS[0].encode()
PREVIEW = (
    b'data: {"type": "image_generation.partial_image", "b64_json": "%s"}\n\n' % TEXTS[1].encode()
)
DONE = b'data: {"type": "image_generation.completed", "b64_json": "%s"}\n\n' % TEXTS[0].encode()
EVENTS = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}


class OnWires(Upstream):
    """The scripted upstream, on the simulation's wires."""

    context = outside()
    is_stalled = False

    async def __aenter__(self):
        self._loop = asyncio.get_running_loop()
        self._loop.listeners[NAME] = self
        return self

    async def __aexit__(self, *_):
        self._loop.listeners.clear()
        for task in list(self._tasks):
            task.cancel()

    async def accept(self):
        if self.is_stalled:
            await asyncio.Event().wait()
        reader = asyncio.StreamReader(loop=self._loop)
        return asyncio.StreamReaderProtocol(reader, self._accepted, loop=self._loop)


class Net:
    """One of both kinds of connection, with a driver at its end."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def run(self, test: Callable[[Any, Driver, Channel], Awaitable[None]]) -> None:
        factory = VirtualLoop if self.kind == "wires" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(self._run(test), 10))

    async def _run(self, test):
        upstream = OnWires() if self.kind == "wires" else Upstream()
        async with upstream, self.driver() as driver:
            await test(upstream, driver, self.channel(upstream))

    def driver(self) -> Driver:
        if self.kind == "wires":
            return Driver(connector=lambda _: aiohttp.UnixConnector(path=NAME, limit=0))
        return Driver()

    def channel(self, upstream: Any, **changes: Any) -> Channel:
        address = "upstream" if self.kind == "wires" else upstream.address
        known = CATALOGUE.channels["openai-a"]
        from dataclasses import replace

        return replace(known, base_url=f"http://{address}", deadlines=DEADLINES, **changes)


CATALOGUE = catalogue()


@pytest.fixture(params=["loopback", "wires"])
def net(request):
    return Net(request.param)


async def pieces(driver, channel, ask=ASK):
    found = []
    await driver.attempt(DIALECT, ask, channel, found.append)
    return found


async def kinds(driver, channel, seen):
    await driver.attempt(DIALECT, STREAMING, channel, lambda piece: seen.append(type(piece)))


async def failure(work) -> tuple[Fault, Phase]:
    with pytest.raises(UpstreamError) as caught:
        await work
    return caught.value.fault, caught.value.phase


def test_an_answer_arrives_as_it_was_sent(net):
    async def test(upstream, driver, channel):
        upstream.plays(http(200, ANSWER))
        acknowledged, final, _ = await pieces(driver, channel)
        assert acknowledged == Acknowledged(200)
        assert isinstance(final, Final)
        (request,) = upstream.requests
        assert request.path == "/images/generations"
        assert b"a lighthouse" in request.body

    net.run(test)


def test_a_clean_connection_serves_the_next_call(net):
    async def test(upstream, driver, channel):
        upstream.plays(http(200, ANSWER))
        for _ in range(3):
            await pieces(driver, channel)
        assert (upstream.connections, len(upstream.requests)) == (1, 3)

    net.run(test)


def test_events_arrive_one_by_one(net):
    async def test(upstream, driver, channel):
        gate = asyncio.Event()

        async def talks(peer):
            await peer.send(head(200, EVENTS), chunk(PREVIEW))
            await gate.wait()
            await peer.send(chunk(DONE), chunk(b""))

        upstream.plays(talks)
        seen = []

        def take(piece):
            seen.append(type(piece))
            if isinstance(piece, Preview):
                gate.set()

        await driver.attempt(DIALECT, STREAMING, channel, take)
        assert seen[:3] == [Acknowledged, Preview, Final]

    net.run(test)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (resets, (Fault.LOST, Phase.FIRST_BYTE)),
        (closes, (Fault.LOST, Phase.FIRST_BYTE)),
        (hangs, (Fault.TIMEOUT, Phase.FIRST_BYTE)),
        (b"\x00\x01 no HTTP\r\n\r\n", (Fault.INVALID_RESPONSE, Phase.FIRST_BYTE)),
        (http(503, b"{}"), (Fault.OVERLOADED, Phase.FIRST_BYTE)),
        (http(401, error("invalid_api_key")), (Fault.AUTH, Phase.FIRST_BYTE)),
        (http(200, b"<html/>", media_type="text/html"), (Fault.INVALID_RESPONSE, Phase.BODY)),
        (http(200, b""), (Fault.INVALID_RESPONSE, Phase.BODY)),
    ],
    ids=["reset", "closed", "hang", "no-http", "503", "401", "html", "empty"],
)
def test_a_failure_before_the_answer_is_told_the_same(net, script, expected):
    async def test(upstream, driver, channel):
        upstream.plays(script)
        assert await failure(pieces(driver, channel)) == expected
        assert await failure(pieces(driver, channel)) == expected

    net.run(test)


def _half(then: str) -> Any:
    async def talks(peer):
        await peer.send(
            head(200, {"Content-Type": "application/json", "Content-Length": "1000"}), b"{"
        )
        if then == "reset":
            peer.reset()
        elif then == "close":
            peer.close()
        else:
            await peer.left()

    return talks


@pytest.mark.parametrize(
    ("then", "fault"), [("reset", Fault.LOST), ("close", Fault.LOST), ("hang", Fault.TIMEOUT)]
)
def test_half_an_answer_is_none(net, then, fault):
    async def test(upstream, driver, channel):
        upstream.plays(_half(then))
        assert await failure(pieces(driver, channel)) == (fault, Phase.BODY)

    net.run(test)


@pytest.mark.parametrize("then", ["reset", "close", "hang", "end", "garbage"])
def test_a_cut_stream_is_never_a_clean_end(net, then):
    expected = {
        "reset": Fault.LOST,
        "close": Fault.LOST,
        "hang": Fault.TIMEOUT,
        "end": Fault.INVALID_RESPONSE,
        "garbage": Fault.INVALID_RESPONSE,
    }[then]

    async def talks(peer):
        await peer.send(head(200, EVENTS), chunk(PREVIEW))
        match then:
            case "reset":
                peer.reset()
            case "close":
                peer.close()
            case "hang":
                await peer.left()
            case "end":
                await peer.send(chunk(b""))
            case "garbage":
                await peer.send(b"no chunk at all\r\n")

    async def test(upstream, driver, channel):
        upstream.plays(talks)
        seen: list[type] = []
        with pytest.raises(UpstreamError) as caught:
            await kinds(driver, channel, seen)
        assert seen == [Acknowledged, Preview]
        assert (caught.value.fault, caught.value.phase) == (expected, Phase.BODY)

    net.run(test)


def test_nobody_who_listens_refuses_before_anything_is_sent(net):
    async def test(upstream, driver, channel):
        await upstream.__aexit__(None, None, None)
        assert await failure(pieces(driver, channel)) == (Fault.UNREACHABLE, Phase.CONNECT)

    net.run(test)


def test_leaving_a_call_cuts_its_connection(net):
    async def test(upstream, driver, channel):
        left = asyncio.Event()

        async def talks(peer):
            await peer.left()
            left.set()

        upstream.plays(talks)
        call = asyncio.ensure_future(pieces(driver, channel))
        await upstream.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(left.wait(), 5)

    net.run(test)


def test_a_connection_that_was_closed_meanwhile_is_not_used_again(net):
    async def test(upstream, driver, channel):
        async def talks(peer):
            await peer.send(http(200, ANSWER))
            peer.close()

        upstream.plays(talks)
        await pieces(driver, channel)
        await asyncio.sleep(0.05)
        await pieces(driver, channel)
        assert upstream.connections == 2

    net.run(test)


def test_a_whole_answer_of_any_status_is_a_reply(net):
    async def test(upstream, driver, channel):
        upstream.plays(http(404, b'{"error": {}}'))
        reply = await driver.call(LOOK, channel)
        assert (reply.status, reply.body.reveal()) == (404, b'{"error": {}}')

    net.run(test)
