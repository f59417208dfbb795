"""OpenAI's own Python SDK makes videos with the running gateway."""

import asyncio
import base64
import io
import time

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from PIL import Image

from tests.patience import wait_until

pytestmark = [
    pytest.mark.prove,
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]

MODEL = "seedance-2.0"
CHANNELS = ("seedance-a", "seedance-b")
POLL_MS = 100
"""How often the tests look; the header says 1,000."""
PATIENCE = 20.0
"""Seconds after which a test that waits for something has failed."""


@pytest.fixture
def gateway(fronted):
    """Every test runs through the gateway's own bridge and through remote ones."""
    return fronted


@pytest.fixture
def client(gateway):
    """A client of an account of its own, with credits for many videos."""
    _, key = gateway.account("100000")
    with OpenAI(base_url=gateway.v1, api_key=key, max_retries=0, timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def slow(gateway):
    """Videos take a minute, until the fixture of the gateway sets it back."""
    gateway.settings(run_ms=60_000)


def picture(size=(640, 360), kind="PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(stream, kind)
    return stream.getvalue()


def made(client, **fields):
    """A video, once it has ended."""
    wanted = {"model": MODEL, "prompt": "a fox runs", "seconds": "4", **fields}
    return client.videos.create_and_poll(**wanted, poll_interval_ms=POLL_MS)


def test_a_video_is_created_polled_and_downloaded(client, gateway):
    video = made(client, size="1280x720")
    content = client.videos.download_content(video.id)

    assert (video.object, video.status, video.progress) == ("video", "completed", 100)
    assert (video.id[:6], video.seconds, video.error) == ("video_", "4", None)
    assert video.completed_at >= video.created_at
    assert video.expires_at > video.completed_at
    data = content.read()
    assert data[4:8] == b"ftyp"
    assert content.response.headers["content-type"] == "video/mp4"


def test_a_create_is_answered_at_once_and_says_how_often_to_look(client, slow):
    started = time.monotonic()
    raw = client.videos.with_raw_response.create(model=MODEL, prompt="a fox", seconds="4")

    assert time.monotonic() - started < 5
    assert raw.headers["openai-poll-after-ms"] == "1000"
    assert raw.headers["x-reapi-generation"].startswith("gen_")
    assert raw.parse().status in {"queued", "in_progress"}
    client.videos.delete(raw.parse().id)


def test_the_charge_is_by_the_second(client, gateway):
    before = gateway.balance(client.api_key)["credits"]
    made(client, seconds="5", extra_body={"resolution": "480p"})

    left = gateway.balance(client.api_key)
    assert (int(before) - int(left["credits"]), left["held"]) == (5 * 83, "0")


def test_a_first_and_a_last_frame_are_files_or_data(client):
    video = made(
        client,
        input_reference=("first.png", picture(), "image/png"),
        extra_body={"last_frame": {"image_url": _data_url(picture(kind="JPEG"), "jpeg")}},
    )

    assert video.status == "completed"


def _data_url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def test_pages_of_a_list_are_walked(client):
    ids = [made(client).id for _ in range(3)]

    walked = [video.id for video in client.videos.list(limit=2)]
    upward = [video.id for video in client.videos.list(limit=1, order="asc")]
    rest = [video.id for video in client.videos.list(after=ids[1])]

    assert walked == ids[::-1]
    assert upward == ids
    assert rest == [ids[0]]


def test_a_deleted_video_is_gone_with_its_file(client):
    video = made(client)
    link = _link(client, video.id)
    assert httpx.get(link).status_code == 200

    deleted = client.videos.delete(video.id)

    assert (deleted.id, deleted.deleted) == (video.id, True)
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(video.id)
    assert httpx.get(link).status_code == 404


def _link(client, id_: str) -> str:
    url = f"{str(client.base_url).rstrip('/')}/videos/{id_}/content"
    answer = httpx.get(url, headers={"authorization": f"Bearer {client.api_key}"})
    assert answer.status_code == 302
    location: str = answer.headers["location"]
    return location


def test_a_video_that_is_not_ready_has_no_content_and_no_retry_asks_again(client, slow):
    video = client.videos.create(model=MODEL, prompt="a fox", seconds="4")

    with pytest.raises(openai.BadRequestError) as caught:
        client.with_options(max_retries=2).videos.download_content(video.id)

    assert "not ready" in caught.value.message
    client.videos.delete(video.id)


def test_a_failed_video_says_why_and_costs_nothing(client, gateway):
    before = gateway.balance(client.api_key)
    for channel in CHANNELS:
        gateway.fault(channel, kind="job_fails")
    video = made(client, extra_headers={"x-reapi-routing": f"only={','.join(CHANNELS)}"})

    assert video.status == "failed"
    assert video.error.code
    assert video.error.message
    assert gateway.balance(client.api_key) == before
    with pytest.raises(openai.BadRequestError):
        client.videos.download_content(video.id)


def test_a_cancelled_video_shows_as_failed_or_finishes(client, gateway, slow):
    """The simulator lets a queued job be cancelled; a running one it refuses (semantics.md 8)."""
    gateway.settings(queue_ms=60_000)
    only = {"x-reapi-routing": f"only={','.join(CHANNELS)}"}
    video = client.videos.create(model=MODEL, prompt="a fox", seconds="4", extra_headers=only)
    url = f"{gateway.rest}/api/v1/generations/{video.id}:cancel"
    asked = httpx.post(url, headers=gateway.headers(client.api_key))
    assert asked.status_code == 200
    wait_until(lambda: client.videos.retrieve(video.id).status == "failed", PATIENCE)

    assert client.videos.retrieve(video.id).error.code == "cancelled"
    assert gateway.balance(client.api_key)["held"] == "0"


ERRORS = [
    ({"model": "no-such"}, openai.NotFoundError, "model_not_found", "model"),
    ({"seconds": "99"}, openai.BadRequestError, "invalid_value", "seconds"),
    ({"size": "17x17"}, openai.BadRequestError, "invalid_value", "size"),
    ({"extra_body": {"sizze": "1"}}, openai.BadRequestError, "unknown_parameter", "sizze"),
    ({"input_reference": b"no picture"}, openai.BadRequestError, "invalid_input")
    + ("input_reference",),
]


@pytest.mark.parametrize(("changes", "kind", "code", "param"), ERRORS)
def test_a_wrong_request_is_a_typed_error_that_names_the_parameter(
    client, gateway, changes, kind, code, param
):
    fields = {"model": MODEL, "prompt": "a fox", "seconds": "4", **changes}

    with pytest.raises(kind) as caught:
        client.videos.create(**fields)

    assert (caught.value.code, caught.value.param) == (code, param)
    assert gateway.balance(client.api_key) == {"credits": "100000", "held": "0"}


def test_an_image_is_no_video(client):
    raw = client.images.with_raw_response.generate(model="gpt-image-2", prompt="a fox")
    image = raw.headers["x-reapi-generation"]

    for ask in (client.videos.retrieve, client.videos.delete, client.videos.download_content):
        with pytest.raises(openai.NotFoundError):
            ask(image)


def test_the_same_create_bought_twice_makes_two_videos_even_if_the_second_was_retried(client):
    """An answer that arrived is no orphan: a retry claims only what got lost (semantics.md 5)."""
    fields = {"model": MODEL, "prompt": "a fox", "seconds": "4"}
    first = client.videos.create(**fields)
    again = client.videos.create(**fields, extra_headers={"x-stainless-retry-count": "1"})

    assert first.id != again.id


async def test_twenty_at_once_all_finish(gateway):
    _, key = gateway.account("100000")
    async with AsyncOpenAI(base_url=gateway.v1, api_key=key, max_retries=0) as client:
        videos = await asyncio.gather(
            *(
                client.videos.create_and_poll(
                    model=MODEL, prompt=f"fox {number}", seconds="4", poll_interval_ms=POLL_MS
                )
                for number in range(20)
            )
        )

    assert [video.status for video in videos] == ["completed"] * 20
    assert gateway.balance(key)["held"] == "0"
