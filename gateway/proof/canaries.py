"""Words that stand nowhere else, planted in every content field and looked for everywhere."""

import base64
import re
import secrets
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

_PREFIX: Final = "qzjx"
_RUN_DIGITS: Final = 8
_DIGITS: Final = 12
"""36^12 words of a run, and 36^8 runs: nobody meets another's by chance."""
LENGTH: Final = len(_PREFIX) + _RUN_DIGITS + _DIGITS
"""Of a canary. Names in which one must fit are longer."""
_ALPHABET: Final = string.ascii_lowercase + string.digits


def _random(digits: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(digits))


def _encodings(text: str) -> Iterator[bytes]:
    """*text* as it looks in other clothes, whatever surrounds it."""
    data = text.encode()
    yield data
    yield text.upper().encode()
    yield text.encode("utf-16-le")
    for spelled in (data.hex(), data.hex().upper(), data.hex(" ")):
        yield spelled.encode()
    for shift in range(3):
        # Without the characters that depend on what stands before and after.
        encoded = base64.b64encode(b"\0" * shift + data)
        yield encoded[4 if shift else 0 : len(encoded) - 4]


@cache
def needles(text: str) -> tuple[bytes, ...]:
    """What to look for in order to find *text*, encoded in the usual ways."""
    return tuple(dict.fromkeys(_encodings(text)))


@dataclass(slots=True)
class Canaries:
    """Every canary that was planted in one run, by the field it was planted in."""

    fields: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """Other words that must be found nowhere, for instance parts of keys, by what they are."""
    prefix: str = field(default_factory=lambda: _PREFIX + _random(_RUN_DIGITS))
    """Of every canary of the run; together with what follows it, only letters and digits: JSON,
    URLs, SQL and text formats write it as it is."""

    def plant(self, where: str) -> str:
        """A new canary for the field *where*."""
        word = self.prefix + _random(_DIGITS)
        self.fields[word] = where
        return word

    def guard(self, what: str, word: str) -> None:
        """Look for *word* too."""
        self.secrets[word] = what

    def found_in(self, data: bytes) -> set[str]:
        """The fields whose canaries stand in *data*, in whatever encoding."""
        found = {what for word, what in self.secrets.items() if word.encode() in data}
        if not any(needle in data for needle in needles(self.prefix)):
            return found
        found |= {self.fields.get(word, "a canary, cut short") for word in self.words_in(data)}
        return found or {"an encoded canary"}

    def words_in(self, data: bytes) -> set[str]:
        """The canaries that stand in *data* as they are."""
        whole = re.compile(self.prefix.encode() + rb"[0-9a-z]{%d}" % _DIGITS)
        return {match[0].decode() for match in whole.finditer(data)}

    def where(self, words: Iterable[str]) -> set[str]:
        """The fields of *words*."""
        return {self.fields[word] for word in words}
