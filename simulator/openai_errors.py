"""OpenAI's error bodies: what the API says, in its own words, for each status and code.

Facts: the error table and moderation body of OpenAI's images API, and bodies observed in public
reports. The envelope always has the four keys message, type, param and code.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

INVALID_REQUEST: Final = "invalid_request_error"
IMAGE_USER_ERROR: Final = "image_generation_user_error"

NOT_JSON: Final = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
    "your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not "
    "valid JSON. If you have trouble figuring out how to fix this, please contact us through our "
    "help center at help.openai.com.)"
)
NO_KEY: Final = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header "
    "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank "
    "username) if you're accessing the API from your browser and are prompted for a username and "
    "password. You can obtain an API key from https://platform.openai.com/account/api-keys."
)
WRONG_KEY: Final = (
    "Incorrect API key provided: {key}. You can find your API key at "
    "https://platform.openai.com/account/api-keys."
)
QUOTA: Final = (
    "You exceeded your current quota, please check your plan and billing details. For more "
    "information on this error, read the docs: "
    "https://platform.openai.com/docs/guides/error-codes/api-errors."
)
RATE_LIMITED: Final = (
    "Rate limit reached for gpt-image-2 in organization org-simulator on requests per min (RPM): "
    "Limit {limit}, Used {limit}, Requested 1. Please try again in {wait}. Visit "
    "https://platform.openai.com/account/rate-limits to learn more."
)
SERVER_ERROR: Final = (
    "The server had an error processing your request. Sorry about that! You can retry your "
    "request, or contact us through our help center at help.openai.com if you keep seeing this "
    "error. (Please include the request ID {request_id} in your email.)"
)
OVERLOADED: Final = (
    "The server is currently overloaded with other requests. Sorry about that! You can retry your "
    "request, or contact us through our help center at help.openai.com if the error persists."
)
SLOW_DOWN: Final = "Slow down: your request rate rose too quickly. Please reduce it and try again."
UNVERIFIED: Final = (
    "Your organization must be verified to use the model `gpt-image-2`. Please go to: "
    "https://platform.openai.com/settings/organization/general and click on Verify Organization. "
    "If you just verified, it can take up to 15 minutes for access to propagate."
)
MODERATED: Final = (
    "Your request was rejected by the safety system. If you believe this is an error, contact us "
    "at help.openai.com and include the request ID {request_id}. safety_violations=[{category}]."
)
POLICY: Final = (
    "Your request was rejected as a result of our safety system. Your prompt may contain text that "
    "is not allowed by our safety system."
)


@dataclass(frozen=True, slots=True)
class ApiError:
    """One error answer. The message may echo the caller's values, so no repr shows it."""

    status: int
    message: str = field(repr=False)
    type: str = INVALID_REQUEST
    param: str | None = field(default=None, repr=False)
    code: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict, repr=False)

    def body(self) -> bytes:
        """Give the answer's JSON body."""
        return json.dumps({"error": self.members()}, indent=2).encode()

    def event(self) -> bytes:
        """Give the error as the event that ends a stream."""
        data = json.dumps({"type": "error", "error": self.members()}, separators=(",", ":"))
        return b"event: error\ndata: " + data.encode() + b"\n\n"

    def members(self) -> dict[str, object]:
        """Give the members of the `error` object."""
        return {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
            **self.extra,
        }


class Rejected(Exception):
    """The request is answered with an ApiError; the exception's own text says nothing of it."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.code)
        self.error = error


def invalid(message: str, param: str | None, code: str | None) -> Rejected:
    """Give a 400 of type invalid_request_error."""
    return Rejected(ApiError(400, message, param=param, code=code))


def invalid_for_model(message: str, param: str, code: str) -> Rejected:
    """Give a 400 as the image model itself, rather than the API, refuses."""
    return Rejected(ApiError(400, message, IMAGE_USER_ERROR, param, code))


def moderated(stage: str, request_id: str) -> ApiError:
    """Give a refusal by the safety system; *stage* is input or output."""
    category = "violence" if stage == "input" else "sexual"
    return ApiError(
        400,
        MODERATED.format(request_id=request_id, category=category),
        IMAGE_USER_ERROR,
        code="moderation_blocked",
        extra={"moderation_details": {"moderation_stage": stage, "categories": [category]}},
    )


def masked(key: str) -> str:
    """Show a key as the 401 body does: its ends only."""
    if len(key) <= 12:
        return "*" * len(key)
    return f"{key[:3]}{'*' * min(len(key) - 7, 64)}{key[-4:]}"


# The body of a scripted status: by (status, code), code None being the status's usual one.
_SCRIPTED: Final[Mapping[tuple[int, str | None], tuple[str, str, str | None]]] = {
    (400, None): ("Invalid request.", INVALID_REQUEST, None),
    (400, "content_policy_violation"): (POLICY, INVALID_REQUEST, "content_policy_violation"),
    (400, "billing_hard_limit_reached"): (
        "Billing hard limit has been reached.",
        INVALID_REQUEST,
        "billing_hard_limit_reached",
    ),
    (401, None): (WRONG_KEY, INVALID_REQUEST, "invalid_api_key"),
    (403, None): (UNVERIFIED, INVALID_REQUEST, None),
    (403, "unsupported_country_region_territory"): (
        "Country, region, or territory not supported",
        "request_forbidden",
        "unsupported_country_region_territory",
    ),
    (404, None): (
        "The model `gpt-image-2` does not exist or you do not have access to it.",
        INVALID_REQUEST,
        "model_not_found",
    ),
    (429, None): (RATE_LIMITED, "requests", "rate_limit_exceeded"),
    (500, None): (SERVER_ERROR, "server_error", None),
    (503, None): (OVERLOADED, "service_unavailable_error", "server_is_overloaded"),
    (503, "slow_down"): (SLOW_DOWN, "service_unavailable_error", "slow_down"),
}
_QUOTA_CODES: Final = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
    }
)


def scripted(status: int, code: str | None, request_id: str) -> ApiError:
    """Give the error that a `status` fault asks for, as true to OpenAI as is known."""
    if code == "moderation_blocked":
        return moderated("output", request_id)
    if status == 429 and code in _QUOTA_CODES:
        return ApiError(429, QUOTA, "insufficient_quota", code=code)
    found = _SCRIPTED.get((status, code)) or _SCRIPTED.get((status, None))
    if found is None:
        kind = "server_error" if status >= 500 else INVALID_REQUEST
        found = ("The request could not be completed.", kind, None)
    message, kind, usual_code = found
    text = message.format(
        request_id=request_id, key=masked("sk-simulated-upstream-key"), limit=5, wait="1s"
    )
    return ApiError(status, text, kind, code=code or usual_code)
