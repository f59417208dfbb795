"""reAPI's own dialect as its documentation shows it: plain HTTP, submit and poll."""

import base64
import io
import json
import time

import httpx
import pytest
from PIL import Image

from tests.following_tasks import ended_task

IMAGES, VIDEOS = "/api/v1/images/generations", "/api/v1/videos/generations"
SEEDANCE = "doubao-seedance-2.0"
PATIENCE = 20.0
"""Seconds after which a test that waits for something has failed."""


@pytest.fixture
def gateway(fronted):
    """Every test runs through the gateway's own bridge and through remote ones."""
    return fronted


@pytest.fixture
def key(gateway):
    _, key = gateway.account("100000")
    return key


@pytest.fixture
def http(gateway, key):
    headers = gateway.headers(key)
    with httpx.Client(base_url=gateway.rest, headers=headers, timeout=PATIENCE) as client:
        yield client


def submit(http, url: str, **fields) -> str:
    """The id of a new task."""
    answer = http.post(url, json=fields)
    assert answer.status_code == 200, answer.text
    task = answer.json()
    assert set(task) == {"id", "model", "status", "created_at", "data"}
    assert task["id"].startswith("task_")
    assert task["status"] == "processing"
    assert abs(task["created_at"] - time.time()) < 60
    assert task["data"] == [{"task_id": task["id"], "status": "processing"}]
    id_: str = task["id"]
    return id_


def finished(http, id_: str) -> dict[str, object]:
    """The task once it has ended."""

    def check(answer: httpx.Response) -> None:
        task = answer.json()
        assert set(task) == {"id", "model", "status", "created_at", "output", "error"}
        if task["status"] == "processing":
            assert (task["output"], task["error"]) == (None, None)

    return ended_task(http, id_, PATIENCE, check)


def data_url(size=(640, 640), mode="RGB") -> str:
    stream = io.BytesIO()
    Image.new(mode, size, (200, 30, 30, 0)[: len(mode)]).save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


MODELS = [
    ("gpt-image-2", {"size": "16:9", "resolution": "1k"}, 1),
    ("gpt-image-2", {"size": "auto", "quality": "low", "background": "opaque"}, 1),
    ("gemini-3-pro-image-preview", {"size": "16:9", "resolution": "2K"}, 1),
    ("gemini-3.1-flash-image-preview", {"size": "1:1", "n": 1}, 1),
    ("gemini-2.5-flash-image-preview", {"size": "3:4"}, 1),
    ("doubao-seedream-5-0-lite", {"size": "21:9", "resolution": "3K", "n": 2}, 2),
    ("doubao-seedream-5-0-lite", {"watermark": False, "output_format": "png"}, 1),
]


@pytest.mark.parametrize(("model", "fields", "count"), MODELS)
def test_every_image_model_takes_its_documented_fields(http, model, fields, count):
    id_ = submit(http, IMAGES, model=model, prompt="a red square", **fields)

    task = finished(http, id_)

    assert (task["id"], task["status"], task["error"]) == (id_, "completed", None)
    links = task["output"]["image_urls"]
    assert len(links) == count
    for link in links:
        image = httpx.get(link)
        assert image.headers["content-type"].startswith("image/")
        Image.open(io.BytesIO(image.content)).verify()


REFERENCES = [
    ("gpt-image-2", {"image_urls": [data_url()], "mask_url": data_url(mode="RGBA")}),
    ("gemini-2.5-flash-image-preview", {"image_urls": [data_url(), data_url()]}),
    ("doubao-seedream-5-0-lite", {"image_urls": [data_url()]}),
]


@pytest.mark.parametrize(("model", "fields"), REFERENCES)
def test_references_are_taken(http, model, fields):
    task = finished(http, submit(http, IMAGES, model=model, prompt="make it blue", **fields))

    assert task["status"] == "completed"


