"""HappyHorse and Vidu as their users meet them: every mode, through a real gateway, decoded."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from tests.films import film
from tests.following_tasks import ended_task
from tests.patience import wait_until

pytestmark = pytest.mark.prove

VIDEOS = "/api/v1/videos/generations"
HORSE, PRO, TURBO = "happy-horse-1.0", "vidu-q3-pro", "vidu-q3-turbo"
PATIENCE = 30.0
"""Seconds after which a test that waits for something has failed."""
CREDITS = 100_000

Case = tuple[Mapping[str, Any], tuple[int, int, float, bool]]
"""What is asked for, and what comes of it."""


def data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def picture(size: tuple[int, int] = (480, 640)) -> str:
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(stream, "PNG")
    return data_url(stream.getvalue(), "image/png")


CLIP = film(audio=True, size=(640, 480), seconds=5)
FRAME = {"url": picture(), "role": "first_frame"}
LAST = {"url": picture(), "role": "last_frame"}


class Customer:
    """An account of its own, over REST."""

    def __init__(self, gateway: Any, http: httpx.Client) -> None:
        self.gateway = gateway
        self.http = http

    def submit(self, only: str = "", **fields: Any) -> str:
        """The id of a new task; *only* is the channel that may serve it."""
        headers = {"x-reapi-routing": f"only={only}"} if only else {}
        asked = {"prompt": "a fox runs", **fields}
        answer = self.http.post(VIDEOS, json=asked, headers=headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def ended(self, task_id: str) -> Any:
        return ended_task(self.http, task_id, PATIENCE)

    def video(self, task_id: str) -> tuple[int, int, float, bool]:
        """Size, seconds and whether there is sound."""
        task = self.ended(task_id)
        assert task["status"] == "completed", task
        (link,) = task["output"]["video_urls"]
        answer = httpx.get(link)
        assert answer.headers["content-type"] == "video/mp4"
        with av.open(io.BytesIO(answer.content)) as found:
            pictures = found.streams.video[0]
            frames = sum(1 for _ in found.decode(pictures))
            seconds = (found.duration or 0) / 1_000_000
            assert frames == pytest.approx(seconds * float(pictures.average_rate or 0), abs=1)
            return pictures.width, pictures.height, seconds, bool(found.streams.audio)

    def videos(self, model: str, only: str, cases: Sequence[Case]) -> list[object]:
        """All of them, made at the same time."""
        ids = [self.submit(only, model=model, **fields) for fields, _ in cases]
        return [self.video(id_) for id_ in ids]

    @property
    def spent(self) -> int:
        key = self.http.headers["authorization"].removeprefix("Bearer ")
        balance = self.gateway.balance(key)
        assert balance["held"] == "0"
        return CREDITS - int(balance["credits"])

    def jobs(self, channel: str) -> list[Any]:
        url = f"{self.gateway.demo['simulator_url']}/_jobs?channel={channel}"
        found: list[Any] = httpx.get(url).json()["jobs"][channel]
        return found


@pytest.fixture
def customer(gateway):
    gateway.settings(queue_ms=0, run_ms=0)
    _, key = gateway.account(str(CREDITS))
    with httpx.Client(
        base_url=gateway.rest, headers=gateway.headers(key), timeout=PATIENCE
    ) as http:
        yield Customer(gateway, http)
    gateway.settings(queue_ms=200, run_ms=800)


HORSES: Sequence[Case] = [
    ({"size": "9:16", "resolution": "720P", "duration": 3}, (720, 1280, 3, True)),
    ({"duration": 4}, (1920, 1080, 4, True)),
    (
        {"first_frame_image": picture(), "resolution": "720p", "duration": 4, "prompt": ""},
        (832, 1108, 4, True),
    ),
    (
        {"image_urls": [picture()] * 2, "size": "1:1", "resolution": "720p", "duration": 3},
        (960, 960, 3, True),
    ),
    (
        {
            "video_url": data_url(CLIP, "video/mp4"),
            "image_urls": [picture()],
            "resolution": "720p",
            "audio_setting": "origin",
        },
        (1280, 720, 5, True),
    ),
]
"""From words, twice, from a first frame, with references, and edited."""

HORSE_SECONDS = 3 + 4 + 3 + 2 * 5
"""At 720p; an edited video is charged for its source too."""


@pytest.mark.parametrize(
    ("model", "charged"),
    [
        (HORSE, HORSE_SECONDS * 163 + 4 * 288),
        ("happyhorse-1.0-official", HORSE_SECONDS * 175 + 4 * 300),
    ],
)
def test_happy_horse_makes_what_was_asked_for(customer, model, charged):
    before = len(customer.jobs("happy-horse-a"))
    made = customer.videos(model, "happy-horse-a", HORSES)

    assert made == [expected for _, expected in HORSES]
    assert customer.spent == charged
    jobs = customer.jobs("happy-horse-a")[before:]
    assert [job["marks"]["watermark"] for job in jobs] == [False] * len(HORSES)


VIDUS: Sequence[Case] = [
    ({"size": "3:4", "resolution": "540p", "duration": 1}, (608, 816, 1, True)),
    ({"generate_audio": False}, (1280, 720, 5, False)),
    ({"image_urls": [picture()], "resolution": "540p", "duration": 2}, (616, 824, 2, True)),
    (
        {"image_with_roles": [FRAME, LAST], "resolution": "540p", "duration": 16},
        (616, 824, 16, True),
    ),
]
"""From words, without sound, from a first frame, and to a last one."""


@pytest.mark.parametrize(
    ("model", "name", "charged"),
    [(PRO, "vidu-pro", 19 * 65 + 5 * 138), (TURBO, "vidu-turbo", 19 * 37 + 5 * 56)],
)
@pytest.mark.parametrize("account", ["a", "b"], ids=["vidu", "resold"])
def test_vidu_makes_the_same_wherever_it_is_asked(customer, model, name, charged, account):
    serving = f"{name}-{account}"
    before = len(customer.jobs(serving))
    made = customer.videos(model, serving, VIDUS)

    assert made == [expected for _, expected in VIDUS]
    assert customer.spent == charged
    jobs = customer.jobs(serving)[before:]
    assert [job["marks"]["watermark"] for job in jobs] == [False] * len(VIDUS)


@pytest.mark.parametrize(
    ("model", "name", "fault"),
    [
        (HORSE, "happy-horse", {"status": 429, "code": "Throttling.AllocationQuota"}),
        (PRO, "vidu-pro", {"status": 400, "code": "CreditInsufficient"}),
    ],
)
def test_a_channel_without_credit_is_replaced(customer, model, name, fault):
    customer.gateway.fault(f"{name}-a", kind="status", **fault)
    before = len(customer.jobs(f"{name}-b"))

    made = customer.video(customer.submit(model=model, resolution="720p", duration=3))
    assert made == (1280, 720, 3, True)
    assert customer.spent == 3 * (163 if model == HORSE else 138)
    assert len(customer.jobs(f"{name}-b")) == before + 1


@pytest.mark.parametrize("model", [HORSE, PRO])
@pytest.mark.parametrize("prompt", ["moderation_blocked", "moderation_blocked_output"])
def test_what_is_refused_costs_nothing(customer, model, prompt):
    task = customer.ended(customer.submit(model=model, prompt=prompt))

    assert task["status"] == "failed"
    assert task["error"]["code"] == "moderation_blocked"
    assert customer.spent == 0


def test_a_lost_submission_to_vidu_is_found_and_charged_once(customer):
    before = len(customer.jobs("vidu-pro-a"))
    customer.gateway.fault("vidu-pro-a", kind="lost", times=1)

    made = customer.submit("vidu-pro-a", model=PRO, resolution="540p", duration=1)
    assert customer.video(made)[2] == 1
    assert customer.spent == 65
    (job,) = customer.jobs("vidu-pro-a")[before:]
    assert len(job["marks"]["payload"]) == 32


@pytest.mark.parametrize(
    ("model", "channel"), [(HORSE, "happy-horse-a"), (PRO, "vidu-pro-a"), (TURBO, "vidu-turbo-b")]
)
def test_a_queued_video_is_cancelled_at_the_provider(customer, model, channel):
    before = len(customer.jobs(channel))
    customer.gateway.settings(queue_ms=60_000)
    try:
        task_id = customer.submit(only=channel, model=model, duration=3)
        wait_until(lambda: len(customer.jobs(channel)) > before, PATIENCE)
        url = f"/api/v1/generations/{task_id}:cancel"
        assert customer.http.post(url).status_code == 200
        task = customer.ended(task_id)
    finally:
        customer.gateway.settings(queue_ms=0)

    assert (task["status"], task["error"]["code"]) == ("failed", "cancelled")
    assert [job["status"] for job in customer.jobs(channel)[before:]] == ["cancelled"]
    assert customer.spent == 0
