"""What is asked of xAI's video endpoints, and what their answers mean."""

from uuid import uuid4

import orjson
import pytest
from multidict import CIMultiDict

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, Input, Kind, Role
from core.providers.jobs import Broken, JobState, Made, Working
from core.providers.wire import Reply
from core.providers.xai_videos import XaiVideos
from tests.providers.tapes_xai_videos import FIELDS, ID, MADE, MARK, VIDEO, done

CHANNEL = Channel(
    "a",
    "xai_videos",
    "grok-imagine-video",
    "http://provider/v1",
    Secret("xai-key"),
    fields=FIELDS,
)
DIALECT = XaiVideos()
START = Input(Role.FIRST_FRAME, Body(b"start"), "image/png", parameter="image")
LIKE = Input(Role.IMAGE, Body(b"like"), "image/webp", parameter="image_urls[0]")
FILM = Input(Role.VIDEO, Body(b"film"), "video/mp4", parameter="video_url")
MODERATED = "Generated video rejected by content moderation."


def ask(*inputs: Input, prompt: str = "a red fox runs", **parameters: str | float | bool) -> Ask:
    return Ask("ours", Kind.VIDEO, Body(prompt), inputs, parameters=parameters)


def sent(request: Ask) -> tuple[str, dict[str, object]]:
    call = DIALECT.submit(request, CHANNEL, MARK)
    assert isinstance(call.body, Body)
    assert (call.method, call.headers) == ("POST", {"authorization": "Bearer xai-key"})
    return call.path, orjson.loads(call.body.reveal())


def reply(status: int, body: object = b"") -> Reply:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return Reply(status, CIMultiDict(), Body(data), received_at=1_763_750_000.0)


def state(status: int, body: object = b"") -> JobState:
    return DIALECT.state(reply(status, body), CHANNEL)


def look_failure(status: int, body: object) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        state(status, body)
    return caught.value


def test_a_request_says_what_was_asked_for() -> None:
    assert sent(ask(duration=6, aspect_ratio="9:16", resolution="480p")) == (
        "/videos/generations",
        {
            "model": "grok-imagine-video",
            "prompt": "a red fox runs",
            "duration": 6,
            "aspect_ratio": "9:16",
            "resolution": "480p",
        },
    )
    assert "aspect_ratio" not in sent(ask(aspect_ratio="auto"))[1]


def test_images_are_objects_and_never_image_url_which_is_ignored() -> None:
    _, fields = sent(ask(START))
    assert fields["image"] == {"url": "data:image/png;base64,c3RhcnQ="}

    _, fields = sent(ask(LIKE, LIKE))
    assert fields["reference_images"] == [{"url": "data:image/webp;base64,bGlrZQ=="}] * 2
    assert not {"image", "image_url"} & fields.keys()


def test_a_video_is_edited_without_a_shape_of_its_own() -> None:
    assert sent(ask(FILM, duration=6, aspect_ratio="1:1", resolution="720p")) == (
        "/videos/edits",
        {
            "model": "grok-imagine-video",
            "prompt": "a red fox runs",
            "video": {"url": "data:video/mp4;base64,ZmlsbQ=="},
        },
    )


def test_nothing_marks_a_request_so_that_nothing_is_looked_for() -> None:
    one, other = (DIALECT.submit(ask(), CHANNEL, mark) for mark in (MARK, uuid4()))

    assert one == other
    assert DIALECT.find(CHANNEL, 1) is None
    assert DIALECT.cancel(ID, CHANNEL, Working()) is None


def test_a_look_asks_for_the_request() -> None:
    call = DIALECT.look(ID, CHANNEL)

    assert (call.method, call.path) == ("GET", f"/videos/{ID}")


@pytest.mark.parametrize(
    ("body", "percent"),
    [
        (b"", None),
        (b"<html>", None),
        ({"status": "pending"}, None),
        ({"status": "pending", "progress": 37}, 37),
        ({"status": "pending", "progress": 370}, 100),
        ({"status": "pending", "progress": "37"}, None),
        ({"progress": -1}, None),
    ],
)
def test_a_202_runs_whatever_else_it_says(body: object, percent: int | None) -> None:
    assert state(202, body) == Working(percent=percent)


def test_a_video_without_a_status_is_done() -> None:
    assert state(200, {"video": {"url": VIDEO, "duration": 8}}) == MADE


def test_a_length_that_makes_no_sense_is_none() -> None:
    for duration in (None, "8", -8, 8.5):
        found = state(200, done(video={"url": VIDEO, "duration": duration}))
        assert isinstance(found, Made)
        assert found.report.seconds == 0.0


@pytest.mark.parametrize(
    "body",
    [
        {"code": "imagine:content-moderated", "error": MODERATED},
        {"code": "Client specified an invalid argument", "error": MODERATED},
        {"error": {"message": MODERATED, "code": "imagine:content-moderated"}},
        {"error": MODERATED},
    ],
)
def test_a_look_that_is_refused_by_moderation_ends_the_job(body: object) -> None:
    found = state(400, body)

    assert isinstance(found, Broken)
    assert (found.error.fault, found.error.stage) == (Fault.CONTENT_POLICY, "output")


@pytest.mark.parametrize("url", [VIDEO, "", None])
def test_a_video_that_is_kept_back_ends_the_job(url: str | None) -> None:
    found = state(200, done(video={"url": url, "respect_moderation": False}))

    assert isinstance(found, Broken)
    assert (found.error.fault, found.error.stage) == (Fault.CONTENT_POLICY, "output")


def test_another_400_of_a_look_is_as_if_the_request_were_not_known_yet() -> None:
    found = look_failure(400, {"code": "invalid-argument", "error": "no such request"})

    assert (found.fault, found.http_status) == (Fault.NOT_FOUND, 400)


def test_a_failed_look_ends_nothing() -> None:
    for status, fault in ((401, Fault.AUTH), (404, Fault.NOT_FOUND), (503, Fault.OVERLOADED)):
        assert look_failure(status, {"error": "no"}).fault is fault


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ({"code": "internal_error", "message": "no"}, Fault.SERVER_ERROR),
        ({"code": "invalid_argument", "message": "no"}, Fault.BAD_REQUEST),
        ({"code": "service_unavailable", "message": "no"}, Fault.OVERLOADED),
        ({"code": "imagine:content-moderated", "message": "no"}, Fault.CONTENT_POLICY),
        ("no", Fault.SERVER_ERROR),
        (None, Fault.SERVER_ERROR),
    ],
)
def test_a_failed_request_tells_why(error: object, fault: Fault) -> None:
    found = state(200, {"status": "failed", "error": error})

    assert isinstance(found, Broken)
    assert found.error.fault is fault


@pytest.mark.parametrize("status", ["", "paused", None, 5, ["done"]])
def test_a_state_nobody_knows_ends_nothing(status: object) -> None:
    assert look_failure(200, {"status": status, "video": {}}).fault is Fault.INVALID_RESPONSE


def test_a_submission_that_is_refused_names_the_parameter() -> None:
    said = "Duration 15s exceeds the maximum allowed"
    with pytest.raises(UpstreamError) as caught:
        DIALECT.submitted(reply(400, {"code": "x", "error": said}), ask(duration=15))

    assert (caught.value.fault, caught.value.parameter) == (Fault.BAD_REQUEST, "duration")