VIDEO_FIELDS = [
    {"size": "16:9", "resolution": "480p", "duration": 4, "generate_audio": True},
    {"aspect_ratio": "9:16", "duration": 5, "seed": 11, "watermark": False},
    {"image_with_roles": [{"url": data_url(), "role": "first_frame"}], "duration": 4},
    {
        "image_with_roles": [
            {"url": data_url(), "role": "first_frame"},
            {"url": data_url(), "role": "last_frame"},
        ],
        "duration": 4,
    },
    {"image_urls": [data_url(), data_url()], "duration": 4},
    {"duration": -1},
]


@pytest.mark.parametrize("fields", VIDEO_FIELDS)
def test_seedance_takes_its_documented_fields(http, gateway, key, fields):
    task = finished(http, submit(http, VIDEOS, model=SEEDANCE, prompt="a fox runs", **fields))

    assert task["status"] == "completed"
    (link,) = task["output"]["video_urls"]
    video = httpx.get(link)
    assert (video.headers["content-type"], video.content[4:8]) == ("video/mp4", b"ftyp")
    assert gateway.balance(key)["held"] == "0"


def test_a_last_frame_is_refused_and_never_silently_left_out(http):
    fields = {"model": SEEDANCE, "prompt": "a fox", "duration": 4, "return_last_frame": True}
    answer = http.post(VIDEOS, json=fields)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "no_channel")
    assert error["param"] == "return_last_frame"


def test_a_failed_task_says_why_and_the_credits_are_back_before_that(http, gateway, key):
    before = gateway.balance(key)
    for channel in ("seedance-a", "seedance-b"):
        gateway.fault(channel, kind="job_fails")
    http.headers["x-reapi-routing"] = "only=seedance-a,seedance-b"

    task = finished(http, submit(http, VIDEOS, model=SEEDANCE, prompt="a fox", duration=4))

    assert gateway.balance(key) == before
    assert (task["status"], task["output"]) == ("failed", None)
    assert set(task["error"]) == {"code", "message"}


WRONG = [
    ({"model": "no-such"}, 404, "model_not_found", "model"),
    ({"duration": 99}, 400, "invalid_value", "duration"),
    ({"resolution": "9k"}, 400, "invalid_value", "resolution"),
    ({"sizze": "1:1"}, 400, "unknown_parameter", "sizze"),
    ({"image_urls": ["http://127.0.0.1:1/x.png"]}, 400, "invalid_input", "image_urls[0]"),
    ({"image_urls": [data_url((16, 16))]}, 400, "invalid_input", "image_urls[0]"),
    ({"image_with_roles": [{"url": data_url(), "role": "last_frame"}]}, 400, "invalid_value")
    + ("image_with_roles[0].url",),
]


@pytest.mark.parametrize(("changes", "status", "code", "param"), WRONG)
def test_a_wrong_request_names_the_parameter_and_holds_nothing(
    http, gateway, key, changes, status, code, param
):
    answer = http.post(VIDEOS, json={"model": SEEDANCE, "prompt": "a fox", **changes})

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert gateway.balance(key) == {"credits": "100000", "held": "0"}


def test_a_task_can_be_watched_and_the_watch_resumed(http):
    id_ = submit(http, VIDEOS, model=SEEDANCE, prompt="a fox", duration=4)
    url = f"/api/v1/generations/{id_}:watch"

    events = _events(http, url)
    resumed = _events(http, url, {"last-event-id": str(events[1][0])})

    names = [name for _, name, _ in events]
    assert names[0] == "accepted"
    assert names[-1] == "completed"
    assert names.count("completed") + names.count("failed") == 1
    sequence = [number for number, _, _ in events]
    assert sequence == sorted(sequence)
    assert resumed[0][0] > events[1][0]
    assert resumed[-1][1] == "completed"  # rebuilt from rows, so with a number of its own
    link = events[-1][2]["completed"]["generation"]["assets"][0]["uri"]
    assert httpx.get(link).content[4:8] == b"ftyp"


def _events(http, url: str, headers=None) -> list[tuple[int, str, dict]]:
    """The events of a watch as (id, name, data), to its end."""
    text = http.get(url, headers=headers).text
    found = []
    for frame in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in frame.split("\n"))
        if lines.get("") is None:  # a comment that keeps the connection alive
            found.append((int(lines["id"]), lines["event"], json.loads(lines["data"])))
    return found
