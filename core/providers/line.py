"""What the calls of one channel have in common, so that it is made only once."""

import asyncio
import math
import re
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
from yarl import URL

from core.model import Channel
from core.providers.wire import Call

_KEPT_PLACES = 16
_BODILESS = frozenset({"GET", "HEAD"})
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class _Place(NamedTuple):
    """Where a call goes."""

    to: aiohttp.ClientRequest
    """For the connector, which picks connections by it; never sent."""
    target: str
    """The end of a request's first line."""
    headers: Mapping[str, str]
    """Of every request to it: whole lines, by their names in lower case."""
    head: str
    """All of that."""


class Line:
    """The connections of one channel, and the heads of requests on them.

    With *at*, all that it leads to: an address that is none of the channel's.
    """

    __slots__ = ("_at", "_base", "_headers", "_places", "_side", "connect", "connector")

    def __init__(
        self,
        channel: Channel,
        connector: aiohttp.BaseConnector,
        headers: Mapping[str, str],
        at: URL | None = None,
    ) -> None:
        """*headers* go along with each request."""
        self.connector = connector
        self._headers = headers
        self._at = at
        self.connect = aiohttp.ClientTimeout(
            connect=channel.deadlines.connect, ceil_threshold=math.inf
        )
        """How long a connection may take, as aiohttp wants to be told."""
        self._base = channel.base_url.rstrip("/")
        self._side = channel.side_url.rstrip("/")
        self._places: dict[str, _Place] = {}

    def place(self, call: Call) -> _Place:
        """Where *call* goes. Remembered where things are made: paths of jobs differ each time."""
        if self._at is not None:
            return self._made(self._at)
        url = ((self._side or self._base) if call.aside else self._base) + call.path
        place = self._places.get(url)
        if place is None:
            place = self._made(URL(url, encoded=True))
            if call.body is not None and len(self._places) < _KEPT_PLACES:
                self._places[url] = place
        return place

    def head(self, place: _Place, call: Call, size: int, media_type: str) -> bytes:
        """The head of a request with a body of *size* bytes, of no type where there is none.

        The call's own headers, named in lower case, stand for those of every request; nothing of
        them goes to an address that a provider gave. Raises ValueError if one of them would be
        more than a header.
        """
        head = f"{call.method} {place.head}"
        if self._at is None and call.headers:
            if not place.headers.keys().isdisjoint(call.headers):
                kept = [line for name, line in place.headers.items() if name not in call.headers]
                head = f"{call.method} {place.target}{''.join(kept)}"
            for name, value in call.headers.items():
                head += f"{name}: {_safe(value)}\r\n"
        if media_type:
            head += f"content-type: {_safe(media_type)}\r\n"
        if call.method not in _BODILESS:
            head += f"content-length: {size}\r\n"
        return f"{head}\r\n".encode()

    def _made(self, url: URL) -> _Place:
        to = aiohttp.ClientRequest(
            "GET", url, headers=self._headers, loop=asyncio.get_running_loop()
        )
        target = f"{_safe(url.raw_path_qs)} HTTP/1.1\r\n"
        headers = {name.lower(): f"{name}: {value}\r\n" for name, value in to.headers.items()}
        if self.connector.force_close:
            headers["connection"] = "connection: close\r\n"
        return _Place(to, target, headers, target + "".join(headers.values()))


def _safe(value: str) -> str:
    """*value*, which ends no line; raises ValueError, which does not show it."""
    if _FORBIDDEN.search(value):
        raise ValueError("a control character in the head of a request")
    return value
