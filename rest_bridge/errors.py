"""What each error reason means in HTTP and in OpenAI's words: one table, keyed by reason.

A reason is the name of a `reapi.v1.ErrorReason` without its prefix. A test proves
the table total. `x-should-retry: false` stands where a retry by an SDK would buy
again or cannot help; everything with a retryable status and no such mark has
charged nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from rest_bridge.headers import Headers, generation_id, rate_limit_headers

_PARAMETER_NAMES: Mapping[str, str] = {
    "output_count": "n",
    "partial_count": "partial_images",
    "end_user_id": "user",
    "inputs": "image",
    "routing": "x-reapi-routing",
}
"""What a parameter of the contract is called in OpenAI's dialect, where that differs."""


@dataclass(frozen=True, slots=True)
class Row:
    """How one reason looks over HTTP."""

    status: int
    type: str
    code: str
    should_retry: bool | None = None
    """The value of `x-should-retry`; None sends none."""
    retry_after: bool = False
    """Whether a `Retry-After` always goes with it."""


_CALLER = "invalid_request_error"
_SERVER = "server_error"
_QUOTA = "insufficient_quota"
_RATE = "requests"
_IMAGE = "image_generation_user_error"

# fmt: off
RENDERINGS: Mapping[str, Row] = {
    "UNSPECIFIED":                Row(500, _SERVER, "internal_error"),
    "API_KEY_MISSING":            Row(401, _CALLER, "invalid_api_key"),
    "API_KEY_INVALID":            Row(401, _CALLER, "invalid_api_key"),
    "PERMISSION_DENIED":          Row(403, _CALLER, "permission_denied"),
    "ACCOUNT_SUSPENDED":          Row(403, _CALLER, "account_suspended"),
    "SESSION_INVALID":            Row(401, _CALLER, "session_invalid"),
    "CREDENTIALS_INVALID":        Row(401, _CALLER, "credentials_invalid"),
    "EMAIL_NOT_VERIFIED":         Row(403, _CALLER, "email_not_verified"),
    "NETWORK_NOT_ALLOWED":        Row(403, _CALLER, "network_not_allowed"),
    "REAUTHENTICATION_REQUIRED":  Row(403, _CALLER, "reauthentication_required"),
    "INVALID_PARAMETER":          Row(400, _CALLER, "invalid_value"),
    "MISSING_PARAMETER":          Row(400, _CALLER, "missing_required_parameter"),
    "UNKNOWN_PARAMETER":          Row(400, _CALLER, "unknown_parameter"),
    "INVALID_TYPE":               Row(400, _CALLER, "invalid_type"),
    "MALFORMED_REQUEST":          Row(400, _CALLER, "malformed_request"),
    "UNSUPPORTED_CONTENT_TYPE":   Row(400, _CALLER, "unsupported_content_type"),
    "REQUEST_TOO_LARGE":          Row(413, _CALLER, "request_too_large"),
    "INVALID_INPUT":              Row(400, _CALLER, "invalid_input"),
    "REQUEST_TIMEOUT":            Row(408, _CALLER, "request_timeout"),
    "MODEL_NOT_FOUND":            Row(404, _CALLER, "model_not_found"),
    "GENERATION_NOT_FOUND":       Row(404, _CALLER, "generation_not_found"),
    "ASSET_NOT_FOUND":            Row(404, _CALLER, "asset_not_found"),
    "ENDPOINT_NOT_FOUND":         Row(404, _CALLER, "unknown_url"),
    "ENDPOINT_NOT_AVAILABLE":     Row(404, _CALLER, "endpoint_not_available"),
    "METHOD_NOT_ALLOWED":         Row(405, _CALLER, "method_not_allowed"),
    "NOT_FOUND":                  Row(404, _CALLER, "not_found"),
    "MODEL_NOT_ALLOWED":          Row(403, _CALLER, "model_not_allowed"),
    "CONFLICT":                   Row(409, _CALLER, "conflict", should_retry=False),
    "PAYMENT_SERVICE_UNAVAILABLE": Row(503, _SERVER, "payment_service_away", retry_after=True),
    "INSUFFICIENT_CREDITS":       Row(429, _QUOTA, "insufficient_quota", should_retry=False),
    "BUDGET_EXCEEDED":            Row(429, _QUOTA, "budget_exceeded", should_retry=False),
    "QUOTE_EXPIRED":              Row(400, _CALLER, "quote_expired"),
    "QUOTE_MISMATCH":             Row(400, _CALLER, "quote_mismatch"),
    "RATE_LIMIT_EXCEEDED":        Row(429, _RATE, "rate_limit_exceeded", retry_after=True),
    "CONCURRENCY_LIMIT_EXCEEDED": Row(429, _RATE, "concurrency_limit_exceeded", retry_after=True),
    "ACCOUNT_IN_DEBT":            Row(429, _QUOTA, "account_in_debt", should_retry=False),
    "IDEMPOTENCY_MISMATCH":       Row(422, _CALLER, "idempotency_mismatch"),
    "RESULT_NOT_RETAINED":        Row(409, _CALLER, "result_not_retained", should_retry=False),
    "REQUEST_NOT_RETAINED":       Row(503, _SERVER, "request_not_retained"),
    "OVERLOADED":                 Row(503, _SERVER, "overloaded", retry_after=True),
    "STORAGE_UNAVAILABLE":        Row(503, _SERVER, "storage_unavailable", retry_after=True),
    "INTERNAL":                   Row(500, _SERVER, "internal_error"),
    "DEADLINE_EXCEEDED":          Row(504, _SERVER, "deadline_exceeded", should_retry=False),
    "STILL_RUNNING":              Row(504, _SERVER, "still_running", should_retry=False),
    "CONTENT_POLICY_VIOLATION":   Row(400, _IMAGE, "moderation_blocked"),
    "UPSTREAM_REJECTED":          Row(400, _CALLER, "upstream_rejected"),
    "UPSTREAM_ERROR":             Row(502, _SERVER, "upstream_error"),
    "UPSTREAM_TIMEOUT":           Row(504, _SERVER, "upstream_timeout"),
    "UPSTREAM_OVERLOADED":        Row(503, _SERVER, "upstream_overloaded", retry_after=True),
    "NO_CHANNEL":                 Row(400, _CALLER, "no_channel"),
    "STREAM_INTERRUPTED":         Row(502, _SERVER, "stream_interrupted"),
    "CANCELLED":                  Row(409, _CALLER, "cancelled", should_retry=False),
    "BOT_CHECK_FAILED":           Row(403, _CALLER, "bot_check_failed"),
    "TOKEN_INVALID":              Row(400, _CALLER, "token_invalid"),
    "SIGN_IN_REFUSED":            Row(403, _CALLER, "sign_in_refused"),
    "SIGN_IN_SERVICE_UNAVAILABLE": Row(503, _SERVER, "sign_in_service_away", retry_after=True),
    "CSRF_TOKEN_INVALID":         Row(403, _CALLER, "csrf_token_invalid"),
}
# fmt: on

