"""Simulated xAI over REST, by plain HTTP calls in the shapes that @ai-sdk/xai sends and reads.

xAI's own SDK for Python speaks gRPC: test_simulator_xai_grpc_sdk.py has it.
"""

import base64
import io
from collections.abc import AsyncIterator

import av
import httpx
import pytest
from PIL import Image

from simulator import Fault, Knobs, SimulatedChannel, Simulator
from tests.films import film

pytestmark = pytest.mark.prove

NAME, KEY = "xai-a", "xai-simulated-key-0123456789"
FAST = Knobs(queue_ms=0, run_ms=0)
IMAGE, VIDEO = "grok-imagine-image", "grok-imagine-video"
TICKS = 10_000_000_000


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel(NAME, KEY, "xai")]) as opened:
        opened.configure(FAST)
        yield opened


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"{simulator.base_url(NAME)}/v1",
        headers={"authorization": f"Bearer {KEY}"},
        timeout=20,
    ) as opened:
        yield opened


def data_uri(size=(64, 48), kind="PNG"):
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def image_call(**fields):
    """What @ai-sdk/xai's image model sends."""
    return {"model": IMAGE, "prompt": "a fox", "n": 1, "response_format": "b64_json", **fields}


def video_call(**fields):
    """What @ai-sdk/xai's video model sends."""
    return {"model": VIDEO, "prompt": "a fox runs", **fields}


async def video_of(client: httpx.AsyncClient, kind="generations", **fields):
    """Submit and poll as @ai-sdk/xai does: done is what has a URL, whatever its status."""
    created = await client.post(f"/videos/{kind}", json=video_call(**fields))
    assert created.status_code == 200, created.text
    while True:
        polled = await client.get(f"/videos/{created.json()['request_id']}")
        if polled.status_code != 202:
            return polled.json()


async def decoded(url: str):
    async with httpx.AsyncClient() as anybody:
        answer = await anybody.get(url)
    assert answer.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(answer.content)) as film_:
        (pictures,), sounds = film_.streams.video, film_.streams.audio
        return pictures.width, pictures.height, film_.duration / 1_000_000, len(sounds)


async def test_an_image_comes_inline_or_behind_a_link_with_its_cost(client: httpx.AsyncClient):
    inline = (await client.post("/images/generations", json=image_call(n=2))).json()
    linked = (
        await client.post("/images/generations", json=image_call(response_format="url"))
    ).json()

    assert [sorted(item) for item in inline["data"]] == [
        ["b64_json", "mime_type", "respect_moderation", "revised_prompt", "url"]
    ] * 2
    assert inline["usage"] == {"cost_in_usd_ticks": 2 * TICKS // 50}
    picture = Image.open(io.BytesIO(base64.b64decode(inline["data"][0]["b64_json"])))
    assert (picture.format, picture.size) == ("JPEG", (1024, 1024))
    assert linked["data"][0]["b64_json"] is None
    async with httpx.AsyncClient() as anybody:
        file = await anybody.get(linked["data"][0]["url"])
    assert file.headers["content-type"] == linked["data"][0]["mime_type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"aspect_ratio": "16:9"}, (1360, 768)),
        ({"aspect_ratio": "9:19.5"}, (688, 1504)),
        ({"aspect_ratio": "1:1", "resolution": "2k"}, (2048, 2048)),
        ({"size": "1792x1024", "seed": 7, "background": "transparent"}, (1024, 1024)),
    ],
)
async def test_the_shape_follows_the_ratio_and_never_a_size(
    client: httpx.AsyncClient, fields, size
):
    answer = (await client.post("/images/generations", json=image_call(**fields))).json()

    assert Image.open(io.BytesIO(base64.b64decode(answer["data"][0]["b64_json"]))).size == size


@pytest.mark.parametrize(
    "images",
    [
        {"image": {"url": data_uri(), "type": "image_url"}},
        {"images": [{"url": data_uri(kind="JPEG"), "type": "image_url"}] * 5},
        {"image": {"url": "https://example.org/fox.png", "type": "image_url"}},
    ],
)
async def test_an_edit_is_json(client: httpx.AsyncClient, images):
    answer = await client.post("/images/edits", json=image_call(**images))

    assert answer.status_code == 200
    assert answer.json()["data"][0]["respect_moderation"] is True


