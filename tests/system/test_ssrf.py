"""Whatever URL a caller gives, nothing inside is reached, and nothing is charged.

Addresses are tried on the whole gateway; servers that misbehave on a core that may, for once,
reach the loopback address where they are played.
"""

import asyncio
import struct
import zlib
from uuid import uuid4

import httpx
import pytest
from grpc import aio

from core.engine.inputs import Inputs
from core.fetch.caller import CallerFetch
from core.fetch.guard import Limits
from tests.fetch.peers import LOOPBACK, Names
from tests.fix_core import PNG
from tests.fix_upstream import head, http
from tests.generating import generate, reason_of, start

INSIDE = [
    "http://127.0.0.1/x",
    "http://localhost/x",
    "http://127.1/x",
    "http://2130706433/x",
    "http://0x7f000001/x",
    "http://0177.0.0.1/x",
    "http://0/x",
    "http://0.0.0.0/x",
    "http://10.0.0.1/x",
    "http://172.16.0.1/x",
    "http://192.168.1.1/x",
    "http://100.64.0.1/x",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/v2/credentials",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://[::1]/x",
    "http://[::]/x",
    "http://[::ffff:127.0.0.1]/x",
    "http://[::ffff:7f00:1]/x",
    "http://[64:ff9b::7f00:1]/x",
    "http://[2002:7f00:1::]/x",
    "http://[fe80::1]/x",
    "http://[fd00::1]/x",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://user:secret@127.0.0.1/x",
    "http://example.org@127.0.0.1/x",
    "http://127.0.0.1:6379/x",
    "http://printer.local/x",
]
OTHER_SCHEMES = [
    "file:///etc/passwd",
    "ftp://example.org/x",
    "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:11211/stats",
    "//127.0.0.1/x",
    "javascript:alert(1)",
]
PLACES = {
    "image_urls": ("/api/v1/images/generations", "gpt-image-2", True),
    "mask_url": ("/api/v1/images/generations", "gpt-image-2", False),
    "image_with_roles": ("/api/v1/videos/generations", "seedance-2.0", True),
}
"""Fields that name a file, and whether they are lists."""


@pytest.fixture(scope="module")
def account(shared_gateway):
    return shared_gateway.account("1000")


def asked(field, url):
    _, model, is_list = PLACES[field]
    item = {"url": url, "role": "first_frame"} if field == "image_with_roles" else url
    return {"model": model, "prompt": "a lighthouse", field: [item] if is_list else item}


@pytest.mark.parametrize("field", PLACES)
async def test_nothing_inside_is_reached_and_nothing_is_charged(gateway, account, field):
    _, key = account
    path = PLACES[field][0]
    calls = gateway.calls()
    simulated = gateway.demo["simulator_url"]
    urls = [*INSIDE, *OTHER_SCHEMES, f"{simulated}/_calls", f"{gateway.rest}/metrics"]
    async with httpx.AsyncClient(base_url=gateway.rest, timeout=30) as client:

        async def one(url):
            answer = await client.post(path, json=asked(field, url), headers=gateway.headers(key))
            return url, answer

        answers = await asyncio.gather(*(one(url) for url in urls))

    for url, answer in answers:
        assert answer.status_code == 400, url
        error = answer.json()["error"]
        assert error["code"] in {"invalid_input", "invalid_value"}, url
        assert error["param"].startswith(field), url
        assert url not in answer.text
    assert gateway.balance(key) == {"credits": "1000", "held": "0"}
    assert gateway.calls() == calls


# Servers that misbehave.


def bomb() -> bytes:
    """A PNG of a few bytes that unpacks to forty gigabytes."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 6, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


MISBEHAVING = {
    "ten gigabytes": b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n" + bytes(1000),
    "packed": http(200, zlib.compress(bytes(1 << 20)), headers={"Content-Encoding": "deflate"}),
    "an archive": http(200, b"PK\x03\x04" + bytes(1000)),
    "pixels": http(200, bomb()),
    "text": http(200, b"root:x:0:0:root:/root:/bin/sh"),
    "redirect inside": http(302, headers={"Location": "http://169.254.169.254/"}),
    "redirect to a file": http(302, headers={"Location": "file:///etc/passwd"}),
}


@pytest.fixture
def guarded(core, upstream):
    """The core's own fetcher, whose open internet is the loopback address of the test's peer."""
    limits = Limits(1 << 20, connect=2, first_byte=0.3, idle=0.3, total=1)
    fetch = CallerFetch(limits, resolver=Names(a_example=[["127.0.0.1"]]), networks=LOOPBACK)
    core.generations._inputs = Inputs(fetch)
    return fetch


async def refusal(channel, upstream):
    port = upstream.address.rpartition(":")[2]
    message = start(detached=True)
    message.start.spec.parameters.inputs.add(uri=f"http://a.example:{port}/x", parameter="image")
    message.start.spec.request_id = uuid4().hex
    with pytest.raises(aio.AioRpcError) as caught:
        await generate(channel, message)
    return reason_of(caught.value)


@pytest.mark.parametrize("name", MISBEHAVING)
async def test_a_server_that_misbehaves_costs_nothing(channel, core, upstream, guarded, name):
    upstream.plays(MISBEHAVING[name])
    async with guarded:
        found = await refusal(channel, upstream)

    assert found.reason == "INVALID_INPUT"
    assert found.metadata["parameter"] == "image"
    assert await core.balance() == (1000, 0)
    assert core.upstream.asks == []
    assert core.admission.bytes == 0


async def test_a_server_that_drips_is_left(channel, core, upstream, guarded):
    async def drips(peer):
        await peer.send(head(200, {"Content-Length": "100000"}))
        for byte in PNG * 100:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0.05)

    upstream.plays(drips)
    async with guarded:
        found = await refusal(channel, upstream)

    assert found.reason == "INVALID_INPUT"
    assert await core.balance() == (1000, 0)
