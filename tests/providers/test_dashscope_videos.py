"""What is asked of DashScope for HappyHorse's and Vidu's videos, and what its answers mean."""

from dataclasses import replace
from uuid import uuid4

import orjson
import pytest
from multidict import CIMultiDict

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, FieldRule, Hosted, Input, Kind, Mode, Report, Role
from core.providers.dashscope import DashScope
from core.providers.jobs import Broken, Made, Working
from core.providers.wire import Reply
from tests.providers.tapes_dashscope import ASK, ID, MARK, VIDEO, done, error, task

DIALECT = DashScope()
UPPER = {"540p": "540P", "720p": "720P", "1080p": "1080P"}
HORSE = Channel(
    "a",
    "dashscope",
    "happyhorse-1.0-t2v",
    "http://provider/api/v1",
    Secret("sk-dashscope"),
    variants={
        Mode.TEXT: "happyhorse-1.0-t2v",
        Mode.FIRST_FRAME: "happyhorse-1.0-i2v",
        Mode.IMAGE: "happyhorse-1.0-r2v",
        Mode.VIDEO: "happyhorse-1.0-video-edit",
    },
    fields={
        "prompt": FieldRule("input.prompt"),
        "input:first_frame": FieldRule("input.media[].url", also={"type": "first_frame"}),
        "input:video": FieldRule("input.media[].url", also={"type": "video"}),
        "input:image": FieldRule("input.media[].url", also={"type": "reference_image"}),
        "resolution": FieldRule("parameters.resolution", values=UPPER),
        "aspect_ratio": FieldRule(
            "parameters.ratio", modes=frozenset({Mode.TEXT, Mode.IMAGE}), omit=frozenset({"auto"})
        ),
        "watermark": FieldRule("parameters.watermark"),
        "seed": FieldRule("parameters.seed"),
    },
    constants={"parameters.watermark": False},
    unsupported=frozenset({"inline:video"}),
)
VIDU = Channel(
    "b",
    "dashscope",
    "vidu/viduq3-pro_text2video",
    "http://provider/api/v1",
    Secret("sk-dashscope"),
    variants={
        Mode.TEXT: "vidu/viduq3-pro_text2video",
        Mode.FIRST_FRAME: "vidu/viduq3-pro_img2video",
        Mode.FRAMES: "vidu/viduq3-pro_start-end2video",
        Mode.IMAGE: "vidu/viduq3_reference2video",
    },
    fields={
        "prompt": FieldRule("input.prompt"),
        "input:first_frame": FieldRule("input.media[].url", also={"type": "image"}),
        "input:last_frame": FieldRule("input.media[].url", also={"type": "image"}),
        "input:image": FieldRule("input.media[].url", also={"type": "image"}),
        "resolution": FieldRule("parameters.resolution", values=UPPER),
        "aspect_ratio": FieldRule(
            "parameters.size", modes=frozenset({Mode.TEXT, Mode.IMAGE}), omit=frozenset({"auto"})
        ),
    },
    options={"sizes": "vidu"},
)
START = Input(Role.FIRST_FRAME, Body(b"start"), "image/png", parameter="first_frame")
END = Input(Role.LAST_FRAME, Body(b"end"), "image/jpeg", parameter="last_frame")
LIKE = Input(Role.IMAGE, Body(b"like"), "image/webp", parameter="image[0]")
FILM = Input(
    Role.VIDEO, Body(b"film"), "video/mp4", parameter="video", url=Body("https://us/film.mp4")
)
START_URL, END_URL = "data:image/png;base64,c3RhcnQ=", "data:image/jpeg;base64,ZW5k"
LIKE_URL = "data:image/webp;base64,bGlrZQ=="


def ask(*inputs: Input, prompt: str = "a red fox runs", **parameters: str | float | bool) -> Ask:
    return Ask("ours", Kind.VIDEO, Body(prompt), inputs, parameters=parameters)


def sent(request: Ask, target: Channel = HORSE) -> dict[str, object]:
    call = DIALECT.submit(request, target, MARK, "https://us/callback")
    assert isinstance(call.body, Body)
    found = orjson.loads(call.body.reveal())
    assert isinstance(found, dict)
    return found


def reply(status: int, body: object) -> Reply:
    return Reply(status, CIMultiDict(), Body(orjson.dumps(body)), received_at=1_763_750_000.0)


