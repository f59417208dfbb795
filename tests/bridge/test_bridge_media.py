"""/media: outputs by their link."""

import hashlib

import httpx
import pytest

from rest_bridge.media import ByteRange, Unsatisfiable, parse_range
from tests.bridge.scripted_core import FakeCore
from tests.fix_bridge import Bridge

PATH = "tasks/x/96bits/0.png"
URL = f"/media/{PATH}"
DATA = bytes(range(256)) * 20


@pytest.fixture(autouse=True)
def stored(fake_core: FakeCore) -> None:
    fake_core.assets[PATH] = DATA


async def get(bridge: Bridge, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await bridge.http.get(URL, headers=named)


async def test_an_output_is_read_without_a_credential_and_safely(bridge: Bridge) -> None:
    async with httpx.AsyncClient(trust_env=False, verify=False) as anybody:
        answer = await anybody.get(bridge.url + URL)

    assert (answer.status_code, answer.content) == (200, DATA)
    headers = answer.headers
    assert headers["content-type"] == "image/png"
    assert headers["content-length"] == str(len(DATA))
    assert headers["etag"] == f'"{hashlib.sha256(DATA).hexdigest()}"'
    assert headers["accept-ranges"] == "bytes"
    assert headers["cache-control"] == "public, max-age=300"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("sandbox")
    assert "set-cookie" not in headers


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-1999", 10, 1999),
        ("bytes=5000-", 5000, 5119),
        ("bytes=-7", 5113, 5119),
        ("bytes=100-999999", 100, 5119),
        ("bytes=-999999", 0, 5119),
    ],
)
async def test_a_range_is_answered_with_its_bytes(
    bridge: Bridge, asked: str, first: int, last: int
) -> None:
    answer = await get(bridge, range=asked)

    assert answer.status_code == 206
    assert answer.content == DATA[first : last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/5120"


async def test_a_range_beyond_the_end_is_416(bridge: Bridge) -> None:
    answer = await get(bridge, range="bytes=5120-")

    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */5120")


@pytest.mark.parametrize("asked", ["bytes=1-2,5-6", "lines=1-2", "bytes=5-2", "bytes=a-", "bytes"])
async def test_what_is_no_single_range_is_ignored(bridge: Bridge, asked: str) -> None:
    answer = await get(bridge, range=asked)

    assert (answer.status_code, answer.content) == (200, DATA)


async def test_validators_save_the_transfer(bridge: Bridge) -> None:
    etag = (await get(bridge)).headers["etag"]

    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await get(bridge, if_none_match=condition)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
    assert (await get(bridge, if_none_match='"other"')).status_code == 200
    assert (await get(bridge, range="bytes=0-1", if_range=etag)).status_code == 206
    assert (await get(bridge, range="bytes=0-1", if_range='"other"')).status_code == 200


async def test_head_tells_the_size_and_sends_nothing(bridge: Bridge) -> None:
    answer = await bridge.http.head(URL)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "5120"


async def test_an_unknown_link_is_a_404_that_nobody_caches(bridge: Bridge) -> None:
    answer = await bridge.http.get("/media/tasks/x/other/0.png")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "asset_not_found")
    assert answer.headers["cache-control"] == "no-store"
    assert (await bridge.http.post(URL)).status_code == 405


async def test_an_empty_output_is_an_answer(bridge: Bridge, fake_core: FakeCore) -> None:
    fake_core.assets[PATH] = b""

    assert (await get(bridge)).status_code == 200
    assert (await get(bridge, range="bytes=0-")).status_code == 416


def test_ranges_are_parsed_without_the_file() -> None:
    assert parse_range(b" Bytes = 1 - 2 ", 10) == ByteRange(1, 2)
    assert parse_range(b"bytes=1-" + b"9" * 50, 10) is None
    with pytest.raises(Unsatisfiable):
        parse_range(b"bytes=-0", 10)
