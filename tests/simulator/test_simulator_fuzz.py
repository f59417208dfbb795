"""Whatever is sent, the simulated API answers in its own words and never falls over."""

import contextlib
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.ark_errors import ArkRejected
from simulator.ark_fields import Parameters
from simulator.ark_image_request import read_image_request
from simulator.ark_task_request import read_task_request
from simulator.faults import parse_fault
from simulator.json_object import ControlError
from simulator.knobs import Knobs, turn
from simulator.multipart import FormError, Part, boundary_of, parse_form
from simulator.openai_errors import Rejected
from simulator.openai_fields import Fields
from simulator.openai_request import EDIT_FIELDS, GENERATION_FIELDS, edit_fields, read_request

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(), SCALARS, max_size=3)
FRIENDLY = {
    "model": st.sampled_from(["gpt-image-2", "gpt-image-1.5", "gpt-image-2.6-flare"]),
    "prompt": st.text(min_size=1, max_size=20),
    "size": st.from_regex(r"[0-9]{1,4}x[0-9]{1,4}", fullmatch=True),
    "n": st.integers(-1, 12),
}


def calls(names):
    """Values for the four most telling names, right ones likely, and some of the others."""
    fixed = {name: VALUES | friendly | friendly for name, friendly in FRIENDLY.items()}
    return st.fixed_dictionaries(fixed, optional=dict.fromkeys(names - FRIENDLY.keys(), VALUES))


def refusal(call):
    """Give the error with which *call* is refused, or None; nothing else may be raised."""
    try:
        request = call()
    except Rejected as rejected:
        return rejected.error
    assert 1 <= request.n <= 10
    assert request.width * request.height <= 3840 * 2160
    return None


def check(call) -> None:
    error = refusal(call)
    if error is not None:
        assert 400 <= error.status < 500
        assert json.loads(error.body())["error"]["message"]


@settings(max_examples=150, deadline=None)
@given(calls(GENERATION_FIELDS | {"bogus"}))
def test_a_generation_is_taken_or_refused(values):
    check(lambda: read_request(Fields(values, from_form=False), (), edit=False))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.builds(
            Part,
            name=st.sampled_from([*EDIT_FIELDS, "image", "image[]", "mask", "bogus"]),
            is_file=st.booleans(),
            content_type=st.sampled_from(["", "image/png", "text/plain"]),
            data=st.binary(max_size=30) | st.just(b"1"),
        ),
        max_size=8,
    )
)
def test_an_edit_is_taken_or_refused(parts):
    parts += [Part("model", False, "", b"gpt-image-2"), Part("prompt", False, "", b"x")]

    try:
        fields, images = edit_fields(parts)
    except (Rejected, FormError):
        return
    check(lambda: read_request(fields, images, edit=True))


ARK_IMAGE = {
    "model": st.sampled_from(["seedream-5-0-260128", "dola-seedream-5-0-pro-260628", "ep-1"]),
    "prompt": st.text(min_size=1, max_size=20),
}
ARK_IMAGE_OPTIONS = (
    *("image", "size", "sequential_image_generation", "sequential_image_generation_options"),
    *("output_format", "response_format", "stream", "seed", "watermark", "bogus"),
)
PARTS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "image_url", "video_url", "audio_url"]) | VALUES},
        optional={
            "text": VALUES,
            "role": st.sampled_from(["first_frame", "last_frame", "reference_image"]) | VALUES,
            "image_url": st.fixed_dictionaries({"url": VALUES}) | VALUES,
            "video_url": VALUES,
            "audio_url": VALUES,
        },
    )
    | VALUES,
    max_size=4,
)
ARK_TASK = {
    "model": st.sampled_from(["doubao-seedance-2-0-260128", "dreamina-seedance-2-5-260628"]),
    "content": st.just([{"type": "text", "text": "a fox"}]) | PARTS | VALUES,
}
ARK_TASK_OPTIONS = (
    *("resolution", "ratio", "duration", "seed", "generate_audio", "return_last_frame", "frames"),
    *("safety_identifier", "callback_url", "priority", "execution_expires_after", "draft"),
)


def ark_calls(likely, options):
    fixed = {name: friendly | VALUES for name, friendly in likely.items()}
    return st.fixed_dictionaries(fixed, optional=dict.fromkeys(options, VALUES))


def check_ark(call) -> None:
    try:
        call()
    except ArkRejected as rejected:
        assert 400 <= rejected.error.status < 500
        assert json.loads(rejected.error.body("id"))["error"]["message"]


@settings(max_examples=150, deadline=None)
@given(ark_calls(ARK_IMAGE, ARK_IMAGE_OPTIONS))
def test_an_ark_image_call_is_taken_or_refused(values):
    check_ark(lambda: read_image_request(Parameters(values)))


@settings(max_examples=150, deadline=None)
@given(ark_calls(ARK_TASK, ARK_TASK_OPTIONS))
def test_an_ark_task_is_taken_or_refused(values):
    check_ark(lambda: read_task_request(Parameters(values), 8))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40) | st.just(b"[" * 100_000))
def test_a_body_for_ark_is_read_or_refused(body):
    check_ark(lambda: Parameters.parse(body))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([b"--b", b"--", b"\r\n", b"x", b":", b'; name="a"', b"form-data"])))
def test_a_form_is_split_or_refused(pieces):
    with contextlib.suppress(FormError):
        parse_form(b"".join(pieces), b"b")


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="multipart/form-data; boundary=\"\\'*é\x00", max_size=60))
def test_a_content_type_has_a_boundary_or_is_refused(content_type):
    with contextlib.suppress(FormError):
        assert boundary_of(content_type)


@settings(max_examples=150, deadline=None)
@given(
    VALUES
    | st.fixed_dictionaries(
        {"kind": st.just("hang")},
        optional=dict.fromkeys(("after", "times", "status", "code", "on"), VALUES),
    )
)
def test_a_fault_is_taken_or_refused(data):
    with contextlib.suppress(ControlError):
        assert parse_fault(data).kind


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries({}, optional={"image": VALUES, "latency_ms": VALUES, "run_ms": VALUES})
)
def test_settings_are_taken_or_refused(data):
    with contextlib.suppress(ControlError):
        assert turn(Knobs(), data).image
