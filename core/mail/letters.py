"""HTML that an operator wrote for a newsletter: what of it may be sent. Pure.

Nothing in a mail of ours is loaded from anywhere, so nobody learns who reads it and when.
"""

from html.parser import HTMLParser
from typing import Final

LONGEST: Final = 64 * 1024
"""Characters of a text and of HTML: each letter lies in the queue with all of it until it is sent,
and Gmail cuts what is longer than 102 KB."""
_LINKS: Final = ("https://", "http://", "mailto:")
# fmt: off
_TAGS: Final = frozenset((
    "a", "abbr", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "hr", "i",
    "li", "ol", "p", "pre", "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "th",
    "thead", "tr", "u", "ul",
))
_ATTRIBUTES: Final = frozenset((
    "align", "colspan", "dir", "href", "lang", "rowspan", "style", "title", "width",
))
# fmt: on


def unfit(html: str) -> str:
    """Why it may not be sent; empty: it may."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.why


class _Reader(HTMLParser):
    """Remembers the first thing that may not be."""

    def __init__(self) -> None:
        super().__init__()
        self.why = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            self._say(f"it has <{tag[:20]}>")
        for name, value in attrs:
            text = (value or "").strip().lower()
            if name not in _ATTRIBUTES:
                self._say(f"<{tag}> has the attribute {name[:20]}")
            if name == "href" and not text.startswith(_LINKS):
                self._say("a link must begin with https://, http:// or mailto:")
            if name == "style" and any(mark in text for mark in ("url", "expression", "\\", "@")):
                self._say(f"the style of <{tag}> loads something")

    def handle_decl(self, decl: str) -> None:
        self._say(f"it is a whole page (<!{decl[:10]}>): give what goes inside")

    def _say(self, why: str) -> None:
        self.why = self.why or why
