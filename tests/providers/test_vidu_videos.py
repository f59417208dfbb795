"""What is asked of Vidu, and what its answers mean."""

import orjson
import pytest
from multidict import CIMultiDict

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, FieldRule, Input, Kind, Mode, Role
from core.providers.jobs import Broken, Found, Stopped, Working
from core.providers.vidu import Vidu
from core.providers.wire import Reply
from tests.providers.tapes_vidu import ASK, ID, MARK, OLDER, done, error, listed, page, task

DIALECT = Vidu()
CHANNEL = Channel(
    "a",
    "vidu",
    "viduq3-pro",
    "http://provider/ent/v2",
    Secret("vda_key"),
    variants={
        Mode.TEXT: "viduq3-pro",
        Mode.FIRST_FRAME: "viduq3-pro",
        Mode.FRAMES: "viduq3-pro",
        Mode.IMAGE: "viduq3",
    },
    fields={
        "prompt": FieldRule("prompt"),
        "input:first_frame": FieldRule("images[]"),
        "input:last_frame": FieldRule("images[]"),
        "input:image": FieldRule("images[]"),
        "resolution": FieldRule("resolution"),
        "aspect_ratio": FieldRule("aspect_ratio", modes=frozenset({Mode.TEXT, Mode.IMAGE})),
        "duration": FieldRule("duration"),
        "with_audio": FieldRule("audio"),
        "seed": FieldRule("seed"),
    },
    constants={"watermark": False, "off_peak": False},
)
START = Input(Role.FIRST_FRAME, Body(b"start"), "image/png", parameter="first_frame")
END = Input(Role.LAST_FRAME, Body(b"end"), "image/jpeg", parameter="last_frame")
LIKE = Input(Role.IMAGE, Body(b"like"), "image/webp", parameter="image[0]")
START_URL, END_URL = "data:image/png;base64,c3RhcnQ=", "data:image/jpeg;base64,ZW5k"
LIKE_URL = "data:image/webp;base64,bGlrZQ=="


def ask(*inputs: Input, **parameters: str | float | bool) -> Ask:
    return Ask("ours", Kind.VIDEO, Body("a red fox runs"), inputs, parameters=parameters)


def sent(request: Ask, callback_url: str = "") -> dict[str, object]:
    call = DIALECT.submit(request, CHANNEL, MARK, callback_url)
    assert isinstance(call.body, Body)
    found = orjson.loads(call.body.reveal())
    assert isinstance(found, dict)
    return found


def reply(status: int, body: object) -> Reply:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return Reply(status, CIMultiDict(), Body(data), received_at=1_763_750_000.0)


def test_a_task_carries_its_mark_and_the_token() -> None:
    call = DIALECT.submit(ask(), CHANNEL, MARK)

    assert (call.method, call.path) == ("POST", "/text2video")
    assert call.headers == {"authorization": "Token vda_key"}
    assert sent(ask()) == {
        "model": "viduq3-pro",
        "prompt": "a red fox runs",
        "watermark": False,
        "off_peak": False,
        "payload": MARK.hex,
    }


@pytest.mark.parametrize(
    ("inputs", "path", "model", "images"),
    [
        ((), "/text2video", "viduq3-pro", None),
        ((START,), "/img2video", "viduq3-pro", [START_URL]),
        ((END, START), "/start-end2video", "viduq3-pro", [START_URL, END_URL]),
        ((LIKE, LIKE), "/reference2video", "viduq3", [LIKE_URL, LIKE_URL]),
    ],
)
def test_what_a_video_starts_from_decides_the_endpoint(
    inputs: tuple[Input, ...], path: str, model: str, images: list[str] | None
) -> None:
    body = sent(ask(*inputs, aspect_ratio="9:16"))

    assert DIALECT.submit(ask(*inputs), CHANNEL, MARK).path == path
    assert (body["model"], body.get("images")) == (model, images)
    assert ("aspect_ratio" in body) is (path in {"/text2video", "/reference2video"})


def test_parameters_are_passed_on_in_the_providers_words() -> None:
    body = sent(ask(resolution="540p", duration=16, with_audio=False, seed=-1))

    assert body.items() >= {"resolution": "540p", "duration": 16, "audio": False}.items()
    assert "seed" not in body
    assert sent(ask(seed=7))["seed"] == 7


def test_a_callback_is_sent_where_there_is_one() -> None:
    assert sent(ask(), "https://us/cb")["callback_url"] == "https://us/cb"
    assert "callback_url" not in sent(ask())


def test_the_calls_about_a_task_have_its_path() -> None:
    look, stop = DIALECT.look(ID, CHANNEL), DIALECT.cancel(ID, CHANNEL, Working(is_queued=True))

    assert stop is not None
    assert (look.method, look.path) == ("GET", f"/tasks/{ID}/creations")
    assert (stop.method, stop.path) == ("POST", f"/tasks/{ID}/cancel")
    assert isinstance(stop.body, Body)
    assert orjson.loads(stop.body.reveal()) == {"id": ID}
    assert DIALECT.cancel(ID, CHANNEL, Working()) is None


