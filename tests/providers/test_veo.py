"""What is asked of Google's Veo operations, and what their answers mean."""

from dataclasses import replace

import orjson
import pytest
from multidict import CIMultiDict

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, Final, Hosted, Input, Kind, Role
from core.providers.jobs import Broken, JobState, Made, Working
from core.providers.veo import VeoGemini, VeoVertex
from core.providers.wire import Call, Reply
from tests.providers.tapes_openai_images import IMAGE, PIXEL
from tests.providers.tapes_veo import (
    FILE,
    GEMINI_FIELDS,
    GEMINI_NAME,
    ID,
    KEYS,
    MARK,
    REASON,
    SHORT_ID,
    VERTEX_FIELDS,
    VERTEX_NAME,
    done,
    failed,
    inline,
    operation,
    samples,
)

VERTEX = Channel(
    "a",
    "veo_vertex",
    "veo-3.1-generate-001",
    "https://us-central1-aiplatform.example/v1/projects/ours/locations/us-central1/publishers/google",
    Secret("ya29.token"),
    fields=VERTEX_FIELDS,
)
GEMINI = replace(
    VERTEX,
    dialect="veo_gemini",
    upstream_model="veo-3.1-generate-preview",
    base_url="https://generativelanguage.googleapis.com/v1beta",
    credential=Secret("key-never-shown"),
    fields=GEMINI_FIELDS,
)
START = Input(Role.FIRST_FRAME, Body(b"start"), "image/png", parameter="image")
END = Input(Role.LAST_FRAME, Body(b"end"), "image/jpeg", parameter="last_frame")
LIKE = Input(Role.IMAGE, Body(b"like"), "image/webp", parameter="image_urls[0]")


def ask(*inputs: Input, prompt: str = "a red fox runs", **parameters: str | float | bool) -> Ask:
    return Ask("ours", Kind.VIDEO, Body(prompt), inputs, parameters=parameters)


def body_of(call: Call) -> dict[str, object]:
    assert isinstance(call.body, Body)
    found = orjson.loads(call.body.reveal())
    assert isinstance(found, dict)
    return found


def sent(request: Ask) -> dict[str, object]:
    return body_of(VeoVertex().submit(request, VERTEX, MARK))


def reply(status: int, body: object) -> Reply:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return Reply(status, CIMultiDict(), Body(data), received_at=1_763_750_000.0)


def state(body: object, status: int = 200) -> JobState:
    return VeoVertex().state(reply(status, body), VERTEX)


def test_both_are_submitted_to_alike_each_with_its_credential() -> None:
    vertex = VeoVertex().submit(ask(), VERTEX, MARK)
    gemini = VeoGemini().submit(ask(), GEMINI, MARK)

    assert vertex.path == "/models/veo-3.1-generate-001:predictLongRunning"
    assert vertex.headers == {"authorization": "Bearer ya29.token"}
    assert gemini.path == "/models/veo-3.1-generate-preview:predictLongRunning"
    assert gemini.headers == KEYS
    expected = {"instances": [{"prompt": "a red fox runs"}], "parameters": {}}
    assert body_of(gemini) == expected
    assert body_of(vertex) == {**expected, "parameters": {"sampleCount": 1}}


def test_parameters_are_said_in_googles_words() -> None:
    request = replace(
        ask(aspect_ratio="9:16", resolution="1080p", duration=8, seed=7, with_audio=False),
        texts={"negative_prompt": Body("no dogs")},
    )

    assert sent(request)["parameters"] == {
        "aspectRatio": "9:16",
        "resolution": "1080p",
        "durationSeconds": 8,
        "seed": 7,
        "generateAudio": False,
        "negativePrompt": "no dogs",
        "sampleCount": 1,
    }
    assert sent(ask(aspect_ratio="auto", seed=-1))["parameters"] == {"sampleCount": 1}


def test_files_are_inline_in_vertexs_way() -> None:
    assert sent(ask(START, END, prompt=""))["instances"] == [
        {
            "image": {"bytesBase64Encoded": "c3RhcnQ=", "mimeType": "image/png"},
            "lastFrame": {"bytesBase64Encoded": "ZW5k", "mimeType": "image/jpeg"},
        }
    ]
    like = {
        "image": {"bytesBase64Encoded": "bGlrZQ==", "mimeType": "image/webp"},
        "referenceType": "asset",
    }
    assert sent(ask(LIKE, LIKE))["instances"] == [
        {"prompt": "a red fox runs", "referenceImages": [like, like]}
    ]


def test_an_operation_is_asked_for_by_its_name_on_vertex_and_by_its_path_elsewhere() -> None:
    vertex, gemini = VeoVertex().look(ID, VERTEX), VeoGemini().look(SHORT_ID, GEMINI)

    assert (vertex.method, vertex.path) == (
        "POST",
        "/models/veo-3.1-generate-001:fetchPredictOperation",
    )
    assert body_of(vertex) == {"operationName": VERTEX_NAME}
    assert (gemini.method, gemini.path) == ("GET", f"/{GEMINI_NAME}")
    assert gemini.body is None
    assert (vertex.headers, gemini.headers) == ({"authorization": "Bearer ya29.token"}, KEYS)


