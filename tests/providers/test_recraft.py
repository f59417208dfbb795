"""What is asked of Recraft's image endpoint, and what its answers and errors mean."""

import orjson
import pytest
from multidict import CIMultiDict

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import EMPTY_REPORT, Ask, Channel, FieldRule, Kind
from core.providers.recraft import Recraft
from core.providers.wire import Reply
from tests.providers.tapes_recraft import ASK, answer, hosted, url

FIELDS = {
    "prompt": FieldRule("prompt"),
    "output_count": FieldRule("n"),
    "size": FieldRule("size"),
    "style": FieldRule("style"),
}
CHANNEL = Channel(
    "a",
    "recraft",
    "recraftv3",
    "http://provider/v1",
    Secret("recraft-token"),
    fields=FIELDS,
    constants={"size": "1024x1024", "style": "realistic_image"},
)
DIALECT = Recraft()


def ask(**parameters: str | float | bool) -> Ask:
    return Ask("ours", Kind.IMAGE, Body("a red fox"), parameters=parameters)


def sent(request: Ask) -> dict[str, object]:
    call = DIALECT.encode(request, CHANNEL)
    assert isinstance(call.body, Body)
    assert (call.method, call.path, call.streams) == ("POST", "/images/generations", False)
    assert call.headers == {"authorization": "Bearer recraft-token"}
    fields: dict[str, object] = orjson.loads(call.body.reveal())
    return fields


def reply(status: int, body: object, headers: dict[str, str] | None = None) -> Reply:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return Reply(status, CIMultiDict(headers or {}), Body(data), received_at=1_763_750_000.0)


def refusal(status: int, body: object, of: Ask = ASK) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.read(reply(status, body), of)
    return caught.value


def test_an_image_is_asked_for_by_link_with_size_and_style_always_told() -> None:
    assert sent(ask()) == {
        "model": "recraftv3",
        "prompt": "a red fox",
        "n": 1,
        "size": "1024x1024",
        "style": "realistic_image",
        "response_format": "url",
    }


def test_parameters_are_passed_on() -> None:
    fields = sent(ask(size="1820x1024", style="digital_illustration"))

    assert (fields["size"], fields["style"]) == ("1820x1024", "digital_illustration")


def test_no_more_is_taken_than_was_asked_for() -> None:
    body = answer({"url": url(0)}, {"url": url(1)})

    assert DIALECT.read(reply(200, body), ASK) == [hosted(0), EMPTY_REPORT]


@pytest.mark.parametrize("data", [None, {}, [], [None], [{}], [{"url": 7}], [{"url": "file:///x"}]])
def test_a_200_without_an_image_is_no_answer(data: object) -> None:
    assert refusal(200, {"data": data}).fault is Fault.INVALID_RESPONSE


@pytest.mark.parametrize(
    ("status", "code", "said", "fault"),
    [
        (400, "invalid_request_parameter", "size: one of", Fault.BAD_REQUEST),
        (400, "invalid_model", "unknown model", Fault.NOT_FOUND),
        (400, "moderated", "the prompt does not pass moderation", Fault.CONTENT_POLICY),
        (422, "invalid_request_parameter", "NSFW content", Fault.CONTENT_POLICY),
        (400, "not_enough_credits", "no", Fault.QUOTA),
        (402, "payment_required", "no", Fault.QUOTA),
        (403, "forbidden", "no", Fault.AUTH),
        (403, "forbidden", "Insufficient API units", Fault.QUOTA),
        (429, "rate_limit_exceeded", "not enough capacity", Fault.RATE_LIMITED),
        (500, "internal_error", "the safety checker failed", Fault.SERVER_ERROR),
    ],
)
def test_an_error_means_what_its_words_or_its_status_say(
    status: int, code: str, said: str, fault: Fault
) -> None:
    found = refusal(status, {"code": code, "message": said})

    assert (found.fault, found.http_status, found.detail) == (fault, status, Body(said))


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (401, b"request unauthorized", Fault.AUTH),
        (404, b"404 page not found", Fault.NOT_FOUND),
        (400, b"<html>400</html>", Fault.INVALID_RESPONSE),
        (520, b"<html>520</html>", Fault.SERVER_ERROR),
    ],
)
def test_of_an_error_in_plain_text_the_status_tells(status: int, body: bytes, fault: Fault) -> None:
    assert refusal(status, body).fault is fault


@pytest.mark.parametrize(
    ("said", "ours"),
    [
        ("size: one of", "size"),
        ("n: less than equal", "output_count"),
        ("the prompt is too long", "prompt"),
        ("style: one of", ""),
        ("nothing that we know", ""),
    ],
)
def test_a_parameter_they_blame_is_named_in_our_words(said: str, ours: str) -> None:
    body = {"code": "invalid_request_parameter", "message": said}

    assert refusal(400, body, ask(size="1x1")).parameter == ours


def test_the_wait_they_ask_for_is_passed_on() -> None:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.read(reply(429, {"code": "x", "message": "y"}, {"retry-after": "7"}), ASK)

    assert caught.value.retry_after == 7.0
