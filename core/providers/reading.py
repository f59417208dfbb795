"""Typed reading of what providers send: a wrong type is an absence, never an exception. Pure."""

import re
from collections.abc import Iterable, Mapping
from uuid import UUID

import pybase64

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Usage

_LONGEST_WORD = 64
_LONGEST_MESSAGE = 1_000
_MANY = 1 << 53
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}")


def identifier(document: Mapping[str, object], name: str) -> str:
    """A provider's id of a job, fit to stand in a path; raises UpstreamError if there is none."""
    found = document.get(name)
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise UpstreamError(Fault.INVALID_RESPONSE)
    return found


def seed_of(mark: UUID, bits: int = 32) -> int:
    """The bits of a random mark that fit into a seed: providers that tell it show the mark."""
    return mark.int & ((1 << bits) - 1)


def word(document: Mapping[str, object], name: str) -> str:
    """A short string such as a code or a size; empty if it is absent or anything else."""
    value = document.get(name)
    return value if isinstance(value, str) and len(value) <= _LONGEST_WORD else ""


def message(document: Mapping[str, object], name: str) -> Body[str] | None:
    """A text for people, cut at 1,000 characters; None if it is absent or anything else."""
    value = document.get(name)
    return Body(value[:_LONGEST_MESSAGE]) if isinstance(value, str) and value else None


def count(document: Mapping[str, object], name: str) -> int:
    """A number of things, below 2^53; 0 if it is absent or anything else."""
    value = document.get(name)
    # True is an instance of int to Python; what passes fits a column of the database.
    return value if type(value) is int and 0 < value < _MANY else 0


def section(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    """An object inside; empty if it is absent or anything else."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def base64(document: dict[str, object], name: str) -> Body[bytes] | None:
    """Bytes written in base64; None if they are absent, empty or garbled.

    Takes the text out of *document*: it is a third larger than the bytes, and not needed again.
    """
    text = document.pop(name, None)
    if not isinstance(text, str):
        return None
    try:
        data = pybase64.b64decode(text, validate=True)
    except ValueError:
        return None
    return Body(data) if data else None


def total(usages: Iterable[Usage | None]) -> Usage | None:
    """The sum of what each part of an answer counted for itself; None if nothing was counted."""
    found = [usage for usage in usages if usage is not None]
    if not found:
        return None
    images = [usage.output_image_tokens for usage in found if usage.output_image_tokens is not None]
    return Usage(
        input_text_tokens=sum(usage.input_text_tokens for usage in found),
        input_image_tokens=sum(usage.input_image_tokens for usage in found),
        output_tokens=sum(usage.output_tokens for usage in found),
        output_image_tokens=sum(images) if images else None,
    )
