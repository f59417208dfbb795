"""What is asked of xAI's image endpoints, and what their answers and errors mean."""

from collections.abc import Mapping

import orjson
import pytest
from multidict import CIMultiDict

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, FieldRule, Input, Kind, Report, Role
from core.providers.wire import Reply
from core.providers.xai_images import XaiImages
from tests.providers.tapes_xai_images import ASK, KEPT_BACK, THREE, answer, hosted, image

FIELDS: Mapping[str, FieldRule] = {
    "prompt": FieldRule("prompt"),
    "output_count": FieldRule("n"),
    "aspect_ratio": FieldRule("aspect_ratio"),
    "resolution": FieldRule("resolution"),
    "end_user_id": FieldRule("user"),
    "input:image": FieldRule("images[].url", also={"type": "image_url"}),
}
CHANNEL = Channel(
    "a",
    "xai_images",
    "grok-imagine-image",
    "http://provider/v1",
    Secret("xai-key"),
    fields=FIELDS,
)
DIALECT = XaiImages()
ONE = Input(Role.IMAGE, Body(b"one"), "image/png", parameter="image[0]")
TWO = Input(Role.IMAGE, Body(b"two"), "image/jpeg", parameter="image[1]")


def ask(*inputs: Input, **parameters: str | float | bool) -> Ask:
    return Ask("ours", Kind.IMAGE, Body("a red fox"), inputs, parameters=parameters)


def sent(request: Ask) -> tuple[str, dict[str, object]]:
    call = DIALECT.encode(request, CHANNEL)
    assert isinstance(call.body, Body)
    assert (call.method, call.streams) == ("POST", False)
    assert call.headers == {"authorization": "Bearer xai-key"}
    return call.path, orjson.loads(call.body.reveal())


def reply(status: int, body: object, headers: dict[str, str] | None = None) -> Reply:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return Reply(status, CIMultiDict(headers or {}), Body(data), received_at=1_763_750_000.0)


def refusal(status: int, body: object, of: Ask = ASK) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.read(reply(status, body), of)
    return caught.value


def test_an_image_is_asked_for_by_link_and_with_nothing_that_was_not_asked_for() -> None:
    assert sent(ask()) == (
        "/images/generations",
        {"model": "grok-imagine-image", "prompt": "a red fox", "n": 1, "response_format": "url"},
    )


def test_parameters_are_passed_on() -> None:
    _, fields = sent(ask(aspect_ratio="19.5:9", resolution="2k"))

    assert (fields["aspect_ratio"], fields["resolution"]) == ("19.5:9", "2k")


def test_an_edit_is_json_too_with_one_image_or_a_list_of_several() -> None:
    one = {"url": "data:image/png;base64,b25l", "type": "image_url"}
    two = {"url": "data:image/jpeg;base64,dHdv", "type": "image_url"}
    path, fields = sent(ask(ONE))

    assert path == "/images/edits"
    assert (fields["image"], "images" in fields) == (one, False)
    path, fields = sent(ask(ONE, TWO))
    assert path == "/images/edits"
    assert (fields["images"], "image" in fields) == ([one, two], False)


def test_an_item_that_is_kept_back_leaves_the_others() -> None:
    body = answer(image(0), KEPT_BACK, image(2))

    assert DIALECT.read(reply(200, body), THREE) == [
        hosted(0),
        hosted(1, 2),
        Report(output_format="jpeg"),
    ]


def test_no_more_is_taken_than_was_asked_for() -> None:
    pieces = DIALECT.read(reply(200, answer(image(0), image(1))), ASK)

    assert pieces == [hosted(0), Report(output_format="jpeg")]


@pytest.mark.parametrize("items", [[], [KEPT_BACK], [KEPT_BACK, KEPT_BACK]])
def test_a_200_of_which_all_is_kept_back_is_a_refusal_of_the_output(items: list[object]) -> None:
    found = refusal(200, answer(*items))

    assert (found.fault, found.stage) == (Fault.CONTENT_POLICY, "output")


