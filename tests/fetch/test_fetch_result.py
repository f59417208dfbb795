"""Hosted outputs, fetched from where a channel's provider keeps them."""

import asyncio
import socket
import threading
from contextlib import aclosing

import pytest

from core.body import Body, Secret
from core.errors import Fault, Phase, UpstreamError
from core.fetch.result import ResultFetch
from core.model import Channel, Deadlines, Hosted
from tests.fetch.peers import Names
from tests.fix_upstream import Upstream, chunk, closes, hangs, head, http, resets

KEY = {"authorization": "Bearer sk-secret"}


def channel(base, *media_hosts, **changes):
    fields = {
        "deadlines": Deadlines(connect=2, first_byte=2, idle=2, total=10),
        "maximum_result_bytes": 1 << 20,
        **changes,
    }
    return Channel(
        "c", "d", "m", base, Secret("sk-x"), media_hosts=frozenset(media_hosts), **fields
    )


def base_of(upstream):
    return f"http://{upstream.address}/api/v3"


async def fetch(url, channel_, headers=KEY, budget=None, **names):
    """The announced size and the bytes."""
    async with ResultFetch(resolver=Names(**names)) as fetcher, asyncio.timeout(15):
        opening = fetcher.open(Hosted(0, Body(url), headers), channel_, budget)
        async with opening as download, aclosing(download.chunks) as chunks:
            return download.size, b"".join([each async for each in chunks])


async def fails(url, channel_, **options):
    with pytest.raises(UpstreamError) as caught:
        await fetch(url, channel_, **options)
    assert caught.value.phase is Phase.BODY
    assert caught.value.__cause__ is None
    return caught.value


async def test_an_output_under_the_base_url_is_fetched_with_its_headers(upstream):
    data = bytes(300_000)
    upstream.plays(http(200, data, media_type="video/mp4"))

    assert await fetch(f"http://{upstream.address}/f/1", channel(base_of(upstream))) == (
        len(data),
        data,
    )
    assert upstream.requests[0].headers["authorization"] == "Bearer sk-secret"


async def test_a_length_that_nobody_announced_is_none(upstream):
    upstream.plays(head(200, {"Transfer-Encoding": "chunked"}) + chunk(b"x") + chunk(b""))

    assert await fetch(f"http://{upstream.address}/f", channel(base_of(upstream))) == (None, b"x")


async def test_headers_go_to_the_base_url_only(upstream):
    upstream.plays(http(200, b"x"))
    elsewhere = channel("http://127.0.0.1:9/v1", upstream.address)
    await fetch(f"http://{upstream.address}/f", elsewhere)

    assert "authorization" not in upstream.requests[0].headers


async def test_headers_do_not_follow_a_redirect_away_nor_back(upstream):
    async with Upstream() as other:
        base = base_of(upstream)
        upstream.plays(
            http(302, headers={"Location": f"http://{other.address}/b"}), http(200, b"x")
        )
        other.plays(http(302, headers={"Location": f"http://{upstream.address}/c"}))

        assert (await fetch(f"{base}/f", channel(base, other.address)))[1] == b"x"
        assert "authorization" in upstream.requests[0].headers
        assert "authorization" not in other.requests[0].headers
        assert "authorization" not in upstream.requests[1].headers


async def test_headers_follow_a_redirect_within_the_base_url(upstream):
    upstream.plays(http(302, headers={"Location": "/b"}), http(200, b"x"))
    await fetch(f"{base_of(upstream)}/f", channel(base_of(upstream)))

    assert "authorization" in upstream.requests[1].headers


async def test_a_named_media_host_may_be_inside(upstream):
    upstream.plays(http(200, b"x"))
    port = upstream.address.rpartition(":")[2]
    url = f"http://a.cdn.corp:{port}/f"
    named = channel("https://api.example", "*.cdn.corp")

    assert (await fetch(url, named, a_cdn_corp=[["127.0.0.1"]]))[1] == b"x"


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "http://127.0.0.1:9/", "http://b.example/", "file:///etc"]
)
async def test_nothing_else_inside_is_reached(upstream, url):
    there = channel(base_of(upstream))
    error = await fails(url, there, b_example=[["10.0.0.1"]])

    assert error.fault is Fault.INVALID_RESPONSE


