"""The controls of the simulator over HTTP, as an outside tool uses them."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator

import aiohttp
import pytest
from PIL import Image

from simulator import Fault, Knobs, SimulatedChannel, Simulator
from simulator.faults import KINDS

GENERATE = {"model": "gpt-image-2", "prompt": "a fox", "size": "1024x1024"}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def control(simulator: Simulator, session: aiohttp.ClientSession):
    async def send(method: str, path: str, body=None):
        kind = "data" if isinstance(body, bytes) else "json"
        async with session.request(method, simulator.url + path, **{kind: body}) as response:
            return response.status, await response.json()

    return send


@pytest.fixture
def generate(simulator: Simulator, session: aiohttp.ClientSession, simulated_credentials):
    async def send(channel: str = "openai-a", **fields):
        headers = {"authorization": f"Bearer {simulated_credentials[channel]}"}
        url = f"{simulator.base_url(channel)}/v1/images/generations"
        async with session.post(url, json=GENERATE | fields, headers=headers) as response:
            return response.status, await response.json()

    return send


def image_bytes(answer) -> bytes:
    return base64.b64decode(answer["data"][0]["b64_json"])


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_fault_can_be_put_shown_and_deleted(control, kind):
    status, put = await control("PUT", "/_faults/openai-b", {"kind": kind, "delay_ms": 3})
    assert status == 200
    assert put["kind"] == kind
    _, shown = await control("GET", "/_faults")
    assert shown["faults"] == {"openai-a": None, "openai-b": put, "openai-c": None}

    status, cleared = await control("DELETE", "/_faults/openai-b")
    assert (status, set(cleared["faults"].values())) == (200, {None})


async def test_the_documented_fault_is_taken_as_it_stands(control):
    fault = {"kind": "status", "status": 503, "after": 0, "times": None, "delay_ms": 0}
    status, put = await control("PUT", "/_faults/openai-a", fault)

    assert status == 200
    assert put.items() >= fault.items()


async def test_all_faults_are_cleared_at_once(control, generate, simulator: Simulator):
    await simulator.set_fault("openai-a", Fault("refuse"))
    await simulator.set_fault("openai-b", Fault("status"))
    await control("DELETE", "/_faults")

    assert [(await generate(channel))[0] for channel in ("openai-a", "openai-b")] == [200, 200]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("PUT", "/_faults/openai-z", {"kind": "hang"}, 404, "channel"),
        ("DELETE", "/_faults/openai-z", None, 404, "channel"),
        ("PUT", "/_settings/openai-z", {}, 404, "channel"),
        ("GET", "/_calls?channel=openai-z", None, 404, "channel"),
        ("GET", "/_calls?limit=-1", None, 400, "limit"),
        ("GET", "/_jobs?channel=openai-a", None, 404, "channel"),
        ("GET", "/_jobs?status=done", None, 400, "status"),
        ("GET", "/_jobs/count?channel=openai-z", None, 404, "channel"),
        ("GET", "/_nothing", None, 404, "path"),
        ("POST", "/_faults", {}, 405, "path"),
        ("PUT", "/_faults/openai-a", {}, 400, "kind"),
        ("PUT", "/_faults/openai-a", {"kind": "burn"}, 400, "kind"),
        ("PUT", "/_faults/openai-a", {"kind": 1}, 400, "kind"),
        ("PUT", "/_faults/openai-a", {"kind": "hang", "after": -1}, 400, "after"),
        ("PUT", "/_faults/openai-a", {"kind": "hang", "after": True}, 400, "after"),
        ("PUT", "/_faults/openai-a", {"kind": "hang", "after": None}, 400, "after"),
        ("PUT", "/_faults/openai-a", {"kind": "hang", "times": 0}, 400, "times"),
        ("PUT", "/_faults/openai-a", {"kind": "refuse", "times": 1}, 400, "times"),
        ("PUT", "/_faults/openai-a", {"kind": "hang", "delay_ms": "1"}, 400, "delay_ms"),
        ("PUT", "/_faults/openai-a", {"kind": "status", "status": 99}, 400, "status"),
        ("PUT", "/_faults/openai-a", {"kind": "empty", "variant": "x"}, 400, "variant"),
        ("PUT", "/_faults/openai-a", {"kind": "cut", "unit": "x"}, 400, "unit"),
        ("PUT", "/_faults/openai-a", {"kind": "hang", "on": "x"}, 400, "on"),
        ("PUT", "/_faults/openai-a", {"kind": "hang", "bogus": 1}, 400, "bogus"),
        ("PUT", "/_faults/openai-a", ["hang"], 400, "body"),
        ("PUT", "/_faults/openai-a", b"{", 400, "body"),
        ("PUT", "/_settings", {"image": "huge"}, 400, "image"),
        ("PUT", "/_settings", {"image": "bytes:10"}, 400, "image"),
        ("PUT", "/_settings", {"latency_ms": -1}, 400, "latency_ms"),
        ("PUT", "/_settings", {"requests_per_minute": 0}, 400, "requests_per_minute"),
        ("PUT", "/_settings", {"max_running": 0}, 400, "max_running"),
        ("PUT", "/_settings", {"bogus": 0}, 400, "bogus"),
    ],
)
async def test_a_wrong_control_is_refused_naming_the_field_and_changes_nothing(
    control, simulator: Simulator, method, path, body, status, field
):
    got, answer = await control(method, path, body)

    assert (got, answer["error"]["field"]) == (status, field)
    assert answer["error"]["message"]
    assert set(simulator.faults().values()) == {None}
    assert simulator.knobs("openai-a") == Knobs()


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
async def test_images_can_be_tiny_or_of_so_many_bytes(control, generate, output_format):
    await control("PUT", "/_settings", {"image": "tiny"})
    _, tiny = await generate(output_format=output_format)
    await control("PUT", "/_settings", {"image": "bytes:300001"})
    _, padded = await generate(output_format=output_format)

    assert tiny["size"] == padded["size"] == "1024x1024"
    assert len(image_bytes(tiny)) < 2_000
    assert len(image_bytes(padded)) == 300_001
    for answer in (tiny, padded):
        image = Image.open(io.BytesIO(image_bytes(answer)))
        image.load()
        assert (image.size, image.format) == ((16, 16), output_format.upper())


async def test_settings_can_be_of_one_channel_and_go_back_to_the_defaults(control, generate):
    await control("PUT", "/_settings/openai-b", {"image": "tiny", "latency_ms": 1})
    _, shown = await control("GET", "/_settings")
    assert shown["settings"]["openai-b"]["image"] == "tiny"
    assert shown["settings"]["openai-a"]["image"] == "real"
    assert len(image_bytes((await generate("openai-b"))[1])) < 2_000
    assert len(image_bytes((await generate("openai-a"))[1])) > 2_000

    _, shown = await control("DELETE", "/_settings")
    assert shown["settings"]["openai-b"] == Knobs().as_json()


async def test_a_latency_and_an_interval_are_waited(control, generate, session, simulator):
    await control("PUT", "/_settings", {"image": "tiny", "latency_ms": 50})
    clock = asyncio.get_running_loop().time
    started = clock()
    await generate()
    assert clock() - started >= 0.049

    simulator.configure(Knobs(image="tiny", partial_interval_ms=30))
    headers = {"authorization": "Bearer sk-sim-a-0123456789abcdef"}
    url = f"{simulator.base_url('openai-a')}/v1/images/generations"
    body = GENERATE | {"stream": True, "partial_images": 2}
    started = clock()
    async with session.post(url, json=body, headers=headers) as response:
        await response.content.readuntil(b"\n\n")
        first = clock()
        await response.read()
    assert first - started < clock() - first
    assert clock() - first >= 0.059


async def test_calls_are_listed_with_sizes_times_and_digests_and_counted(control, generate):
    for channel, prompt in (("openai-a", "x"), ("openai-a", "y"), ("openai-b", "x")):
        await generate(channel, prompt=prompt, size="16x16")
    _, listed = await control("GET", "/_calls")
    _, counted = await control("GET", "/_calls/count")

    first, second, third = listed["calls"]
    assert set(first) == {
        *("number", "channel", "method", "path", "request_bytes", "started_ms", "ended_ms"),
        *("status", "outcome", "fault", "made", "body_digest"),
    }
    assert (first["method"], first["path"]) == ("POST", "/v1/images/generations")
    assert (first["status"], first["outcome"], first["made"]) == (200, "ok", 1)
    assert first["request_bytes"] > 50
    assert first["started_ms"] <= first["ended_ms"] <= second["started_ms"]
    assert first["body_digest"] == third["body_digest"] != second["body_digest"]
    assert counted == {
        "total": 3,
        "channels": {"openai-a": 2, "openai-b": 1, "openai-c": 0},
        "routes": {
            "openai-a": {"POST /v1/images/generations": 2},
            "openai-b": {"POST /v1/images/generations": 1},
            "openai-c": {},
        },
    }

    _, of_a = await control("GET", "/_calls?channel=openai-a&limit=1")
    assert of_a["calls"] == [second]
    await control("DELETE", "/_calls")
    assert (await control("GET", "/_calls"))[1] == {"calls": []}
    assert (await control("GET", "/_calls/count"))[1]["total"] == 0


async def test_what_a_request_line_says_is_recorded_only_where_it_is_known(
    control, session, simulator: Simulator
):
    url = f"{simulator.base_url('openai-a')}/v1/secret?secret=1"
    async with session.request("PROPFIND", url) as response:
        assert response.status == 404
    _, listed = await control("GET", "/_calls")

    assert [listed["calls"][0][name] for name in ("method", "path", "outcome")] == [
        "(other)",
        "(other)",
        "error",
    ]
    assert "secret" not in str(listed).lower()


async def test_channels_are_listed_with_their_urls_and_without_their_credentials(
    control, simulator: Simulator
):
    _, listed = await control("GET", "/_channels")

    assert listed["channels"][0] == {
        "name": "openai-a",
        "dialect": "openai",
        "base_url": simulator.base_url("openai-a"),
    }
    assert "sk-sim" not in str(listed)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_only_loopback_addresses_are_listened_on(host):
    with pytest.raises(ValueError, match="loopback"):
        Simulator([SimulatedChannel("a", "key")], host=host)


@pytest.mark.parametrize(
    ("name", "credential", "dialect"),
    [("A b", "key", "openai"), ("a/b", "key", "openai"), ("a", "", "openai"), ("a", "key", "x")],
)
def test_a_channel_that_could_not_be_served_is_refused(name, credential, dialect):
    with pytest.raises(ValueError, match=r"name|credential|dialect"):
        SimulatedChannel(name, credential, dialect)


def test_two_channels_of_one_name_are_refused():
    with pytest.raises(ValueError, match="same name"):
        Simulator([SimulatedChannel("a", "1"), SimulatedChannel("a", "2")])


async def test_a_taken_port_is_an_error_and_leaves_nothing_open(simulator: Simulator):
    taken = int(simulator.base_url("openai-a").rpartition(":")[2])
    second = Simulator([SimulatedChannel("a", "key"), SimulatedChannel("b", "key", port=taken)])
    with pytest.raises(OSError, match="in use"):
        await second.__aenter__()
    with pytest.raises(RuntimeError):
        second.base_url("a")


async def test_ipv6_loopback_is_served(session):
    async with Simulator([SimulatedChannel("a", "key")], host="::1") as simulator:
        assert simulator.url.startswith("http://[::1]:")
        async with session.get(f"{simulator.base_url('a')}/") as response:
            assert response.status == 404
