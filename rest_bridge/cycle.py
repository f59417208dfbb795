"""One request and its response on a connection: framing, and what happens to unread bodies.

It speaks ASGI, and beyond it gives whole bodies and takes whole answers (`Direct`): head and
body in one write. HTTP/1.0 is answered without chunks. A large body that was read does not
hide that its caller is lost, and one that was not read leaves the protocol to linger instead
of resetting a caller who is still writing.
"""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, Protocol

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl

from rest_bridge.asgi import Message
from rest_bridge.headers import Headers

_BODILESS: Final = frozenset({204, 304})
_ONE_WRITE: Final = 64 * 1024
"""A body up to this size is copied behind its head; a larger one is written as it is."""
_FAILED: Final = (
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"21"),
    (b"connection", b"close"),
)
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


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

    flow: FlowControl
    transport: asyncio.Transport

    tasks: "set[asyncio.Task[None]]"
    """What the application works on."""

    @property
    def reads_ahead(self) -> bool:
        """Whether requests wait behind the active one: then nothing more is read."""

    @property
    def date(self) -> bytes:
        """The line that every head has."""

    def answered(self, cycle: "Cycle") -> None:
        """The response of *cycle* is written."""


class Cycle:
    """One request and its response. Misuse by the application is an AssertionError."""

    __slots__ = (
        "_chunked",
        "_has_body",
        "_has_news",
        "_head",
        "_is_old",
        "_left",
        "_owner",
        "_pieces",
        "_reader",
        "_unread",
        "_until_close",
        "_waits_for_100",
        "disconnected",
        "is_welcome",
        "keep_alive",
        "more_body",
        "response_complete",
        "response_started",
    )

    def __init__(
        self, owner: CycleOwner, method: str, version: str, *, keep_alive: bool, waits_for_100: bool
    ) -> None:
        self._owner = owner
        self._has_body = method != "HEAD"
        """Whether the response has one, if its status allows it."""
        self._is_old = version == "1.0"
        """Whether the caller knows no chunks."""
        self.keep_alive = keep_alive
        """Whether the connection stays open behind the response."""
        self._waits_for_100 = waits_for_100
        """Whether the caller still waits for leave to send the body."""
        self.is_welcome = False
        """Whether it was found already that the request is not turned away for who sends it."""
        self.disconnected = False
        self.more_body = True
        """Whether the body is still arriving."""
        self._pieces: list[bytes] = []
        """Of the body: what has arrived and was not received."""
        self._unread = 0
        """Bytes of them."""
        self._has_news = False
        """Whether something was told that was not received."""
        self._reader: asyncio.Future[None] | None = None
        """Who waits for that."""
        self.response_started = False
        self.response_complete = False
        self._head: bytes | None = None
        """The head of the response, until the first piece of its body joins it."""
        self._left: int | None = None
        """Bytes of the body still due, if the length is known."""
        self._chunked = False
        self._until_close = False
        """Whether the end of the connection ends the body (HTTP/1.0)."""

    # What the connection tells

    def feed(self, body: bytes) -> None:
        """A piece of the request's body is here."""
        if self.response_complete:
            return
        self._pieces.append(body)
        self._unread += len(body)
        if self._unread > HIGH_WATER_LIMIT:
            self._owner.flow.pause_reading()
        self._wake()

    def feed_end(self) -> None:
        """The request's body is whole."""
        if not self.response_complete:
            self.more_body = False
            self._wake()

    def lose(self) -> None:
        """The caller is gone."""
        self.disconnected = True
        self._wake()

    def end(self, task: "asyncio.Task[None]") -> None:
        """The application is through: what it left out is made up for, or the connection ends."""
        self._owner.tasks.discard(task)
        if not task.cancelled():
            task.exception()  # taken: asyncio would print its text
        if self.response_complete or self.disconnected:
            return
        if self.response_started:
            self._owner.transport.close()
            return
        self._start(500, _FAILED)
        self._continue((b"Internal Server Error",), more=False)

    # The request's body

    async def receive(self) -> Message:
        """The next piece of the request's body, or that the caller is gone."""
        owner = self._owner
        if self._waits_for_100 and not owner.transport.is_closing():
            owner.transport.write(_CONTINUE)
            self._waits_for_100 = False
        while not (self._has_news or self.disconnected or self.response_complete):
            owner.flow.resume_reading()
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self._take(), "more_body": self.more_body}

    def whole_body(self) -> bytes | None:
        """All of the body that was not received, if it is here; None: `receive` waits for it."""
        if self.more_body or not self._has_news or self._waits_for_100 or self.disconnected:
            return None
        return self._take()

    def _take(self) -> bytes:
        pieces = self._pieces
        self._pieces = []
        self._unread = 0
        self._has_news = False
        # Unread input hides the end of a connection: a full buffer must not stay paused.
        if not self._owner.reads_ahead:
            self._owner.flow.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _wake(self) -> None:
        self._has_news = True
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # The response

    async def send(self, message: Message) -> None:
        """Send a message of the application; waits while the caller reads slowly."""
        if self._owner.flow.write_paused and not self.disconnected:
            await self._owner.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            assert not self.response_started, "the response has started already"
            self._start(message["status"], list(message.get("headers", ())))
        else:
            assert message["type"] == "http.response.body", "no HTTP message"
            assert self.response_started, "the response has not started"
            assert not self.response_complete, "the response is complete already"
            self._continue((message.get("body", b""),), more=message.get("more_body", False))

    async def answer(self, status: int, headers: Headers, parts: Sequence[bytes]) -> None:
        """Send a whole response, its length among its *headers*; *parts* together are its body."""
        if self._owner.flow.write_paused and not self.disconnected:
            await self._owner.flow.drain()
        if self.disconnected:
            return
        assert not self.response_started, "the response has started already"
        self._start(status, headers)
        self._continue(parts, more=False)

    def _start(self, status: int, headers: Headers) -> None:
        self.response_started = True
        self._waits_for_100 = False
        lines = [*map(b": ".join, headers)]
        by_name = dict(headers)
        length = by_name.get(b"content-length")
        says_close = by_name.get(b"connection", b"").lower() == b"close"
        if length is not None:
            self._left = int(length)
        if says_close:
            self.keep_alive = False
        if status in _BODILESS or not self._has_body:
            self._left = None
        elif length is None and self._is_old:
            self._until_close = True
            self.keep_alive = False
        elif length is None:
            self._chunked = True
            lines.append(b"transfer-encoding: chunked")
        if not self.keep_alive and not says_close:
            lines.append(b"connection: close")
        lines += (b"", b"")
        self._head = head = STATUS_LINES[status] + self._owner.date + b"\r\n".join(lines)
        breaks = len(lines) + 1  # with those behind the status and the date
        assert head.count(b"\n") == head.count(b"\r") == breaks, "a header with a line break"

    def _continue(self, parts: Sequence[bytes], *, more: bool) -> None:
        pieces = [] if self._head is None else [self._head]
        self._head = None
        size = sum(map(len, parts))
        if self._left is not None:
            self._left -= size
            assert self._left >= 0, "more body than Content-Length says"
            pieces += parts
        elif self._chunked:
            if size:
                pieces += (b"%x\r\n" % size, *parts, b"\r\n")
            if not more:
                pieces.append(b"0\r\n\r\n")
        elif self._until_close:
            pieces += parts
        self._write(pieces, size)
        if not more:
            assert not self._left, "less body than Content-Length says"
            self.response_complete = True
            self._wake()
            self._owner.answered(self)

    def _write(self, pieces: Sequence[bytes], size: int) -> None:
        """Write a head, framing and *size* bytes of a body, whatever of them is in *pieces*."""
        transport = self._owner.transport
        if size <= _ONE_WRITE:
            transport.write(b"".join(pieces))
            return
        # Not writelines: asyncio's of CPython 3.12.0 to 3.12.8, 3.13.0 and 3.13.1 never
        # pauses the writer (gh-127655), so that a caller who stops reading goes unnoticed.
        for piece in pieces:
            transport.write(piece)
