"""ElevenLabs' error bodies, in the three shapes that the service has.

Facts: ElevenLabs' help pages and SDK. Which code comes in which shape is inferred, where the pages
do not show it; so are the words of the refusal of a text.
"""

import json
from collections.abc import Mapping
from typing import Final
from uuid import uuid4


class Refused(Exception):
    """The request is answered with an error; the exception's own text says nothing of it."""

    def __init__(self, status: int, body: bytes, outcome: str = "error") -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.outcome = outcome


# By (status, code), code None being the status's usual one: the shape, the code and the message.
_SCRIPTED: Final[Mapping[tuple[int, str | None], tuple[str, str, str]]] = {
    (400, None): ("new", "invalid_parameters", "The request is invalid."),
    (400, "model_not_found"): ("old", "model_not_found", "There is no such model."),
    (400, "max_character_limit_exceeded"): (
        "old",
        "max_character_limit_exceeded",
        "This request's text exceeds the character limit.",
    ),
    (401, None): ("old", "invalid_api_key", "Invalid API key"),
    (401, "missing_permissions"): (
        "old",
        "missing_permissions",
        "The API key you used is missing the permission text_to_speech to execute this operation.",
    ),
    (401, "quota_exceeded"): (
        "old",
        "quota_exceeded",
        "This request exceeds your quota. You have 0 credits remaining.",
    ),
    (401, "detected_unusual_activity"): (
        "old",
        "detected_unusual_activity",
        "Unusual activity detected. Free Tier usage disabled.",
    ),
    (403, None): ("new", "forbidden", "Your plan does not allow this."),
    (404, None): ("old", "voice_not_found", "A voice with this voice_id was not found."),
    (429, None): (
        "old",
        "too_many_concurrent_requests",
        "Too many concurrent requests. Your current subscription is limited.",
    ),
    (429, "system_busy"): (
        "old",
        "system_busy",
        "We are sorry, the system is experiencing heavy traffic, please try again.",
    ),
    (500, None): ("old", "internal_server_error", "Something went wrong."),
    (503, None): ("old", "system_busy", "We are sorry, the system is experiencing heavy traffic."),
}


def old_shape(status: str, message: str) -> bytes:
    """Give `{"detail": {"status", "message"}}`."""
    return json.dumps({"detail": {"status": status, "message": message}}).encode()


def new_shape(code: str, message: str, param: str | None = None) -> bytes:
    """Give the shape with type, code, request_id and param."""
    detail = {
        "type": "validation_error",
        "code": code,
        "message": message,
        "status": code,
        "request_id": uuid4().hex,
        "param": param,
    }
    return json.dumps({"detail": detail}).encode()


def unprocessable(message: str, kind: str, *location: str | int) -> bytes:
    """Give the shape of the framework: a list of what is wrong, and where."""
    return json.dumps({"detail": [{"loc": location, "msg": message, "type": kind}]}).encode()


def scripted(status: int, code: str | None) -> bytes:
    """Give the body that a `status` fault asks for."""
    if status == 422:
        return unprocessable("Field required", "missing", "body", "text")
    if code == "content_against_policy":
        message = "The text may violate our Terms of Service and has been blocked."
        return old_shape(code, message)
    found = _SCRIPTED.get((status, code)) or _SCRIPTED.get((status, None))
    shape, usual, message = found or ("old", "error", "The request could not be completed.")
    write = new_shape if shape == "new" else old_shape
    return write(code or usual, message)
