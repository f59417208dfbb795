"""What a mail says, apart from how it is shown: HTML and text are made from the same. Pure."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

Facts = Mapping[str, str]
"""What a template is filled in with; `accounts.mail_queue.Kind` says which kind has which."""

LONGEST_LINE: Final = 200
"""Characters of anything that stands in one line: a subject, a name."""
LONGEST_NAME: Final = 60
"""Characters of a name in a greeting."""
_BIDI: Final = frozenset(map(chr, (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F))))
_ISOLATES: Final = frozenset(map(chr, range(0x2066, 0x206A)))
"""With _BIDI: what would turn the direction of the text that follows."""
_BREAKS: Final = frozenset({"Cc", "Zl", "Zp", "Cs"})
"""Controls, line and paragraph separators, halves of characters."""


@dataclass(frozen=True, slots=True)
class Action:
    """A link that is shown as a button."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Content:
    """One mail in one language. Everything in it is plain text; whoever shows it escapes it."""

    subject: str
    paragraphs: tuple[str, ...]
    action: Action | None = None
    rows: tuple[tuple[str, str], ...] = ()
    """A table: what, and how much."""
    after: tuple[str, ...] = ()
    """Below the button and the table."""
    html: str = field(default="", repr=False)
    """Of letters that the operator wrote: instead of the paragraphs where HTML is shown."""


@dataclass(frozen=True, slots=True)
class Links:
    """The pages that mails lead to, below the public URL."""

    public_url: str

    def page(self, path: str, token: str = "") -> str:
        """`path` with a token, if there is one."""
        query = f"?token={quote(token, safe='')}" if token else ""
        return f"{self.public_url}{path}{query}"


def line(text: str, longest: int = LONGEST_LINE) -> str:
    """*text* as it may stand in a header or a sentence: one line, one direction, not too long."""
    kept = (_plain(character) for character in text)
    joined = " ".join("".join(kept).split())
    return joined if len(joined) <= longest else f"{joined[: longest - 1]}…"


def name_of(text: str) -> str:
    """A person's or an account's name as we repeat it; empty where it might be something else.

    Anybody can sign up with the address of somebody else, and an advertisement for a name: what
    mail programs make a link of is not repeated.
    """
    name = line(text, LONGEST_NAME + 1)
    looks_like_link = any(mark in name for mark in ("/", "@", "\\")) or any(
        before and after for before, _, after in _at_dots(name)
    )
    return "" if looks_like_link or len(name) > LONGEST_NAME else name


def _at_dots(name: str) -> list[tuple[str, str, str]]:
    """What stands around each dot that has no space after it."""
    return [word.strip(".").partition(".") for word in name.split()]


def _plain(character: str) -> str:
    if character in _BIDI or character in _ISOLATES:
        return ""
    return " " if unicodedata.category(character) in _BREAKS else character
