"""Grok Imagine and Veo as their users meet them: every mode, through a real gateway, decoded."""

import base64
import io
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from tests.films import film
from tests.following_tasks import ended_task

pytestmark = pytest.mark.prove

IMAGES, VIDEOS = "/api/v1/images/generations", "/api/v1/videos/generations"
PATIENCE = 30.0
"""Seconds after which a test that waits for something has failed."""
CREDITS = 100_000


def data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def picture(size: tuple[int, int] = (480, 640)) -> str:
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(stream, "PNG")
    return data_url(stream.getvalue(), "image/png")


CLIP = data_url(film(audio=True, size=(320, 240), seconds=2), "video/mp4")
FRAME = {"url": picture(), "role": "first_frame"}
LAST = {"url": picture(), "role": "last_frame"}


class Customer:
    """An account of its own, over REST."""

    def __init__(self, gateway: Any, http: httpx.Client) -> None:
        self.gateway = gateway
        self.http = http

    def ended(self, path: str, *, only: str = "", **fields: Any) -> Any:
        """The task once it has ended."""
        routing = {"x-reapi-routing": f"only={only}"} if only else {}
        answer = self.http.post(path, json={"prompt": "a fox", **fields}, headers=routing)
        assert answer.status_code == 200, answer.text
        return ended_task(self.http, answer.json()["id"], PATIENCE)

    @property
    def spent(self) -> int:
        key = self.http.headers["authorization"].removeprefix("Bearer ")
        balance = self.gateway.balance(key)
        assert balance["held"] == "0"
        return CREDITS - int(balance["credits"])

    def jobs(self, channel: str) -> int:
        url = f"{self.gateway.demo['simulator_url']}/_jobs/count?channel={channel}"
        made: int = httpx.get(url).json()["channels"][channel]["made"]
        return made


@pytest.fixture
def customer(gateway):
    gateway.settings(image="real", queue_ms=0, run_ms=0)
    _, key = gateway.account(str(CREDITS))
    with httpx.Client(
        base_url=gateway.rest, headers=gateway.headers(key), timeout=PATIENCE
    ) as http:
        yield Customer(gateway, http)


@pytest.fixture(params=["first", "second"])
def only(request, customer):
    """The suffix of the channel that serves: the first, or the second since the first is dead."""
    is_first = request.param == "first"

    def serving(family: str) -> str:
        if is_first:
            return f"{family}-a"
        customer.gateway.fault(f"{family}-a", kind="status", status=503)
        return ""

    return serving


def image_of(link: str) -> tuple[str, tuple[int, int]]:
    answer = httpx.get(link)
    with Image.open(io.BytesIO(answer.content)) as found:
        found.load()
        assert answer.headers["content-type"] == f"image/{(found.format or '').lower()}"
        return found.format or "", found.size


def video_of(link: str) -> tuple[int, int, float, bool]:
    """Size, seconds and whether there is sound."""
    answer = httpx.get(link)
    assert answer.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(answer.content)) as found:
        pictures = found.streams.video[0]
        assert sum(1 for _ in found.decode(pictures))
        seconds = (found.duration or 0) / 1_000_000
        return pictures.width, pictures.height, seconds, bool(found.streams.audio)


@pytest.mark.parametrize(
    ("fields", "sizes"),
    [
        ({"size": "16:9"}, [(1360, 768)]),
        ({"size": "1:1", "resolution": "2K", "n": 2}, [(2048, 2048)] * 2),
        ({"image_urls": [picture()]}, [(880, 1184)]),
        ({"image_urls": [picture()] * 3, "size": "1:1"}, [(1024, 1024)]),
    ],
    ids=["text", "two of 2k", "edit", "edit of three"],
)
def test_grok_makes_and_edits_images(customer, only, fields, sizes):
    task = customer.ended(IMAGES, only=only("grok-image"), model="grok-imagine-1.0", **fields)

    assert task["status"] == "completed", task
    assert [image_of(link) for link in task["output"]["image_urls"]] == [
        ("JPEG", size) for size in sizes
    ]
    assert customer.spent == 25 * len(sizes)