MESSAGES: Mapping[str, str] = {
    "UNSPECIFIED": "The gateway failed. Nothing was charged.",
    "API_KEY_MISSING": "You didn't provide an API key. Send it as `Authorization: Bearer <key>`.",
    "API_KEY_INVALID": "Incorrect API key provided.",
    "PERMISSION_DENIED": "This API key may not do that.",
    "ACCOUNT_SUSPENDED": "The account is suspended. Contact the operator.",
    "SESSION_INVALID": "You are signed out. Sign in again.",
    "CREDENTIALS_INVALID": "E-mail address or password is wrong.",
    "EMAIL_NOT_VERIFIED": "Open the link in the verification mail first.",
    "NETWORK_NOT_ALLOWED": "This API key does not work from this network.",
    "REAUTHENTICATION_REQUIRED": "Prove again who you are: wrong password, or too long ago.",
    "INVALID_PARAMETER": "A parameter has an invalid value.",
    "MISSING_PARAMETER": "A required parameter is missing.",
    "UNKNOWN_PARAMETER": "Unknown parameter.",
    "INVALID_TYPE": "A parameter has the wrong type.",
    "MALFORMED_REQUEST": "We could not parse the body of your request.",
    "UNSUPPORTED_CONTENT_TYPE": "Unsupported content type.",
    "REQUEST_TOO_LARGE": "The request is too large.",
    "INVALID_INPUT": "An input is not a readable file of an accepted type.",
    "REQUEST_TIMEOUT": "The body of the request did not arrive in time.",
    "MODEL_NOT_FOUND": "The model does not exist or you do not have access to it.",
    "GENERATION_NOT_FOUND": "No such generation.",
    "ASSET_NOT_FOUND": "The output does not exist, was deleted or has expired.",
    "ENDPOINT_NOT_FOUND": "Invalid URL.",
    "ENDPOINT_NOT_AVAILABLE": "This endpoint is not available here.",
    "METHOD_NOT_ALLOWED": "This URL does not take that method.",
    "NOT_FOUND": "No such resource.",
    "MODEL_NOT_ALLOWED": "This API key may not use that model.",
    "CONFLICT": "The resource changed meanwhile, or its state does not allow that.",
    "PAYMENT_SERVICE_UNAVAILABLE": "The payment service does not answer. Nothing was paid.",
    "INSUFFICIENT_CREDITS": "You have run out of credits. Nothing was charged.",
    "BUDGET_EXCEEDED": "A budget is spent. Nothing was charged.",
    "QUOTE_EXPIRED": "The quote has expired or was used.",
    "QUOTE_MISMATCH": "The request differs from what was quoted.",
    "RATE_LIMIT_EXCEEDED": "Rate limit reached. Try again later.",
    "CONCURRENCY_LIMIT_EXCEEDED": "Too many generations are running. Try again later.",
    "ACCOUNT_IN_DEBT": "A refunded or disputed payment left a debt. Nothing was charged.",
    "IDEMPOTENCY_MISMATCH": "The idempotency key was used for another request.",
    "RESULT_NOT_RETAINED": "The request was done before and its result is gone.",
    "REQUEST_NOT_RETAINED": "The generation was interrupted. Nothing was charged.",
    "OVERLOADED": "The gateway is overloaded. Try again later.",
    "STORAGE_UNAVAILABLE": "The gateway is unavailable for a moment. Try again later.",
    "INTERNAL": "The gateway failed. Nothing was charged.",
    "DEADLINE_EXCEEDED": "The time given for the request is over. Nothing was charged.",
    "STILL_RUNNING": "The generation is still running. Fetch it by its id.",
    "CONTENT_POLICY_VIOLATION": "The request was refused by a safety system. Nothing was charged.",
    "UPSTREAM_REJECTED": "The provider refused the request. Nothing was charged.",
    "UPSTREAM_ERROR": "Every provider failed. Nothing was charged.",
    "UPSTREAM_TIMEOUT": "The provider did not answer in time. Nothing was charged.",
    "UPSTREAM_OVERLOADED": "Every provider is overloaded. Nothing was charged.",
    "NO_CHANNEL": "No provider of the model can serve these parameters.",
    "STREAM_INTERRUPTED": "The provider failed in the middle. Nothing was charged.",
    "CANCELLED": "The generation was cancelled.",
    "BOT_CHECK_FAILED": "The bot check failed. Load the page again.",
    "TOKEN_INVALID": "The link was used before or is too old. Ask for another one.",
    "SIGN_IN_REFUSED": "The other service did not sign you in.",
    "SIGN_IN_SERVICE_UNAVAILABLE": "The other service does not answer. Try again in a moment.",
    "CSRF_TOKEN_INVALID": "The request did not come from this site. Load the page again.",
}
"""What is said when core gave no text of its own; never the text of gRPC."""