def test_a_task_is_asked_for_and_never_with_a_watermark_by_default() -> None:
    call = DIALECT.submit(ask(), HORSE, MARK)

    assert (call.method, call.path) == (
        "POST",
        "/services/aigc/video-generation/video-synthesis",
    )
    assert call.headers == {
        "authorization": "Bearer sk-dashscope",
        "x-dashscope-async": "enable",
    }
    assert sent(ask()) == {
        "model": "happyhorse-1.0-t2v",
        "input": {"prompt": "a red fox runs"},
        "parameters": {"watermark": False},
    }
    assert sent(ask(watermark=True))["parameters"] == {"watermark": True}


@pytest.mark.parametrize(
    ("inputs", "model", "media"),
    [
        ((START,), "happyhorse-1.0-i2v", [("first_frame", START_URL)]),
        ((LIKE, LIKE), "happyhorse-1.0-r2v", [("reference_image", LIKE_URL)] * 2),
        (
            (LIKE, FILM),
            "happyhorse-1.0-video-edit",
            [("video", "https://us/film.mp4"), ("reference_image", LIKE_URL)],
        ),
    ],
)
def test_what_a_video_starts_from_decides_the_model_and_is_named(
    inputs: tuple[Input, ...], model: str, media: list[tuple[str, str]]
) -> None:
    body = sent(ask(*inputs))

    assert body["model"] == model
    assert body["input"] == {
        "prompt": "a red fox runs",
        "media": [{"type": kind, "url": url} for kind, url in media],
    }


def test_a_first_frame_needs_no_words_and_takes_no_ratio() -> None:
    body = sent(ask(START, prompt="", aspect_ratio="9:16", resolution="1080p", seed=7))

    assert body["input"] == {"media": [{"type": "first_frame", "url": START_URL}]}
    assert body["parameters"] == {"watermark": False, "resolution": "1080P", "seed": 7}


@pytest.mark.parametrize(
    ("inputs", "parameters", "size"),
    [
        ((), {"resolution": "540p", "aspect_ratio": "16:9"}, "960*528"),
        ((), {"resolution": "1080p", "aspect_ratio": "3:4"}, "1238*1674"),
        ((LIKE,), {"resolution": "540p", "aspect_ratio": "16:9"}, "960*540"),
        ((), {"aspect_ratio": "1:1"}, "960*960"),
        ((), {"resolution": "720p", "aspect_ratio": "auto"}, None),
        ((START,), {"resolution": "720p", "aspect_ratio": "9:16"}, None),
    ],
)
def test_vidu_is_told_pixels_where_it_takes_a_shape(
    inputs: tuple[Input, ...], parameters: dict[str, str], size: str | None
) -> None:
    body = sent(ask(*inputs, **parameters), VIDU)
    told = body.get("parameters", {})

    assert isinstance(told, dict)
    assert told.get("size") == size


def test_vidus_frames_come_in_their_order_whatever_the_order_of_the_inputs() -> None:
    body = sent(ask(END, START), VIDU)

    assert body["model"] == "vidu/viduq3-pro_start-end2video"
    assert body["input"] == {
        "prompt": "a red fox runs",
        "media": [{"type": "image", "url": START_URL}, {"type": "image", "url": END_URL}],
    }


def test_a_lost_submission_cannot_be_found() -> None:
    assert DIALECT.submit(ask(), HORSE, MARK) == DIALECT.submit(ask(), HORSE, uuid4())
    assert DIALECT.find(HORSE, 1) is None


