"""Files of callers at peers that fail, stall, lie or never end."""

import asyncio
import socket

import pytest

from core.body import Body
from core.errors import GatewayError, Reason
from core.fetch.caller import CallerFetch
from core.fetch.guard import Limits
from tests.fetch.fetching import LIMITS, fetch, refused, url_of
from tests.fetch.peers import Names
from tests.fix_upstream import chunk, closes, hangs, head, http, resets


@pytest.fixture
def nobody():
    """A port of loopback where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "nothing at its URL"),
        (410, "nothing"),
        (403, "does not allow"),
        (500, "failed"),
        (503, "failed"),
        (204, "204"),
        (206, "206"),
        (304, "304"),
        (418, "418"),
    ],
)
async def test_what_went_wrong_is_told_apart(upstream, status, words):
    upstream.plays(http(status))

    assert words in await refused(url_of(upstream))


async def test_a_server_that_is_not_there(nobody):
    assert "cannot be reached" in await refused(f"http://a.example:{nobody}/")


async def test_an_encoded_answer_is_refused_unread(upstream):
    upstream.plays(http(200, b"\x1f\x8b" + bytes(1000), {"Content-Encoding": "gzip"}))

    assert "compressed" in await refused(url_of(upstream))


async def test_an_answer_that_says_it_is_not_encoded_is_read(upstream):
    upstream.plays(http(200, b"x", {"Content-Encoding": "identity"}))

    assert await fetch(url_of(upstream)) == b"x"


async def test_a_file_announced_too_large_is_refused_at_once(upstream):
    async def endless(peer):
        await peer.send(head(200, {"Content-Length": str(LIMITS.maximum_bytes + 1)}))
        await peer.left()

    upstream.plays(endless)

    assert "too large" in await refused(url_of(upstream))


async def test_an_endless_file_is_cut_off_at_the_cap(upstream):
    sent = 0

    async def endless(peer):
        nonlocal sent
        await peer.send(head(200, {"Transfer-Encoding": "chunked"}))
        while True:
            await peer.send(chunk(bytes(65536)))
            sent += 65536

    upstream.plays(endless)

    assert "too large" in await refused(url_of(upstream))
    assert sent < 16 * LIMITS.maximum_bytes


async def test_the_budget_stops_a_file_at_once(upstream):
    upstream.plays(http(200, bytes(500_000)))

    def full(size):
        raise GatewayError(Reason.OVERLOADED, "full")

    with pytest.raises(GatewayError) as caught:
        await fetch(url_of(upstream), took=full)
    assert caught.value.reason is Reason.OVERLOADED


async def test_a_file_cut_short_is_refused(upstream):
    async def cut(peer):
        await peer.send(head(200, {"Content-Length": "100"}), b"half")
        peer.close()

    upstream.plays(cut)

    assert "broke" in await refused(url_of(upstream))


async def test_a_chunked_file_cut_short_is_refused(upstream):
    async def cut(peer):
        await peer.send(head(200, {"Transfer-Encoding": "chunked"}), chunk(b"half"))
        peer.reset()

    upstream.plays(cut)

    assert "broke" in await refused(url_of(upstream))


@pytest.mark.parametrize("at_once", [True, False])
async def test_chunks_that_are_none_are_noticed_at_once(upstream, at_once):
    pieces = head(200, {"Transfer-Encoding": "chunked"}), chunk(b"half"), b"zzz\r\n"

    async def garbage(peer):
        await peer.send(*([b"".join(pieces)] if at_once else pieces))
        await peer.left()

    upstream.plays(garbage)
    began = asyncio.get_running_loop().time()
    words = await refused(url_of(upstream))

    assert "broke" in words or "HTTP" in words
    assert asyncio.get_running_loop().time() - began < LIMITS.idle / 2


async def test_what_is_no_http_is_refused(upstream):
    upstream.plays(b"SSH-2.0-OpenSSH_9\r\n\r\n")

    assert "HTTP" in await refused(url_of(upstream))


@pytest.mark.parametrize("script", [resets, closes])
async def test_a_server_that_leaves_without_an_answer(upstream, script):
    upstream.plays(script)

    assert "broke" in await refused(url_of(upstream))
    assert len(upstream.requests) <= 2  # aiohttp asks once more


SHORT = Limits(1 << 20, connect=0.2, first_byte=0.2, idle=0.2, total=0.6)


async def test_a_server_that_never_answers_is_left(upstream):
    upstream.plays(hangs)

    assert "in time" in await refused(url_of(upstream), SHORT)


async def test_a_body_that_stalls_is_left(upstream):
    async def stalls(peer):
        await peer.send(head(200, {"Content-Length": "100"}), b"half")
        await peer.left()

    upstream.plays(stalls)

    assert "in time" in await refused(url_of(upstream), SHORT)


async def test_a_body_that_drips_is_left_when_the_time_is_over(upstream):
    async def drips(peer):
        await peer.send(head(200, {"Content-Length": "100000"}))
        while True:
            await peer.send(b"x")
            await asyncio.sleep(0.05)

    upstream.plays(drips)
    began = asyncio.get_running_loop().time()

    assert "in time" in await refused(url_of(upstream), SHORT)
    assert asyncio.get_running_loop().time() - began < 3


async def test_redirects_share_one_deadline(upstream):
    async def slow(peer):
        await asyncio.sleep(0.15)
        await peer.send(http(302, headers={"Location": "/again"}))

    upstream.plays(slow)

    assert "in time" in await refused(url_of(upstream), SHORT)


async def test_a_slow_name_server_is_left():
    class Never(Names):
        async def resolve(self, *_):
            await asyncio.Event().wait()

    async with CallerFetch(SHORT, resolver=Never()) as made:
        with pytest.raises(GatewayError) as caught:
            await made.fetch(Body("http://a.example/"), "image", lambda size: None)

    assert "in time" in caught.value.message


async def test_a_cancelled_fetch_closes_its_connection(upstream):
    left = asyncio.Event()

    async def waits(peer):
        await peer.left()
        left.set()

    upstream.plays(waits)
    fetching = asyncio.create_task(fetch(url_of(upstream)))
    await asyncio.wait_for(upstream.asked.wait(), 10)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    await asyncio.wait_for(left.wait(), 10)