@pytest.mark.parametrize(
    ("fields", "expected", "charged"),
    [
        ({"size": "9:16", "resolution": "720P", "duration": 2}, (720, 1280, 2.0, True), 2 * 88),
        ({}, (848, 480, 8.0, True), 8 * 63),
        ({"image_with_roles": [FRAME], "duration": 1}, (480, 640, 1.0, True), 63),
        ({"image_urls": [picture()] * 3, "size": "1:1", "duration": 2}, (480, 480, 2.0, True), 126),
        ({"video_url": CLIP}, (320, 240, 2.0, True), 2 * 88),
    ],
    ids=["text", "defaults", "first frame", "references", "edit"],
)
def test_grok_makes_and_edits_videos(customer, only, fields, expected, charged):
    model = "grok-imagine-1.0-video"
    task = customer.ended(VIDEOS, only=only("grok-video"), model=model, **fields)

    assert task["status"] == "completed", task
    assert video_of(task["output"]["video_urls"][0]) == expected
    assert customer.spent == charged


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"size": "9:16", "duration": 4, "negative_prompt": "dogs"}, (720, 1280, 4.0, True)),
        ({"resolution": "1080p", "seed": 7}, (1920, 1080, 8.0, True)),
        ({"image_with_roles": [FRAME], "duration": 6}, (1280, 720, 6.0, True)),
        ({"image_with_roles": [FRAME, LAST]}, (1280, 720, 8.0, True)),
        ({"image_urls": [picture()] * 3}, (1280, 720, 8.0, True)),
    ],
    ids=["text", "1080p", "first frame", "frames", "references"],
)
def test_veo_makes_videos_on_either_of_its_apis(customer, only, fields, expected):
    task = customer.ended(VIDEOS, only=only("veo"), model="veo-3.1", **fields)

    assert task["status"] == "completed", task
    assert video_of(task["output"]["video_urls"][0]) == expected
    assert customer.spent == 500 * expected[2]


@pytest.mark.parametrize(
    ("model", "family", "price"),
    [
        ("veo-3.1-fast", "veo-fast", 125),
        ("veo-3.1-lite", "veo-lite", 63),
        ("veo3.1-fast-official", "veo-fast", 125),
        ("veo3.1-quality-official", "veo", 500),
    ],
)
def test_every_model_of_veo_is_served(customer, only, model, family, price):
    task = customer.ended(VIDEOS, only=only(family), model=model, duration=4)

    assert task["status"] == "completed", task
    assert video_of(task["output"]["video_urls"][0]) == (1280, 720, 4.0, True)
    assert customer.spent == 4 * price


def test_a_silent_video_is_made_where_sound_can_be_left_out(customer):
    fields = {"model": "veo-3.1", "duration": 4, "generate_audio": False}
    task = customer.ended(VIDEOS, **fields)

    assert video_of(task["output"]["video_urls"][0]) == (1280, 720, 4.0, False)


@pytest.mark.parametrize(
    ("path", "model"),
    [
        (IMAGES, "grok-imagine-1.0"),
        (VIDEOS, "grok-imagine-1.0-video"),
        (VIDEOS, "veo-3.1"),
    ],
)
@pytest.mark.parametrize("prompt", ["moderation_blocked", "moderation_blocked_output"])
def test_what_is_refused_costs_nothing(customer, path, model, prompt):
    task = customer.ended(path, model=model, prompt=prompt)

    assert task["status"] == "failed"
    assert task["error"]["code"] == "moderation_blocked"
    assert customer.spent == 0


def test_looks_that_fail_do_not_end_a_video(customer):
    customer.gateway.settings(run_ms=1_500)
    for channel in ("grok-video-a", "veo-a"):
        customer.gateway.fault(channel, kind="status", status=500, on="poll", times=2)
    made = [customer.jobs(channel) for channel in ("grok-video-a", "veo-a")]
    task = customer.ended(VIDEOS, only="grok-video-a", model="grok-imagine-1.0-video", duration=1)
    assert task["status"] == "completed"
    task = customer.ended(VIDEOS, only="veo-a", model="veo-3.1", duration=4)
    assert task["status"] == "completed"

    assert [customer.jobs(channel) for channel in ("grok-video-a", "veo-a")] == [
        number + 1 for number in made
    ]
