"""A small HTTP/1.1 client that measures: one request at a time per connection, kept alive."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Self, cast
from urllib.parse import urlsplit

import httptools

SECONDS = 60.0
"""No answer takes longer."""


class NoAnswerError(Exception):
    """The connection failed, or ended before the answer did."""


@dataclass(slots=True)
class Answer:
    """One answer, and how long it took from the first byte sent, in seconds."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    size: int = 0
    first: float = 0.0
    """Until the first byte of the body."""
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether the status says so."""
        return 200 <= self.status < 300


class Connection:
    """A connection to *url*'s host that is opened when needed."""

    def __init__(self, url: str, *, keep: bool = True) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        self._host = parts.hostname
        self._port = parts.port or 80
        self._base = parts.path.rstrip("/")
        self._keep = keep
        """Whether bodies are kept, or only counted."""
        self._wire: _Wire | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; the next request opens another one."""
        if self._wire is not None:
            self._wire.transport.abort()
            self._wire = None

    def encode(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """The bytes of a request, for `send`."""
        fields = {
            "host": f"{self._host}:{self._port}",
            "content-type": "application/json",
            "content-length": str(len(body)),
            **headers,
        }
        lines = [f"{method} {self._base}{path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """Ask once. Raises NoAnswerError."""
        return await self.send(self.encode(method, path, headers, body))

    async def send(self, message: bytes) -> Answer:
        """Send a request that `encode` made. Raises NoAnswerError."""
        if self._wire is None or self._wire.transport.is_closing():
            self._wire = await self._connect()
        wire = self._wire
        try:
            async with asyncio.timeout(SECONDS):
                return await wire.exchange(message)
        except TimeoutError:
            raise NoAnswerError("no answer in time") from None
        finally:
            if not wire.is_reusable:
                self.close()

    async def _connect(self) -> "_Wire":
        loop = asyncio.get_running_loop()
        try:
            _, wire = await loop.create_connection(
                lambda: _Wire(keep=self._keep), self._host, self._port
            )
        except OSError as error:
            raise NoAnswerError("cannot connect") from error
        return wire


class _Wire(asyncio.Protocol):
    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._waiter: asyncio.Future[Answer] | None = None
        self._chunks: list[bytes] = []
        self.is_reusable = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no instances of it.
        self.transport = cast("asyncio.Transport", transport)

    async def exchange(self, message: bytes) -> Answer:
        if self.transport.is_closing():
            raise NoAnswerError("the connection was closed")
        self.is_reusable = False
        self._answer = Answer()
        self._parser = httptools.HttpResponseParser(self)
        self._waiter = asyncio.get_running_loop().create_future()
        self._begun = perf_counter()
        self.transport.write(message)
        return await self._waiter

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self.transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field of the head (the parser calls this)."""
        self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is whole (the parser calls this)."""
        self._answer.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """Part of the body (the parser calls this)."""
        if not self._answer.size:
            self._answer.first = perf_counter() - self._begun
        self._answer.size += len(body)
        if self._keep:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole (the parser calls this)."""
        answer, waiter = self._answer, self._waiter
        answer.seconds = perf_counter() - self._begun
        answer.body = b"".join(self._chunks)
        self._chunks.clear()
        self._waiter = None
        self.is_reusable = self._parser.should_keep_alive()
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_reusable = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(NoAnswerError("the answer broke off"))
            self._waiter = None
