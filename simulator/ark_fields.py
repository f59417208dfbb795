"""Reads the parameters of Ark's JSON calls as Ark does, and refuses them in its words.

A null means "not given". Unknown parameters are ignored, as observed: Ark takes what it knows.
"""

import io
import json
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, TypeVar

from PIL import Image

from simulator.ark_errors import ArkError, ArkRejected, invalid, missing, no_model

T = TypeVar("T")

MAX_TEXT_CHARS: Final = 32_000
MAX_SAFETY_IDENTIFIER_CHARS: Final = 64
MAX_URL_CHARS: Final = 2_048

_FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
_DATA_URL: Final = re.compile(r"data:image/[a-z0-9.+-]+;base64,", re.IGNORECASE)
_WEB_URL: Final = re.compile(r"https?://[^\s/]+.*", re.IGNORECASE)


class Parameters:
    """The named values of one call. Never shown: they are the caller's words."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __repr__(self) -> str:
        return f"<Parameters {len(self._values)}>"

    @classmethod
    def parse(cls, body: bytes) -> "Parameters":
        """Read a JSON object."""
        try:
            values = json.loads(body)
        except (ValueError, RecursionError):
            # `from None`: the decoder's error carries the whole text.
            raise _unreadable() from None
        if not isinstance(values, dict):
            raise _unreadable()
        return cls(values)

    def get(self, name: str) -> object:
        """Give a value of any type, None if not given."""
        return self._values.get(name)

    def required_text(self, name: str) -> str:
        """Give a string that must be there and hold something."""
        value = self._values.get(name)
        if value is None or value == "":
            raise missing(name)
        if not isinstance(value, str):
            raise invalid(name, "expected a string")
        if len(value) > MAX_TEXT_CHARS:
            raise invalid(name, "too long")
        return value

    def text(self, name: str, limit: int) -> str | None:
        """Give a string of at most *limit* characters."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > limit:
            raise invalid(name, f"expected a string of at most {limit} characters")
        return value

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Give one of *allowed*."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or value not in allowed:
            raise invalid(name, f"expected one of {', '.join(allowed)}")
        return value

    def integer(self, name: str, low: int, high: int, default: int) -> int:
        """Give an integer from *low* to *high*."""
        value = self._values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise invalid(name, f"expected an integer from {low} to {high}")
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """Give a boolean."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise invalid(name, "expected a boolean")
        return value

    def refuse(self, *names: str) -> None:
        """Refuse parameters that the model does not take, unless they ask for nothing."""
        for name in names:
            value = self._values.get(name)
            if value is not None and value is not False:
                raise invalid(
                    name, "the model does not support it", "InvalidParameter.UnsupportedParameter"
                )


@dataclass(frozen=True, slots=True)
class InputImage:
    """What is known of an input: its size, if it was sent inline; and a digest of it."""

    size: tuple[int, int] | None
    digest: bytes = field(repr=False)


def input_image(value: object, name: str, max_bytes: int) -> InputImage:
    """Check an input image: a data URL that holds a picture, or a URL, which is never fetched."""
    if not isinstance(value, str):
        raise invalid(name, "expected a URL or a data URL")
    if not value:
        raise invalid(name, "the URL is empty", "InvalidImageURL.EmptyURL")
    digest = blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    match = _DATA_URL.match(value)
    if match is None:
        if is_web_url(value) or value.startswith("asset://"):
            return InputImage(None, digest)
        raise invalid(name, "no image URL", "InvalidImageURL.InvalidFormat")
    try:
        data = b64decode(value[match.end() :], validate=True)
        picture = Image.open(io.BytesIO(data), formats=_FORMATS)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        # `from None`: the decoders' errors hold the data.
        raise invalid(name, "no readable image", "InvalidImageURL.InvalidFormat") from None
    if len(data) > max_bytes:
        raise invalid(name, f"the image is larger than {max_bytes} bytes")
    return InputImage(picture.size, digest)


def is_web_url(value: object) -> bool:
    """Say whether *value* is an http or https URL of a bearable length."""
    return (
        isinstance(value, str)
        and len(value) <= MAX_URL_CHARS
        and _WEB_URL.fullmatch(value) is not None
    )


def refused_at(prompt: str) -> str | None:
    """Give where moderation refuses: `input`, `output`, `one` (output of a group), or None.

    The prompt's markers decide: `moderation_blocked`, `moderation_blocked_output`,
    `moderation_blocked_one`.
    """
    if "moderation_blocked" not in prompt:
        return None
    for stage in ("output", "one"):
        if f"moderation_blocked_{stage}" in prompt:
            return stage
    return "input"


def model_named(name: str, models: Mapping[str, T], endpoint: str) -> T:
    """Give the model of that name; an endpoint of one's own (`ep-…`) is *endpoint*."""
    model = models.get(endpoint if name.startswith("ep-") else name)
    if model is None:
        raise no_model(name)
    return model


def _unreadable() -> ArkRejected:
    return ArkRejected(ArkError(400, "InvalidParameter", "The request body is not valid JSON."))
