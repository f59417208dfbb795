"""Google's error bodies: `google.rpc.Status` in JSON, for each status and code.

Facts: the error table of the Gemini API and bodies observed in public reports. A `status`
fault's `code` picks a variant: of 400 `API_KEY_INVALID` or `FAILED_PRECONDITION`, of 429
`PerDay` (a quota that is spent until midnight), of any status another of Google's names for it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

TYPE: Final = "type.googleapis.com/google.rpc."

KEY_INVALID: Final = "API key not valid. Please pass a valid API key."
NO_KEY: Final = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use "
    "API Key or other form of API consumer identity to call this API."
)
NO_KEYS_HERE: Final = (
    "API keys are not supported by this API. Expected OAuth2 access token or other authentication "
    "credentials that assert a principal. See https://cloud.google.com/docs/authentication"
)
NOT_AUTHENTICATED: Final = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login "
    "cookie or other valid authentication credential. See "
    "https://developers.google.com/identity/sign-in/web/devconsole-project."
)
BADLY_AUTHENTICATED: Final = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie "
    "or other valid authentication credential. See "
    "https://developers.google.com/identity/sign-in/web/devconsole-project."
)
EXHAUSTED: Final = "Resource has been exhausted (e.g. check quota)."
SPENT: Final = (
    "You exceeded your current quota, please check your plan and billing details. For more "
    "information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits."
)
OVERLOADED: Final = "The model is overloaded. Please try again later."
INTERNAL: Final = (
    "An internal error has occurred. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting"
)
LATE: Final = "Deadline expired before operation could complete."
NO_REGION: Final = "User location is not supported for the API use."
LEAKED: Final = "Your API key was reported as leaked. Please use another API key."
BAD_IMAGE: Final = (
    "Unable to process input image. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting"
)

# The names of google/rpc/code.proto that a `status` fault may give as its `code`.
# fmt: off
STATUSES: Final = frozenset({
    "ABORTED", "CANCELLED", "DEADLINE_EXCEEDED", "FAILED_PRECONDITION", "INTERNAL",
    "INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED",
    "UNAVAILABLE", "UNIMPLEMENTED", "UNKNOWN",
})
# fmt: on


@dataclass(frozen=True, slots=True)
class ApiError:
    """One error answer. The message may echo the caller's values, so no repr shows it."""

    http: int
    status: str
    message: str = field(repr=False)
    details: Sequence[Mapping[str, object]] = field(default=(), repr=False)

    def members(self) -> dict[str, object]:
        """Give the document: the `error` object in its envelope."""
        error = {"code": self.http, "message": self.message, "status": self.status}
        return {"error": error | ({"details": list(self.details)} if self.details else {})}

    def body(self, *, listed: bool = False) -> bytes:
        """Give the JSON body, as the only element of a list where *listed*."""
        document = self.members()
        return json.dumps([document] if listed else document, indent=2).encode() + b"\n"

    def event(self) -> bytes:
        """Give the event that ends a stream."""
        return b"data: " + json.dumps(self.members()).encode() + b"\r\n\r\n"


class Rejected(Exception):
    """The request is answered with an ApiError; the exception's own text says nothing of it."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.status)
        self.error = error


def invalid(message: str, path: str = "") -> Rejected:
    """Give a 400 INVALID_ARGUMENT that blames the field at *path*, where there is one."""
    violation = {"field": path, "description": message} if path else {"description": message}
    detail = {"@type": TYPE + "BadRequest", "fieldViolations": [violation]}
    return Rejected(ApiError(400, "INVALID_ARGUMENT", message, (detail,)))


def plainly_invalid(message: str) -> Rejected:
    """Give a 400 as the model's own server says it: without details."""
    return Rejected(ApiError(400, "INVALID_ARGUMENT", message))


def key_invalid(service: str) -> ApiError:
    """Give the refusal of a wrong API key."""
    return ApiError(
        400,
        "INVALID_ARGUMENT",
        KEY_INVALID,
        (
            _info("API_KEY_INVALID", {"service": service}),
            {"@type": TYPE + "LocalizedMessage", "locale": "en-US", "message": KEY_INVALID},
        ),
    )


def unauthenticated(message: str, reason: str) -> ApiError:
    """Give a 401 of Vertex; *reason* is Google's word for it."""
    metadata = {
        "service": "aiplatform.googleapis.com",
        "method": "google.cloud.aiplatform.v1.PredictionService.GenerateContent",
    }
    return ApiError(401, "UNAUTHENTICATED", message, (_info(reason, metadata),))


def exhausted(seconds: float, limit: int, model: str, *, daily: bool = False) -> ApiError:
    """Give a 429 that asks to wait *seconds*: the only place where Google says it."""
    period = "Day" if daily else "Minute"
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_requests_per_model",
        "quotaId": f"GenerateRequestsPer{period}PerProjectPerModel",
        "quotaDimensions": {"model": model, "location": "global"},
        "quotaValue": str(limit),
    }
    link = {
        "description": "Learn more about Gemini API quotas",
        "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
    }
    return ApiError(
        429,
        "RESOURCE_EXHAUSTED",
        SPENT if daily else EXHAUSTED,
        (
            {"@type": TYPE + "QuotaFailure", "violations": [violation]},
            {"@type": TYPE + "Help", "links": [link]},
            {"@type": TYPE + "RetryInfo", "retryDelay": f"{seconds:.9g}s"},
        ),
    )


_SCRIPTED: Final[Mapping[int, tuple[str, str]]] = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", BADLY_AUTHENTICATED),
    403: ("PERMISSION_DENIED", LEAKED),
    404: ("NOT_FOUND", "Requested entity was not found."),
    409: ("ABORTED", "The operation was aborted."),
    499: ("CANCELLED", "The operation was cancelled."),
    500: ("INTERNAL", INTERNAL),
    501: ("UNIMPLEMENTED", "Operation is not implemented, or supported, or enabled."),
    503: ("UNAVAILABLE", OVERLOADED),
    504: ("DEADLINE_EXCEEDED", LATE),
}


def scripted(status: int, code: str | None, retry_after: int | None) -> ApiError:
    """Give the error that a `status` fault asks for, as true to Google as is known."""
    if status == 429:
        seconds = 34 if retry_after is None else retry_after
        return exhausted(seconds, 10, "gemini-3-pro-image", daily=code == "PerDay")
    if code == "API_KEY_INVALID":
        return key_invalid("generativelanguage.googleapis.com")
    if code == "FAILED_PRECONDITION":
        return ApiError(status, code, NO_REGION)
    name, message = _SCRIPTED.get(status, ("UNKNOWN", "The request could not be completed."))
    return ApiError(status, code if code and code in STATUSES else name, message)


def _info(reason: str, metadata: Mapping[str, str]) -> dict[str, object]:
    return {
        "@type": TYPE + "ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": metadata,
    }