class ApiError(Exception):
    """What the caller is told. Its text names the remedy and never repeats content.

    `parameter` is what the caller calls the field at fault. `metadata` is that of
    the ErrorInfo. `retry_after` is in seconds. `headers` are sent besides those
    of the reason.
    """

    def __init__(
        self,
        reason: str,
        message: str = "",
        *,
        parameter: str = "",
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
        headers: Headers = (),
    ) -> None:
        super().__init__(reason)
        self.reason = reason if reason in RENDERINGS else "INTERNAL"
        self.message = message or MESSAGES[self.reason]
        self.parameter = parameter
        self.retry_after = retry_after
        self.metadata = metadata or {}
        self.headers = headers

    @property
    def rendering(self) -> Row:
        """The row of the table."""
        return RENDERINGS[self.reason]

    def body(self) -> bytes:
        """The JSON of OpenAI's error object: always all four keys."""
        return error_body(self.rendering, self.message, self.named_parameter())

    def named_parameter(self) -> str | None:
        """The field at fault in OpenAI's words, or None."""
        name = self.parameter or self.metadata.get("parameter", "")
        if not name and self.reason == "MODEL_NOT_FOUND":
            return "model"
        return _PARAMETER_NAMES.get(name, name) or None

    def answer_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that go with the error, besides those of every answer."""
        found = list(self.headers)
        row = self.rendering
        if row.should_retry is not None:
            found.append((b"x-should-retry", b"true" if row.should_retry else b"false"))
        if row.retry_after or self.retry_after is not None:
            # Whole seconds, at least one: what the SDKs of every version obey.
            seconds = max(1, math.ceil(self.retry_after or 0))
            found.append((b"retry-after", b"%d" % seconds))
        if self.reason == "METHOD_NOT_ALLOWED" and "allow" in self.metadata:
            found.append((b"allow", self.metadata["allow"].encode("ascii", "replace")))
        if (name := self.metadata.get("generation")) and not self.headers:
            found.append((b"x-reapi-generation", generation_id(name)))
        if self.reason == "RATE_LIMIT_EXCEEDED":
            found += rate_limit_headers(
                _number(self.metadata.get("limit")),
                _number(self.metadata.get("remaining", "0")),
                _number(self.metadata.get("reset_ms")),
            )
        return found


def error_body(row: Row, message: str, parameter: str | None) -> bytes:
    """The JSON of an error that looks like *row*."""
    return orjson.dumps(
        {"error": {"message": message, "type": row.type, "param": parameter, "code": row.code}}
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
