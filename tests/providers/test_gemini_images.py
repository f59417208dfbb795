"""What Gemini is asked, and what its answers mean."""

from dataclasses import replace

import orjson
import pytest
from multidict import CIMultiDict

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, Final, Input, Kind, Report, Role, Usage
from core.providers.gemini_images import GeminiImages
from core.providers.wire import Call, Reply
from tests.providers.tapes_gemini_images import (
    API_KEY_INVALID,
    ASK,
    BLOCKED,
    DRAFT,
    PICTURE,
    answer,
    candidate,
    delay,
    error,
    quota,
    violation,
)
from tests.providers.tapes_openai_images import IMAGE, PIXEL

DEVELOPER = "https://generativelanguage.googleapis.com/v1beta"
EXPRESS = "https://aiplatform.googleapis.com/v1/publishers/google"
VERTEX = (
    "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4"
    "/publishers/google"
)
CHANNEL = Channel("a", "gemini_images", "gemini-3-pro-image", DEVELOPER, Secret("AIza-real"))
DIALECT = GeminiImages()


def call(channel: Channel = CHANNEL, *inputs: Input, **parameters: str | int) -> Call:
    ask = Ask("ours", Kind.IMAGE, Body("a red fox"), inputs, parameters=parameters)
    return DIALECT.encode(ask, channel)


def sent(*inputs: Input, **parameters: str | int) -> dict[str, object]:
    body = call(CHANNEL, *inputs, **parameters).body
    assert isinstance(body, Body)
    document = orjson.loads(body.reveal())
    assert isinstance(document, dict)
    return document


def reply(status: int, body: object, headers: dict[str, str] | None = None) -> Reply:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return Reply(status, CIMultiDict(headers or {}), Body(data), received_at=1_763_750_000.0)


def refusal(status: int, body: object, headers: dict[str, str] | None = None) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.read(reply(status, body, headers), ASK)
    return caught.value


def test_a_plain_request_asks_for_an_image_only_and_says_nothing_more() -> None:
    assert sent() == {
        "contents": [{"role": "user", "parts": [{"text": "a red fox"}]}],
        "generationConfig": {"responseModalities": ["IMAGE"]},
    }


def test_parameters_stand_where_google_expects_them() -> None:
    assert sent(aspect_ratio="16:9", resolution="2k", seed=7)["generationConfig"] == {
        "responseModalities": ["IMAGE"],
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
        "seed": 7,
    }


@pytest.mark.parametrize(
    ("ours", "theirs"), [("512", "512"), ("1k", "1K"), ("2k", "2K"), ("4k", "4K")]
)
def test_a_resolution_has_a_capital_k(ours: str, theirs: str) -> None:
    assert sent(resolution=ours)["generationConfig"] == {
        "responseModalities": ["IMAGE"],
        "imageConfig": {"imageSize": theirs},
    }


@pytest.mark.parametrize("ratio", ["auto", "adaptive"])
def test_a_free_aspect_ratio_is_left_out(ratio: str) -> None:
    assert sent(aspect_ratio=ratio) == sent()


def test_references_follow_the_prompt_in_their_order_and_a_mask_is_never_sent() -> None:
    document = sent(
        Input(Role.IMAGE, Body(b"first"), "image/png"),
        Input(Role.MASK, Body(b"mask"), "image/png"),
        Input(Role.IMAGE, Body(b"second"), "image/webp"),
    )

    assert document["contents"] == [
        {
            "role": "user",
            "parts": [
                {"text": "a red fox"},
                {"inlineData": {"mimeType": "image/png", "data": "Zmlyc3Q="}},
                {"inlineData": {"mimeType": "image/webp", "data": "c2Vjb25k"}},
            ],
        }
    ]


@pytest.mark.parametrize(
    ("base_url", "headers"),
    [
        (DEVELOPER, {"x-goog-api-key": "AIza-real"}),
        (EXPRESS, {"x-goog-api-key": "AIza-real"}),
        (VERTEX, {"authorization": "Bearer AIza-real"}),
    ],
    ids=["Developer", "express", "Vertex"],
)
def test_the_address_decides_how_the_credential_is_sent(
    base_url: str, headers: dict[str, str]
) -> None:
    made = call(replace(CHANNEL, base_url=base_url))

    assert (made.method, made.path) == ("POST", "/models/gemini-3-pro-image:generateContent")
    assert made.headers == headers
    assert not made.streams


def test_a_strange_model_id_cannot_leave_its_place_in_the_path() -> None:
    made = call(replace(CHANNEL, upstream_model="a/../b?c"))

    assert made.path == "/models/a%2F..%2Fb%3Fc:generateContent"


