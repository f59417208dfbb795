"""POST /v1/videos: answered at once; forms and JSON."""

import asyncio
import base64

import pytest

from reapi.v1 import generation_pb2
from reapi.v1.parameters_pb2 import Input
from tests.bridge.scripted_core import (
    CREATED,
    GENERATION_ID,
    NAME,
    WAIT,
    FakeCore,
    accepted,
    failed,
    picture,
    status,
)
from tests.fix_bridge import Bridge

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")

URL = "/v1/videos"
FIELDS = {"model": "seedance-2.0", "prompt": "a fox runs"}
HEX = NAME.removeprefix("generations/")
VIDEO_ID = f"video_{HEX}"
State = generation_pb2.Generation.State
KEYS = {
    *("id", "object", "model", "status", "progress", "created_at", "completed_at", "expires_at"),
    *("prompt", "size", "seconds", "remixed_from_video_id", "error"),
}


@pytest.fixture(autouse=True)
def _a_video_that_runs(fake_core: FakeCore) -> None:
    """Core accepts: more is not told."""
    queued = accepted(
        model="seedance-2.0", kind=generation_pb2.KIND_VIDEO, state=State.STATE_ACCEPTED
    )
    queued.accepted.generation.duration.seconds = 5
    fake_core.script = [queued]


def start_of(fake_core: FakeCore):
    start = fake_core.calls[-1].start
    assert start is not None
    return start


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


