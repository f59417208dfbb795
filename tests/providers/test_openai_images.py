"""What whole answers of OpenAI's Images API mean."""

import orjson
import pytest
from multidict import CIMultiDict

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, Final, Input, Kind, Report, Role, Usage
from core.providers.openai_images import OpenAIImages
from core.providers.wire import Reply
from tests.providers.tapes_openai_images import (
    ASK,
    IMAGE,
    MODERATION,
    PIXEL,
    TWO,
    answer,
    error,
)

CHANNEL = Channel(
    "a", "openai_images", "gpt-image-2-2026-04-21", "http://provider/v1", Secret("sk-real")
)
DIALECT = OpenAIImages()
FIRST = Input(Role.IMAGE, Body(b"first"), "image/png", parameter="image[0]")
SECOND = Input(Role.IMAGE, Body(b"second"), "image/webp", parameter="image[1]")
MASK = Input(Role.MASK, Body(b"mask"), "image/png", parameter="mask")


def ask(*inputs: Input, partials: int = 0, count: int = 1, **parameters: str | float | bool) -> Ask:
    return Ask("ours", Kind.IMAGE, Body("a red fox"), inputs, count, partials, parameters)


def reply(status: int, body: object, headers: dict[str, str] | None = None) -> Reply:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return Reply(status, CIMultiDict(headers or {}), Body(data), received_at=1_763_750_000.0)


def refusal(status: int, body: object, of: Ask = ASK) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.read(reply(status, body), of)
    return caught.value


def test_more_images_than_asked_for_are_ignored() -> None:
    assert [type(piece) for piece in DIALECT.read(reply(200, answer(3)), TWO)] == [
        Final,
        Final,
        Report,
    ]


def test_images_that_are_missing_do_not_take_the_others_away() -> None:
    data = [{}, {"b64_json": None}, {"b64_json": "!!!"}, "x", {"b64_json": PIXEL}]

    pieces = DIALECT.read(reply(200, {"data": data}), ask(count=5))

    assert pieces == [Final(0, IMAGE), Report()]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Welcome</html>",
        b"[]",
        b"null",
        b'"text"',
        answer(1)[:-1],
        {},
        {"data": None},
        {"data": []},
        {"data": [{}]},
        {"data": [{"b64_json": None}]},
        {"data": [{"b64_json": ""}]},
        {"data": [{"b64_json": "not base64"}]},
        {"data": [{"b64_json": "AAA"}]},
        {"data": [{"b64_json": "aGVs*bG8="}]},
        {"data": [{"url": "https://elsewhere/x.png"}]},
        {"data": {"b64_json": PIXEL}},
    ],
    ids=str,
)
def test_a_200_without_an_image_is_no_answer(body: object) -> None:
    assert refusal(200, body).fault is Fault.INVALID_RESPONSE


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (400, error("invalid_request_error", "invalid_value"), Fault.BAD_REQUEST),
        (400, error("invalid_request_error", None), Fault.BAD_REQUEST),
        (400, error("image_generation_user_error", None), Fault.BAD_REQUEST),
        (400, MODERATION, Fault.CONTENT_POLICY),
        (
            400,
            error("invalid_request_error", "content_policy_violation"),
            Fault.CONTENT_POLICY,
        ),
        (400, error("invalid_request_error", "billing_hard_limit_reached"), Fault.QUOTA),
        (400, error("invalid_request_error", "invalid_value", "model"), Fault.NOT_FOUND),
        (400, b"<html>400 Bad Request</html>", Fault.INVALID_RESPONSE),
        (400, b"", Fault.INVALID_RESPONSE),
        (400, {"error": "no"}, Fault.INVALID_RESPONSE),
        (401, error("invalid_request_error", "invalid_api_key"), Fault.AUTH),
        (401, error("invalid_request_error", None), Fault.AUTH),
        (401, b"", Fault.AUTH),
        (403, error("request_forbidden", "unsupported_country_region_territory"), Fault.AUTH),
        (404, error("invalid_request_error", "model_not_found"), Fault.NOT_FOUND),
        (404, b"<html>", Fault.NOT_FOUND),
        (408, b"", Fault.SERVER_ERROR),
        (409, error("conflict", None), Fault.SERVER_ERROR),
        (413, error("invalid_request_error", None), Fault.BAD_REQUEST),
        (415, error("invalid_request_error", None), Fault.BAD_REQUEST),
        (422, error("invalid_request_error", None), Fault.BAD_REQUEST),
        (429, error("requests", "rate_limit_exceeded"), Fault.RATE_LIMITED),
        (429, error("tokens", None), Fault.RATE_LIMITED),
        (429, b"slow down", Fault.RATE_LIMITED),
        (429, error("insufficient_quota", "insufficient_quota"), Fault.QUOTA),
        (429, error("insufficient_quota", "credit_balance_exhausted"), Fault.QUOTA),
        (429, error("insufficient_quota", "rate_limit_exceeded"), Fault.RATE_LIMITED),
        (429, error("insufficient_quota", None), Fault.QUOTA),
        (500, error("server_error", None), Fault.SERVER_ERROR),
        (500, b"", Fault.SERVER_ERROR),
        (502, b"<html>Bad gateway</html>", Fault.SERVER_ERROR),
        (503, error("service_unavailable_error", "server_is_overloaded"), Fault.OVERLOADED),
        (503, error("service_unavailable_error", "slow_down"), Fault.OVERLOADED),
        (503, b"", Fault.OVERLOADED),
        (504, b"", Fault.TIMEOUT),
        (307, b"", Fault.INVALID_RESPONSE),
        (200, error("server_error", None), Fault.SERVER_ERROR),
        (200, error("unheard_of", None), Fault.SERVER_ERROR),
        (200, error("invalid_request_error", "invalid_value"), Fault.BAD_REQUEST),
        (200, error("requests", "rate_limit_exceeded"), Fault.RATE_LIMITED),
        (200, MODERATION, Fault.CONTENT_POLICY),
        (200, {"error": "no", "data": [{"b64_json": PIXEL}]}, Fault.SERVER_ERROR),
    ],
)
def test_every_refusal_has_its_fault_and_keeps_its_status(
    status: int, body: object, fault: Fault
) -> None:
    found = refusal(status, body)

    assert (found.fault, found.http_status) == (fault, status)