def test_the_calls_about_a_task_have_its_path() -> None:
    look, stop = DIALECT.look(ID, HORSE), DIALECT.cancel(ID, HORSE, Working(is_queued=True))

    assert stop is not None
    assert (look.method, look.path) == ("GET", f"/tasks/{ID}")
    assert (stop.method, stop.path) == ("POST", f"/tasks/{ID}/cancel")
    assert look.headers == stop.headers == {"authorization": "Bearer sk-dashscope"}
    assert DIALECT.cancel(ID, HORSE, Working()) is None


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (400, error("InvalidParameter"), Fault.BAD_REQUEST),
        (400, error("InvalidParameter.DataInspection"), Fault.BAD_REQUEST),
        (400, error("InvalidParameter", "Model not exist."), Fault.NOT_FOUND),
        (400, error("BadRequest.EmptyInput"), Fault.BAD_REQUEST),
        (400, error("BadRequest.EmptyModel"), Fault.NOT_FOUND),
        (400, error("DataInspectionFailed"), Fault.CONTENT_POLICY),
        (400, error("Arrearage"), Fault.QUOTA),
        (400, error("InternalError.Algo", "InvalidParameter: too small"), Fault.BAD_REQUEST),
        (400, error("InternalError.Algo", "no"), Fault.SERVER_ERROR),
        (401, error("InvalidApiKey"), Fault.AUTH),
        (403, error("AccessDenied"), Fault.AUTH),
        (403, error("AccessDenied.Unpurchased"), Fault.QUOTA),
        (403, error("AllocationQuota.FreeTierOnly"), Fault.QUOTA),
        (404, error("ModelNotFound"), Fault.NOT_FOUND),
        (415, error("BadRequest.InputDownloadFailed"), Fault.BAD_REQUEST),
        (429, error("Throttling"), Fault.RATE_LIMITED),
        (429, error("Throttling.BurstRate"), Fault.RATE_LIMITED),
        (429, error("Throttling.AllocationQuota"), Fault.QUOTA),
        (503, error("ModelUnavailable"), Fault.OVERLOADED),
        (500, error("Unheard.Of"), Fault.SERVER_ERROR),
        (200, error("InternalError"), Fault.SERVER_ERROR),
        (200, {}, Fault.INVALID_RESPONSE),
        (200, {"output": {"task_status": "PENDING", "task_id": None}}, Fault.INVALID_RESPONSE),
    ],
    ids=str,
)
def test_a_submission_that_failed_tells_why(status: int, body: object, fault: Fault) -> None:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.submitted(reply(status, body), ASK)

    assert caught.value.fault is fault


@pytest.mark.parametrize(
    ("message", "stage"),
    [
        ("Input data may contain inappropriate content.", "input"),
        ("Output data may contain inappropriate content.", "output"),
        ("Green net check failed", ""),
    ],
)
def test_a_failed_task_tells_what_was_refused(message: str, stage: str) -> None:
    failed = task("FAILED", code="DataInspectionFailed", message=message)
    state = DIALECT.state(reply(200, failed), HORSE)

    assert isinstance(state, Broken)
    assert (state.error.fault, state.error.stage) == (Fault.CONTENT_POLICY, stage)


def test_a_task_that_nobody_knows_is_not_found_although_the_status_is_200() -> None:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.state(reply(200, task("UNKNOWN")), HORSE)

    assert caught.value.fault is Fault.NOT_FOUND


@pytest.mark.parametrize("status", ["", "paused", "succeeded", None, 5, ["SUCCEEDED"]])
def test_a_state_nobody_knows_ends_nothing(status: object) -> None:
    document = {**task("RUNNING"), "output": {"task_id": ID, "task_status": status}}
    with pytest.raises(UpstreamError) as caught:
        DIALECT.state(reply(200, document), HORSE)

    assert caught.value.fault is Fault.INVALID_RESPONSE


def test_an_edited_video_is_as_long_as_what_was_made_not_as_what_is_billed() -> None:
    edited = done(duration=18, input_video_duration=10, output_video_duration=8)

    assert DIALECT.state(reply(200, edited), HORSE) == Made(
        [Hosted(0, Body(VIDEO))], Report(seconds=8.0)
    )


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"request_id": "r"}, True),
        (400, error("UnsupportedOperation"), False),
    ],
)
def test_a_cancellation_counts_only_if_the_task_was_stopped(
    status: int, body: object, expected: bool
) -> None:
    assert DIALECT.cancelled(reply(status, body)) is expected


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {}),
        (200, error("InternalError")),
        (400, error("InvalidParameter")),
        (401, error("InvalidApiKey")),
        (429, error("Throttling")),
        (500, {}),
    ],
)
def test_a_cancellation_that_failed_decides_nothing(status: int, body: object) -> None:
    with pytest.raises(UpstreamError):
        DIALECT.cancelled(reply(status, body))


def test_no_failure_shows_what_the_provider_said() -> None:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.submitted(reply(400, error("InvalidParameter", "a red fox")), replace(ASK))

    assert "fox" not in f"{caught.value} {caught.value!r}"
