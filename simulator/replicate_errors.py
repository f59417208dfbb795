"""Replicate's errors: of a call, as a problem document, and of a prediction, as one sentence.

Facts: providers.md 8.2.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from simulator.endpoint_fields import Problem

_TITLES: Final[Mapping[int, str]] = {
    401: "Unauthenticated",
    402: "Insufficient credit",
    422: "Input validation failed",
}
_DETAILS: Final[Mapping[int, str]] = {
    400: "The request could not be understood.",
    401: "You did not pass a valid authentication token",
    402: (
        "You have insufficient credit to run this model. Go to "
        "https://replicate.com/account/billing#billing to purchase credit. Once you purchase "
        "credit, please wait a few minutes before trying again."
    ),
    404: "The requested resource could not be found.",
    413: "The request is too large.",
    422: "- input: prompt is required",
}
_THROTTLED: Final = (
    "Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per "
    "minute with a burst of 1 requests while you have less than $5.0 in credit. Your rate limit "
    "resets in ~{seconds}s."
)
_INTERNAL: Final = "Internal server error"
FLAGGED: Final = (
    "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"
)
# What a failed prediction says, by its code; the codes but E005 are recalled, not confirmed.
_SENTENCES: Final[Mapping[str, str]] = {
    "E003": "Service is temporarily unavailable due to high demand. Please try again later. (E003)",
    "E005": FLAGGED,
    "E006": "The input was invalid. (E006)",
    "PA": "Prediction interrupted; please retry (code: PA)",
}


@dataclass(frozen=True, slots=True)
class ReplicateError:
    """One error answer. It never repeats what a caller sent."""

    status: int
    detail: str = field(repr=False)
    more: Mapping[str, object] = field(default_factory=dict, repr=False)

    def body(self) -> bytes:
        """Give the JSON body."""
        if self.status >= 500:
            return json.dumps({"detail": self.detail}).encode()
        title = {"title": _TITLES[self.status]} if self.status in _TITLES else {}
        told = {**title, "detail": self.detail, "status": self.status, **self.more}
        return json.dumps(told).encode()

    def headers(self) -> dict[str, str]:
        """Give the headers that say the same."""
        wait = self.more.get("retry_after")
        return {} if wait is None else {"retry-after": str(wait)}


class ReplicateRejected(Exception):
    """The request is answered with a ReplicateError."""

    def __init__(self, error: ReplicateError) -> None:
        super().__init__(error.status)
        self.error = error


def plain(status: int) -> ReplicateError:
    """Give the usual error of a status."""
    return ReplicateError(status, _DETAILS.get(status, _INTERNAL))


def throttled(seconds: int) -> ReplicateError:
    """Give the 429 that asks to wait for so many seconds."""
    return ReplicateError(429, _THROTTLED.format(seconds=seconds), {"retry_after": seconds})


def input_error(problem: Problem) -> ReplicateError:
    """Give the 422 about one input."""
    detail = f"- {_told(problem)}"
    field_name = f"input.{problem.name}"
    invalid = [{"type": problem.kind, "field": field_name, "description": detail}]
    return ReplicateError(422, detail, {"invalid_fields": invalid})


def sentence(code: str | None) -> str:
    """Give what a prediction that failed says."""
    if code is None:
        return "Director: unexpected error handling prediction (E9243)"
    return _SENTENCES.get(code, code)


def _told(problem: Problem) -> str:
    name = f"input.{problem.name}"
    match problem.kind:
        case "missing":
            return f"input: {problem.name} is required"
        case "unknown":
            return f"input: Additional property {problem.limit} is not allowed"
        case "wrong_type":
            return f"{name}: Invalid type. Expected: {problem.limit}"
        case "one_of":
            assert isinstance(problem.limit, tuple)
            words = ", ".join(f'"{word}"' for word in problem.limit)
            return f"{name}: {name} must be one of the following: {words}"
        case "greater_than_equal":
            return f"{name}: Must be greater than or equal to {problem.limit}"
        case "less_than_equal":
            return f"{name}: Must be less than or equal to {problem.limit}"
        case "too_long":
            return f"{name}: Array must have at most {problem.limit} items"
    return f"{name}: Does not match format 'uri'"
