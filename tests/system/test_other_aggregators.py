"""Azure, Topaz, Recraft and resellers through a real gateway: what comes back is decoded."""

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
CLIP = film(audio=True, size=(320, 240), seconds=2)


def data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


class Customer:
    """An account of its own, over REST."""

    def __init__(self, gateway: Any, key: str, http: httpx.Client) -> None:
        self.gateway, self.key, self.http = gateway, key, http

    def ended(self, path: str, only: str, **fields: Any) -> Any:
        """The task once it has ended."""
        routing = {"x-reapi-routing": f"only={only}"} if only else {}
        answer = self.http.post(path, json=fields, headers=routing)
        assert answer.status_code == 200, answer.text
        return ended_task(self.http, answer.json()["id"], PATIENCE)

    def output(self, path: str, only: str, **fields: Any) -> bytes:
        """The bytes of the only output, which was paid for once."""
        task = self.ended(path, only, **fields)
        assert task["status"] == "completed", task
        kind = "image_urls" if path == IMAGES else "video_urls"
        (url,) = task["output"][kind]
        balance = self.gateway.balance(self.key)
        assert balance["held"] == "0"
        assert int(balance["credits"]) < CREDITS
        return httpx.get(url).raise_for_status().content

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
        yield Customer(gateway, key, http)
    gateway.heal()


def shape(data: bytes) -> tuple[int, int, float, bool]:
    """Width, height, seconds and whether it has a sound track, of a video that can be decoded."""
    with av.open(io.BytesIO(data)) as video:
        pictures = video.streams.video[0].codec_context
        assert any(True for _ in video.decode(video=0))
        seconds = round((video.duration or 0) / 1_000_000, 1)
        return pictures.width, pictures.height, seconds, bool(video.streams.audio)


@pytest.mark.parametrize("factor", ["1", "2", "4"])
def test_a_video_is_enhanced_by_the_factor(customer, factor):
    made = customer.output(
        VIDEOS,
        "enhance-a",
        model="enhance-video-1.0",
        video_url=data_url(CLIP, "video/mp4"),
        upscale_factor=factor,
    )

    assert shape(made) == (320 * int(factor), 240 * int(factor), 2.0, True)
    assert customer.jobs("enhance-a") >= 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 402, "on": "call"},
        {"kind": "status", "status": 500, "on": "file"},
        {"kind": "lost", "on": "submit"},
        {"kind": "status", "status": 503},
    ],
    ids=["no credits", "upload fails", "order lost", "down"],
)
def test_when_the_first_cannot_the_second_enhances_it(customer, fault):
    before = customer.jobs("enhance-a"), customer.jobs("enhance-b")
    customer.gateway.fault("enhance-a", **fault)
    made = customer.output(
        VIDEOS,
        "enhance-a,enhance-b",
        model="enhance-video-1.0",
        video_url=data_url(CLIP, "video/mp4"),
        upscale_factor="2",
    )

    assert shape(made) == (640, 480, 2.0, True)
    assert (customer.jobs("enhance-a"), customer.jobs("enhance-b")) == (before[0], before[1] + 1)


@pytest.mark.parametrize("model", ["gpt-image-2", "gpt-image-2-official"])
def test_azure_draws(customer, model):
    made = customer.output(IMAGES, "openai-azure", model=model, prompt="a fox", size="1024x512")

    with Image.open(io.BytesIO(made)) as image:
        image.load()
        assert (image.format, image.size) == ("PNG", (1024, 512))


@pytest.mark.parametrize(
    ("channel", "format_"),
    [("recraft-a", "PNG"), ("recraft-fal", "WEBP"), ("recraft-replicate", "WEBP")],
)
def test_recraft_draws_in_its_own_sizes(customer, channel, format_):
    made = customer.output(
        IMAGES, channel, model="recraft-v3", prompt="a fox", size="1365x1024", style="any"
    )

    with Image.open(io.BytesIO(made)) as image:
        image.load()
        assert (image.format, image.size) == (format_, (1365, 1024))


@pytest.mark.parametrize(
    ("channel", "size"),
    [("grok-image-wavespeed", (1360, 768)), ("grok-image-kie", (1360, 768))],
)
def test_grok_draws_at_the_others(customer, channel, size):
    made = customer.output(
        IMAGES, channel, model="grok-imagine-1.0", prompt="a fox", aspect_ratio="16:9"
    )

    with Image.open(io.BytesIO(made)) as image:
        image.load()
        assert image.size == size


@pytest.mark.parametrize(
    ("channel", "fields", "expected"),
    [
        (
            "seedance-wavespeed",
            {"model": "seedance-2.0", "resolution": "480p", "duration": 4, "aspect_ratio": "9:16"},
            (480, 854, 4.0, True),
        ),
        (
            "seedance-wavespeed",
            {
                "model": "seedance-2.0",
                "resolution": "480p",
                "duration": 4,
                "aspect_ratio": "1:1",
                "with_audio": False,
            },
            (480, 480, 4.0, False),
        ),
        (
            "happy-horse-wavespeed",
            {"model": "happy-horse-1.0", "resolution": "720p", "duration": 3},
            (1280, 720, 3.0, True),
        ),
        (
            "veo-openrouter",
            {"model": "veo-3.1", "resolution": "720p", "duration": 4},
            (1280, 720, 4.0, True),
        ),
        (
            "grok-video-openrouter",
            {"model": "grok-imagine-1.0-video", "duration": 6, "aspect_ratio": "9:16"},
            (480, 854, 6.0, True),
        ),
    ],
)
def test_videos_are_made_at_the_others(customer, channel, fields, expected):
    assert shape(customer.output(VIDEOS, channel, prompt="a fox", **fields)) == expected


def test_kie_enhances_a_video_that_it_is_given_a_link_to(customer):
    made = customer.output(
        VIDEOS,
        "enhance-kie",
        model="enhance-video-1.0",
        video_url=data_url(CLIP, "video/mp4"),
        upscale_factor="2",
    )

    # The simulated kie.ai fetches nothing: behind a link it assumes 1280 x 720.
    assert shape(made)[:2] == (2560, 1440)
