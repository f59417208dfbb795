"""What Resend takes, and how it refuses (resend.com/docs/api-reference, errors)."""

import json
import re
from enum import Enum
from typing import Final, TypedDict

MOST_RECEIVERS: Final = 50
_ADDRESS: Final = re.compile(r"[^\s<>@,;\"]+@[^\s<>@,;\"]+\.[^\s<>@,;\".]+\Z")
_NAMED: Final = re.compile(r"(?:\"(?:[^\"\\\r\n]|\\.)*\"|[^<>\"\r\n]*) ?<([^<>\r\n]+)>\Z")
_HEADER: Final = re.compile(r"[!-9;-~]+\Z")


class Refusals(Enum):
    """Status and name of an error."""

    KEY = (400, "invalid_idempotency_key")
    NO_KEY = (401, "missing_api_key")
    WRONG_KEY = (403, "invalid_api_key")
    NOT_FOUND = (404, "not_found")
    METHOD = (405, "method_not_allowed")
    OTHER_PAYLOAD = (409, "invalid_idempotent_request")
    INVALID = (422, "validation_error")
    MISSING = (422, "missing_required_field")
    RATE = (429, "rate_limit_exceeded")


class MailError(Exception):
    """What Resend answers instead of an id."""

    def __init__(self, refusal: Refusals, message: str) -> None:
        super().__init__(refusal.name)
        self.status, self.name = refusal.value
        self.message = message
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, object]:
        """The JSON of the answer."""
        return {"statusCode": self.status, "name": self.name, "message": self.message}


class Fields(TypedDict):
    """A mail's fields, checked."""

    sender: str
    to: list[str]
    subject: str
    text: str
    html: str
    reply_to: list[str]
    headers: dict[str, str]


def read_mail(body: bytes) -> Fields:
    """Read the body of `POST /emails`; raises MailError."""
    try:
        given = json.loads(body)
    except ValueError:
        raise _invalid("The request body is not valid JSON.") from None
    if not isinstance(given, dict):
        raise _invalid("The request body is not a JSON object.")
    for name in ("from", "to", "subject"):
        if not given.get(name):
            raise MailError(Refusals.MISSING, f"Missing `{name}` field.")
    if not given.get("html") and not given.get("text"):
        raise MailError(Refusals.MISSING, "Missing `html` or `text` field.")
    headers = given.get("headers") or {}
    if not isinstance(headers, dict) or not all(map(_is_header, headers.items())):
        raise _invalid("Invalid `headers` field.")
    return Fields(
        sender=_address(_text(given, "from"), "from"),
        to=_addresses(given["to"], "to"),
        subject=_line(_text(given, "subject"), "subject"),
        text=_text(given, "text"),
        html=_text(given, "html"),
        reply_to=_addresses(given.get("reply_to") or [], "reply_to"),
        headers=headers,
    )


def _text(given: dict[str, object], name: str) -> str:
    value = given.get(name) or ""
    if not isinstance(value, str):
        raise _invalid(f"The `{name}` field must be a `string`.")
    return value


def _addresses(value: object, name: str) -> list[str]:
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, list) or len(several) > MOST_RECEIVERS:
        raise _invalid(f"The `{name}` field must be a `string` or an `array` of up to 50.")
    return [_address(each, name) for each in several]


def _address(value: object, name: str) -> str:
    if isinstance(value, str):
        named = _NAMED.match(value)
        if _ADDRESS.match(named[1] if named else value):
            return value
    raise _invalid(
        f"Invalid `{name}` field. The email address needs to follow the `email@example.com` or "
        f"`Name <email@example.com>` format."
    )


def _line(text: str, name: str) -> str:
    if "\r" in text or "\n" in text:
        raise _invalid(f"The `{name}` field has a line break.")
    return text


def _is_header(item: tuple[object, object]) -> bool:
    name, value = item
    return (
        isinstance(name, str)
        and _HEADER.match(name) is not None
        and isinstance(value, str)
        and not set("\r\n") & set(value)
    )


def _invalid(message: str) -> MailError:
    return MailError(Refusals.INVALID, message)
