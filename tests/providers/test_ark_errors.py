"""What the errors of Ark mean, wherever they stand."""

import orjson
import pytest
from multidict import CIMultiDict

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask, Input, Kind, Role
from core.providers.ark_images import ArkImages
from core.providers.wire import Reply
from tests.providers.tapes_ark_images import ASK, UNAUTHORIZED, answer, error, image

DIALECT = ArkImages()
FIRST = Input(Role.IMAGE, Body(b"first"), "image/png", parameter="image_urls[0]")
SECOND = Input(Role.IMAGE, Body(b"second"), "image/webp", parameter="image_urls[1]")


def ask(*inputs: Input, **parameters: str | float | bool) -> Ask:
    return Ask("ours", Kind.IMAGE, Body("a red fox"), inputs, parameters=parameters)


def reply(status: int, body: object, headers: dict[str, str] | None = None) -> Reply:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return Reply(status, CIMultiDict(headers or {}), Body(data), received_at=1_763_750_000.0)


def refusal(status: int, body: object, of: Ask = ASK) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.read(reply(status, body), of)
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "fault"),
    [
        (400, "MissingParameter", Fault.BAD_REQUEST),
        (400, "MissingParameter.prompt", Fault.BAD_REQUEST),
        (400, "InvalidParameter", Fault.BAD_REQUEST),
        (400, "InvalidParameter.UnsupportedParameter", Fault.BAD_REQUEST),
        (400, "InvalidImageURL.EmptyURL", Fault.BAD_REQUEST),
        (400, "OutofContextError", Fault.BAD_REQUEST),
        (400, "UnheardOf", Fault.BAD_REQUEST),
        (400, "InvalidEndpoint.ClosedEndpoint", Fault.NOT_FOUND),
        (400, "InputTextSensitiveContentDetected", Fault.CONTENT_POLICY),
        (400, "InputImageSensitiveContentDetected.PrivacyInformation", Fault.CONTENT_POLICY),
        (400, "OutputImageSensitiveContentDetected.PolicyViolation", Fault.CONTENT_POLICY),
        (400, "SensitiveContentDetected.SevereViolation", Fault.CONTENT_POLICY),
        (400, "InputTextRiskDetection", Fault.CONTENT_POLICY),
        (400, "SomethingNewSensitive.Thing", Fault.CONTENT_POLICY),
        (400, "ContentSecurityDetectionError", Fault.SERVER_ERROR),
        (401, "AuthenticationError", Fault.AUTH),
        (401, "InvalidAccountStatus", Fault.AUTH),
        (403, "AccountOverdueError", Fault.QUOTA),
        (403, "OperationDenied.ServiceOverdue", Fault.QUOTA),
        (403, "OperationDenied.ServiceNotOpen", Fault.AUTH),
        (403, "AccessDenied", Fault.AUTH),
        (403, "UnheardOf", Fault.AUTH),
        (404, "InvalidEndpointOrModel.NotFound", Fault.NOT_FOUND),
        (404, "ModelNotOpen", Fault.NOT_FOUND),
        (404, "UnsupportedModel", Fault.NOT_FOUND),
        (404, "NotFound.Task", Fault.NOT_FOUND),
        (429, "RateLimitExceeded.EndpointRPMExceeded", Fault.RATE_LIMITED),
        (429, "ModelAccountIpmRateLimitExceeded", Fault.RATE_LIMITED),
        (429, "RequestBurstTooFast", Fault.RATE_LIMITED),
        (429, "UnheardOf", Fault.RATE_LIMITED),
        (429, "ServerOverloaded", Fault.OVERLOADED),
        (429, "ModelLoadingError", Fault.OVERLOADED),
        (429, "SetLimitExceeded", Fault.QUOTA),
        (500, "InternalServiceError", Fault.SERVER_ERROR),
        (503, "UnheardOf", Fault.OVERLOADED),
        (200, "UnheardOf", Fault.SERVER_ERROR),
        (200, "InvalidParameter", Fault.BAD_REQUEST),
    ],
)
def test_every_code_has_its_fault_and_keeps_its_status(
    status: int, code: str, fault: Fault
) -> None:
    found = refusal(status, error(code))

    assert (found.fault, found.http_status) == (fault, status)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("The number of queued tasks has reached the limit.", Fault.RATE_LIMITED),
        ("Your account has exhausted its free trial quota for the model.", Fault.QUOTA),
        ("You have used up the plan's window; it will reset at 2026-11-22 00:00.", Fault.QUOTA),
        ("", Fault.QUOTA),
    ],
)
def test_an_exceeded_quota_is_told_apart_by_its_message(said: str, fault: Fault) -> None:
    assert refusal(429, error("QuotaExceeded", said)).fault is fault


def test_a_page_of_something_in_between_is_no_verdict_on_the_request() -> None:
    assert refusal(400, b"<html>400 Bad Request</html>").fault is Fault.INVALID_RESPONSE
    assert refusal(401, {"error": UNAUTHORIZED}).fault is Fault.AUTH
    assert refusal(200, {**orjson.loads(answer(image(0))), "error": "no"}).fault is (
        Fault.SERVER_ERROR
    )


def test_a_model_that_the_provider_does_not_know_is_the_channels_fault() -> None:
    assert refusal(400, error("InvalidParameter", parameter="model")).fault is Fault.NOT_FOUND


@pytest.mark.parametrize(
    ("code", "stage"),
    [
        ("InputTextSensitiveContentDetected", "input"),
        ("OutputImageRiskDetection", "output"),
        ("SensitiveContentDetected", ""),
    ],
)
def test_a_refusal_by_moderation_tells_its_stage_and_keeps_the_providers_words_sealed(
    code: str, stage: str
) -> None:
    found = refusal(400, error(code, "because of the fox"))

    assert found.stage == stage
    assert found.detail == Body("because of the fox")
    assert "fox" not in f"{found} {found!r} {found.detail}"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("prompt", "prompt"),
        ("size", "resolution"),
        ("watermark", "watermark"),
        ("image", "image_urls[0]"),
        ("image[1]", "image_urls[1]"),
        ("image[9]", ""),
        ("sequential_image_generation_options.max_images", "output_count"),
        ("response_format", ""),
        ("tools", ""),
        ("", ""),
        ("[1]", ""),
    ],
)
def test_a_parameter_they_blame_is_named_in_our_words(theirs: str, ours: str) -> None:
    request = ask(FIRST, SECOND, resolution="2k", aspect_ratio="1:1", watermark=True)

    assert refusal(400, error("InvalidParameter", parameter=theirs), request).parameter == ours


def test_the_wait_they_ask_for_is_passed_on() -> None:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.read(reply(429, error("RequestBurstTooFast"), {"Retry-After": "7"}), ASK)

    assert caught.value.retry_after == 7.0
