"""Reads the fields of xAI's JSON calls as xAI does, and refuses them in its words.

A null means "not given". Unknown fields are ignored, as observed: also `image_url`, which older
clients send where the API wants `image`.
"""

import io
import json
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from PIL import Image

from simulator.xai_errors import invalid, unreadable

MAX_TEXT_CHARS: Final = 32_000
MAX_URL_CHARS: Final = 8_192
MAX_IMAGE_BYTES: Final = 20 << 20

_FORMATS: Final = ("JPEG", "PNG", "WEBP")
_DATA_URL: Final = re.compile(r"data:(image|video|audio)/[a-z0-9.+-]+;base64,", re.IGNORECASE)
_WEB_URL: Final = re.compile(r"https?://[^\s/]+.*", re.IGNORECASE)
_MARK: Final = "moderation_blocked"


class Fields:
    """The named values of one object. Never shown: they are the caller's words."""

    __slots__ = ("_values",)

    def __init__(self, values: object) -> None:
        if not isinstance(values, dict):
            raise unreadable("expected a struct")
        self._values: Mapping[str, object] = values

    def __repr__(self) -> str:
        return f"<Fields {len(self._values)}>"

    @classmethod
    def parse(cls, body: bytes) -> "Fields":
        """Read a JSON object."""
        try:
            return cls(json.loads(body))
        except (ValueError, RecursionError):
            # `from None`: the decoder's error carries the whole text.
            raise unreadable("expected value at line 1 column 1") from None

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """Give a string; without a *default* it must be there."""
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        if value is None:
            raise unreadable(f"missing field `{name}`")
        if not isinstance(value, str):
            raise unreadable(f"{name}: invalid type, expected a string")
        return value

    def prompt(self, default: str | None = None) -> str:
        """Give the prompt."""
        value = self.text("prompt", default)
        if len(value) > MAX_TEXT_CHARS:
            raise invalid(f"The prompt is too long: at most {MAX_TEXT_CHARS} characters.")
        return value

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Give one of *allowed*."""
        value = self.text(name, default)
        if value not in allowed:
            words = ", ".join(f"`{word}`" for word in allowed)
            raise unreadable(f"{name}: unknown variant `{value[:64]}`, expected one of {words}")
        return value

    def integer(self, name: str, default: int) -> int:
        """Give an integer of 32 bits."""
        value = self._values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 31:
            raise unreadable(f"{name}: invalid type, expected i32")
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """Give a boolean."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise unreadable(f"{name}: invalid type, expected a boolean")
        return value

    def inside(self, name: str) -> "Fields":
        """Give an object inside."""
        return Fields(self._values.get(name))

    def each(self, name: str) -> "list[Fields]":
        """Give the objects of a list; none if it was not given."""
        values = self._values.get(name)
        if values is None:
            return []
        if not isinstance(values, list):
            raise unreadable(f"{name}: invalid type, expected a sequence")
        return [Fields(value) for value in values]


@dataclass(frozen=True, slots=True)
class InputFile:
    """What is known of an input: its bytes, if it was sent inline; and a digest of its address."""

    data: bytes | None = field(repr=False)
    digest: bytes = field(repr=False)
    # Of an image sent inline.
    size: tuple[int, int] | None = None


def input_file(holder: Fields, kind: str) -> InputFile:
    """Check `{"url": …}` or `{"file_id": …}`; a link is never followed."""
    if "file_id" in holder:
        return InputFile(None, _digest(holder.text("file_id")))
    url = holder.text("url")
    match = _DATA_URL.match(url)
    if match is None:
        if len(url) > MAX_URL_CHARS or _WEB_URL.fullmatch(url) is None:
            raise invalid(f"Invalid {kind} URL: expected http(s) or a data URI.")
        return InputFile(None, _digest(url))
    try:
        data = b64decode(url[match.end() :], validate=True)
    except ValueError:
        raise invalid(f"Failed to decode the base64 of the {kind}.") from None
    if match[1].lower() != kind:
        raise invalid(f"Unsupported content type of the {kind}.")
    return InputFile(data, _digest(url), _size(data) if kind == "image" else None)


def _size(data: bytes) -> tuple[int, int]:
    if len(data) > MAX_IMAGE_BYTES:
        raise invalid(f"The image is larger than {MAX_IMAGE_BYTES >> 20} MiB.")
    try:
        # The header only: enough to know that it is an image.
        return Image.open(io.BytesIO(data), formats=_FORMATS).size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise invalid("Failed to decode the image: unsupported format.") from None


def refused_at(prompt: str) -> str | None:
    """Give where moderation refuses: `input`, `output`, `one`, `hidden`, or None.

    The prompt's markers decide: `moderation_blocked`, `moderation_blocked_output` and so on.
    """
    if _MARK not in prompt:
        return None
    for stage in ("output", "one", "hidden"):
        if f"{_MARK}_{stage}" in prompt:
            return stage
    return "input"


def fingerprint(prompt: str, inputs: Sequence[InputFile]) -> bytes:
    """Stand for prompt and inputs: equal requests get equal results, on any channel."""
    digest = blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=16)
    for item in inputs:
        digest.update(item.digest)
    return digest.digest()


def _digest(address: str) -> bytes:
    return blake2b(address.encode("utf-8", "surrogatepass"), digest_size=16).digest()