@pytest.mark.parametrize(
    "data", [None, {}, "x", [None], [{}], [image(0, url=7)], [image(0, url="file:///x")]]
)
def test_a_200_without_an_image_is_no_answer(data: object) -> None:
    assert refusal(200, {"data": data}).fault is Fault.INVALID_RESPONSE


@pytest.mark.parametrize(
    ("status", "code", "said", "fault"),
    [
        (400, "Client specified an invalid argument", "n is wrong", Fault.BAD_REQUEST),
        (400, "invalid-argument", "Duration 15s exceeds the maximum", Fault.BAD_REQUEST),
        (400, "imagine:content-moderated", "no", Fault.CONTENT_POLICY),
        (400, "Client specified an invalid argument", "by content moderation.", Fault.CONTENT_POLICY),
        (400, "Client specified an invalid argument", "Incorrect API key provided", Fault.AUTH),
        (401, "Unauthenticated", "Incorrect API key provided", Fault.AUTH),
        (403, "The caller does not have permission", "Your team has used all available credits", Fault.QUOTA),
        (403, "The caller does not have permission", "monthly spending limit", Fault.QUOTA),
        (403, "The caller does not have permission", "no", Fault.AUTH),
        (404, "Some requested entity was not found", "The model x does not exist; use another API key", Fault.NOT_FOUND),
        (422, "", "Failed to deserialize the JSON body", Fault.BAD_REQUEST),
        (429, "Some resource has been exhausted", "slow down", Fault.RATE_LIMITED),
        (500, "Internal error", "no", Fault.SERVER_ERROR),
        (503, "The service is currently unavailable", "no", Fault.OVERLOADED),
        (200, "invalid-argument", "no", Fault.BAD_REQUEST),
        (200, "The service is currently unavailable", "no", Fault.OVERLOADED),
        (200, "unheard of", "no", Fault.SERVER_ERROR),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", ["pair", "nested"])
def test_an_error_means_the_same_in_each_shape(
    status: int, code: str, said: str, fault: Fault, shape: str
) -> None:
    nested = {"error": {"message": said, "type": "error", "param": None, "code": code}}
    found = refusal(status, nested if shape == "nested" else {"code": code, "error": said})

    assert (found.fault, found.http_status, found.detail) == (fault, status, Body(said))
    assert said not in f"{found} {found!r}" or len(said) < 4


def test_an_error_without_a_code_means_what_its_words_or_its_status_say() -> None:
    assert refusal(400, {"error": "rejected by content moderation"}).fault is Fault.CONTENT_POLICY
    assert refusal(400, {"error": "no"}).fault is Fault.BAD_REQUEST
    assert refusal(401, {"error": "no"}).fault is Fault.AUTH


def test_a_page_of_something_in_between_is_no_verdict_on_the_request() -> None:
    assert refusal(400, b"<html>400</html>").fault is Fault.INVALID_RESPONSE
    assert refusal(520, b"<html>520</html>").fault is Fault.SERVER_ERROR


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        ({"message": "no", "param": "aspect_ratio"}, "aspect_ratio"),
        ({"message": "no", "param": "n"}, "output_count"),
        ({"message": "no", "param": "storage_options"}, ""),
        ({"message": "no", "param": 7}, ""),
        ("aspect_ratio: unknown variant `7:5`", "aspect_ratio"),
        ("Duration 15s exceeds the maximum allowed", ""),
        ("nothing that we know", ""),
    ],
)
def test_a_parameter_they_blame_is_named_in_our_words(error: object, ours: str) -> None:
    assert refusal(422, {"error": error}, ask(aspect_ratio="7:5")).parameter == ours


def test_the_wait_they_ask_for_is_passed_on() -> None:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.read(reply(429, {"error": "slow down"}, {"retry-after": "7"}), ASK)

    assert caught.value.retry_after == 7.0
