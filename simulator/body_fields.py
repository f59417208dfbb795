"""Reads JSON bodies strictly, for protocols that then refuse in words of their own.

A null means "not given". Unknown names are ignored: the providers that are simulated with this
take what they know.
"""

import io
import json
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from typing import Final

from PIL import Image

MAX_URL_CHARS: Final = 8_192
_FORMATS: Final = ("JPEG", "PNG", "WEBP")
_DATA_URL: Final = re.compile(r"data:image/[a-z0-9.+-]+;base64,", re.IGNORECASE)
_WEB_URL: Final = re.compile(r"https?://[^\s/]+.*", re.IGNORECASE)


class Problem(Enum):
    """What is wrong with a value."""

    BODY = "the body is not a JSON object"
    MISSING = "it is missing"
    INVALID = "it has another type, or is out of range"
    COUNT = "there are too many or too few"
    PICTURE = "it is no picture, or none of the size that is wanted"


class FieldRefused(Exception):
    """A body is refused for *name*; the exception's own text says nothing of the value."""

    def __init__(self, problem: Problem, name: str, why: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.name = name
        self.why = why


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of an image: its size, if it was sent inline; and a digest of it."""

    size: tuple[int, int] | None
    digest: bytes = field(repr=False)


class BodyFields:
    """The named values of one object. Never shown: they are the caller's words."""

    __slots__ = ("_prefix", "_values")

    def __init__(self, values: Mapping[str, object], prefix: str = "") -> None:
        self._values = values
        self._prefix = prefix

    def __repr__(self) -> str:
        return f"<BodyFields {len(self._values)}>"

    @classmethod
    def parse(cls, body: bytes) -> "BodyFields":
        """Read a JSON object."""
        try:
            values = json.loads(body)
        except (ValueError, RecursionError):
            # `from None`: the decoder's error carries the whole text.
            raise FieldRefused(Problem.BODY, "", "expected JSON") from None
        if not isinstance(values, dict):
            raise FieldRefused(Problem.BODY, "", "expected an object")
        return cls(values)

    def get(self, name: str) -> object:
        """Give a value of any type, None if not given."""
        return self._values.get(name)

    def section(self, name: str) -> "BodyFields":
        """Give the object inside, an empty one if it is not given."""
        value = self._values.get(name)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self.refused(name, "expected an object")
        return BodyFields(value, f"{self._prefix}{name}.")

    def objects(self, name: str) -> "list[BodyFields]":
        """Give a list of objects, an empty one if it is not given."""
        found = []
        for index, value in enumerate(self._list(name)):
            if not isinstance(value, dict):
                raise self.refused(f"{name}[{index}]", "expected an object")
            found.append(BodyFields(value, f"{self._prefix}{name}[{index}]."))
        return found

    def texts(self, name: str) -> list[str]:
        """Give a list of strings, an empty one if it is not given."""
        found = []
        for index, value in enumerate(self._list(name)):
            if not isinstance(value, str) or not value:
                raise self.refused(f"{name}[{index}]", "expected a string")
            found.append(value)
        return found

    def text(self, name: str, limit: int | None = None) -> str:
        """Give a string (of at most *limit* characters), an empty one if it is not given."""
        value = self._values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.refused(name, "expected a string")
        if limit is not None and len(value) > limit:
            raise self.refused(name, f"expected at most {limit} characters")
        return value

    def required_text(self, name: str, limit: int | None = None) -> str:
        """Give a string that must be there and hold something."""
        value = self.text(name, limit)
        if not value:
            raise self.refused(name, "it is required", Problem.MISSING)
        return value

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Give one of *allowed*."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or value not in allowed:
            raise self.refused(name, f"expected one of {', '.join(allowed)}")
        return value

    def integer(self, name: str, low: int, high: int, default: int) -> int:
        """Give an integer from *low* to *high*."""
        value = self._values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.refused(name, f"expected an integer from {low} to {high}")
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """Give a boolean."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.refused(name, "expected a boolean")
        return value

    def url(self, name: str) -> str:
        """Give an http(s) URL, an empty text if it is not given."""
        value = self.text(name, MAX_URL_CHARS)
        if value and not is_web_url(value):
            raise self.refused(name, "expected an http or https URL")
        return value

    def refused(self, name: str, why: str, problem: Problem = Problem.INVALID) -> FieldRefused:
        """Give the refusal of a value; *why* ends the sentence."""
        return FieldRefused(problem, f"{self._prefix}{name}", why)

    def _list(self, name: str) -> list[object]:
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.refused(name, "expected an array")
        return value


def is_web_url(value: str) -> bool:
    """Say whether *value* is an http or https URL of a bearable length."""
    return len(value) <= MAX_URL_CHARS and _WEB_URL.fullmatch(value) is not None


def digest_of(*texts: str) -> bytes:
    """Give a short digest of words, by which one request shows other pictures than the next."""
    digest = blake2b(digest_size=8)
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return digest.digest()


def picture(value: str, name: str, sides: tuple[int, int], ratio: float) -> Picture:
    """Check an image: a data URL that holds a picture, or a URL, which is never fetched.

    *sides* are the least lengths of the shorter and of the longer side, *ratio* is how many times
    the one the other may be.
    """
    match = _DATA_URL.match(value)
    if match is None:
        if is_web_url(value):
            return Picture(None, digest_of(value))
        raise FieldRefused(Problem.PICTURE, name, "expected a URL or a data URL of an image")
    try:
        data = b64decode(value[match.end() :], validate=True)
        size = Image.open(io.BytesIO(data), formats=_FORMATS).size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        # `from None`: the decoders' errors hold the data.
        raise FieldRefused(Problem.PICTURE, name, "no readable image") from None
    short, long = min(size), max(size)
    if short < sides[0] or long < sides[1]:
        raise FieldRefused(Problem.PICTURE, name, "the image is too small")
    if long > ratio * short:
        raise FieldRefused(Problem.PICTURE, name, "the image is too slim")
    return Picture(size, digest_of(value))


def refused_at(prompt: str) -> str:
    """Give where moderation refuses, by the prompt's markers: `input`, `output`, or nowhere.

    The markers are `moderation_blocked` and `moderation_blocked_output`.
    """
    if "moderation_blocked" not in prompt:
        return ""
    return "output" if "moderation_blocked_output" in prompt else "input"


def fitted(area: int, width: float, height: float, step: int) -> tuple[int, int]:
    """Give the size of about *area* pixels in the ratio of *width* to *height*.

    Both sides are multiples of *step*.
    """
    long = (area * width / height) ** 0.5
    return max(1, round(long / step)) * step, max(1, round(area / long / step)) * step
