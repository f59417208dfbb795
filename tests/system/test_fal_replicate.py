"""With the first two channels of a model dead, fal's or Replicate's serves: decoded, as asked.

A gateway of its own: what is dead here stays ejected for a while.
"""

import base64
import io

import av
import httpx
import pytest
from PIL import Image

from core.catalog.loader import embedded_channels, embedded_files, load
from tests.films import film
from tests.fix_gateway import running
from tests.following_tasks import ended_task

pytestmark = pytest.mark.prove

PATIENCE = 30.0
"""Seconds after which a test that waits for something has failed."""
IMAGES, VIDEOS = "/v1/images/generations", "/api/v1/videos/generations"


def routes() -> dict[str, list[str]]:
    """The names of the demo's channels, by model, first choice first."""
    variables = {}
    for name in embedded_channels():
        variable = name.upper().replace("-", "_").replace(".", "_")
        variables |= {
            f"SIMULATOR_URL_{variable}": "http://127.0.0.1:1",
            f"SIMULATOR_KEY_{variable}": "key",
        }
    found = load(embedded_files(), variables)
    return {model: [one.name for one in route] for model, route in found.routes.items()}


ROUTES = routes()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with running(tmp_path_factory.mktemp("queues") / "home") as opened:
        opened.settings(queue_ms=0, run_ms=50)
        yield opened


@pytest.fixture(scope="module")
def http(gateway):
    _, key = gateway.account("1000000")
    with httpx.Client(
        base_url=gateway.rest, headers=gateway.headers(key), timeout=PATIENCE
    ) as client:
        yield client


def others(model: str) -> list[str]:
    """The first two channels of a model that are not of these providers."""
    return [one for one in ROUTES[model] if not one.endswith(("-fal", "-replicate"))][:2]


def killed(gateway, model: str, channel: str) -> dict[str, str]:
    """Kill those before *channel*; the header that leaves these and it."""
    dead = others(model)
    assert len(dead) == 2
    for name in dead:
        gateway.fault(name, kind="refuse")
    return {"x-reapi-routing": f"only={','.join([*dead, channel])}"}


def picture(size: tuple[int, int] = (640, 400)) -> str:
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def footage() -> str:
    data = film(size=(320, 240), seconds=3)
    return f"data:video/mp4;base64,{base64.b64encode(data).decode()}"


# fmt: off
PICTURES = [
    ("gpt-image-2", "gpt-image-2-fal", {"size": "1536x1024", "output_format": "webp", "n": 2},
     (1536, 1024), "WEBP"),
    ("gpt-image-2", "gpt-image-2-replicate", {"output_format": "jpeg", "n": 2},
     (1024, 1024), "JPEG"),
    ("gemini-3-pro-image", "gemini-pro-fal", {"aspect_ratio": "1:1", "resolution": "2k"},
     (2048, 2048), "PNG"),
    ("gemini-3-pro-image", "gemini-pro-replicate", {"aspect_ratio": "1:1", "resolution": "1k"},
     (1024, 1024), "PNG"),
    ("gemini-3.1-flash-image", "gemini-flash-fal", {"aspect_ratio": "1:1", "resolution": "512"},
     (512, 512), "PNG"),
    ("gemini-2.5-flash-image", "gemini-25-replicate", {"aspect_ratio": "1:1"},
     (1024, 1024), "PNG"),
    ("seedream-5.0-lite", "seedream-fal",
     {"aspect_ratio": "16:9", "resolution": "2k", "output_format": "png"}, (2736, 1536), "PNG"),
    ("seedream-5.0-lite", "seedream-replicate", {"aspect_ratio": "1:1", "resolution": "3k"},
     (3072, 3072), "JPEG"),
    ("grok-imagine-1.0", "grok-image-fal", {"aspect_ratio": "1:1"}, (1024, 1024), "JPEG"),
    ("grok-imagine-1.0", "grok-image-replicate", {"aspect_ratio": "1:1"}, (1024, 1024), "JPEG"),
]
# fmt: on