@pytest.mark.parametrize("reason", ["STOP", "MAX_TOKENS", "NEW_IN_2027"])
def test_an_image_counts_whatever_made_the_model_stop(reason: str) -> None:
    made = DIALECT.read(reply(200, answer(candidate(PICTURE, reason=reason))), ASK)

    assert made[0] == Final(0, IMAGE)


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (200, BLOCKED, Fault.CONTENT_POLICY),
        (200, answer(promptFeedback={"blockReason": "SAFETY"}), Fault.CONTENT_POLICY),
        (200, answer(promptFeedback={"blockReason": "OTHER"}), Fault.CONTENT_POLICY),
        *(
            (200, answer(candidate(reason=reason)), Fault.CONTENT_POLICY)
            for reason in (
                "SAFETY",
                "IMAGE_SAFETY",
                "PROHIBITED_CONTENT",
                "IMAGE_PROHIBITED_CONTENT",
                "RECITATION",
                "IMAGE_RECITATION",
                "BLOCKLIST",
                "SPII",
                "MODEL_ARMOR",
            )
        ),
        (200, answer(candidate(DRAFT, reason="IMAGE_SAFETY")), Fault.CONTENT_POLICY),
        *(
            (200, answer(candidate(reason=reason)), Fault.SERVER_ERROR)
            for reason in (
                "NO_IMAGE",
                "IMAGE_OTHER",
                "OTHER",
                "MAX_TOKENS",
                "MALFORMED_RESPONSE",
                "LANGUAGE",
                "STOP",
                "NEW_IN_2027",
            )
        ),
        (200, answer(candidate({"text": "A fox is…"})), Fault.SERVER_ERROR),
        (200, answer(candidate(DRAFT | {"thought": True})), Fault.SERVER_ERROR),
        (200, answer(), Fault.INVALID_RESPONSE),
        (200, {"candidates": []}, Fault.INVALID_RESPONSE),
        (200, {"candidates": [{}]}, Fault.INVALID_RESPONSE),
        (200, {"candidates": ["x"]}, Fault.INVALID_RESPONSE),
        (200, {"candidates": "x", "promptFeedback": "x"}, Fault.INVALID_RESPONSE),
        (200, answer(candidate({"inlineData": {"data": None}})), Fault.INVALID_RESPONSE),
        (200, answer(candidate({"inlineData": {"data": "!"}})), Fault.INVALID_RESPONSE),
        (200, answer(candidate({"inlineData": {}})), Fault.INVALID_RESPONSE),
        (200, b"[]", Fault.INVALID_RESPONSE),
        (200, b"[[]]", Fault.INVALID_RESPONSE),
        (200, error(13, "INTERNAL"), Fault.SERVER_ERROR),
        (200, [error(8, "RESOURCE_EXHAUSTED")], Fault.RATE_LIMITED),
        (400, error(400, "INVALID_ARGUMENT"), Fault.BAD_REQUEST),
        (400, [error(400, "INVALID_ARGUMENT")], Fault.BAD_REQUEST),
        (400, error(400, "INVALID_ARGUMENT", API_KEY_INVALID), Fault.AUTH),
        (400, [error(400, "INVALID_ARGUMENT", API_KEY_INVALID)], Fault.AUTH),
        (400, error(400, "FAILED_PRECONDITION"), Fault.AUTH),
        (400, error(400, "OUT_OF_RANGE"), Fault.BAD_REQUEST),
        (400, error(400, None), Fault.BAD_REQUEST),
        (400, b"<html>400</html>", Fault.INVALID_RESPONSE),
        (400, {"error": "no"}, Fault.INVALID_RESPONSE),
        (401, error(401, "UNAUTHENTICATED"), Fault.AUTH),
        (403, error(403, "PERMISSION_DENIED"), Fault.AUTH),
        (404, error(404, "NOT_FOUND"), Fault.NOT_FOUND),
        (404, b"<html>", Fault.NOT_FOUND),
        (429, error(429, "RESOURCE_EXHAUSTED"), Fault.RATE_LIMITED),
        (
            429,
            error(429, "RESOURCE_EXHAUSTED", quota("GenerateRequestsPerMinutePerProjectPerModel")),
            Fault.RATE_LIMITED,
        ),
        (
            429,
            error(
                429,
                "RESOURCE_EXHAUSTED",
                quota("GenerateRequestsPerMinutePerProjectPerModel"),
                quota("GenerateRequestsPerDayPerProjectPerModel"),
                delay("34s"),
            ),
            Fault.QUOTA,
        ),
        (429, b"slow down", Fault.RATE_LIMITED),
        (499, error(499, "CANCELLED"), Fault.SERVER_ERROR),
        (500, error(500, "INTERNAL"), Fault.SERVER_ERROR),
        (500, error(500, "UNKNOWN"), Fault.SERVER_ERROR),
        (501, error(501, "UNIMPLEMENTED"), Fault.NOT_FOUND),
        (502, b"<html>", Fault.SERVER_ERROR),
        (503, error(503, "UNAVAILABLE"), Fault.OVERLOADED),
        (504, error(504, "DEADLINE_EXCEEDED"), Fault.SERVER_ERROR),
        (504, b"", Fault.TIMEOUT),
        (307, b"", Fault.INVALID_RESPONSE),
    ],
)
def test_every_refusal_has_its_fault_and_keeps_its_status(
    status: int, body: object, fault: Fault
) -> None:
    found = refusal(status, body)

    assert found.fault is fault
    assert found.http_status in {status, 0}


