"""Whatever simulated xAI and Veo are sent, they answer in their own words and keep none of ours."""

import contextlib
import json
import uuid

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import Fault, Knobs, SimulatedChannel, Simulator
from simulator.gemini_errors import Rejected
from simulator.veo_request import address_of, read_order
from simulator.xai_errors import XaiRejected
from simulator.xai_fields import Fields
from simulator.xai_image_request import read_image_request
from simulator.xai_video_request import read_video_request
from tests.fix_simulator import until
from tests.simulator.test_simulator_privacy import holders

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(), SCALARS, max_size=3)
URL = st.sampled_from(
    ["https://x.example/a", "data:image/png;base64,eA==", "data:video/mp4;base64,"]
)
HOLDER = st.fixed_dictionaries({"url": URL | VALUES}) | VALUES
XAI = {
    **dict.fromkeys(("image", "last_frame", "video"), HOLDER),
    **dict.fromkeys(
        ("images", "reference_images", "keyframes"), st.lists(HOLDER, max_size=3) | VALUES
    ),
    **dict.fromkeys(
        ("n", "duration", "aspect_ratio", "resolution", "quality", "generate_audio", "user"), VALUES
    ),
}
MODEL = st.sampled_from(["grok-imagine-image", "grok-imagine-video", "grok-imagine-video-1.5"])
VERTEX = "/v1/projects/p/locations/l/publishers/google/models/veo-3.1-generate-001"
DEVELOPER = "/v1beta/models/veo-3.1-generate-preview"
FILE = (
    st.fixed_dictionaries({"bytesBase64Encoded": VALUES, "mimeType": st.just("image/png") | VALUES})
    | st.fixed_dictionaries({"gcsUri": VALUES})
    | VALUES
)
INSTANCE = st.fixed_dictionaries(
    {"prompt": st.just("a fox") | VALUES},
    optional={
        "image": FILE,
        "lastFrame": FILE,
        "video": FILE,
        "referenceImages": st.lists(st.fixed_dictionaries({"image": FILE}), max_size=2) | VALUES,
    },
)
PARAMETERS = st.dictionaries(
    st.sampled_from(
        ["aspectRatio", "durationSeconds", "resolution", "seed", "sampleCount", "fps", "storageUri"]
    ),
    VALUES,
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries({"model": MODEL | VALUES, "prompt": st.text() | VALUES}, optional=XAI),
    st.sampled_from(["images", "generations", "edits", "extensions"]),
)
def test_a_call_to_xai_is_taken_or_refused(values, kind):
    try:
        if kind == "images":
            assert read_image_request(Fields(values), is_edit="image" in values).width
        else:
            assert read_video_request(Fields(values), kind).seconds
    except XaiRejected as rejected:
        assert 400 <= rejected.error.status < 500
        assert json.loads(rejected.error.body())["error"]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40) | st.just(b"[" * 100_000))
def test_a_body_for_xai_is_read_or_refused(body):
    with contextlib.suppress(XaiRejected):
        Fields.parse(body)


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries(
        {"instances": st.lists(INSTANCE, min_size=1, max_size=2) | VALUES},
        optional={"parameters": PARAMETERS | VALUES, "bogus": VALUES},
    ),
    st.sampled_from([VERTEX, DEVELOPER]),
)
def test_a_call_to_veo_is_taken_or_refused(values, path):
    address = address_of(f"{path}:predictLongRunning")
    assert address is not None
    try:
        assert read_order(address, json.dumps(values).encode()).seconds
    except Rejected as rejected:
        assert 400 <= rejected.error.http < 500
        assert json.loads(rejected.error.body())["error"]["message"]


@pytest.mark.parametrize(
    "path",
    [
        f"{VERTEX}:generateContent",
        f"{VERTEX}/operations/1",
        f"{DEVELOPER}:fetchPredictOperation",
        DEVELOPER.replace("v1beta", "v1") + ":predictLongRunning",
        "/v1beta/models/a/b:predictLongRunning",
        "/v1/publishers/google/models/m:predictLongRunning",
    ],
)
def test_a_path_that_is_none_leads_nowhere(path):
    assert address_of(path) is None


CALLS = (
    ("xai-a", "/v1/images/generations", lambda words: {"model": "grok-imagine-image", "prompt": words}),
    ("xai-a", "/v1/videos/generations", lambda words: {"model": "grok-imagine-video", "prompt": words}),
    ("xai-a", "/v1/videos/generations", lambda words: {"model": words, "prompt": words}),
    ("veo-a", f"{VERTEX}:predictLongRunning", lambda words: {"instances": [{"prompt": words}]}),
    ("veo-a", f"{DEVELOPER}:predictLongRunning", lambda words: {"instances": [{"prompt": words}]}),
    ("veo-a", f"{VERTEX}:predictLongRunning", lambda words: {"instances": [{words: words}]}),
)  # fmt: skip


@pytest.mark.prove
async def test_no_object_holds_a_word_of_what_was_asked():
    canary = f"canary-{uuid.uuid4().hex}"
    channels = [SimulatedChannel("xai-a", "key", "xai"), SimulatedChannel("veo-a", "key", "veo")]
    headers = {"authorization": "Bearer key", "x-goog-api-key": "key"}
    async with Simulator(channels) as simulator:
        simulator.configure(Knobs(run_ms=60_000))
        async with httpx.AsyncClient(headers=headers, timeout=20) as client:
            for words in (
                canary,
                f"moderation_blocked {canary}",
                f"moderation_blocked_one {canary}",
            ):
                for channel, path, body in CALLS:
                    await client.post(simulator.base_url(channel) + path, json=body(words))
            await simulator.set_fault("veo-a", Fault("lost", times=1))
            with pytest.raises(httpx.RemoteProtocolError):
                await client.post(
                    simulator.base_url("veo-a") + CALLS[3][1], json=CALLS[3][2](canary)
                )
        del words
        await until(lambda: all(call.outcome != "running" for call in simulator.calls.newest()))

        assert simulator.books()["xai-a"].made == 2
        assert simulator.books()["veo-a"].made == 7
        assert holders(canary) == []
