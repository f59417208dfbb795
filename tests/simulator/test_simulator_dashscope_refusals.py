"""What simulated DashScope refuses, and how it says so."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.body_fields import BodyFields, FieldRefused
from simulator.dashscope_errors import DashScopeRejected, refused
from simulator.dashscope_request import MODELS, read_task_request
from tests.simulator.video_callers import DASHSCOPE as NAME
from tests.simulator.video_callers import (
    FILM,
    HEADERS,
    LINK,
    SYNTHESIS,
    calling_dashscope,
    data_url,
    media,
)
from tests.simulator.video_callers import DashScopeCaller as Caller


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with calling_dashscope() as opened:
        yield opened


@pytest.mark.parametrize(
    ("model", "fields", "code"),
    [
        ("", {}, "BadRequest.EmptyModel"),
        ("happyhorse-1.0-t2v", {"prompt": ""}, "InvalidParameter"),
        ("happyhorse-1.0-t2v", {"prompt": 7}, "InvalidParameter"),
        ("happyhorse-1.0-t2v", {"media": media("first_frame")}, "InvalidParameter"),
        ("happyhorse-1.0-t2v", {"resolution": "720p"}, "InvalidParameter"),
        ("happyhorse-1.0-t2v", {"resolution": "480P"}, "InvalidParameter"),
        ("happyhorse-1.0-t2v", {"ratio": "2:1"}, "InvalidParameter"),
        ("happyhorse-1.0-t2v", {"duration": 2}, "InvalidParameter"),
        ("happyhorse-1.0-t2v", {"duration": 16}, "InvalidParameter"),
        ("happyhorse-1.0-t2v", {"duration": "5"}, "InvalidParameter"),
        ("happyhorse-1.0-t2v", {"seed": 1 << 31}, "InvalidParameter"),
        ("happyhorse-1.0-t2v", {"seed": -1}, "InvalidParameter"),
        ("happyhorse-1.0-t2v", {"watermark": "no"}, "InvalidParameter"),
        ("happyhorse-1.0-i2v", {}, "InvalidParameter"),
        ("happyhorse-1.0-i2v", {"media": media("first_frame", "first_frame")}, "InvalidParameter"),
        ("happyhorse-1.0-i2v", {"media": media("image")}, "InvalidParameter"),
        ("happyhorse-1.0-i2v", {"media": "a fox"}, "InvalidParameter"),
        ("happyhorse-1.0-i2v", {"media": [{"type": "first_frame"}]}, "InvalidParameter"),
        ("happyhorse-1.0-i2v", {"media": media("first_frame", url="a fox")}, "InvalidURL"),
        (
            "happyhorse-1.0-i2v",
            {"media": media("first_frame", url=data_url((299, 640)))},
            "InvalidURL",
        ),
        (
            "happyhorse-1.0-i2v",
            {"media": media("first_frame", url=data_url((300, 800)))},
            "InvalidURL",
        ),
        (
            "happyhorse-1.0-i2v",
            {"media": media("first_frame", url=data_url((640, 640), "gif"))},
            "InvalidURL",
        ),
        (
            "happyhorse-1.0-r2v",
            {"media": media("reference_image", url=data_url((399, 640)))},
            "InvalidURL",
        ),
        ("happyhorse-1.0-r2v", {"media": media(*["reference_image"] * 10)}, "InvalidParameter"),
        ("happyhorse-1.0-r2v", {"media": []}, "InvalidParameter"),
        (
            "happyhorse-1.0-video-edit",
            {"media": media("video", url=data_url())},
            "InvalidParameter",
        ),
        ("happyhorse-1.0-video-edit", {"media": media("reference_image")}, "InvalidParameter"),
        (
            "happyhorse-1.0-video-edit",
            {"media": [FILM, *media(*["reference_image"] * 6)]},
            "InvalidParameter",
        ),
        (
            "happyhorse-1.0-video-edit",
            {"media": [FILM], "audio_setting": "none"},
            "InvalidParameter",
        ),
        ("vidu/viduq3-pro_text2video", {"size": "wide"}, "InvalidParameter"),
        ("vidu/viduq3-pro_text2video", {"duration": 17}, "InvalidParameter"),
        ("vidu/viduq3-pro_img2video", {"media": media("first_frame")}, "InvalidParameter"),
        ("vidu/viduq3-pro_start-end2video", {"media": media("image")}, "InvalidParameter"),
        ("vidu/viduq3_reference2video", {"media": media(*["image"] * 8)}, "InvalidParameter"),
        ("vidu/viduq3-mix_reference2video", {"resolution": "540P"}, "InvalidParameter"),
    ],
)
async def test_a_wrong_task_is_refused(caller: Caller, model: str, fields: Any, code: str):
    status, body = await caller.submit(model, **fields)

    assert (status, body["code"]) == (400, code)
    assert body["message"]
    assert body["request_id"]
    assert caller.simulator.books()[NAME].made == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"{", "InvalidParameter"), (b"[]", "InvalidParameter"), (b"{}", "BadRequest.EmptyModel")],
)
async def test_a_body_that_is_none_is_refused(caller: Caller, body: bytes, code: str):
    url = f"{caller.simulator.base_url(NAME)}/api/v1{SYNTHESIS}"
    headers = {**HEADERS, "x-dashscope-async": "enable"}
    answer = await caller.client.post(url, content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_a_task_without_an_input_is_refused(caller: Caller):
    body = {"model": "happyhorse-1.0-t2v"}
    status, refused = await caller.send("POST", SYNTHESIS, body, **{"x-dashscope-async": "enable"})

    assert (status, refused["code"]) == (400, "BadRequest.EmptyInput")


async def test_a_call_that_does_not_ask_for_a_task_is_refused(caller: Caller):
    body = {"model": "happyhorse-1.0-t2v", "input": {"prompt": "a fox"}}
    status, refused = await caller.send("POST", SYNTHESIS, body)

    assert (status, refused["code"]) == (403, "AccessDenied")
    assert refused["message"] == "current user api does not support synchronous calls."


async def test_the_key_of_another_region_is_not_known(caller: Caller):
    status, refused = await caller.send("GET", "/tasks/", authorization="Bearer sk-singapore")

    assert (status, refused["code"]) == (401, "InvalidApiKey")


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_whatever_is_asked_is_taken_or_refused(data: st.DataObject):
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(), scalars)
    kinds = st.sampled_from(["first_frame", "reference_image", "video", "image"]) | values
    item = st.fixed_dictionaries({"type": kinds, "url": st.just(LINK) | values}) | values
    asked = st.fixed_dictionaries(
        {"prompt": st.just("a fox") | values}, optional={"media": st.lists(item, max_size=3)}
    )
    names = ("resolution", "ratio", "duration", "seed", "watermark", "size", "audio")
    given_ = st.fixed_dictionaries({}, optional=dict.fromkeys(names, values))
    body = {
        "model": data.draw(st.sampled_from([*MODELS]) | values),
        "input": data.draw(asked | values),
        "parameters": data.draw(given_ | values),
    }
    try:
        order = read_task_request(BodyFields(body), 8)
    except FieldRefused as why:
        assert refused(why).error.status == 400
    except DashScopeRejected as rejected:
        assert rejected.error.status == 404
    else:
        assert order.seconds >= 1
        assert order.variant < 8


def test_nothing_that_stays_shows_what_was_asked():
    fields = BodyFields(
        {
            "model": "happyhorse-1.0-r2v",
            "input": {"prompt": "canary", "media": media("reference_image", url=f"{LINK}?canary")},
        }
    )

    assert "canary" not in f"{read_task_request(fields, 8)!r} {fields!r}"
    with pytest.raises(FieldRefused) as caught:
        BodyFields({"model": ["canary"]}).required_text("model")
    assert "canary" not in f"{caught.value} {caught.value!r}"
