"""Words that stand nowhere else, planted in every content field and looked for everywhere."""

import base64
import re
import secrets
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

PREFIX = "qzjxcanary"
"""Of every canary; together with what follows it, only letters and digits: JSON, URLs, SQL and
text formats write it as it is."""

_DIGITS = 14
_WHOLE = re.compile(PREFIX.encode() + rb"[0-9a-z]{%d}" % _DIGITS)


def _encodings(text: str) -> Iterator[bytes]:
    """*text* as it looks in other clothes, whatever surrounds it."""
    data = text.encode()
    yield data
    yield text.encode("utf-16-le")
    for spelled in (data.hex(), data.hex().upper(), data.hex(" ")):
        yield spelled.encode()
    for shift in range(3):
        # Without the characters that depend on what stands before and after.
        encoded = base64.b64encode(b"\0" * shift + data)
        yield encoded[4 if shift else 0 : len(encoded) - 4]


def needles(text: str) -> list[bytes]:
    """What to look for in order to find *text*, encoded in the usual ways."""
    return list(dict.fromkeys(_encodings(text)))


@dataclass(slots=True)
class Canaries:
    """Every canary that was planted, by the field it was planted in."""

    fields: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """Other words that must be found nowhere, for instance parts of keys, by what they are."""

    def plant(self, where: str) -> str:
        """A new canary for the field *where*."""
        alphabet = string.ascii_lowercase + string.digits
        word = PREFIX + "".join(secrets.choice(alphabet) for _ in range(_DIGITS))
        self.fields[word] = where
        return word

    def guard(self, what: str, word: str) -> None:
        """Look for *word* too."""
        self.secrets[word] = what

    def found_in(self, data: bytes) -> set[str]:
        """The fields whose canaries stand in *data*, in whatever encoding."""
        found = {what for word, what in self.secrets.items() if word.encode() in data}
        if not any(needle in data for needle in _NEEDLES):
            return found
        whole = {match[0].decode() for match in _WHOLE.finditer(data)}
        found |= {self.fields.get(word, "a canary of another run") for word in whole}
        return found or {"an encoded canary"}

    def words_in(self, data: bytes) -> set[str]:
        """The canaries that stand in *data* as they are."""
        return {match[0].decode() for match in _WHOLE.finditer(data)}

    def where(self, words: Iterable[str]) -> set[str]:
        """The fields of *words*."""
        return {self.fields[word] for word in words}


_NEEDLES = needles(PREFIX)
