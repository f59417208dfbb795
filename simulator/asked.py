"""Typed reading of the JSON that callers send, for protocols that say what is wrong in a sentence.

A null means "not given". Each protocol tells an `Unacceptable` in its own words.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

MAX_URL_CHARS: Final = 8_192
MAX_FILES: Final = 32

_WEB_URL: Final = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)
_DATA_URL: Final = re.compile(r"data:(image|video|audio)/[a-z0-9.+-]+;base64,[A-Za-z0-9+/=]+")


class Unacceptable(Exception):
    """A field is missing or wrong; `why` ends a sentence about it, and may echo the caller."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(field)
        self.field = field
        self.why = why


class Asked:
    """The fields of one object. Never shown: they are the caller's words."""

    __slots__ = ("_at", "_values")

    def __init__(self, values: Mapping[str, object], at: str = "") -> None:
        self._values = values
        self._at = at

    def __repr__(self) -> str:
        return f"<Asked {len(self._values)}>"

    @classmethod
    def parse(cls, body: bytes) -> "Asked":
        """Read a JSON object; raises Unacceptable."""
        try:
            values = json.loads(body)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            # Outside, so that the decoder's error, which carries the text, does not hang on it.
            raise Unacceptable("body", "must be a JSON object")
        return cls(values)

    def has(self, name: str) -> bool:
        """Say whether a field was given."""
        return self._values.get(name) is not None

    def inside(self, name: str) -> "Asked":
        """Give an object that must be there."""
        value = self._values.get(name)
        if not isinstance(value, dict):
            raise self.wrong(name, "is required" if value is None else "must be an object")
        return Asked(value, f"{self._at}{name}.")

    def objects(self, name: str) -> "list[Asked]":
        """Give a list of objects, empty when not given."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > MAX_FILES:
            raise self.wrong(name, "must be a list")
        if not all(isinstance(each, dict) for each in value):
            raise self.wrong(name, "must be a list of objects")
        return [Asked(each, f"{self._at}{name}[{index}].") for index, each in enumerate(value)]

    def text(self, name: str, limit: int, default: str | None = None) -> str:
        """Give a text of at most *limit* characters; required when there is no *default*."""
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        if value is None or value == "":
            raise self.wrong(name, "is required")
        if not isinstance(value, str):
            raise self.wrong(name, "must be a string")
        if len(value) > limit:
            raise self.wrong(name, f"must have at most {limit} characters")
        return value

    def choice(self, name: str, allowed: Sequence[str], default: str | None = None) -> str:
        """Give one of *allowed*."""
        value = self.text(name, 64, default)
        if value not in allowed and value != default:
            raise self.wrong(name, f"must be one of {', '.join(allowed)}")
        return value

    def integer(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """Give an integer from *low* to *high*."""
        value = self._values.get(name)
        if value is None:
            if default is None:
                raise self.wrong(name, "is required")
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(name, "must be an integer")
        if not low <= value <= high:
            raise self.wrong(name, f"is not within the range of {low} to {high}")
        return value

    def number(self, name: str) -> float:
        """Give a number above 0 that must be there."""
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong(name, "is required" if value is None else "must be a number")
        if not 0 < value < 1e9:
            raise self.wrong(name, "must be above 0")
        return float(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """Give a boolean."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, "must be a boolean")
        return value

    def link(self, name: str, *, inline: bool = True) -> str:
        """Give the URL of a file that must be there; *inline* allows data URLs."""
        return self._link(name, self._values.get(name), inline=inline)

    def links(self, name: str, most: int, *, inline: bool = True) -> list[str]:
        """Give a list of URLs of files, empty when not given."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, "must be a list")
        if len(value) > most:
            raise self.wrong(name, f"must have at most {most} items")
        return [
            self._link(f"{name}[{index}]", each, inline=inline) for index, each in enumerate(value)
        ]

    def wrong(self, name: str, why: str) -> Unacceptable:
        """Give the refusal of a field."""
        return Unacceptable(f"{self._at}{name}", why)

    def _link(self, name: str, value: object, *, inline: bool) -> str:
        if value is None or value == "":
            raise self.wrong(name, "is required")
        if not isinstance(value, str):
            raise self.wrong(name, "must be a string")
        if inline and _DATA_URL.fullmatch(value):
            return value
        if len(value) > MAX_URL_CHARS or not _WEB_URL.fullmatch(value):
            raise self.wrong(name, "must be a URL")
        return value
