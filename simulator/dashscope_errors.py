"""DashScope's error bodies: flat, `{"code", "message", "request_id"}`, for each status and code.

Facts: Model Studio's page of error messages, and bodies observed in public reports. Messages that
are not known are in DashScope's manner.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from simulator.body_fields import FieldRefused, Problem

# What each code says, by (status, code); a failed task has the code and the message only.
_MESSAGES: Final[Mapping[tuple[int, str], str]] = {
    (400, "InvalidParameter"): "The parameter is invalid.",
    (400, "DataInspectionFailed"): "Input data may contain inappropriate content.",
    (400, "IPInfringementSuspect"): "Input data is suspected of being involved in IP infringement.",
    (400, "Arrearage"): "Access denied, please make sure your account is in good standing.",
    (400, "UnsupportedOperation"): (
        "Failed to cancel the task, please confirm if the task is in PENDING status."
    ),
    (401, "InvalidApiKey"): "Invalid API-key provided.",
    (403, "AccessDenied"): "Access denied.",
    (403, "Model.AccessDenied"): "Model access denied.",
    (403, "AccessDenied.Unpurchased"): "Access to model denied. Please activate the service.",
    (403, "AllocationQuota.FreeTierOnly"): "The free tier of the model has been exhausted.",
    (404, "ModelNotFound"): "The model does not exist or you do not have access to it.",
    (404, "NotFound"): "The requested resource is not found.",
    (413, "BadRequest.TooLarge"): "Payload Too Large",
    (429, "Throttling"): "Requests throttling triggered.",
    (429, "Throttling.RateQuota"): "Requests rate limit exceeded, please try again later.",
    (429, "Throttling.AllocationQuota"): "Allocated quota exceeded, please increase your quota.",
    (429, "PrepaidBillOverdue"): "The prepaid bill is overdue.",
    (500, "InternalError"): "An internal error has occured, please try again later.",
    (500, "InternalError.Timeout"): "An internal timeout error has occured.",
    (503, "ModelUnavailable"): "Model is unavailable, please try again later.",
}
# The usual code of a scripted status.
_USUAL: Final[Mapping[int, str]] = {
    400: "InvalidParameter",
    401: "InvalidApiKey",
    403: "AccessDenied",
    404: "ModelNotFound",
    408: "RequestTimeOut",
    413: "BadRequest.TooLarge",
    429: "Throttling.RateQuota",
    503: "ModelUnavailable",
}
_INTERNAL: Final = "InternalError"
OUTPUT_REFUSED: Final = ("DataInspectionFailed", "Output data may contain inappropriate content.")
SIZE_MISMATCH: Final = ("InvalidParameter", "The size is not match the resolution.")


@dataclass(frozen=True, slots=True)
class DashScopeError:
    """One error answer. The message may echo the caller's values, so no repr shows it."""

    status: int
    code: str
    message: str = field(repr=False)

    @property
    def moderated(self) -> bool:
        """Say whether the content was refused."""
        return self.code in {"DataInspectionFailed", "IPInfringementSuspect"}

    def body(self, request_id: str) -> bytes:
        """Give the answer's JSON body."""
        members = {"code": self.code, "message": self.message, "request_id": request_id}
        return json.dumps(members).encode()


class DashScopeRejected(Exception):
    """The request is answered with an error; the exception's own text says nothing of it."""

    def __init__(self, error: DashScopeError) -> None:
        super().__init__(error.code)
        self.error = error


def known(status: int, code: str) -> DashScopeRejected:
    """Refuse in DashScope's words, as far as they are known."""
    return DashScopeRejected(_known(status, code))


def scripted(status: int, code: str | None) -> DashScopeError:
    """Give the error that a `status` fault asks for."""
    return _known(status, code or _USUAL.get(status, _INTERNAL))


def task_error(code: str | None) -> tuple[str, str]:
    """Give code and message of a task that failed: those of the HTTP error of that code."""
    wanted = code or _INTERNAL
    for status, listed in _MESSAGES:
        if listed == wanted:
            return wanted, _MESSAGES[status, listed]
    return wanted, "The task could not be completed."


def synchronous() -> DashScopeRejected:
    """Refuse a call that does not ask for a task; the status and the code are inferred."""
    message = "current user api does not support synchronous calls."
    return DashScopeRejected(DashScopeError(403, "AccessDenied", message))


def refused(why: FieldRefused) -> DashScopeRejected:
    """Refuse a body, as the checks of its fields found it."""
    match why.problem, why.name:
        case Problem.BODY, _:
            return _bad("InvalidParameter", "Required body invalid, please check the request body.")
        case Problem.MISSING, "model":
            return _bad("BadRequest.EmptyModel", "Required parameter(model) missing or invalid.")
        case Problem.MISSING, "input":
            return _bad("BadRequest.EmptyInput", "Required input parameter missing from request.")
        case Problem.MISSING, name:
            return _bad("InvalidParameter", f"Field required: {name}")
        case Problem.PICTURE, name:
            return _bad("InvalidURL", f"{name}: {why.why}")
        case _, name:
            return _bad("InvalidParameter", f"{name}: {why.why}")


def _bad(code: str, message: str) -> DashScopeRejected:
    return DashScopeRejected(DashScopeError(400, code, message))


def _known(status: int, code: str) -> DashScopeError:
    message = _MESSAGES.get((status, code), "The request could not be completed.")
    return DashScopeError(status, code, message)
