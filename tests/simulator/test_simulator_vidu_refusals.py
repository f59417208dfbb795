"""What simulated Vidu refuses, and how it says so."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.body_fields import BodyFields, FieldRefused
from simulator.vidu_errors import refused
from simulator.vidu_request import ENDPOINTS, read_task_request
from tests.simulator.video_callers import LINK, calling_vidu, data_url
from tests.simulator.video_callers import VIDU as NAME
from tests.simulator.video_callers import VIDU_KEY as KEY
from tests.simulator.video_callers import ViduCaller as Caller


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with calling_vidu() as opened:
        yield opened


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("text2video", {"model": None}, "FieldLacking"),
        ("text2video", {"model": "viduq3"}, "FieldInvalid"),
        ("text2video", {"model": "viduq3-pro-fast"}, "FieldInvalid"),
        ("text2video", {"prompt": None}, "FieldLacking"),
        ("text2video", {"prompt": "x" * 5_001}, "FieldInvalid"),
        ("text2video", {"images": [LINK]}, "FieldItemCountOutOfRange"),
        ("text2video", {"duration": 0}, "FieldInvalid"),
        ("text2video", {"duration": 17}, "FieldInvalid"),
        ("text2video", {"duration": "5"}, "FieldInvalid"),
        ("text2video", {"resolution": "720P"}, "FieldInvalid"),
        ("text2video", {"aspect_ratio": "21:9"}, "FieldInvalid"),
        ("text2video", {"audio": 1}, "FieldInvalid"),
        ("text2video", {"seed": -1}, "FieldInvalid"),
        ("text2video", {"payload": {}}, "FieldInvalid"),
        ("text2video", {"callback_url": "ftp://example.org"}, "FieldInvalid"),
        ("img2video", {}, "FieldItemCountOutOfRange"),
        ("img2video", {"images": [LINK] * 2}, "FieldItemCountOutOfRange"),
        ("img2video", {"images": LINK}, "FieldInvalid"),
        ("img2video", {"images": ["a fox"]}, "ImageFormatInvalid"),
        ("img2video", {"images": [data_url((100, 401))]}, "ImageSizeInvalid"),
        (
            "img2video",
            {"model": "viduq3-pro-fast", "images": [LINK], "resolution": "540p"},
            "FieldInvalid",
        ),
        ("start-end2video", {"images": [LINK]}, "FieldItemCountOutOfRange"),
        (
            "start-end2video",
            {"images": [data_url((100, 100)), data_url((120, 120))]},
            "ImageSizeInvalid",
        ),
        ("reference2video", {"images": [LINK]}, "FieldInvalid"),
        ("reference2video", {"model": "viduq3"}, "FieldItemCountOutOfRange"),
        (
            "reference2video",
            {"model": "viduq3", "images": [LINK] * 8},
            "FieldItemCountOutOfRange",
        ),
        ("reference2video", {"model": "viduq3", "images": [LINK], "duration": 2}, "FieldInvalid"),
        (
            "reference2video",
            {"model": "viduq3", "images": [data_url((127, 200))]},
            "ImageSizeInvalid",
        ),
    ],
)
async def test_a_wrong_task_is_refused(caller: Caller, kind: str, fields: Any, reason: str):
    status, body = await caller.submit(kind, **fields)

    assert (status, body["code"], body["reason"]) == (400, 400, reason)
    assert body["message"]
    assert body["metadata"]["trace_id"]
    assert caller.simulator.books()[NAME].made == 0


@pytest.mark.parametrize("authorization", [f"Bearer {KEY}", "Token other", KEY, ""])
async def test_the_key_comes_as_a_token(caller: Caller, authorization: str):
    status, body = await caller.send("GET", "/tasks", authorization=authorization)

    assert (status, body["reason"]) == (401, "Unauthorized")


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_whatever_is_asked_is_taken_or_refused(data: st.DataObject):
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(), scalars)
    names = ("resolution", "aspect_ratio", "duration", "seed", "audio", "payload", "callback_url")
    friendly = st.sampled_from(["viduq3-pro", "viduq3", "viduq3-turbo"])
    kind = data.draw(st.sampled_from([*ENDPOINTS]))
    images = st.lists(st.just(LINK) | values, max_size=3) | values
    body = data.draw(
        st.fixed_dictionaries(
            {"model": friendly | values, "prompt": st.just("a fox") | values, "images": images},
            optional=dict.fromkeys(names, values),
        )
    )
    try:
        order = read_task_request(kind, BodyFields(body), 8)
    except FieldRefused as why:
        assert refused(why).error.status == 400
    else:
        assert order.credits > 0


def test_nothing_that_stays_shows_what_was_asked():
    body = {
        "model": "viduq3-pro",
        "prompt": "canary",
        "images": [f"{LINK}?canary"],
        "payload": "canary",
        "callback_url": "https://example.org/canary",
    }

    assert "canary" not in repr(read_task_request("img2video", BodyFields(body), 8))