async def test_a_create_is_answered_while_the_video_is_made(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    raw = await bridge.openai.videos.with_raw_response.create(
        **FIELDS, seconds="8", size="1280x720"
    )
    made = raw.parse()

    assert (made.id, made.object, made.status, made.progress) == (VIDEO_ID, "video", "queued", 0)
    assert (made.seconds, made.created_at, made.error) == ("5", CREATED, None)
    assert raw.headers["openai-poll-after-ms"] == "1000"
    assert raw.headers["x-reapi-generation"] == GENERATION_ID
    assert raw.headers["x-ratelimit-limit-requests"] == "60"
    start = start_of(fake_core)
    assert start.detached
    assert (start.spec.model, start.spec.endpoint) == ("seedance-2.0", URL)
    assert (start.spec.parameters.prompt, start.spec.parameters.size) == ("a fox runs", "1280x720")
    assert start.spec.parameters.duration.seconds == 8
    # The call is left at once: a video takes minutes.
    assert start_of(fake_core).until_accepted
    assert not fake_core.calls[-1].cancelled.is_set()
    assert fake_core.abandoned.empty()


async def test_every_key_of_the_video_object_is_in_the_first_answer(bridge: Bridge) -> None:
    created = (await bridge.http.post(URL, json=FIELDS)).json()

    assert set(created) == KEYS
    assert [key for key, value in created.items() if value is None] == [
        *("completed_at", "expires_at", "prompt", "size", "remixed_from_video_id", "error")
    ]


async def test_json_takes_seconds_as_a_number_and_our_own_fields(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fields = {
        **FIELDS,
        "seconds": 12,
        "aspect_ratio": "16:9",
        "resolution": "720p",
        "seed": 2**40,
        "generate_audio": False,
        "watermark": False,
        "return_last_frame": True,
        "camera": "slow",
        "size": None,
    }

    answer = await bridge.http.post(
        "/videos", json=fields, headers={"idempotency-key": "one", "x-stainless-retry-count": "1"}
    )

    assert answer.status_code == 200
    spec = start_of(fake_core).spec
    asked = spec.parameters
    assert (spec.request_id, spec.retry_number, spec.endpoint) == ("one", 1, URL)
    assert (asked.duration.seconds, asked.aspect_ratio, asked.resolution) == (12, "16:9", "720p")
    assert (asked.seed, asked.HasField("with_audio"), asked.with_audio) == (2**40, True, False)
    assert not asked.HasField("size")
    extras = {name: asked.extras[name].WhichOneof("kind") for name in sorted(asked.extras)}
    assert extras == {"camera": "text", "return_last_frame": "flag", "watermark": "flag"}


async def test_a_form_says_the_same_in_texts(bridge: Bridge, fake_core: FakeCore) -> None:
    first, last, extra = picture(), picture("JPEG"), picture("WEBP")

    await bridge.openai.videos.create(
        **FIELDS,
        seconds="4",
        input_reference=("a.png", first),
        extra_body={
            "with_audio": True,
            "seed": 7,
            "last_frame": {"image_url": data_url(last)},
            "reference_images": ["https://a.example/1.png", data_url(extra)],
            "extras": '{"loras": [{"path": "x"}]}',
        },
    )

    start = start_of(fake_core)
    asked = start.spec.parameters
    assert (asked.duration.seconds, asked.with_audio, asked.seed) == (4, True, 7)
    assert asked.extras["loras"].list.items[0].object.fields["path"].text == "x"
    told = {item.parameter: (item.role, item.uri) for item in asked.inputs}
    assert told == {
        "input_reference": (Input.ROLE_FIRST_FRAME, ""),
        "last_frame.image_url": (Input.ROLE_LAST_FRAME, ""),
        "reference_images[0]": (Input.ROLE_IMAGE, "https://a.example/1.png"),
        "reference_images[1]": (Input.ROLE_IMAGE, ""),
    }
    sent = {item.parameter: item.attachment_index for item in asked.inputs if not item.uri}
    received = fake_core.calls[-1].attachments
    assert bytes(received[sent["input_reference"]]) == first
    assert bytes(received[sent["last_frame.image_url"]]) == last
    assert bytes(received[sent["reference_images[1]"]]) == extra


REFERENCES = [
    ({"input_reference": {"image_url": "https://a.example/1.png"}}, "input_reference.image_url"),
    ({"input_reference": "https://a.example/1.png"}, "input_reference"),
    ({"first_frame": {"image_url": "https://a.example/1.png"}}, "first_frame.image_url"),
]


@pytest.mark.parametrize(("fields", "name"), REFERENCES)
async def test_a_reference_may_be_a_link_in_json_and_in_a_form(
    bridge: Bridge, fake_core: FakeCore, fields: dict[str, object], name: str
) -> None:
    for ask in (
        bridge.http.post(URL, json={**FIELDS, **fields}),
        bridge.openai.videos.create(**FIELDS, extra_body=fields),
    ):
        await ask
        found = start_of(fake_core).spec.parameters.inputs[0]
        assert (found.uri, found.role) == ("https://a.example/1.png", Input.ROLE_FIRST_FRAME)
        assert found.parameter == name
    assert len(fake_core.calls) == 2


WRONG = [
    ({"model": None}, "model", "missing_required_parameter"),
    ({"seconds": "soon"}, "seconds", "invalid_type"),
    ({"seconds": 4.5}, "seconds", "invalid_type"),
    ({"seconds": True}, "seconds", "invalid_type"),
    ({"seconds": 2**31}, "seconds", "invalid_value"),
    ({"seconds": 4, "duration": 4}, "duration", "invalid_value"),
    ({"generate_audio": True, "with_audio": True}, "with_audio", "invalid_value"),
    ({"seed": 2**63}, "seed", "invalid_value"),
    ({"prompt": 5}, "prompt", "invalid_type"),
    ({"input_reference": 5}, "input_reference", "invalid_type"),
    ({"input_reference": {"file_id": "file-1"}}, "input_reference.file_id", "invalid_value"),
    ({"input_reference": {}}, "input_reference.image_url", "missing_required_parameter"),
    ({"input_reference": "ftp://a/b"}, "input_reference", "invalid_value"),
    ({"last_frame": data_url(b"no picture")}, "last_frame", "invalid_input"),
    ({"reference_images": "https://a/b"}, "reference_images", "invalid_type"),
    ({"reference_images": [{"url": "x"}]}, "reference_images[0].url", "unknown_parameter"),
    ({"reference_images": ["https://a/b"] * 33}, "reference_images[32]", "invalid_value"),
    ({"first_frame": "https://a/1", "input_reference": "https://a/2"}, "first_frame")
    + ("invalid_value",),
]


async def test_a_wrong_field_is_named(bridge: Bridge) -> None:
    for fields, param, code in WRONG:
        answer = await bridge.http.post(URL, json={**FIELDS, **fields})

        error = answer.json()["error"]
        assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
    assert bridge.defects == []


WRONG_FORMS = [
    ([("seconds", (None, b"x"))], "seconds", "invalid_type"),
    ([("generate_audio", (None, b"yes"))], "generate_audio", "invalid_type"),
    ([("prompt", (None, b"again"))], "prompt", "invalid_value"),
    ([("extras", (None, b'{"prompt": "again"}'))], "extras", "invalid_value"),
    ([("clip", ("a.mp4", b"bytes"))], "clip", "unknown_parameter"),
    ([("input_reference", ("a.png", b"no picture"))], "input_reference", "invalid_input"),
    ([("input_reference[file_id]", (None, b"file-1"))], "input_reference.file_id")
    + ("invalid_value",),
    ([("last_frame", ("a", picture())), ("last_frame", ("b", picture()))], "last_frame")
    + ("invalid_value",),
]


async def test_a_wrong_form_is_named(bridge: Bridge) -> None:
    for files, param, code in WRONG_FORMS:
        answer = await bridge.http.post(URL, data=FIELDS, files=files)

        error = answer.json()["error"]
        assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
    assert bridge.defects == []


async def test_other_content_types_are_refused(bridge: Bridge) -> None:
    answer = await bridge.http.post(URL, content=b"a", headers={"content-type": "text/plain"})

    assert answer.json()["error"]["code"] == "unsupported_content_type"


NAMED = [
    ({"seconds": 99}, "duration", "seconds"),
    ({"duration": 99}, "duration", "duration"),
    ({}, "duration", "seconds"),
    ({"with_audio": True}, "with_audio", "with_audio"),
    ({"reference_images": ["https://a/1", "https://a/2"]}, "inputs[1]", "reference_images[1]"),
    ({"n": 2}, "output_count", "n"),
    ({}, "inputs", "input_reference"),
]


async def test_core_s_errors_use_the_caller_s_names(bridge: Bridge, fake_core: FakeCore) -> None:
    for fields, parameter, param in NAMED:
        fake_core.script = [failed(status("INVALID_PARAMETER", "No.", parameter=parameter))]

        answer = await bridge.http.post(URL, json={**FIELDS, **fields})

        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_refusal_before_acceptance_is_an_http_error(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fake_core.refusal = status("INSUFFICIENT_CREDITS", "Too little.")

    answer = await bridge.http.post(URL, json=FIELDS)

    assert (answer.status_code, answer.headers["x-should-retry"]) == (429, "false")


async def test_a_bad_key_beats_a_bad_body_and_a_bad_query(bridge: Bridge) -> None:
    bad = {"authorization": "Bearer wrong"}
    for method, path in (
        ("POST", URL),
        ("GET", f"{URL}?order=up"),
        ("GET", f"{URL}?limit=x"),
        ("POST", f"{URL}/edits"),
        ("GET", f"{URL}/{VIDEO_ID}/content?variant=nope"),
    ):
        answer = await bridge.http.request(method, path, content=b"{", headers=bad)
        assert (answer.status_code, path) == (401, path)


async def test_a_caller_who_leaves_before_the_answer_ends_the_call(
    bridge: Bridge, fake_core: FakeCore, dial
) -> None:
    fake_core.script = [asyncio.Event().wait]
    wire = await dial(bridge.port)
    await wire.post(URL, b'{"model": "m", "prompt": "p"}')
    call = await fake_core.waiting()

    wire.abort()

    await asyncio.wait_for(call.cancelled.wait(), WAIT)
