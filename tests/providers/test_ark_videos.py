"""What is asked of Ark's video generation tasks, and what its answers mean."""

from uuid import UUID, uuid4

import orjson
import pytest
from multidict import CIMultiDict

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, Hosted, Input, Kind, Report, Role, Usage
from core.providers.ark_videos import ArkVideos
from core.providers.jobs import Broken, Found, Made, Working
from core.providers.reading import seed_of
from core.providers.wire import Reply
from tests.providers.tapes_ark_images import error
from tests.providers.tapes_ark_videos import (
    ASK,
    ID,
    MARK,
    OTHER,
    REFUSED,
    SEED,
    VIDEO,
    done,
    page,
    task,
)

CHANNEL = Channel(
    "a", "ark_videos", "dreamina-seedance-2-0", "http://provider/api/v3", Secret("ark-key")
)
DIALECT = ArkVideos()
START = Input(Role.FIRST_FRAME, Body(b"start"), "image/png", parameter="image_with_roles[0]")
END = Input(Role.LAST_FRAME, Body(b"end"), "image/jpeg", parameter="image_with_roles[1]")
LIKE = Input(Role.IMAGE, Body(b"like"), "image/webp", parameter="image_urls[0]")


def ask(*inputs: Input, prompt: str = "a red fox runs", **parameters: str | float | bool) -> Ask:
    return Ask("ours", Kind.VIDEO, Body(prompt), inputs, parameters=parameters)


def sent(request: Ask, mark: UUID = MARK, callback_url: str = "") -> dict[str, object]:
    call = DIALECT.submit(request, CHANNEL, mark, callback_url)
    assert isinstance(call.body, Body)
    found = orjson.loads(call.body.reveal())
    assert isinstance(found, dict)
    return found


def reply(status: int, body: object, headers: dict[str, str] | None = None) -> Reply:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return Reply(status, CIMultiDict(headers or {}), Body(data), received_at=1_763_750_000.0)


