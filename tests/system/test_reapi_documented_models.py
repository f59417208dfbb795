"""The models on reAPI's list that we serve, over plain HTTP in the words of its documentation."""

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from tests.documented_examples import (
    AUDIO,
    EXAMPLES,
    GPT,
    GPT_OFFICIAL,
    GROK,
    HORSE,
    IMAGES,
    NEW_FLASH,
    OUR_NAMES,
    PRO,
    PRO_OFFICIAL,
    REFUSALS,
    SEEDANCE,
    SEEDREAM,
    SPEECH,
    TURBO,
    VEO,
    VIDEOS,
    VIDU,
    Example,
    Made,
)
from tests.fix_gateway import Gateway, running
from tests.following_tasks import ended_task
from tests.sounds import hear

pytestmark = pytest.mark.prove

OUTPUTS = {IMAGES: "image_urls", VIDEOS: "video_urls", AUDIO: "audio_urls"}
CREDITS = 1_000_000
PATIENCE = 60.0
"""Seconds after which a test that waits for something has failed."""
AT_ONCE = 6


@dataclass
class Course:
    """What a caller was answered, from the submission to the end."""

    submitted: httpx.Response
    polled: list[httpx.Response] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)

    @property
    def task(self) -> Any:
        return self.polled[-1].json()


class Customer:
    """An account of its own."""

    def __init__(self, gateway: Gateway) -> None:
        _, self.key = gateway.account(str(CREDITS))
        self.gateway = gateway
        headers = gateway.headers(self.key)
        self.http = httpx.Client(base_url=gateway.rest, headers=headers, timeout=PATIENCE)

    def submit(self, path: str, model: str, only: str = "", **fields: Any) -> httpx.Response:
        """Submit; *only* is the channel that may serve it."""
        headers = {"x-reapi-routing": f"only={only}"} if only else {}
        body = {"model": model, "prompt": "a red square", **fields}
        return self.http.post(path, json=body, headers=headers)

    def follow(self, submitted: httpx.Response) -> Course:
        """Poll until it has ended."""
        course = Course(submitted)
        ended_task(self.http, submitted.json()["id"], PATIENCE, course.polled.append)
        return course

    def run(self, example: Example) -> Course:
        """Submit, poll, and look at the outputs."""
        submitted = self.submit(example.path, example.model, **example.fields)
        if submitted.status_code != 200:
            return Course(submitted)
        course = self.follow(submitted)
        if course.task["status"] == "completed":
            links = course.task["output"][OUTPUTS[example.path]]
            course.made = [look(example.path, link) for link in links]
        return course

    @property
    def spent(self) -> float:
        balance = self.gateway.balance(self.key)
        assert balance["held"] == "0"
        return CREDITS - float(balance["credits"])


def look(path: str, link: str) -> Made:
    """Decode an output, which must be of the type as which it is served."""
    answer = httpx.get(link)
    kind = answer.headers["content-type"]
    if path == IMAGES:
        with Image.open(io.BytesIO(answer.content)) as opened:
            opened.load()
            name = (opened.format or "").lower()
            assert kind == f"image/{name}"
            return (name, *opened.size)
    if path == AUDIO:
        name = hear(answer.content).container
        assert kind == {"mp3": "audio/mpeg", "wav": "audio/wav"}[name]
        return (name,)
    assert kind == "video/mp4"
    with av.open(io.BytesIO(answer.content)) as found:
        stream = found.streams.video[0]
        next(found.decode(stream))
        seconds = (found.duration or 0) / 1_000_000
        return stream.width, stream.height, round(seconds, 1), bool(found.streams.audio)


