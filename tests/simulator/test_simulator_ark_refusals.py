"""What simulated Ark refuses, and how it says so."""

import base64
import io

import pytest
from fix_simulator import ArkCaller
from PIL import Image

from simulator import Fault, Knobs, Simulator

LITE = "seedream-5-0-260128"
GIVEN = {"model": LITE, "prompt": "a fox"}
SECRET = "canary-0123456789"


def data_url(size: tuple[int, int] = (64, 48), image_format: str = "png") -> str:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, image_format)
    return f"data:image/{image_format};base64,{base64.b64encode(file.getvalue()).decode()}"


def image_part(role: str | None = None, size: tuple[int, int] = (64, 48)) -> dict[str, object]:
    part: dict[str, object] = {"type": "image_url", "image_url": {"url": data_url(size)}}
    return part | ({"role": role} if role else {})


VIDEO = {"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}}
AUDIO = {"type": "audio_url", "audio_url": {"url": "https://example.org/a.mp3"}}


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"model": None}, "MissingParameter", "model"),
        ({"prompt": None}, "MissingParameter", "prompt"),
        ({"prompt": ""}, "MissingParameter", "prompt"),
        ({"prompt": 1}, "InvalidParameter", "prompt"),
        ({"size": "2048x1536"}, "InvalidParameter", "size"),
        ({"size": "3072x3400"}, "InvalidParameter", "size"),
        ({"size": "16384x512"}, "InvalidParameter", "size"),
        ({"size": "4K"}, "InvalidParameter", "size"),
        ({"size": "2k"}, "InvalidParameter", "size"),
        ({"size": "auto"}, "InvalidParameter", "size"),
        ({"output_format": "webp"}, "InvalidParameter", "output_format"),
        ({"response_format": "raw"}, "InvalidParameter", "response_format"),
        ({"image": "a fox"}, "InvalidImageURL.InvalidFormat", "image"),
        ({"image": ""}, "InvalidImageURL.EmptyURL", "image"),
        ({"image": "data:image/png;base64,AAAA"}, "InvalidImageURL.InvalidFormat", "image"),
        ({"image": ["https://example.org/a.png"] * 15}, "InvalidParameter", "image"),
        ({"image": data_url((640, 32))}, "InvalidParameter", "image"),
        ({"stream": "yes"}, "InvalidParameter", "stream"),
        (
            {
                "image": [data_url()] * 3,
                "sequential_image_generation": "auto",
                "sequential_image_generation_options": {"max_images": 13},
            },
            "InvalidParameter",
            "sequential_image_generation_options.max_images",
        ),
        (
            {"model": "dola-seedream-5-0-pro-260628", "stream": True},
            "InvalidParameter.UnsupportedParameter",
            "stream",
        ),
        (
            {"model": "seedream-4-5-251128", "output_format": "png"},
            "InvalidParameter.UnsupportedParameter",
            "output_format",
        ),
    ],
)
async def test_a_wrong_image_call_is_refused(ark_caller: ArkCaller, fields, code, param):
    status, body = await ark_caller.send("POST", ark_caller.images, GIVEN | fields)

    error = body["error"]
    assert (status, error["code"], error["param"], error["type"]) == (
        400,
        code,
        param,
        "BadRequest",
    )
    assert "Request id: " in error["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"size": "2560x1440"},
        {"size": "3072x3072", "unknown": 1},
        {"size": "3K", "image": [data_url(image_format=kind) for kind in ("png", "jpeg", "gif")]},
        {"model": "ep-20260101-abcde", "seed": 7, "tools": [{"type": "web_search"}]},
        {"model": "doubao-seedream-4-0-250828", "size": "1280x720", "image": data_url()},
        {"image": "https://example.org/a.png", "sequential_image_generation": "disabled"},
    ],
)
async def test_a_right_image_call_is_taken(ark: Simulator, ark_caller: ArkCaller, fields):
    ark.configure(Knobs(image="tiny"))
    status, body = await ark_caller.send("POST", ark_caller.images, GIVEN | fields)

    assert status == 200
    assert body["usage"]["generated_images"] == 1
    assert body["created"] > 0


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"content": None}, "MissingParameter", "content"),
        ({"content": []}, "MissingParameter", "content"),
        ({"content": "a fox"}, "InvalidParameter", "content"),
        ({"content": ["a fox"]}, "InvalidParameter", "content[0]"),
        ({"content": [{"type": "song"}]}, "InvalidParameter", "type"),
        ({"content": [image_part(), image_part()]}, "InvalidParameter", "content"),
        ({"content": [image_part("last_frame")]}, "InvalidParameter", "content"),
        ({"content": [image_part("start_frame")]}, "InvalidParameter", "content"),
        ({"content": [image_part("first_frame")] * 2}, "InvalidParameter", "content"),
        (
            {"content": [image_part("first_frame"), image_part("reference_image")]},
            "InvalidParameter",
            "content",
        ),
        ({"content": [image_part("reference_image")] * 10}, "InvalidParameter", "content"),
        ({"content": [image_part(size=(90, 30))]}, "InvalidParameter", "content[0].image_url"),
        (
            {"content": [{"type": "image_url", "image_url": "https://example.org/a.png"}]},
            "InvalidParameter",
            "content.image_url",
        ),
        ({"content": [AUDIO]}, "InvalidParameter", "content"),
        (
            {"content": [{"type": "video_url", "video_url": {"url": data_url()}}]},
            "InvalidParameter",
            "content[0].video_url",
        ),
        ({"resolution": "2k"}, "InvalidParameter", "resolution"),
        ({"ratio": "2:1"}, "InvalidParameter", "ratio"),
        ({"duration": 3}, "InvalidParameter", "duration"),
        ({"duration": 16}, "InvalidParameter", "duration"),
        ({"duration": "5"}, "InvalidParameter", "duration"),
        ({"seed": 1 << 32}, "InvalidParameter", "seed"),
        ({"frames": 57}, "InvalidParameter.UnsupportedParameter", "frames"),
        ({"camera_fixed": True}, "InvalidParameter.UnsupportedParameter", "camera_fixed"),
        ({"draft": []}, "InvalidParameter.UnsupportedParameter", "draft"),
        ({"service_tier": "flex"}, "InvalidParameter", "service_tier"),
        ({"execution_expires_after": 60}, "InvalidParameter", "execution_expires_after"),
        ({"callback_url": "ftp://example.org"}, "InvalidParameter", "callback_url"),
        ({"safety_identifier": "x" * 65}, "InvalidParameter", "safety_identifier"),
        (
            {"model": "dreamina-seedance-2-0-fast-260128", "resolution": "1080p"},
            "InvalidParameter",
            "resolution",
        ),
        (
            {
                "model": "dreamina-seedance-2-5-260628",
                "content": [image_part("first_frame")],
                "ratio": "16:9",
            },
            "InvalidParameter",
            "ratio",
        ),
    ],
)
async def test_a_wrong_task_is_refused_and_none_is_made(
    ark: Simulator, ark_caller: ArkCaller, fields, code, param
):
    status, body = await ark_caller.submit(**fields)

    assert (status, body["error"]["code"], body["error"]["param"]) == (400, code, param)
    assert ark.books()["ark-a"].made == 0


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, {"resolution": "720p", "ratio": "16:9", "duration": 5, "generate_audio": True}),
        ({"duration": -1, "seed": -1}, {"duration": 6}),
        ({"resolution": "4K", "framespersecond": 999}, {"resolution": "4k"}),
        ({"content": [image_part()]}, {"ratio": "4:3"}),
        ({"content": [image_part("first_frame"), image_part("last_frame")]}, {"ratio": "4:3"}),
        ({"content": [image_part("reference_image"), VIDEO, AUDIO]}, {"ratio": "4:3"}),
        ({"draft": False, "frames": None, "generate_audio": False}, {"generate_audio": False}),
    ],
)
async def test_a_right_task_is_shown_as_it_was_understood(
    ark: Simulator, ark_caller: ArkCaller, fields, shown
):
    _, made = await ark_caller.submit(**fields)
    _, task = await ark_caller.send("GET", f"{ark_caller.tasks}/{made['id']}")

    assert shown.items() <= task.items()
    assert 0 <= task["seed"] < 1 << 32


