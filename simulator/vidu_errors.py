"""Vidu's error bodies: `{"code", "reason", "message", "metadata"}`, code being the HTTP status.

Facts: Vidu's list of error codes, through its mirrors, and bodies observed in public reports: that
spent credits are a 400, too. The messages, and the statuses beside them, are in its manner.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from simulator.body_fields import FieldRefused, Problem

# Status and message of each reason; a failed task has the reason only.
_KNOWN: Final[Mapping[str, tuple[int, str]]] = {
    "BadRequest": (400, "bad request"),
    "FieldLacking": (400, "a required field is lacking"),
    "FieldInvalid": (400, "a field is invalid"),
    "FieldItemCountOutOfRange": (400, "the number of items is out of range"),
    "PageSizeOutOfRange": (400, "the page size is out of range"),
    "ImageFormatInvalid": (400, "the image format is invalid"),
    "ImageSizeInvalid": (400, "the image size is invalid"),
    "ImageDownloadFailure": (400, "the image cannot be downloaded"),
    "CreditInsufficient": (400, "insufficient credits"),
    "TaskPromptPolicyViolation": (400, "the prompt violates the policy"),
    "AuditSubmitIllegal": (400, "the input is illegal"),
    "CreationPolicyViolation": (400, "the creation violates the policy"),
    "Unauthorized": (401, "unauthorized"),
    "Forbidden": (403, "forbidden"),
    "NotFound": (404, "not found"),
    "TaskNotFound": (404, "task not found"),
    "ModelUnavailable": (404, "the model is unavailable"),
    "Conflict": (409, "the task can no longer be cancelled"),
    "QuotaExceeded": (429, "the concurrency limit is exceeded"),
    "TooManyRequests": (429, "too many requests"),
    "SystemThrottling": (429, "the system is throttling"),
    "InternalServiceFailure": (500, "internal service failure"),
}
# The usual reason of a scripted status.
_USUAL: Final[Mapping[int, str]] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    429: "TooManyRequests",
}
INTERNAL: Final = "InternalServiceFailure"
POLICY: Final = frozenset(
    {"TaskPromptPolicyViolation", "AuditSubmitIllegal", "CreationPolicyViolation"}
)


@dataclass(frozen=True, slots=True)
class ViduError:
    """One error answer. The message may echo the caller's values, so no repr shows it."""

    status: int
    reason: str
    message: str = field(repr=False)

    def body(self) -> bytes:
        """Give the answer's JSON body."""
        return json.dumps(
            {
                "code": self.status,
                "reason": self.reason,
                "message": self.message,
                "metadata": {"trace_id": secrets.token_hex(16)},
            }
        ).encode()


class ViduRejected(Exception):
    """The request is answered with a ViduError; the exception's own text says nothing of it."""

    def __init__(self, error: ViduError) -> None:
        super().__init__(error.reason)
        self.error = error


def known(reason: str) -> ViduRejected:
    """Refuse in Vidu's words, as far as they are known."""
    status, message = _KNOWN[reason]
    return ViduRejected(ViduError(status, reason, message))


def scripted(status: int, reason: str | None) -> ViduError:
    """Give the error that a `status` fault asks for."""
    wanted = reason or _USUAL.get(status, INTERNAL)
    _, message = _KNOWN.get(wanted, (status, "the request could not be completed"))
    return ViduError(status, wanted, message)


def refused(why: FieldRefused) -> ViduRejected:
    """Refuse a body, as the checks of its fields found it."""
    reasons = {
        Problem.BODY: "BadRequest",
        Problem.MISSING: "FieldLacking",
        Problem.INVALID: "FieldInvalid",
        Problem.COUNT: "FieldItemCountOutOfRange",
        Problem.PICTURE: "ImageSizeInvalid" if "too" in why.why else "ImageFormatInvalid",
    }
    return ViduRejected(ViduError(400, reasons[why.problem], f"{why.name}: {why.why}"))