async def test_a_video_is_real_and_as_asked(client: httpx.AsyncClient):
    done = await video_of(client, duration=3, aspect_ratio="9:16", resolution="720p")

    assert (done["video"]["duration"], done["video"]["respect_moderation"]) == (3, True)
    assert done["usage"]["cost_in_usd_ticks"] == 3 * 7 * TICKS // 100
    assert await decoded(done["video"]["url"]) == (720, 1280, 3.0, 1)


async def test_a_video_is_of_480_lines_and_8_seconds_by_default(client: httpx.AsyncClient):
    assert await decoded((await video_of(client))["video"]["url"]) == (848, 480, 8.0, 1)


async def test_image_is_seen_and_image_url_is_silently_ignored(client: httpx.AsyncClient):
    upright = data_uri((48, 64))
    seen = await video_of(client, image={"url": upright}, duration=1)
    ignored = await video_of(client, image_url=upright, duration=1)

    assert (await decoded(seen["video"]["url"]))[:2] == (480, 640)
    assert (await decoded(ignored["video"]["url"]))[:2] == (848, 480)


async def test_a_video_is_edited_or_extended_in_its_own_shape(client: httpx.AsyncClient):
    uri = "data:video/mp4;base64," + base64.b64encode(film(size=(96, 64))).decode()
    edited = await video_of(client, "edits", video={"url": uri})
    extended = await video_of(client, "extensions", video={"url": uri}, duration=3)

    assert await decoded(edited["video"]["url"]) == (96, 64, 1.0, 1)
    assert await decoded(extended["video"]["url"]) == (96, 64, 4.0, 1)


async def test_a_pending_request_says_nothing_and_then_how_far_it_is(
    simulator: Simulator, client: httpx.AsyncClient
):
    bodies = []
    for knobs in (Knobs(queue_ms=60_000), Knobs(queue_ms=0, run_ms=60_000)):
        simulator.configure(knobs)
        created = await client.post("/videos/generations", json=video_call())
        polled = await client.get(f"/videos/{created.json()['request_id']}")
        assert polled.status_code == 202
        bodies.append(polled.content)

    assert bodies == [b"", b'{"status": "pending", "progress": 1}']