def test_a_success_with_a_null_error_is_a_success() -> None:
    document = {**orjson.loads(answer(1)), "error": None}

    assert DIALECT.read(reply(200, document), ASK)[0] == Final(0, IMAGE)


def test_a_refusal_by_moderation_tells_its_stage_and_keeps_the_providers_words_sealed() -> None:
    found = refusal(400, MODERATION)

    assert found.stage == "output"
    assert found.detail is not None
    assert "safety_violations" in found.detail.reveal()
    assert "safety_violations" not in f"{found} {found!r} {found.detail}"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("size", "size"),
        ("prompt", "prompt"),
        ("n", "output_count"),
        ("partial_images", "partial_count"),
        ("image", "image[0]"),
        ("image[1]", "image[1]"),
        ("image[]", "image[0]"),
        ("image[9]", "image[0]"),
        ("mask", "mask"),
        ("stream", ""),
        ("response_format", ""),
        ("constructor", ""),
    ],
)
def test_a_parameter_they_blame_is_named_in_our_words(theirs: str, ours: str) -> None:
    request = ask(FIRST, SECOND, MASK, size="1x1")

    found = refusal(400, error("invalid_request_error", "invalid_value", theirs), request)

    assert found.parameter == ours


def test_the_wait_they_ask_for_is_passed_on() -> None:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.read(
            reply(429, error("requests", "rate_limit_exceeded"), {"Retry-After": "7"}), ASK
        )

    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ({}, None),
        ("many", None),
        ({"input_tokens": 7, "output_tokens": 9}, Usage(7, 0, 9, None)),
        ({"input_tokens": -7, "output_tokens": True}, Usage(0, 0, 0, None)),
        ({"output_tokens": 2**60}, Usage(0, 0, 0, None)),
        (
            {
                "input_tokens": 30,
                "output_tokens": 9,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 20},
                "output_tokens_details": {"image_tokens": 8},
            },
            Usage(10, 20, 9, 8),
        ),
    ],
    ids=str,
)
def test_usage_is_taken_as_far_as_it_makes_sense(usage: object, expected: Usage | None) -> None:
    document = {"data": [{"b64_json": PIXEL}], "usage": usage, "size": 7, "quality": "x" * 99}

    assert DIALECT.read(reply(200, document), ASK)[-1] == Report(expected)
