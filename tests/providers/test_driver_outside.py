"""Calls to addresses that a provider named: guarded, without our key, under the same deadlines."""

import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from core.body import Body, Secret
from core.errors import Fault, Phase, UpstreamError
from core.fetch.lending import Lender
from core.model import Channel
from core.providers.driver import Driver
from core.providers.wire import Call
from tests.fix_upstream import Upstream, http
from tests.providers.asking import EASY, SOON, hangs_after

HEADERS = {"authorization": "Bearer secret", "x-api-key": "secret"}


@pytest.fixture
async def driver() -> AsyncIterator[Driver]:
    async with Lender() as lender, Driver(lender) as opened:
        yield opened


def channel(base: str, *hosts: str) -> Channel:
    return Channel(
        "a", "topaz", "m", base, Secret("secret"), deadlines=EASY, media_hosts=frozenset(hosts)
    )


def put(url: str, data: bytes = b"bytes") -> Call:
    return Call("PUT", "/path", HEADERS, Body(data), url=Body(url), media_type="video/mp4")


async def failure(driver: Driver, call: Call, target: Channel) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await driver.call(call, target)
    return caught.value


async def test_the_bytes_go_there_with_their_type_and_without_a_credential(
    driver: Driver, upstream: Upstream
) -> None:
    upstream.plays(http(200, b"", {"ETag": '"x"'}))
    target = channel("https://api.provider.example", "127.0.0.1")
    reply = await driver.call(put(f"http://{upstream.address}/bucket/1?sig=a%2Fb"), target)

    (request,) = upstream.requests
    assert (reply.status, reply.headers["etag"]) == (200, '"x"')
    assert (request.method, request.path) == ("PUT", "/bucket/1?sig=a%2Fb")
    assert request.headers["content-type"] == "video/mp4"
    assert not {"authorization", "x-api-key"} & {name.lower() for name in request.headers}
    assert request.body == b"bytes"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x",
        "http://10.0.0.1/x",
        "http://169.254.169.254/latest",
        "http://[::1]:9/x",
        "http://localhost:9/x",
        "http://2130706433/x",
        "file:///etc/passwd",
        "ftp://example.com/x",
        "http://user:password@example.com/x",
        "",
    ],
)
async def test_a_provider_cannot_send_us_inside(driver: Driver, url: str) -> None:
    error = await failure(driver, put(url), channel("https://api.provider.example"))

    assert (error.fault, error.phase) == (Fault.INVALID_RESPONSE, Phase.CONNECT)


async def test_a_private_address_is_asked_only_where_the_operator_named_it(
    driver: Driver, upstream: Upstream
) -> None:
    upstream.plays(http(200, b""), http(200, b""))
    url = f"http://{upstream.address}/x"

    assert (await driver.call(put(url), channel(f"http://{upstream.address}/v1"))).status == 200
    error = await failure(driver, put(url), channel("http://127.0.0.1:9"))
    assert error.fault is Fault.INVALID_RESPONSE
    assert len(upstream.requests) == 1


async def test_a_redirect_is_not_followed(driver: Driver, upstream: Upstream) -> None:
    upstream.plays(http(307, b"", {"Location": f"http://{upstream.address}/elsewhere"}))

    reply = await driver.call(
        put(f"http://{upstream.address}/x"), channel(f"http://{upstream.address}")
    )
    assert reply.status == 307
    assert len(upstream.requests) == 1


async def test_a_store_that_does_not_answer_is_given_up(driver: Driver, upstream: Upstream) -> None:
    upstream.plays(hangs_after())
    target = channel(f"http://{upstream.address}")
    target = replace(target, deadlines=replace(EASY, first_byte=SOON))

    error = await failure(driver, put(f"http://{upstream.address}/x"), target)
    assert (error.fault, error.phase) == (Fault.TIMEOUT, Phase.FIRST_BYTE)


async def test_a_store_that_is_down_is_unreachable(driver: Driver) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and never listens
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        error = await failure(driver, put(f"http://{address}/x"), channel(f"http://{address}"))

    assert (error.fault, error.phase) == (Fault.UNREACHABLE, Phase.CONNECT)


def test_no_call_shows_where_it_goes() -> None:
    shown = repr(put("https://store.example/x?signature=secret"))

    assert "secret" not in shown
    assert "store.example" not in shown
