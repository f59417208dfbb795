"""Ark's error bodies: what the API says, in its own words, for each status and code.

Facts: the error-code page of Volcengine Ark and BytePlus ModelArk, and bodies observed in public
reports. The envelope always has the four keys code, message, param and type.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_TYPES: Final[Mapping[int, str]] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    413: "RequestEntityTooLarge",
    429: "TooManyRequests",
    500: "InternalServerError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}
_INTERNAL: Final = "InternalServiceError"
# What each code says, by (status, code); a task's error has the code and the message only.
_MESSAGES: Final[Mapping[tuple[int, str], str]] = {
    (400, "InvalidParameter"): "A parameter specified in the request is not valid.",
    (400, "InvalidEndpoint.ClosedEndpoint"): "The request targeted an endpoint that is closed.",
    (400, "InputTextSensitiveContentDetected"): (
        "The request failed because the input text may contain sensitive information."
    ),
    (400, "InputImageSensitiveContentDetected"): (
        "The request failed because the input image may contain sensitive information."
    ),
    (400, "InputImageSensitiveContentDetected.PrivacyInformation"): (
        "The request failed because the input image may contain real person."
    ),
    (400, "OutputImageSensitiveContentDetected"): (
        "The request failed because the output image may contain sensitive information."
    ),
    (400, "OutputVideoSensitiveContentDetected"): (
        "The request failed because the output video may contain sensitive information."
    ),
    (400, "ContentSecurityDetectionError"): "The content security check itself failed.",
    (401, "AuthenticationError"): "the API key or AK/SK in the request is missing or invalid.",
    (401, "InvalidAccountStatus"): "The account associated with the request is not valid.",
    (403, "AccessDenied"): "The request failed because you do not have access to the resource.",
    (403, "AccountOverdueError"): (
        "The request failed because your account has an overdue balance."
    ),
    (403, "OperationDenied.ServiceNotOpen"): (
        "The requested operation is denied because the model service is not open."
    ),
    (404, "InvalidEndpointOrModel.NotFound"): (
        "The model or endpoint does not exist or you do not have access to it."
    ),
    (404, "ModelNotOpen"): "Your account has not activated the model.",
    (404, "ResourceNotFound"): "The specified resource is not found.",
    (409, "InvalidAction.RunningTaskDeletion"): (
        "Cannot delete task because it is currently running."
    ),
    (429, "RateLimitExceeded.EndpointRPMExceeded"): (
        "The requests per minute (RPM) limit of the associated endpoint has been exceeded."
    ),
    (429, "ServerOverloaded"): (
        "The service is currently unable to handle additional requests due to server overload."
    ),
    (429, "QuotaExceeded"): "Your account has exceeded its quota of queued tasks.",
    (429, "SetLimitExceeded"): (
        "Your account has reached the set inference limit for the model, and the model service has "
        "been paused."
    ),
    (500, _INTERNAL): "The service encountered an unexpected internal error.",
}
# The usual code of a scripted status.
_USUAL: Final[Mapping[int, str]] = {
    400: "InvalidParameter",
    401: "AuthenticationError",
    403: "AccessDenied",
    404: "InvalidEndpointOrModel.NotFound",
    409: "InvalidAction.RunningTaskDeletion",
    429: "RateLimitExceeded.EndpointRPMExceeded",
}


@dataclass(frozen=True, slots=True)
class ArkError:
    """One error answer. The message may echo the caller's values, so no repr shows it."""

    status: int
    code: str
    message: str = field(repr=False)
    param: str = field(default="", repr=False)

    @property
    def moderated(self) -> bool:
        """Say whether the content was refused."""
        return "Sensitive" in self.code or "RiskDetection" in self.code

    def members(self, request_id: str) -> dict[str, object]:
        """Give the members of the `error` object."""
        return {
            "code": self.code,
            "message": told(self.message, request_id),
            "param": self.param,
            "type": _TYPES.get(self.status, "InternalServerError"),
        }

    def body(self, request_id: str) -> bytes:
        """Give the answer's JSON body."""
        return json.dumps({"error": self.members(request_id)}).encode()


class ArkRejected(Exception):
    """The request is answered with an ArkError; the exception's own text says nothing of it."""

    def __init__(self, error: ArkError) -> None:
        super().__init__(error.code)
        self.error = error


def told(message: str, request_id: str) -> str:
    """Give *message* as Ark sends it: with the id of the request behind it."""
    return f"{message} Request id: {request_id}"


def known(status: int, code: str) -> ArkError:
    """Give an error in Ark's words, as far as they are known."""
    message = _MESSAGES.get((status, code), "The request could not be completed.")
    return ArkError(status, code, message)


def scripted(status: int, code: str | None) -> ArkError:
    """Give the error that a `status` fault asks for."""
    return known(status, code or _USUAL.get(status, _INTERNAL))


def task_error(code: str | None) -> tuple[str, str]:
    """Give code and message of a task that failed: those of the HTTP error of that code."""
    wanted = code or _INTERNAL
    for status, listed in _MESSAGES:
        if listed == wanted:
            return wanted, _MESSAGES[status, listed]
    return wanted, "The task could not be completed."


def missing(name: str) -> ArkRejected:
    """Refuse a call that lacks the parameter *name*."""
    message = f"The request failed because it is missing `{name}` parameter."
    return ArkRejected(ArkError(400, "MissingParameter", message, name))


def invalid(name: str, why: str, code: str = "InvalidParameter") -> ArkRejected:
    """Refuse a call whose parameter *name* is wrong; *why* ends the sentence."""
    message = f"The parameter `{name}` specified in the request is not valid: {why}."
    return ArkRejected(ArkError(400, code, message, name))


def no_model(name: str) -> ArkRejected:
    """Refuse a call for a model that does not exist."""
    message = f"The model or endpoint {name[:100]} does not exist or you do not have access to it."
    return ArkRejected(ArkError(404, "InvalidEndpointOrModel.NotFound", message, "model"))
