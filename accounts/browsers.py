"""Short names of browsers, for people to tell their sessions apart. Pure.

The header itself is never kept: its versions and extensions would tell people apart, which is
nobody's business here.
"""

from dataclasses import dataclass
from typing import Final

_READ: Final = 512
"""Characters of the header that are looked at: browsers send at most half of that."""
_PROGRAMS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python", "Python"),
    ("node", "Node.js"),
    ("grpc-go", "Go"),
    ("Go-http-client", "Go"),
    ("grpc-java", "Java"),
    ("grpc", "gRPC"),
)
"""What a header holds, and what it means. The first that fits wins: Chrome says Safari too."""
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class Browser:
    """What somebody signs in with."""

    name: str = ""
    """A name of ours: `Firefox on Linux`; empty: unknown."""


def browser_of(header: str) -> Browser:
    """The browser that sent *header*, a `user-agent`, told in words of ours only."""
    text = header[:_READ]
    program = _first(text, _PROGRAMS)
    system = _first(text, _SYSTEMS)
    return Browser(f"{program} on {system}" if program and system else program or system)


def _first(text: str, known: tuple[tuple[str, str], ...]) -> str:
    lowered = text.lower()
    return next((name for mark, name in known if mark.lower() in lowered), "")