async def test_a_redirect_inside_is_refused(upstream):
    upstream.plays(http(302, headers={"Location": "http://169.254.169.254/latest"}))
    error = await fails(f"{base_of(upstream)}/f", channel(base_of(upstream)))

    assert error.fault is Fault.INVALID_RESPONSE


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (401, Fault.AUTH),
        (403, Fault.NOT_FOUND),
        (404, Fault.NOT_FOUND),
        (410, Fault.NOT_FOUND),
        (429, Fault.RATE_LIMITED),
        (500, Fault.SERVER_ERROR),
        (503, Fault.SERVER_ERROR),
        (204, Fault.INVALID_RESPONSE),
        (400, Fault.INVALID_RESPONSE),
    ],
)
async def test_a_status_has_its_fault(upstream, status, fault):
    upstream.plays(http(status))
    error = await fails(f"{base_of(upstream)}/f", channel(base_of(upstream)))

    assert (error.fault, error.http_status) == (fault, status)


@pytest.mark.parametrize(("script", "fault"), [(resets, Fault.LOST), (closes, Fault.LOST)])
async def test_a_broken_connection_is_lost(upstream, script, fault):
    upstream.plays(script)

    assert (await fails(f"{base_of(upstream)}/f", channel(base_of(upstream)))).fault is fault


async def test_a_file_cut_short_is_lost(upstream):
    async def cut(peer):
        await peer.send(head(200, {"Content-Length": "100"}), b"half")
        peer.close()

    upstream.plays(cut)

    assert (await fails(f"{base_of(upstream)}/f", channel(base_of(upstream)))).fault is Fault.LOST


@pytest.mark.parametrize("announced", [True, False])
async def test_a_file_too_large_is_an_invalid_response(upstream, announced):
    data = bytes((1 << 20) + 1)
    whole = http(200, data)
    pieces = head(200, {"Transfer-Encoding": "chunked"}) + chunk(data) + chunk(b"")
    upstream.plays(whole if announced else pieces)
    error = await fails(f"{base_of(upstream)}/f", channel(base_of(upstream)))

    assert error.fault is Fault.INVALID_RESPONSE


async def test_an_encoded_file_is_an_invalid_response(upstream):
    upstream.plays(http(200, b"x", {"Content-Encoding": "br"}))
    error = await fails(f"{base_of(upstream)}/f", channel(base_of(upstream)))

    assert error.fault is Fault.INVALID_RESPONSE


async def test_silence_is_a_timeout(upstream):
    upstream.plays(hangs)
    short = channel(base_of(upstream), deadlines=Deadlines(connect=0.1, first_byte=0.1))

    assert (await fails(f"{base_of(upstream)}/f", short)).fault is Fault.TIMEOUT


async def test_the_budget_ends_it(upstream):
    upstream.plays(hangs)
    error = await fails(f"{base_of(upstream)}/f", channel(base_of(upstream)), budget=0.1)

    assert error.fault is Fault.TIMEOUT


async def test_nobody_there_is_unreachable(refused):
    there = channel(f"http://{refused}")

    assert (await fails(f"http://{refused}/f", there)).fault is Fault.UNREACHABLE


async def test_a_reader_who_leaves_closes_the_connection(upstream):
    left = asyncio.Event()

    async def endless(peer):
        await peer.send(head(200, {"Content-Length": "1000000"}), b"half")
        await peer.left()
        left.set()

    upstream.plays(endless)
    async with ResultFetch(resolver=Names()) as fetcher:
        hosted = Hosted(0, Body(f"{base_of(upstream)}/f"))
        async with fetcher.open(hosted, channel(base_of(upstream))) as download:
            assert await anext(download.chunks) == b"half"
        await asyncio.wait_for(left.wait(), 10)


async def test_a_host_that_is_not_found_holds_up_the_outputs_of_no_other(upstream, monkeypatch):
    answers, asked, system = threading.Event(), [], socket.getaddrinfo

    def find(host, port, *options, **more):
        asked.append(host)
        if host.startswith("slow"):
            answers.wait(20)
        return system("127.0.0.1", port, *options, **more)

    monkeypatch.setattr(socket, "getaddrinfo", find)
    upstream.plays(http(200, b"film", media_type="video/mp4"))
    port = upstream.address.rpartition(":")[2]
    hasty = Deadlines(connect=0.05, first_byte=2, idle=2, total=10)
    slow = channel(f"http://slow.example:{port}", deadlines=hasty)
    well = channel(f"http://well.example:{port}")
    async with ResultFetch() as fetcher:

        async def fetched(channel_):
            opening = fetcher.open(Hosted(0, Body(f"{channel_.base_url}/f/1"), {}), channel_)
            async with opening as download, aclosing(download.chunks) as chunks:
                return b"".join([each async for each in chunks])

        tries = [fetched(slow) for _ in range(40)]
        failed = await asyncio.gather(*tries, return_exceptions=True)
        try:
            async with asyncio.timeout(5):
                assert await fetched(well) == b"film"
        finally:
            answers.set()

    assert {type(each) for each in failed} == {UpstreamError}
    assert asked == ["slow.example", "well.example"]
