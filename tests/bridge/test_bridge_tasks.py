"""reAPI's task dialect: submit, then poll, as its documentation shows it."""

import asyncio
import base64

import orjson
import pytest

from reapi.v1 import generation_pb2
from reapi.v1.parameters_pb2 import Input
from rest_bridge.generation_call import GenerationCall
from tests.bridge.scripted_core import (
    CREATED,
    GENERATION_ID,
    NAME,
    WAIT,
    FakeCore,
    accepted,
    failed,
    generation,
    picture,
    status,
)
from tests.bridge.scripted_videos import stored, video
from tests.fix_bridge import Bridge

IMAGES, VIDEOS, TASKS = (
    "/api/v1/images/generations",
    "/api/v1/videos/generations",
    "/api/v1/tasks",
)
FIELDS = {"model": "gpt-image-2", "prompt": "a red square"}
HEX = NAME.removeprefix("generations/")
TASK_ID = f"task_{HEX}"
State = generation_pb2.Generation.State


@pytest.fixture(autouse=True)
def _a_generation_that_runs(fake_core: FakeCore) -> None:
    """Core accepts: more is not told."""
    fake_core.script = [accepted()]


def start_of(fake_core: FakeCore):
    start = fake_core.calls[-1].start
    assert start is not None
    return start


@pytest.mark.parametrize("url", [IMAGES, VIDEOS])
async def test_a_submission_is_answered_while_it_is_processed(
    bridge: Bridge, fake_core: FakeCore, url: str
) -> None:
    answer = await bridge.http.post(url, json=FIELDS, headers={"idempotency-key": "one"})

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "id": TASK_ID,
            "model": "gpt-image-2",
            "status": "processing",
            "created_at": CREATED,
            "data": [{"task_id": TASK_ID, "status": "processing"}],
        },
    )
    assert answer.headers["x-reapi-generation"] == GENERATION_ID
    assert "openai-poll-after-ms" not in answer.headers
    start = start_of(fake_core)
    assert (start.detached, start.spec.endpoint, start.spec.request_id) == (True, url, "one")
    assert start.until_accepted
    assert not fake_core.calls[-1].cancelled.is_set()
    assert fake_core.abandoned.empty()