@pytest.fixture(scope="module")
def own_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose channels nobody else has made fail: the first of each model serves."""
    with running(tmp_path_factory.mktemp("documented")) as gateway:
        gateway.settings(image="tiny", queue_ms=0, run_ms=0)
        yield gateway
        assert gateway.stop() == 0
        assert "Traceback" not in gateway.log


@pytest.fixture(scope="module")
def customer(own_gateway: Gateway) -> Iterator[Customer]:
    """Who runs all the examples."""
    made = Customer(own_gateway)
    with made.http:
        yield made


@pytest.fixture(scope="module")
def courses(customer: Customer) -> list[Course]:
    """What became of each example; a few run at the same time."""
    customer.gateway.settings(image="real")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(customer.run, EXAMPLES))
    customer.gateway.settings(image="tiny")
    return found


@pytest.fixture
def visitor(own_gateway, courses):
    """Another account, whose channels may fail: the examples are through, and all is healed."""
    made = Customer(own_gateway)
    with made.http:
        yield made
    own_gateway.heal()


@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=[str(each) for each in EXAMPLES])
def test_a_documented_example_makes_what_it_says_for_its_price(courses, number):
    example, course = EXAMPLES[number], courses[number]

    assert course.submitted.status_code == 200, course.submitted.text
    submitted = course.submitted.json()
    id_, model = submitted["id"], OUR_NAMES.get(example.model, example.model)
    assert id_.removeprefix("task_").isalnum()
    assert submitted == {
        "id": id_,
        "model": model,
        "status": "processing",
        "created_at": submitted["created_at"],
        "data": [{"task_id": id_, "status": "processing"}],
    }
    assert abs(submitted["created_at"] - time.time()) < 600
    assert type(submitted["created_at"]) is int
    # Of what is stored the database's clock tells the time, so that it may differ by a second.
    created_at = course.task["created_at"]
    assert abs(created_at - submitted["created_at"]) <= 1
    whole = {"id": id_, "model": model, "created_at": created_at, "error": None}
    for answer in course.polled[:-1]:
        assert answer.status_code == 200
        assert answer.json() == whole | {"status": "processing", "output": None}
    output = course.task["output"]
    assert course.task == whole | {"status": "completed", "output": output}, course.task
    assert list(output) == [OUTPUTS[example.path]]
    assert course.made == list(example.makes)
    assert float(course.polled[-1].headers["x-reapi-credits"]) == example.credits


@pytest.mark.parametrize(
    ("model", "fields", "price"),
    [
        (PRO, {"resolution": "4K"}, 300),
        (PRO_OFFICIAL, {"resolution": "4K", "size": "21:9"}, 300),
        (NEW_FLASH, {"resolution": "4K", "size": "1:8"}, 189),
        (GPT_OFFICIAL, {"resolution": "4k", "size": "16:9", "quality": "low"}, 60),
    ],
)
def test_the_largest_images_have_prices_of_their_own(visitor, model, fields, price):
    course = visitor.follow(visitor.submit(IMAGES, model, **fields))

    assert course.task["status"] == "completed"
    assert visitor.spent == price


def test_what_was_made_was_paid_once(customer, courses):
    total = sum(each.credits for each in EXAMPLES)

    assert len(courses) == len(EXAMPLES)
    assert customer.spent == pytest.approx(total)


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_what_a_model_does_not_take_is_refused_by_its_documented_name(customer, refusal):
    answer = customer.submit(refusal.path, refusal.model, **refusal.fields)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (
        400,
        refusal.code,
        refusal.parameter,
    )
    assert error["type"] == "invalid_request_error"
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("path", [IMAGES, VIDEOS, AUDIO])
def test_a_model_that_is_not_there_is_not_found(customer, path):
    answer = customer.submit(path, "seedance-2.5")

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")


def test_a_task_of_another_account_is_not_found(customer, courses, visitor):
    id_ = courses[0].submitted.json()["id"]

    for unknown in (id_, f"task_{'0' * 32}", "task_x"):
        assert visitor.http.get(f"/api/v1/tasks/{unknown}").status_code == 404


@pytest.mark.parametrize(
    ("path", "model", "prompt"),
    [
        (path, model, prompt)
        for prompt in ("moderation_blocked", "moderation_blocked_output")
        for path, model in (
            (IMAGES, GPT),
            (IMAGES, PRO),
            (IMAGES, SEEDREAM),
            (VIDEOS, SEEDANCE),
            (VIDEOS, HORSE),
            (VIDEOS, VIDU),
            (VIDEOS, VEO),
            (VIDEOS, GROK),
        )
    ],
)
def test_what_is_moderated_fails_and_costs_nothing(visitor, path, model, prompt):
    course = visitor.follow(visitor.submit(path, model, prompt=prompt))

    assert visitor.spent == 0
    assert (course.task["status"], course.task["output"]) == ("failed", None)
    assert course.task["error"]["code"] == "moderation_blocked"
    assert set(course.task["error"]) == {"code", "message"}


@pytest.mark.parametrize(
    ("path", "model", "channel"),
    [
        (IMAGES, GPT, "openai-a"),
        (VIDEOS, HORSE, "happy-horse-a"),
        (VIDEOS, TURBO, "vidu-turbo-a"),
        (AUDIO, SPEECH, "speech-a"),
    ],
)
def test_what_fails_is_failed_and_costs_nothing(visitor, path, model, channel):
    kind = {"kind": "job_fails"} if path == VIDEOS else {"kind": "status", "status": 500}
    visitor.gateway.fault(channel, **kind)

    course = visitor.follow(visitor.submit(path, model, only=channel))

    assert visitor.spent == 0
    assert {each.json()["status"] for each in course.polled} <= {"processing", "failed"}
    assert (course.task["status"], course.task["output"]) == ("failed", None)
    assert set(course.task["error"]) == {"code", "message"}
