"""What the driver sends, and what it makes of good answers."""

import orjson
import pybase64
import pytest

from core.body import Body
from core.model import Acknowledged, Final
from core.providers.driver import Driver
from tests.fix_upstream import Upstream, http
from tests.providers.asking import BULKY, CREDENTIAL, asked, channel, failure
from tests.providers.tapes_openai_images import ASK, IMAGE, REPORT, STREAMED, answer


async def test_the_request_is_exact(driver: Driver, upstream: Upstream) -> None:
    upstream.plays(http(200, answer(1)))
    await asked(driver, ASK, channel(upstream.address))

    (request,) = upstream.requests
    assert (request.method, request.path) == ("POST", "/v1/images/generations")
    assert request.headers == {
        "host": upstream.address,
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": "reapi",
        "authorization": f"Bearer {CREDENTIAL}",
        "content-type": "application/json",
        "content-length": str(len(request.body)),
        "": "",
    }


async def test_a_channel_that_moved_is_asked_where_it_is_now(
    driver: Driver, upstream: Upstream, refused: str
) -> None:
    """A catalogue that is taken over while the process runs may say another address."""
    upstream.plays(http(200, answer(1)))
    old, new = channel(refused), channel(upstream.address)
    assert old.name == new.name

    await failure(driver, ASK, old)
    assert Final(0, IMAGE) in await asked(driver, ASK, new)
    await failure(driver, ASK, old)
    assert len(upstream.requests) == 1


async def test_a_form_is_sent_with_its_length_and_a_new_boundary_each_time(
    driver: Driver, upstream: Upstream
) -> None:
    upstream.plays(http(200, answer(1)))
    for _ in range(2):
        assert Final(0, IMAGE) in await asked(driver, BULKY, channel(upstream.address))

    boundaries = {
        request.headers["content-type"].partition("boundary=")[2] for request in upstream.requests
    }
    assert len(boundaries) == 2
    for request in upstream.requests:
        assert len(request.body) > 32 * 1024 * 1024
        assert any(request.body.endswith(f"--{each}--\r\n".encode()) for each in boundaries)


async def test_cookies_are_not_kept_and_redirects_not_followed(
    driver: Driver, upstream: Upstream
) -> None:
    upstream.plays(http(307, b"", {"Location": "/elsewhere", "Set-Cookie": "a=b"}))
    for _ in range(2):
        assert (await failure(driver, ASK, channel(upstream.address))).http_status == 307

    assert [request.path for request in upstream.requests] == ["/v1/images/generations"] * 2
    assert not any("cookie" in request.headers for request in upstream.requests)


async def test_proxies_of_the_environment_are_not_used(
    driver: Driver, upstream: Upstream, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://{refused}")
    monkeypatch.setenv("http_proxy", f"http://{refused}")
    upstream.plays(http(200, answer(1)))

    assert await asked(driver, ASK, channel(upstream.address))


async def test_an_answer_is_not_unpacked(driver: Driver, upstream: Upstream) -> None:
    upstream.plays(http(200, answer(1), {"Content-Encoding": "gzip"}))

    assert Final(0, IMAGE) in await asked(driver, ASK, channel(upstream.address))


async def test_a_large_answer_arrives_whole(driver: Driver, upstream: Upstream) -> None:
    image = bytes(range(256)) * 20_000
    document = {"data": [{"b64_json": pybase64.b64encode(image).decode()}]}
    upstream.plays(http(200, orjson.dumps(document)))

    assert Final(0, Body(image)) in await asked(driver, ASK, channel(upstream.address))


async def test_a_whole_answer_to_a_streaming_call_is_taken(
    driver: Driver, upstream: Upstream
) -> None:
    upstream.plays(http(200, answer(1)))

    found = await asked(driver, STREAMED, channel(upstream.address))

    assert found == [Acknowledged(200), Final(0, IMAGE), REPORT]
