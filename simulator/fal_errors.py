"""fal's errors: of a model (a list of details), of a request (a flat one), of the Platform API.

Facts: providers.md 8.1. The words of most messages are a guess; their types and statuses are not.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from simulator.endpoint_fields import Problem

# Statuses of the types of a model's errors; every other type is a 422.
_MODEL: Final[Mapping[str, int]] = {
    "downstream_service_error": 400,
    "downstream_service_unavailable": 500,
    "internal_server_error": 500,
    "generation_timeout": 504,
}
_MESSAGES: Final[Mapping[str, str]] = {
    "content_policy_violation": (
        "The content could not be processed because it was flagged by a content checker."
    ),
    "no_media_generated": "No media was generated. Try again with different inputs.",
    "downstream_service_error": "Downstream service error",
    "downstream_service_unavailable": "Downstream service unavailable",
    "internal_server_error": "Internal server error",
    "generation_timeout": "Generation timeout",
}
# Statuses of the types of a request's errors.
_REQUEST: Final[Mapping[str, int]] = {
    "request_timeout": 504,
    "startup_timeout": 504,
    "runner_scheduling_failure": 503,
    "runner_connection_timeout": 503,
    "runner_disconnected": 503,
    "runner_connection_refused": 503,
    "runner_connection_error": 503,
    "runner_incomplete_response": 502,
    "runner_server_error": 500,
    "internal_error": 500,
    "client_disconnected": 499,
    "client_cancelled": 499,
    "bad_request": 400,
}
_PLAIN: Final[Mapping[int, str]] = {
    400: "Bad request",
    401: "Authentication is required to access this application.",
    403: (
        "User is locked. Reason: Exhausted balance. Top up your balance at "
        "fal.ai/dashboard/billing."
    ),
    404: "Application not found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    422: "Invalid JSON",
    429: "Too many requests",
}
_PLATFORM: Final[Mapping[int, str]] = {
    400: "validation_error",
    401: "authorization_error",
    403: "authorization_error",
    404: "not_found",
    429: "rate_limited",
    501: "not_implemented",
}


@dataclass(frozen=True, slots=True)
class FalError:
    """One error answer. It never repeats what a caller sent."""

    status: int
    detail: object = field(repr=False)
    error_type: str = ""
    """Of a request's error: a flat body."""

    @property
    def kind(self) -> str:
        """The type of the error, wherever it stands."""
        if isinstance(self.detail, list):
            return str(self.detail[0]["type"])
        return self.error_type

    @property
    def moderated(self) -> bool:
        """Say whether the content was refused."""
        return self.kind in {"content_policy_violation", "no_media_generated"}

    def document(self) -> dict[str, object]:
        """Give the JSON of the body."""
        members: dict[str, object] = {"detail": self.detail}
        return members | {"error_type": self.error_type} if self.error_type else members

    def headers(self) -> dict[str, str]:
        """Give the headers that say the same."""
        retryable = str(self.kind == "downstream_service_unavailable").lower()
        kind = {"x-fal-error-type": self.kind} if self.kind else {}
        return {"x-fal-retryable": retryable, **kind}


class FalRejected(Exception):
    """The request is answered with a FalError."""

    def __init__(self, error: FalError) -> None:
        super().__init__(error.status)
        self.error = error


def plain(status: int) -> FalError:
    """Give an error that is only a sentence."""
    return FalError(status, _PLAIN.get(status, "Internal Server Error"))


def model_error(kind: str) -> FalError:
    """Give a model's error of that type, about its prompt."""
    message = _MESSAGES.get(kind, "The input is not valid.")
    return FalError(_MODEL.get(kind, 422), [_detail("prompt", message, kind)])


def input_error(problem: Problem) -> FalError:
    """Give a model's error about one of its inputs."""
    kind, message = _told(problem)
    context = _context(problem)
    return FalError(422, [_detail(problem.name, message, kind) | context])


def named(kind: str) -> FalError:
    """Give the error of a type: a request's or a model's."""
    if kind in _REQUEST:
        words = kind.replace("_", " ").capitalize()
        return FalError(_REQUEST[kind], words, kind)
    return model_error(kind)


def scripted(status: int, code: str | None) -> FalError:
    """Give the error that a `status` fault asks for."""
    if code is None:
        return plain(status)
    found = named(code)
    return FalError(status, found.detail, found.error_type)


def platform_error(status: int) -> bytes:
    """Give the body of an error of the Platform API."""
    kind = _PLATFORM.get(status, "server_error")
    told = {"type": kind, "message": kind.replace("_", " ").capitalize(), "docs_url": None}
    return json.dumps({"error": told}).encode()


def _detail(name: str, message: str, kind: str) -> dict[str, object]:
    return {
        "loc": ["body", *name.split(".")],
        "msg": message,
        "type": kind,
        "url": f"https://docs.fal.ai/errors#{kind}",
    }


def _told(problem: Problem) -> tuple[str, str]:
    match problem.kind:
        case "missing":
            return "missing", "Field required"
        case "wrong_type":
            return "value_error", f"Input should be a valid {problem.limit}"
        case "one_of":
            return "one_of", "Input should be one of the permitted values"
        case "greater_than_equal":
            return problem.kind, f"Input should be greater than or equal to {problem.limit}"
        case "less_than_equal":
            return problem.kind, f"Input should be less than or equal to {problem.limit}"
        case "too_long":
            return "sequence_too_long", f"Input should have at most {problem.limit} items"
        case "unsupported_format":
            return f"unsupported_{problem.limit}_format", "Unsupported format"
    return "image_load_error", "Failed to load the image"


def _context(problem: Problem) -> dict[str, object]:
    match problem.kind:
        case "one_of":
            return {"ctx": {"expected": problem.limit}}
        case "greater_than_equal":
            return {"ctx": {"ge": problem.limit}}
        case "less_than_equal":
            return {"ctx": {"le": problem.limit}}
        case "too_long":
            return {"ctx": {"max_length": problem.limit}}
    return {}