async def test_a_group_of_refused_images_is_an_error_and_one_of_them_is_not(
    ark: Simulator, ark_caller: ArkCaller
):
    ark.configure(Knobs(image="tiny"))
    group = {
        "sequential_image_generation": "auto",
        "sequential_image_generation_options": {"max_images": 2},
    }
    status, body = await ark_caller.send(
        "POST", ark_caller.images, GIVEN | group | {"prompt": "moderation_blocked_one"}
    )
    assert status == 200
    assert body["data"][0]["error"]["code"] == "OutputImageSensitiveContentDetected"
    assert body["usage"]["generated_images"] == ark.calls.newest()[-1].made == 1
    status, body = await ark_caller.send(
        "POST", ark_caller.images, GIVEN | group | {"prompt": "moderation_blocked_output"}
    )
    assert (status, body["error"]["code"]) == (400, "OutputImageSensitiveContentDetected")


async def test_scripted_statuses_have_arks_bodies(ark: Simulator, ark_caller: ArkCaller):
    for status, code, expected in (
        (401, None, "AuthenticationError"),
        (403, "AccountOverdueError", "AccountOverdueError"),
        (404, "ModelNotOpen", "ModelNotOpen"),
        (429, None, "RateLimitExceeded.EndpointRPMExceeded"),
        (429, "QuotaExceeded", "QuotaExceeded"),
        (500, None, "InternalServiceError"),
        (503, None, "InternalServiceError"),
    ):
        await ark.set_fault("ark-a", Fault("status", status=status, code=code))
        answer = await ark_caller.send("POST", ark_caller.images, GIVEN)
        assert answer[0] == status
        assert answer[1]["error"]["code"] == expected
        assert set(answer[1]["error"]) == {"code", "message", "param", "type"}