@pytest.mark.parametrize(
    ("body", "stage", "words"),
    [
        (BLOCKED, "input", "foxes"),
        (answer(candidate(reason="IMAGE_SAFETY", finishMessage="no foxes")), "output", "no foxes"),
    ],
    ids=["prompt", "image"],
)
def test_a_refusal_in_a_200_tells_its_stage_and_keeps_their_words_sealed(
    body: bytes, stage: str, words: str
) -> None:
    found = refusal(200, body)

    assert found.stage == stage
    assert found.detail == Body(words)
    assert words not in f"{found} {found!r} {found.detail}"


@pytest.mark.parametrize(
    ("details", "headers", "seconds"),
    [
        ([delay("34s")], {}, 34.0),
        ([delay("34.074824224s")], {"retry-after": "9"}, 34.074824224),
        ([delay("1s"), delay("2s")], {}, 2.0),
        ([], {"retry-after": "9"}, 9.0),
        ([delay("soon"), delay(34), delay(None), "x", None], {}, None),
        ([delay("9" * 40 + "s")], {}, None),
        ([], {}, None),
    ],
)
def test_the_wait_they_ask_for_is_passed_on(
    details: list[object], headers: dict[str, str], seconds: float | None
) -> None:
    found = refusal(429, error(429, "RESOURCE_EXHAUSTED", *details), headers)

    assert (found.fault, found.retry_after) == (Fault.RATE_LIMITED, seconds)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("generation_config.image_config.aspect_ratio", "aspect_ratio"),
        ("generationConfig.imageConfig.aspectRatio", "aspect_ratio"),
        ("generation_config.image_config.image_size", "resolution"),
        ("generation_config.seed", "seed"),
        ("generation_config", ""),
        ("contents[0].parts[1].inline_data.data", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_a_parameter_they_blame_is_named_in_our_words(theirs: object, ours: str) -> None:
    found = refusal(400, error(400, "INVALID_ARGUMENT", violation(theirs)))

    assert (found.fault, found.parameter) == (Fault.BAD_REQUEST, ours)


@pytest.mark.parametrize("details", ["x", [1], {"@type": "google.rpc.QuotaFailure"}])
def test_details_of_another_shape_are_passed_over(details: object) -> None:
    body = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": details}}

    assert refusal(429, body).fault is Fault.RATE_LIMITED


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ({}, None),
        ("many", None),
        ({"promptTokenCount": 7, "candidatesTokenCount": 9}, Usage(7, 0, 9, None)),
        ({"promptTokenCount": -7, "candidatesTokenCount": True}, Usage(0, 0, 0, None)),
        (
            {
                "promptTokenCount": 570,
                "candidatesTokenCount": 1130,
                "thoughtsTokenCount": 100,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 10},
                    {"modality": "IMAGE", "tokenCount": 560},
                ],
                "candidatesTokensDetails": [
                    {"modality": "IMAGE", "tokenCount": 1120},
                    {"modality": "TEXT", "tokenCount": 10},
                    "x",
                ],
            },
            Usage(10, 560, 1230, 1120),
        ),
    ],
    ids=str,
)
def test_usage_is_taken_as_far_as_it_makes_sense(usage: object, expected: Usage | None) -> None:
    part = {"inlineData": {"mimeType": "image/x", "data": PIXEL}}

    assert DIALECT.read(reply(200, answer(candidate(part), usage=usage)), ASK) == [
        Final(0, IMAGE),
        Report(expected),
    ]


@pytest.mark.parametrize(
    ("media_type", "name"), [("image/png", "png"), ("image/jpeg", "jpeg"), ("image/webp", "webp")]
)
def test_the_report_tells_the_format_that_came(media_type: str, name: str) -> None:
    part = {"inlineData": {"mimeType": media_type, "data": PIXEL}}
    report = DIALECT.read(reply(200, answer(candidate(part))), ASK)[-1]

    assert isinstance(report, Report)
    assert report.output_format == name
