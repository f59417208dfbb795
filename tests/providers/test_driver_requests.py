"""What the driver sends, and what it makes of good answers."""

import ssl
from dataclasses import replace
from pathlib import Path

import aiohttp
import orjson
import pybase64
import pytest

from core.body import Body, Secret
from core.errors import Fault
from core.model import Acknowledged, Final
from core.providers.driver import Driver
from core.providers.wire import Call
from tests.certificates import Authority
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


@pytest.mark.parametrize(("method", "length"), [("POST", {"content-length": "0"}), ("GET", {})])
async def test_a_request_without_a_body_says_so_where_one_is_expected(
    driver: Driver, upstream: Upstream, method: str, length: dict[str, str]
) -> None:
    upstream.plays(http(200, b"{}"))
    await driver.call(Call(method, "/jobs/1?all=a%2Fb", {}), channel(upstream.address))

    (request,) = upstream.requests
    assert (request.method, request.path) == (method, "/v1/jobs/1?all=a%2Fb")
    assert request.headers == {
        "host": upstream.address,
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": "reapi",
        **length,
        "": "",
    }


async def test_a_calls_own_header_stands_for_that_of_every_request(
    driver: Driver, upstream: Upstream
) -> None:
    upstream.plays(http(200, b"{}"))
    call = Call("POST", "/jobs", {"user-agent": "a browser", "x-more": "1"}, Body(b"{}"))
    for _ in range(2):
        await driver.call(call, channel(upstream.address))
    await driver.call(replace(call, headers={}), channel(upstream.address))

    seen = [request.headers.get("user-agent") for request in upstream.requests]
    assert seen == ["a browser", "a browser", "reapi"]


@pytest.mark.parametrize("credential", ["sk\r\nx-forged: 1", "sk\nx", "sk\0"])
async def test_a_credential_cannot_add_a_header(
    driver: Driver, upstream: Upstream, credential: str
) -> None:
    target = replace(channel(upstream.address), credential=Secret(credential))
    with pytest.raises(ValueError, match="control character") as caught:
        await asked(driver, ASK, target)

    assert credential not in str(caught.value)
    assert upstream.requests == []


@pytest.mark.parametrize("host", ["localhost", "elsewhere.example"])
async def test_over_tls_a_provider_must_be_who_the_url_names(
    upstream: Upstream, tmp_path: Path, host: str
) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue(host)
    ours = ssl.create_default_context(cafile=str(authority.file))
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(pair.certificate, pair.key)
    named: list[str] = []
    theirs.sni_callback = lambda _, name, __: named.append(name)
    upstream.plays(http(200, answer(1)))
    async with upstream.over(theirs) as address, Driver(connector=lambda _: tls(ours)) as driver:
        target = channel(address.replace("127.0.0.1", "localhost"), scheme="https")
        if host == "localhost":
            for _ in range(2):
                assert Final(0, IMAGE) in await asked(driver, ASK, target)
        else:
            assert (await failure(driver, ASK, target)).fault is Fault.UNREACHABLE

    assert named == ["localhost"]
    assert len(upstream.requests) == (2 if host == "localhost" else 0)


def tls(context: ssl.SSLContext) -> aiohttp.BaseConnector:
    return aiohttp.TCPConnector(ssl=context, limit=0)


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