@pytest.mark.parametrize(
    "name", [None, 7, "", "operations/x", "models/m/operations/", "models/m/operations/a/b"]
)
def test_a_submission_without_a_name_is_no_answer(name: object) -> None:
    with pytest.raises(UpstreamError) as caught:
        VeoVertex().submitted(reply(200, {"name": name}), ask())

    assert caught.value.fault is Fault.INVALID_RESPONSE


def test_only_true_is_done() -> None:
    for word in ("true", 1, None, False, [True]):
        body = {"name": VERTEX_NAME, "done": word, "response": {"videos": inline(PIXEL)}}
        assert state(body) == Working()


def test_every_video_is_taken_and_a_garbled_one_left_out() -> None:
    found = state(done(VERTEX_NAME, videos=[*inline(PIXEL, "no base64!"), None, *inline(PIXEL)]))

    assert isinstance(found, Made)
    assert found.outputs == [Final(0, IMAGE), Final(1, IMAGE)]


def test_a_file_wants_the_key() -> None:
    body = done(
        GEMINI_NAME, generateVideoResponse={"generatedSamples": samples(FILE, "gs://b/x", FILE)}
    )
    found = VeoGemini().state(reply(200, body), GEMINI)

    assert isinstance(found, Made)
    assert found.outputs == [Hosted(0, Body(FILE), KEYS), Hosted(1, Body(FILE), KEYS)]


@pytest.mark.parametrize(
    ("code", "said", "fault", "stage"),
    [
        (3, "The request is not valid.", Fault.BAD_REQUEST, ""),
        (3, f"No. {REASON}", Fault.CONTENT_POLICY, "input"),
        (4, "late", Fault.SERVER_ERROR, ""),
        (7, "no", Fault.AUTH, ""),
        (8, "no", Fault.RATE_LIMITED, ""),
        (13, "no", Fault.SERVER_ERROR, ""),
        (14, "no", Fault.OVERLOADED, ""),
        (99, "no", Fault.SERVER_ERROR, ""),
        ("13", "no", Fault.SERVER_ERROR, ""),
    ],
)
def test_a_failed_operation_tells_why(code: object, said: str, fault: Fault, stage: str) -> None:
    found = state(failed(VERTEX_NAME, code, said))

    assert isinstance(found, Broken)
    assert (found.error.fault, found.error.stage) == (fault, stage)
    assert found.error.detail == Body(said)
    assert REASON not in f"{found.error!r} {found.error}"


@pytest.mark.parametrize("reasons", [[REASON], [], None, [7], REASON])
def test_a_video_that_is_filtered_is_a_refusal_of_the_output(reasons: object) -> None:
    counted = {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": reasons}
    nested = done(GEMINI_NAME, generateVideoResponse=counted)

    for found in (
        state(done(VERTEX_NAME, **counted)),
        VeoGemini().state(reply(200, nested), GEMINI),
    ):
        assert isinstance(found, Broken)
        assert (found.error.fault, found.error.stage) == (Fault.CONTENT_POLICY, "output")


def test_nothing_made_and_nothing_filtered_is_no_answer() -> None:
    found = state(done(VERTEX_NAME, raiMediaFilteredCount=0))

    assert isinstance(found, Broken)
    assert found.error.fault is Fault.INVALID_RESPONSE


@pytest.mark.parametrize(
    ("status", "name", "fault"),
    [
        (400, "INVALID_ARGUMENT", Fault.BAD_REQUEST),
        (401, "UNAUTHENTICATED", Fault.AUTH),
        (404, "NOT_FOUND", Fault.NOT_FOUND),
        (429, "RESOURCE_EXHAUSTED", Fault.RATE_LIMITED),
        (503, "UNAVAILABLE", Fault.OVERLOADED),
        (200, "UNAVAILABLE", Fault.OVERLOADED),
    ],
)
def test_a_call_that_failed_ends_nothing(status: int, name: str, fault: Fault) -> None:
    error = {"error": {"code": status, "message": "no", "status": name}}
    for body in (error, [error]):
        with pytest.raises(UpstreamError) as caught:
            state(body, status)
        assert caught.value.fault is fault


def test_a_retired_model_is_not_found() -> None:
    said = "This model models/veo-3.1-generate-preview is no longer available."
    error = {"error": {"code": 404, "message": said, "status": "NOT_FOUND"}}
    with pytest.raises(UpstreamError) as caught:
        VeoGemini().submitted(reply(404, error), ask())

    assert caught.value.fault is Fault.NOT_FOUND


def test_a_running_operation_is_known_by_its_name() -> None:
    assert state(operation(VERTEX_NAME)) == Working()
    with pytest.raises(UpstreamError):
        state({"done": False})