async def test_moderation_speaks_in_each_of_its_ways(
    simulator: Simulator, client: httpx.AsyncClient
):
    async def polled(prompt: str):
        created = await client.post("/videos/generations", json=video_call(prompt=prompt))
        return await client.get(f"/videos/{created.json()['request_id']}")

    refused = await polled("moderation_blocked_output")
    assert refused.status_code == 400
    assert refused.json() == {
        "code": "imagine:content-moderated",
        "error": "Generated video rejected by content moderation.",
    }
    hidden = await polled("moderation_blocked_hidden")
    assert hidden.status_code == 200
    assert (hidden.json()["video"]["url"], hidden.json()["video"]["respect_moderation"]) == (
        "",
        False,
    )
    at_once = await client.post("/videos/generations", json=video_call(prompt="moderation_blocked"))
    assert at_once.json()["code"] == "imagine:content-moderated"

    call = image_call(prompt="moderation_blocked_output", n=2, response_format="url")
    blocked = (await client.post("/images/generations", json=call)).json()
    assert [(item["url"], item["respect_moderation"]) for item in blocked["data"]] == [
        ("", False)
    ] * 2
    assert blocked["usage"]["cost_in_usd_ticks"] == 2 * TICKS // 50
    assert (simulator.calls.newest()[-1].outcome, simulator.calls.newest()[-1].made) == (
        "moderated",
        2,
    )
    none = image_call(prompt="moderation_blocked_hidden")
    assert (await client.post("/images/generations", json=none)).json()["data"] == []


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/images/generations", {"model": "grok-imagine-image-pro", "prompt": "x"}, 404, "does not exist"),
        ("/images/generations", image_call(n=11), 400, "between 1 and 10"),
        ("/images/generations", image_call(aspect_ratio="7:5"), 422, "unknown variant `7:5`"),
        ("/images/generations", image_call(resolution="4k"), 422, "unknown variant"),
        ("/images/generations", {"model": IMAGE}, 422, "missing field `prompt`"),
        ("/images/edits", image_call(), 422, "expected a struct"),
        ("/images/edits", image_call(image={"url": "x"}), 400, "Invalid image URL"),
        ("/images/edits", image_call(image={"url": "data:image/png;base64,eA=="}), 400, "decode"),
        ("/images/edits", image_call(images=[{"url": data_uri()}] * 6), 400, "Between 1 and 5"),
        ("/videos/generations", video_call(duration=16), 400, "exceeds the maximum allowed"),
        ("/videos/generations", video_call(duration=0), 400, "at least 1s"),
        ("/videos/generations", video_call(duration="6"), 422, "expected i32"),
        ("/videos/generations", video_call(aspect_ratio="auto"), 422, "unknown variant `auto`"),
        ("/videos/generations", video_call(resolution="1080p"), 400, "does not support"),
        ("/videos/generations", video_call(last_frame={"url": data_uri()}), 400, "does not support"),
        ("/videos/generations", video_call(reference_images=[{"url": data_uri()}] * 8), 400, "At most 7"),
        ("/videos/generations", {"model": VIDEO}, 400, "A prompt is needed"),
        ("/videos/edits", video_call(), 422, "expected a struct"),
        ("/videos/edits", video_call(video={"url": "data:video/mp4;base64,eA=="}), 400, "decode"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_refused_in_xais_words(
    client: httpx.AsyncClient, path, body, status, words
):
    answer = await client.post(path, json=body)

    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert ("code" in answer.json()) == (status != 422)


@pytest.mark.parametrize(("header", "status"), [("Bearer wrong", 400), ("", 401), ("Basic x", 401)])
async def test_a_wrong_key_is_a_400_and_none_a_401(client: httpx.AsyncClient, header, status):
    answer = await client.get("/api-key", headers={"authorization": header})

    assert answer.status_code == status
    assert "API key" in answer.json()["error"]


async def test_what_there_is_can_be_listed(client: httpx.AsyncClient):
    images = (await client.get("/image-generation-models")).json()["models"]
    videos = (await client.get("/video-generation-models")).json()["models"]

    assert (await client.get("/api-key")).json()["api_key_blocked"] is False
    assert {"id": IMAGE} in images
    assert {"id": VIDEO} in videos


@pytest.mark.parametrize(
    ("fault", "shape"),
    [
        (Fault("status", status=429), ["code", "error"]),
        (Fault("status", status=429, code="plain"), ["error"]),
        (Fault("status", status=429, code="nested"), ["code", "message", "param", "type"]),
    ],
)
async def test_an_error_comes_in_three_shapes(
    simulator: Simulator, client: httpx.AsyncClient, fault, shape
):
    await simulator.set_fault(NAME, fault)
    answer = await client.post("/images/generations", json=image_call())
    document = answer.json()

    assert answer.status_code == 429
    assert sorted(document["error"] if fault.code == "nested" else document) == shape


async def test_a_spent_balance_is_told_by_a_403(simulator: Simulator, client: httpx.AsyncClient):
    await simulator.set_fault(NAME, Fault("status", status=403, code="out_of_credits"))
    answer = await client.post("/images/generations", json=image_call())

    assert answer.status_code == 403
    assert "has either used all available credits" in answer.json()["error"]


async def test_a_rate_limit_of_its_own_is_a_429(simulator: Simulator, client: httpx.AsyncClient):
    simulator.configure(Knobs(requests_per_minute=1))
    answers = [await client.post("/images/generations", json=image_call()) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]


async def test_faults_meet_the_operation_they_are_for(
    simulator: Simulator, client: httpx.AsyncClient
):
    await simulator.set_fault(NAME, Fault("status", status=503, on="poll", times=1))
    created = await client.post("/videos/generations", json=video_call(duration=1))
    path = f"/videos/{created.json()['request_id']}"
    assert [(await client.get(path)).status_code for _ in range(2)] == [503, 200]

    await simulator.set_fault(NAME, Fault("lost", on="submit", times=1))
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post("/videos/generations", json=video_call(duration=1))
    assert simulator.books()[NAME].made == 2