def image(role: str, url: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": url}, "role": role}


def test_a_task_carries_its_mark_twice_and_nothing_that_was_not_asked_for() -> None:
    call = DIALECT.submit(ask(), CHANNEL, MARK)

    assert (call.method, call.path, call.streams) == (
        "POST",
        "/contents/generations/tasks",
        False,
    )
    assert call.headers == {"authorization": "Bearer ark-key"}
    assert sent(ask()) == {
        "model": "dreamina-seedance-2-0",
        "content": [{"type": "text", "text": "a red fox runs"}],
        "seed": SEED,
        "safety_identifier": MARK.hex,
        "watermark": False,
        "return_last_frame": False,
    }


def test_parameters_are_passed_on_in_the_providers_words() -> None:
    request = ask(
        resolution="720p", aspect_ratio="16:9", duration=-1, with_audio=False, watermark=True
    )

    assert (
        sent(request).items()
        >= {
            "resolution": "720p",
            "ratio": "16:9",
            "duration": -1,
            "generate_audio": False,
            "watermark": True,
        }.items()
    )
    assert sent(request).keys().isdisjoint({"aspect_ratio", "with_audio", "size"})


@pytest.mark.parametrize("ratio", ["auto", "adaptive"])
def test_a_ratio_that_is_left_to_the_model_has_one_name(ratio: str) -> None:
    assert sent(ask(aspect_ratio=ratio))["ratio"] == "adaptive"


def test_inputs_follow_the_text_in_order_each_with_its_role() -> None:
    text = {"type": "text", "text": "a red fox runs"}

    assert sent(ask(START, END))["content"] == [
        text,
        image("first_frame", "data:image/png;base64,c3RhcnQ="),
        image("last_frame", "data:image/jpeg;base64,ZW5k"),
    ]
    assert sent(ask(LIKE, prompt=""))["content"] == [
        image("reference_image", "data:image/webp;base64,bGlrZQ==")
    ]


@pytest.mark.parametrize(("given", "seed"), [(7, 7), (0, 0), (-1, SEED)])
def test_a_seed_of_the_callers_own_is_kept(given: int, seed: int) -> None:
    found = sent(ask(seed=given))

    assert (found["seed"], found["safety_identifier"]) == (seed, MARK.hex)


def test_the_seed_of_a_mark_is_one_that_the_provider_takes() -> None:
    seeds = {seed_of(uuid4()) for _ in range(200)}

    assert all(0 <= seed < 2**32 for seed in seeds)
    assert len(seeds) > 190


def test_a_callback_is_sent_where_there_is_one() -> None:
    assert sent(ask(), callback_url="https://us/cb")["callback_url"] == "https://us/cb"
    assert "callback_url" not in sent(ask())


def test_the_calls_about_a_task_have_its_path() -> None:
    look, stop = DIALECT.look(ID, CHANNEL), DIALECT.cancel(ID, CHANNEL, Working(is_queued=True))

    assert stop is not None
    assert (look.method, stop.method) == ("GET", "DELETE")
    assert look.path == stop.path == f"/contents/generations/tasks/{ID}"
    assert look.headers == stop.headers == {"authorization": "Bearer ark-key"}
    assert look.body is stop.body is None


def test_only_a_queued_task_is_cancelled() -> None:
    # One that runs cannot be, and one that has ended would be deleted.
    assert DIALECT.cancel(ID, CHANNEL, Working()) is None


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {}, True),
        (200, {"id": ID, "status": "cancelled"}, True),
        (200, {"id": ID, "status": "running"}, False),
        (400, error("InvalidAction"), False),
        (404, error("NotFound"), False),
        (409, error("Conflict"), False),
    ],
)
def test_a_cancellation_counts_only_if_the_task_was_stopped(
    status: int, body: object, expected: bool
) -> None:
    assert DIALECT.cancelled(reply(status, body)) is expected


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_cancellation_that_failed_decides_nothing(status: int) -> None:
    with pytest.raises(UpstreamError):
        DIALECT.cancelled(reply(status, error("Unheard.Of")))


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (400, error("InvalidParameter"), Fault.BAD_REQUEST),
        (400, error("InputImageSensitiveContentDetected.PrivacyInformation"), Fault.CONTENT_POLICY),
        (401, error("AuthenticationError"), Fault.AUTH),
        (404, error("ModelNotOpen"), Fault.NOT_FOUND),
        (429, error("QuotaExceeded", "too many QUEUED tasks"), Fault.RATE_LIMITED),
        (429, error("QuotaExceeded", "free trial"), Fault.QUOTA),
        (200, error("InternalServiceError"), Fault.SERVER_ERROR),
        (200, {}, Fault.INVALID_RESPONSE),
        (200, {"id": None}, Fault.INVALID_RESPONSE),
    ],
)
def test_a_submission_that_failed_tells_why(status: int, body: object, fault: Fault) -> None:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.submitted(reply(status, body), ASK)

    assert (caught.value.fault, caught.value.http_status) == (
        fault,
        0 if fault is Fault.INVALID_RESPONSE else status,
    )


def test_a_task_that_was_made_is_ours_whatever_else_the_answer_says() -> None:
    assert DIALECT.submitted(reply(200, {"id": ID, "error": {"code": "Odd"}}), ASK) == ID


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("content[0].text", "prompt"),
        ("content", "prompt"),
        ("content[1].image_url", "image_with_roles[0]"),
        ("content[2]", "image_with_roles[1]"),
        ("content[3]", ""),
        ("ratio", "aspect_ratio"),
        ("generate_audio", "with_audio"),
        ("duration", "duration"),
        ("resolution", ""),
        ("safety_identifier", ""),
    ],
)
def test_a_parameter_they_blame_is_named_in_our_words(theirs: str, ours: str) -> None:
    request = ask(START, END, aspect_ratio="16:9", with_audio=True, duration=5)
    with pytest.raises(UpstreamError) as caught:
        DIALECT.submitted(reply(400, error("InvalidParameter", parameter=theirs)), request)

    assert caught.value.parameter == ours


def test_without_a_text_the_first_content_is_an_input() -> None:
    body = error("InvalidParameter", parameter="content[0].image_url.url")
    with pytest.raises(UpstreamError) as caught:
        DIALECT.submitted(reply(400, body), ask(START, prompt=""))

    assert caught.value.parameter == "image_with_roles[0]"


def test_a_video_tells_its_length_and_its_tokens_as_far_as_they_make_sense() -> None:
    hosted = [Hosted(0, Body(VIDEO))]

    assert DIALECT.state(reply(200, done(duration=None, usage="many")), CHANNEL) == Made(
        hosted, Report()
    )
    assert DIALECT.state(
        reply(200, done(duration=-5, usage={"completion_tokens": 9})), CHANNEL
    ) == Made(hosted, Report(Usage(output_tokens=9)))