async def test_a_submission_whose_answer_found_nobody_is_abandoned(
    bridge: Bridge, fake_core: FakeCore, dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, left = asyncio.Event(), asyncio.Event()
    end = GenerationCall._end

    async def noted(self: GenerationCall, made: generation_pb2.Generation) -> None:
        known.set()
        await end(self, made)

    monkeypatch.setattr(GenerationCall, "_end", noted)
    fake_core.script = [accepted(), left.wait]
    wire = await dial(bridge.port)
    await wire.post(VIDEOS, orjson.dumps(FIELDS))
    await asyncio.wait_for(known.wait(), WAIT)

    wire.abort()
    async with asyncio.timeout(WAIT):
        while bridge.server.connection_count:
            await asyncio.sleep(0)
    left.set()

    assert await asyncio.wait_for(fake_core.abandoned.get(), WAIT) == NAME
    assert not fake_core.calls[-1].cancelled.is_set()


async def test_the_documented_fields_of_images_reach_core(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fields = {
        **FIELDS,
        "size": "16:9",
        "resolution": "2K",
        "n": 2,
        "quality": "high",
        "background": "transparent",
        "output_format": "png",
        "seed": 5,
        "watermark": False,
        "image_urls": ["https://a.example/1.png", "https://a.example/2.png"],
        "mask_url": "https://a.example/mask.png",
        "sequential": "auto",
    }

    answer = await bridge.http.post(IMAGES, json=fields)

    assert answer.status_code == 200
    asked = start_of(fake_core).spec.parameters
    assert (asked.size, asked.resolution, asked.output_count) == ("16:9", "2K", 2)
    assert (asked.quality, asked.background, asked.output_format) == ("high", "transparent", "png")
    assert asked.seed == 5
    assert (asked.extras["watermark"].flag, asked.extras["sequential"].text) == (False, "auto")
    assert [(item.parameter, item.uri, item.role) for item in asked.inputs] == [
        ("image_urls[0]", "https://a.example/1.png", Input.ROLE_IMAGE),
        ("image_urls[1]", "https://a.example/2.png", Input.ROLE_IMAGE),
        ("mask_url", "https://a.example/mask.png", Input.ROLE_MASK),
    ]


async def test_the_documented_fields_of_videos_reach_core(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    link = "https://a.example/"
    fields = {
        "model": "doubao-seedance-2.0",
        "duration": -1,
        "aspect_ratio": "adaptive",
        "generate_audio": True,
        "return_last_frame": True,
        "image_with_roles": [
            {"url": f"{link}1", "role": "first_frame"},
            {"url": f"{link}2", "role": "last_frame"},
            {"url": f"{link}3", "role": "reference_image"},
            {"url": f"{link}4"},
        ],
        "video_urls": [f"{link}v"],
        "audio_urls": [f"{link}a"],
        "first_frame_image": f"{link}5",
        "last_frame_image": f"{link}6",
        "image_url": f"{link}7",
        "video_url": f"{link}8",
        "audio_url": f"{link}9",
    }

    answer = await bridge.http.post(VIDEOS, json=fields)

    assert answer.status_code == 200
    spec = start_of(fake_core).spec
    asked = spec.parameters
    assert (spec.model, asked.duration.seconds) == ("doubao-seedance-2.0", -1)
    assert (asked.aspect_ratio, asked.with_audio) == ("adaptive", True)
    assert asked.extras["return_last_frame"].flag
    assert {item.parameter: (item.uri[-1], item.role) for item in asked.inputs} == {
        "video_urls[0]": ("v", Input.ROLE_VIDEO),
        "audio_urls[0]": ("a", Input.ROLE_AUDIO),
        "image_with_roles[0].url": ("1", Input.ROLE_FIRST_FRAME),
        "image_with_roles[1].url": ("2", Input.ROLE_LAST_FRAME),
        "image_with_roles[2].url": ("3", Input.ROLE_IMAGE),
        "image_with_roles[3].url": ("4", Input.ROLE_IMAGE),
        "first_frame_image": ("5", Input.ROLE_FIRST_FRAME),
        "last_frame_image": ("6", Input.ROLE_LAST_FRAME),
        "image_url": ("7", Input.ROLE_IMAGE),
        "video_url": ("8", Input.ROLE_VIDEO),
        "audio_url": ("9", Input.ROLE_AUDIO),
    }


@pytest.mark.parametrize("duration", [4, 4.0, "4"])
async def test_seconds_are_a_number_or_a_text(
    bridge: Bridge, fake_core: FakeCore, duration
) -> None:
    answer = await bridge.http.post(VIDEOS, json={**FIELDS, "duration": duration})

    assert answer.status_code == 200
    assert start_of(fake_core).spec.parameters.duration.seconds == 4


async def test_data_urls_are_taken_too_and_travel_in_chunks(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    data = picture() + bytes(6_000_000)  # more than one gRPC message may hold
    url = f"data:image/png;base64,{base64.b64encode(data).decode()}"

    answer = await bridge.http.post(
        IMAGES, json={**FIELDS, "image_urls": ["https://a.example/1.png", url]}
    )

    assert answer.status_code == 200
    start = start_of(fake_core)
    assert [item.WhichOneof("source") for item in start.spec.parameters.inputs] == [
        "uri",
        "attachment_index",
    ]
    assert bytes(fake_core.calls[-1].attachments[0]) == data


WRONG = [
    ({"model": ""}, "model", "missing_required_parameter"),
    ({"n": "two"}, "n", "invalid_type"),
    ({"duration": 4.5}, "duration", "invalid_type"),
    ({"image_urls": "https://a/b"}, "image_urls", "invalid_type"),
    ({"image_urls": ["https://a/b", 5]}, "image_urls[1]", "invalid_type"),
    ({"image_urls": ["https://a/b"] * 33}, "image_urls[32]", "invalid_value"),
    ({"image_urls": ["file:///etc/passwd"]}, "image_urls[0]", "invalid_value"),
    ({"image_urls": ["data:image/png,x"]}, "image_urls[0]", "invalid_input"),
    ({"mask_url": 5}, "mask_url", "invalid_type"),
    ({"image_with_roles": {}}, "image_with_roles", "invalid_type"),
    ({"image_with_roles": ["x"]}, "image_with_roles[0]", "invalid_type"),
    ({"image_with_roles": [{"role": "last_frame"}]}, "image_with_roles[0].url")
    + ("missing_required_parameter",),
    ({"image_with_roles": [{"url": "https://a/b", "role": "hero"}]}, "image_with_roles[0].role")
    + ("invalid_value",),
    ({"image_with_roles": [{"url": "https://a/b", "kind": 1}]}, "image_with_roles[0].kind")
    + ("unknown_parameter",),
]


async def test_a_wrong_field_is_named_and_never_repeated(bridge: Bridge) -> None:
    for fields, param, code in WRONG:
        answer = await bridge.http.post(IMAGES, json={**FIELDS, **fields})

        error = answer.json()["error"]
        assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
        assert "passwd" not in answer.text
    assert bridge.defects == []


async def test_a_form_is_refused(bridge: Bridge) -> None:
    answer = await bridge.http.post(IMAGES, data=FIELDS, files={"image": ("a", picture())})

    assert answer.json()["error"]["code"] == "unsupported_content_type"


async def test_inputs_at_fault_are_named_as_the_caller_knows_them(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    body = {**FIELDS, "image_with_roles": [{"url": "https://a.example/1"}]}
    for parameter, param in (
        ("inputs[0]", "image_with_roles[0].url"),
        ("inputs", "image_urls"),
        ("with_audio", "generate_audio"),
        ("output_count", "n"),
        ("video", "video_url"),
        ("first_frame", "first_frame_image"),
    ):
        fake_core.script = [failed(status("INVALID_INPUT", "No.", parameter=parameter))]

        answer = await bridge.http.post(VIDEOS, json=body)

        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_bad_key_beats_a_bad_body(bridge: Bridge) -> None:
    bad = {"authorization": "Bearer wrong"}
    for method, path in (("POST", IMAGES), ("POST", VIDEOS), ("GET", f"{TASKS}/x")):
        answer = await bridge.http.request(method, path, content=b"{", headers=bad)
        assert answer.status_code == 401


async def test_out_of_credits_is_told_at_once(bridge: Bridge, fake_core: FakeCore) -> None:
    fake_core.refusal = status("INSUFFICIENT_CREDITS", "Too little.")

    answer = await bridge.http.post(IMAGES, json=FIELDS)

    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "insufficient_quota")


async def test_a_task_shows_its_links_once_it_is_completed(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    made = generation(kind=generation_pb2.KIND_IMAGE)
    made.assets.extend([stored("image/png"), stored("image/png", 1)])
    fake_core.library = [made]

    answer = await bridge.http.get(f"{TASKS}/{TASK_ID}")

    assert answer.json() == {
        "id": TASK_ID,
        "model": "gpt-image-2",
        "status": "completed",
        "created_at": CREATED,
        "output": {
            "image_urls": [
                "http://media.test/media/tasks/x/y/0.png",
                "http://media.test/media/tasks/x/y/1.png",
            ]
        },
        "error": None,
    }
    assert answer.headers["x-reapi-credits"] == "7.5"


async def test_a_video_task_shows_its_last_frame_beside_it(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    made = video()
    made.assets.append(stored("image/png", 1))
    fake_core.library = [made]

    output = (await bridge.http.get(f"{TASKS}/{TASK_ID}")).json()["output"]

    assert output == {
        "video_urls": ["http://media.test/media/tasks/x/y/0.mp4"],
        "last_frame_url": "http://media.test/media/tasks/x/y/1.png",
    }


STATES = [
    (State.STATE_ACCEPTED, "processing", None),
    (State.STATE_RUNNING, "processing", None),
    (State.STATE_FAILED, "failed", {"code": "upstream_error", "message": "Every one failed."}),
    (State.STATE_CANCELLED, "failed")
    + ({"code": "cancelled", "message": "The generation was cancelled."},),
]


async def test_only_the_three_documented_statuses_are_told(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    for state, shown, error in STATES:
        known = video(state=state)
        if state == State.STATE_FAILED:
            known.error.CopyFrom(status("UPSTREAM_ERROR", "Every one failed."))
        fake_core.library = [known]

        found = (await bridge.http.get(f"{TASKS}/{TASK_ID}")).json()

        assert (found["status"], found["output"], found["error"]) == (shown, None, error)


async def test_outputs_that_are_gone_leave_an_empty_list(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    for kind, key in (
        (generation_pb2.KIND_IMAGE, "image_urls"),
        (generation_pb2.KIND_AUDIO, "audio_urls"),
    ):
        fake_core.library = [generation(kind=kind)]

        found = (await bridge.http.get(f"{TASKS}/{TASK_ID}")).json()

        assert found["output"] == {key: []}


async def test_a_task_is_found_under_every_rendering_of_its_id(bridge: Bridge) -> None:
    for id_ in (TASK_ID, GENERATION_ID, f"video_{HEX}", HEX):
        assert (await bridge.http.get(f"{TASKS}/{id_}")).json()["id"] == TASK_ID

    unknown = await bridge.http.get(f"{TASKS}/task_{'0' * 32}")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "generation_not_found")