@pytest.mark.parametrize(
    ("model", "channel", "fields", "size", "file_format"),
    PICTURES,
    ids=[channel for _, channel, *_ in PICTURES],
)
def test_a_third_channel_makes_the_images(gateway, http, model, channel, fields, size, file_format):
    headers = killed(gateway, model, channel)
    asked = {"model": model, "prompt": "a fox", "response_format": "b64_json", **fields}
    answer = http.post(IMAGES, json=asked, headers=headers)

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-reapi-channel"] == channel
    made = answer.json()["data"]
    assert len(made) == fields.get("n", 1)
    for item in made:
        with Image.open(io.BytesIO(base64.b64decode(item["b64_json"]))) as image:
            image.load()
            assert (image.size, image.format) == (size, file_format)


FRAME = {"image_with_roles": [{"url": picture(), "role": "first_frame"}]}
FRAMES = {
    "image_with_roles": [
        {"url": picture(), "role": "first_frame"},
        {"url": picture(), "role": "last_frame"},
    ]
}
# fmt: off
MOVIES = [
    ("seedance-2.0", "seedance-fal",
     {"aspect_ratio": "9:16", "resolution": "480p", "duration": 4}, (480, 854), 4),
    ("seedance-2.0", "seedance-replicate",
     {**FRAME, "aspect_ratio": "1:1", "resolution": "480p", "duration": 4}, (480, 480), 4),
    ("seedance-2.0-fast", "seedance-fast-fal",
     {"aspect_ratio": "16:9", "resolution": "480p", "duration": 4}, (854, 480), 4),
    ("happy-horse-1.0", "happy-horse-fal", {"resolution": "720p", "duration": 3}, (1280, 720), 3),
    ("happy-horse-1.0", "happy-horse-replicate",
     {"resolution": "720p", "duration": 3, "aspect_ratio": "1:1"}, (720, 720), 3),
    ("vidu-q3-pro", "vidu-pro-fal", {"resolution": "540p", "duration": 2}, (960, 540), 2),
    ("vidu-q3-pro", "vidu-pro-frames-fal",
     {**FRAMES, "resolution": "540p", "duration": 2}, (864, 540), 2),
    ("vidu-q3-turbo", "vidu-turbo-replicate",
     {"resolution": "540p", "duration": 2, "aspect_ratio": "9:16"}, (540, 960), 2),
    ("grok-imagine-1.0-video", "grok-video-fal",
     {"resolution": "480p", "duration": 3, "aspect_ratio": "16:9"}, (854, 480), 3),
    ("veo-3.1", "veo-fal", {"resolution": "720p", "duration": 4}, (1280, 720), 4),
    ("veo-3.1", "veo-replicate", {"resolution": "720p", "duration": 6}, (1280, 720), 6),
    ("veo-3.1-fast", "veo-fast-fal",
     {"resolution": "720p", "duration": 4, "aspect_ratio": "9:16"}, (720, 1280), 4),
    ("veo-3.1-lite", "veo-lite-replicate", {"resolution": "720p", "duration": 4}, (1280, 720), 4),
]
# fmt: on


@pytest.mark.parametrize(
    ("model", "channel", "fields", "size", "seconds"),
    MOVIES,
    ids=[channel for _, channel, *_ in MOVIES],
)
def test_a_third_channel_makes_the_video(gateway, http, model, channel, fields, size, seconds):
    headers = killed(gateway, model, channel)
    asked = {"model": model, "prompt": "a fox", **fields}
    check(http, http.post(VIDEOS, json=asked, headers=headers), channel, size, seconds)


def test_a_third_channel_enhances_a_video(gateway, http):
    channel = "enhance-video-fal"
    headers = killed(gateway, "enhance-video-1.0", channel)
    asked = {"model": "enhance-video-1.0", "video_urls": [footage()], "upscale_factor": "4"}
    check(http, http.post(VIDEOS, json=asked, headers=headers), channel, (1280, 960), 3)


def check(http, answer, channel: str, size: tuple[int, int], seconds: int) -> None:
    assert answer.status_code == 200, answer.text
    task = finished(http, answer.json()["id"])
    assert (task["status"], task["error"]) == ("completed", None)
    (link,) = task["output"]["video_urls"]
    with av.open(io.BytesIO(httpx.get(link).content), "r") as video:
        (pictures,) = video.streams.video
        assert (pictures.width, pictures.height) == size
        assert round(video.duration / 1_000_000) == seconds
        assert len(video.streams.audio) == 1
    shown = http.get(f"/api/v1/generations/{answer.json()['id']}").json()
    assert shown["generation"]["channel"] == channel


def finished(http, id_: str) -> dict:
    """The task once it has ended."""
    return ended_task(http, id_, PATIENCE)
