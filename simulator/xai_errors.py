"""xAI's error bodies, in the three shapes that its servers use.

`{"code": "…", "error": "…"}` is the usual one; the others are `{"error": "…"}` and
`{"error": {"message", "type", "param", "code"}}`. Bodies: observed in public reports; the words of
a 422 are those of the JSON reader that such services use, and a guess.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

# How an error may be written.
PAIR: Final = "pair"
NESTED: Final = "nested"
PLAIN: Final = "plain"

INVALID: Final = "Client specified an invalid argument"
_DENIED: Final = "The caller does not have permission to execute the specified operation"
_SPENT: Final = (
    "Your team has either used all available credits or reached its monthly spending limit. To "
    "continue making API requests, please purchase more credits or raise your spending limit."
)
_WRONG_KEY: Final = (
    "Incorrect API key provided. You can obtain an API key from https://console.x.ai."
)


@dataclass(frozen=True, slots=True)
class XaiError:
    """One error answer. The message may echo the caller's values, so no repr shows it."""

    status: int
    code: str
    message: str = field(repr=False)
    shape: str = PAIR

    @property
    def moderated(self) -> bool:
        """Say whether the content was refused."""
        return "content moderation" in self.message

    def body(self) -> bytes:
        """Give the answer's JSON body."""
        document: dict[str, object] = {"code": self.code, "error": self.message}
        if self.shape == NESTED:
            about = {"type": "invalid_request_error", "param": None, "code": self.code}
            document = {"error": {"message": self.message, **about}}
        elif self.shape == PLAIN:
            document = {"error": self.message}
        return json.dumps(document).encode()


class XaiRejected(Exception):
    """The request is answered with an XaiError; the exception's own text says nothing of it."""

    def __init__(self, error: XaiError) -> None:
        super().__init__(error.code)
        self.error = error


MODERATED: Final = XaiError(
    400, "imagine:content-moderated", "Generated video rejected by content moderation."
)
MODERATED_BEFORE: Final = XaiError(400, INVALID, "Generated video rejected by content moderation.")
REFUSED_IMAGE: Final = XaiError(
    400, "imagine:content-moderated", "Generated image rejected by content moderation."
)
REFUSED_PROMPT: Final = XaiError(
    400, "imagine:content-moderated", "The prompt was rejected by content moderation."
)
NO_KEY: Final = XaiError(
    401, "", "No API key provided. Pass it as a bearer token in the authorization header.", PLAIN
)
WRONG_KEY: Final = XaiError(400, INVALID, _WRONG_KEY)
UNKNOWN: Final = XaiError(
    404, "Some requested entity was not found", "The requested resource was not found."
)
EXHAUSTED: Final = XaiError(
    429, "Some resource has been exhausted", "Too many requests. Please slow down."
)
OUT_OF_CREDITS: Final = XaiError(403, _DENIED, _SPENT)

# The usual error of a scripted status.
_USUAL: Final[Mapping[int, XaiError]] = {
    400: XaiError(400, INVALID, "The request could not be processed."),
    401: XaiError(401, "Unauthenticated", _WRONG_KEY),
    403: XaiError(403, _DENIED, "Your API key is not allowed to use this endpoint."),
    404: UNKNOWN,
    422: XaiError(
        422, "", "Failed to deserialize the JSON body into the target type: invalid type", PLAIN
    ),
    429: EXHAUSTED,
    500: XaiError(500, "Internal error", "An internal error occurred. Please try again."),
    503: XaiError(
        503,
        "The service is currently unavailable",
        "The model is at capacity. Please try again later.",
    ),
}
# What the `code` of a `status` fault picks instead: an error, or another shape of the usual one.
_PICKED: Final[Mapping[str, XaiError]] = {
    "moderated": MODERATED,
    "moderated_before": MODERATED_BEFORE,
    "wrong_key": WRONG_KEY,
    "out_of_credits": OUT_OF_CREDITS,
}


def scripted(status: int, code: str | None) -> XaiError:
    """Give the error that a `status` fault asks for."""
    picked = _PICKED.get(code or "")
    if picked is not None:
        return XaiError(status, picked.code, picked.message)
    usual = _USUAL.get(status, _USUAL[500])
    shape = code if code in {NESTED, PLAIN} else usual.shape
    named = code if code and code not in {PAIR, NESTED, PLAIN} else usual.code
    return XaiError(status, named, usual.message, shape)


def invalid(message: str) -> XaiRejected:
    """Refuse a call that the model cannot serve."""
    return XaiRejected(XaiError(400, INVALID, message))


def unreadable(why: str) -> XaiRejected:
    """Refuse a body that is not what the endpoint takes."""
    text = f"Failed to deserialize the JSON body into the target type: {why}"
    return XaiRejected(XaiError(422, "", text, PLAIN))


def no_model(name: str) -> XaiRejected:
    """Refuse a call for a model that does not exist, or not any more."""
    message = (
        f"The model {name[:100]} does not exist or your team does not have access to it. Please "
        "ensure you are using the correct API key."
    )
    return XaiRejected(XaiError(404, UNKNOWN.code, message))
