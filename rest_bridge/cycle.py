"""One request and its response on a connection: framing, and what happens to unread bodies.

In place of uvicorn's own, which this one extends, it sends head and small body in one write,
answers HTTP/1.0 without chunks, keeps noticing a lost caller after a large body, and
lets the protocol linger instead of resetting a caller who is still writing.
"""

from http import HTTPStatus
from typing import Final, Protocol

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_BODILESS: Final = frozenset({204, 304})


def status_line(status: int) -> bytes:
    """The first line of an answer, its line break included."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return b"HTTP/1.1 %d %s\r\n" % (status, phrase.encode())


STATUS_LINES: Final = {status: status_line(status) for status in range(100, 600)}


class CycleOwner(Protocol):
    """The connection, as far as a response cares."""

    @property
    def reads_ahead(self) -> bool:
        """Whether requests wait behind the active one: then nothing more is read."""

    def answered(self, cycle: "Cycle") -> None:
        """The response of *cycle* is written."""


class Cycle(RequestResponseCycle):
    """One request and its response. Misuse by the application is an AssertionError."""

    connection: CycleOwner

    _head: bytes | None = None
    """The head of the response, until the first piece of its body joins it."""
    _left: int | None = None
    """Bytes of the body still due, if the length is known."""
    _until_close: bool = False
    """Whether the end of the connection ends the body (HTTP/1.0)."""

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message of the application; waits while the caller reads slowly."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            assert not self.response_started, "the response has started already"
            self._start(message["status"], list(message.get("headers", ())))
        else:
            assert message["type"] == "http.response.body", "no HTTP message"
            assert self.response_started, "the response has not started"
            assert not self.response_complete, "the response is complete already"
            self._continue(message.get("body", b""), more=message.get("more_body", False))

    async def receive(self) -> ASGIReceiveEvent:
        """The next piece of the request's body, or that the caller is gone."""
        message = await super().receive()
        # Unread input hides the end of a connection: a full buffer must not stay paused.
        if not self.disconnected and not self.connection.reads_ahead:
            self.flow.resume_reading()
        return message

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        content = [STATUS_LINES[status]]
        says_close = False
        chunked = True
        for name, value in (*self.default_headers, *headers):
            assert b"\n" not in value, "a header with a line break"
            assert b"\r" not in value, "a header with a line break"
            if name == b"content-length":
                self._left = int(value)
                chunked = False
            elif name == b"connection" and value.lower() == b"close":
                self.keep_alive = False
                says_close = True
            content += (name, b": ", value, b"\r\n")
        if self.scope["method"] == "HEAD" or status in _BODILESS:
            self._left = None
            chunked = False
        elif chunked and self.scope["http_version"] == "1.0":
            chunked = False
            self._until_close = True
            self.keep_alive = False
        if chunked:
            content.append(b"transfer-encoding: chunked\r\n")
        if not self.keep_alive and not says_close:
            content.append(b"connection: close\r\n")
        content.append(b"\r\n")
        self.chunked_encoding = chunked
        self._head = b"".join(content)

    def _continue(self, body: bytes, *, more: bool) -> None:
        if self.chunked_encoding:
            pieces = [b"%x\r\n" % len(body), body, b"\r\n"] if body else []
            if not more:
                pieces.append(b"0\r\n\r\n")
        elif self._left is not None or self._until_close:
            pieces = [body]
        else:
            pieces = []  # HEAD, 204, 304
        if self._left is not None:
            self._left -= len(body)
            assert self._left >= 0, "more body than Content-Length says"
        if self._head is not None:
            pieces.insert(0, self._head)
            self._head = None
        if sum(map(len, pieces)) <= _ONE_WRITE:
            self.transport.write(b"".join(pieces))
        else:
            # Not writelines: asyncio's of CPython 3.12.0 to 3.12.8, 3.13.0 and 3.13.1 never
            # pauses the writer (gh-127655), so that a caller who stops reading goes unnoticed.
            for piece in pieces:
                self.transport.write(piece)
        if not more:
            assert not self._left, "less body than Content-Length says"
            self.response_complete = True
            self.message_event.set()
            self.connection.answered(self)


_ONE_WRITE: Final = 64 * 1024