async def test_the_channels_own_rate_limit_counts_what_makes_something(
    ark: Simulator, ark_caller: ArkCaller
):
    ark.configure(Knobs(requests_per_minute=1))
    first, _ = await ark_caller.submit()
    second, body = await ark_caller.submit()
    listed, _ = await ark_caller.send("GET", ark_caller.tasks)

    assert (first, second, listed) == (200, 429, 200)
    assert body["error"]["code"] == "RateLimitExceeded.EndpointRPMExceeded"


async def test_unknown_paths_and_keys_of_other_channels_are_refused(ark_caller: ArkCaller):
    for method, path in (
        ("GET", "/api/v3/models"),
        ("GET", ark_caller.images),
        ("PUT", ark_caller.tasks),
        ("GET", f"{ark_caller.tasks}/a/b"),
    ):
        status, body = await ark_caller.send(method, path)
        assert (status, body["error"]["type"]) == (404, "NotFound")
    url = ark_caller.simulator.base_url("ark-b") + ark_caller.images
    headers = {"authorization": "Bearer ark-sim-a-0123456789abcdef"}
    async with ark_caller.session.post(url, json=GIVEN, headers=headers) as response:
        assert response.status == 401


async def test_words_of_the_caller_are_never_recorded(ark: Simulator, ark_caller: ArkCaller):
    await ark_caller.submit(SECRET, safety_identifier="mark")
    await ark_caller.send("GET", f"{ark_caller.tasks}/{SECRET}?filter.model={SECRET}")
    _, calls = await ark_caller.control("GET", "/_calls")
    _, jobs = await ark_caller.control("GET", "/_jobs")

    assert calls["calls"][1]["path"] == ark_caller.tasks + "/{id}"
    assert SECRET not in str(calls) + str(jobs) + repr(list(ark.books()["ark-a"].all()))