@pytest.mark.parametrize(
    ("status", "body", "fault", "stage"),
    [
        (400, error("CreditInsufficient"), Fault.QUOTA, ""),
        (400, error("FieldInvalid"), Fault.BAD_REQUEST, ""),
        (400, error("ImageDownloadFailure"), Fault.BAD_REQUEST, ""),
        (400, error("TaskPromptPolicyViolation"), Fault.CONTENT_POLICY, "input"),
        (400, error("AuditFailed"), Fault.CONTENT_POLICY, ""),
        (400, error("ModelUnavailable"), Fault.NOT_FOUND, ""),
        (401, error("Unauthorized"), Fault.AUTH, ""),
        (429, error("QuotaExceeded"), Fault.RATE_LIMITED, ""),
        (400, error("OperationInProcess"), Fault.RATE_LIMITED, ""),
        (500, error("InternalServiceFailure"), Fault.SERVER_ERROR, ""),
        (400, {"code": "CreditInsufficient", "message": "no"}, Fault.QUOTA, ""),
        (400, {"err_code": "CreditInsufficient"}, Fault.QUOTA, ""),
        (400, {"code": 400, "message": "no"}, Fault.BAD_REQUEST, ""),
        (400, {"code": 400}, Fault.INVALID_RESPONSE, ""),
        (200, error("SystemThrottling"), Fault.RATE_LIMITED, ""),
        (200, {"task_id": ""}, Fault.INVALID_RESPONSE, ""),
    ],
    ids=str,
)
def test_a_submission_that_failed_tells_why(
    status: int, body: object, fault: Fault, stage: str
) -> None:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.submitted(reply(status, body), ASK)

    assert (caught.value.fault, caught.value.stage) == (fault, stage)


@pytest.mark.parametrize(
    ("err_code", "fault", "stage"),
    [
        ("CreationPolicyViolation", Fault.CONTENT_POLICY, "output"),
        ("TaskPromptPolicyViolation", Fault.CONTENT_POLICY, "input"),
        ("ImageFormatInvalid", Fault.BAD_REQUEST, ""),
        ("CreditInsufficient", Fault.QUOTA, ""),
        ("Unheard", Fault.SERVER_ERROR, ""),
        ("", Fault.SERVER_ERROR, ""),
    ],
)
def test_a_failed_task_tells_why(err_code: str, fault: Fault, stage: str) -> None:
    state = DIALECT.state(reply(200, task("failed", err_code)), CHANNEL)

    assert isinstance(state, Broken)
    assert (state.error.fault, state.error.stage) == (fault, stage)


@pytest.mark.parametrize("err_code", ["UserCancelled", "Canceled"])
def test_a_task_that_was_cancelled_has_not_failed(err_code: str) -> None:
    assert DIALECT.state(reply(200, task("failed", err_code)), CHANNEL) == Stopped()


@pytest.mark.parametrize("url", [None, "", "file:///x", 7])
def test_a_success_without_a_video_is_a_failure(url: object) -> None:
    state = DIALECT.state(reply(200, done(url)), CHANNEL)

    assert isinstance(state, Broken)
    assert state.error.fault is Fault.INVALID_RESPONSE


@pytest.mark.parametrize("state", ["", "paused", "SUCCESS", None, 5])
def test_a_state_nobody_knows_ends_nothing(state: object) -> None:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.state(reply(200, {**task("processing"), "state": state}), CHANNEL)

    assert caught.value.fault is Fault.INVALID_RESPONSE


def test_a_task_the_provider_does_not_know_is_not_found() -> None:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.state(reply(404, error("TaskNotFound", code=404)), CHANNEL)

    assert caught.value.fault is Fault.NOT_FOUND


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {}, True),
        (400, error("BadRequest"), False),
        (404, error("TaskNotFound"), False),
        (409, error("Conflict"), False),
    ],
)
def test_a_cancellation_counts_only_if_the_task_was_stopped(
    status: int, body: object, expected: bool
) -> None:
    assert DIALECT.cancelled(reply(status, body)) is expected


@pytest.mark.parametrize("status", [200, 401, 429, 500, 503])
def test_a_cancellation_that_failed_decides_nothing(status: int) -> None:
    with pytest.raises(UpstreamError):
        DIALECT.cancelled(reply(status, error("Unheard")))


def test_pages_are_asked_for_from_zero() -> None:
    call = DIALECT.find(CHANNEL, 3)

    assert call is not None
    assert (call.method, call.path) == ("GET", "/tasks?pager.page=2&pager.pagesz=100")


@pytest.mark.parametrize(
    ("body", "is_last"),
    [
        (page(), True),
        (page(listed()), True),
        (page(listed(), token="1"), False),
        (page(*[listed()] * 99), True),
        (page(*[listed()] * 100), False),
    ],
    ids=["empty", "one", "a token", "not full", "full"],
)
def test_a_page_is_the_last_if_it_is_not_full_and_names_no_next(body: bytes, is_last: bool) -> None:
    assert DIALECT.found(reply(200, body), MARK).is_last is is_last


@pytest.mark.parametrize(
    ("tasks", "oldest"),
    [
        ([listed(), OLDER], 1767282000.0),
        ([OLDER, listed()], float("inf")),
        ([listed(), listed()], float("inf")),
        ([listed(), listed(created_at=1767282000000), OLDER], float("inf")),
        ([], float("inf")),
    ],
    ids=["newest first", "oldest first", "no telling", "unreadable", "empty"],
)
def test_a_page_tells_how_old_it_is_only_if_the_newest_surely_come_first(
    tasks: list[object], oldest: float
) -> None:
    assert DIALECT.found(reply(200, page(*tasks)), MARK) == Found("", True, oldest)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tasks": None},
        {"tasks": [None]},
        {"tasks": [{**listed(), "payload": None}]},
        {"tasks": [listed(MARK.hex, id="../x")]},
        error("InternalServiceFailure"),
    ],
    ids=str,
)
def test_a_garbled_page_never_says_that_a_task_is_absent(body: object) -> None:
    with pytest.raises(UpstreamError):
        DIALECT.found(reply(200, body), MARK)