@pytest.mark.parametrize(
    "content", [None, {}, "x", {"video_url": ""}, {"video_url": "file:///x"}, {"video_url": 7}]
)
def test_a_success_without_a_video_is_a_failure(content: object) -> None:
    state = DIALECT.state(reply(200, done(content=content)), CHANNEL)

    assert isinstance(state, Broken)
    assert state.error.fault is Fault.INVALID_RESPONSE


@pytest.mark.parametrize(
    ("failure", "fault", "stage"),
    [
        (REFUSED, Fault.CONTENT_POLICY, "output"),
        ({"code": "InternalServiceError", "message": "no"}, Fault.SERVER_ERROR, ""),
        ({"code": "ServerOverloaded"}, Fault.OVERLOADED, ""),
        ({"code": "InvalidParameter"}, Fault.BAD_REQUEST, ""),
        ({"code": "Unheard.Of"}, Fault.SERVER_ERROR, ""),
        (None, Fault.SERVER_ERROR, ""),
        ("no", Fault.SERVER_ERROR, ""),
    ],
)
def test_a_failed_task_tells_why(failure: object, fault: Fault, stage: str) -> None:
    state = DIALECT.state(reply(200, task("failed", error=failure)), CHANNEL)

    assert isinstance(state, Broken)
    assert (state.error.fault, state.error.stage) == (fault, stage)


@pytest.mark.parametrize("status", ["", "paused", "SUCCEEDED", None, 5, ["succeeded"]])
def test_a_state_nobody_knows_ends_nothing(status: object) -> None:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.state(reply(200, {**task("running"), "status": status}), CHANNEL)

    assert caught.value.fault is Fault.INVALID_RESPONSE


def test_a_task_the_provider_does_not_know_is_not_found() -> None:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.state(reply(404, error("ResourceNotFound")), CHANNEL)

    assert caught.value.fault is Fault.NOT_FOUND


def test_a_page_is_asked_for_by_number_and_model() -> None:
    call = DIALECT.find(CHANNEL, 3)

    assert call is not None
    assert (call.method, call.path) == (
        "GET",
        "/contents/generations/tasks?page_num=3&page_size=50&filter.model=dreamina-seedance-2-0",
    )


def test_a_task_that_echoes_another_mark_is_not_ours_even_with_our_seed() -> None:
    other = task("running", id="cgt-2", seed=SEED, safety_identifier=uuid4().hex)

    assert DIALECT.found(reply(200, page(other, OTHER)), MARK).job_id == ""
    assert DIALECT.found(reply(200, page(other, task("queued", seed=SEED))), MARK).job_id == ID


@pytest.mark.parametrize(
    ("body", "is_last"),
    [
        (page(), True),
        (page(total=120), True),
        (page(OTHER), True),
        (page(OTHER, total=51), False),
        (page(*[OTHER] * 50, total=50), True),
        (page(*[OTHER] * 50, total=51), False),
    ],
)
def test_a_page_is_the_last_if_it_is_empty_or_holds_all(body: bytes, is_last: bool) -> None:
    assert DIALECT.found(reply(200, body), MARK).is_last is is_last


def test_a_page_tells_when_its_oldest_task_was_made() -> None:
    tasks = [task("running", created_at=at) for at in (300, 100, 200)]

    assert DIALECT.found(reply(200, page(*tasks)), MARK) == Found("", True, 100.0)


@pytest.mark.parametrize(
    "body",
    [
        {"items": []},
        {"total": 0},
        {"total": 0, "items": None},
        {"total": "1", "items": [OTHER]},
        {"total": 0, "items": [OTHER]},
        {"total": 1, "items": [None]},
        {"total": 1, "items": [{**OTHER, "created_at": None}]},
        {"total": 1, "items": [task("running", id="../x", seed=SEED)]},
        {"error": {"code": "InternalServiceError"}},
    ],
    ids=str,
)
def test_a_garbled_page_never_says_that_a_task_is_absent(body: object) -> None:
    with pytest.raises(UpstreamError):
        DIALECT.found(reply(200, body), MARK)
