"""A scripted upstream: a raw TCP server that answers exact bytes, and fails in every way.

    upstream.plays(http(200, b"{}"), resets)

The first request gets the first script, and so on; the last script serves all that follow.
A script is either the bytes to send or an async function of a `Peer`.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self, cast

import pytest

from core.providers.driver import Driver

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Script = bytes | Callable[["Peer"], Awaitable[None]]


@dataclass
class Request:
    """What the upstream was asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes = field(repr=False)


@dataclass
class Peer:
    """One connection, seen from the upstream, after a request was read."""

    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        """Send each piece in a segment of its own, as far as the kernel can be made to."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            # Loopback is immediate: after this the other side, on the same loop, has seen it.
            for _ in range(3):
                await asyncio.sleep(0)

    async def left(self) -> None:
        """Wait until the other side has closed the connection."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass

    def close(self) -> None:
        """Close in good order (FIN)."""
        self.writer.close()

    def reset(self) -> None:
        """Close rudely (RST)."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Upstream:
    """The server. `requests` are those that were read, `connections` how many were accepted."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.talks: Talk = self._plays
        """What is done with each connection, where scripts for requests do not suffice."""
        self.asked = asyncio.Event()
        """Set when a request was read."""
        self._scripts: list[Script] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def plays(self, *scripts: Script) -> None:
        """Answer the next requests by *scripts*."""
        self._scripts = list(scripts)

    @property
    def address(self) -> str:
        """`127.0.0.1:port`."""
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._tasks)

    @asynccontextmanager
    async def over(self, tls: ssl.SSLContext) -> AsyncIterator[str]:
        """Serve over TLS as well, at the address that this gives."""
        async with await asyncio.start_server(self._accepted, "127.0.0.1", 0, ssl=tls) as server:
            host, port = server.sockets[0].getsockname()
            yield f"{host}:{port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, limit=1 << 26)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        is_orderly = False
        try:
            await self.talks(reader, writer)
            is_orderly = writer.is_closing()  # what was written is still on its way
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            # Cancelled only by `__aexit__`; streams of asyncio report a task that says so.
            pass
        finally:
            if not is_orderly:
                writer.transport.abort()

    async def _plays(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            await self._answer(reader, writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *lines = head.split("\r\n")
        pairs = [
            (name.lower(), value.strip()) for name, _, value in (x.partition(":") for x in lines)
        ]
        headers = dict(pairs)
        # A blank line at the end makes two of them.
        assert len(headers) == len(pairs) - 1, "a header is there twice"
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = line.split(" ")
        self.requests.append(Request(method, path, headers, body))
        self.asked.set()
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        if isinstance(script, bytes):
            writer.write(script)
            await writer.drain()
        else:
            await script(Peer(self.requests[-1], reader, writer))


def http(
    status: int,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> bytes:
    """A complete answer with a Content-Length."""
    lines = {"Content-Type": media_type, "Content-Length": str(len(body)), **(headers or {})}
    return head(status, lines) + body


def chunked(
    status: int,
    *chunks: bytes,
    headers: Mapping[str, str] | None = None,
    media_type: str = "text/event-stream",
) -> bytes:
    """A complete answer in chunks."""
    lines = {"Content-Type": media_type, "Transfer-Encoding": "chunked", **(headers or {})}
    return head(status, lines) + b"".join(chunk(each) for each in (*chunks, b""))


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """The status line and the headers."""
    lines = [
        f"HTTP/1.1 {status} Whatever",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; an empty one ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def transport_of(writer: asyncio.StreamWriter) -> asyncio.Transport:
    """The connection, for what streams do not offer."""
    # Of uvloop's transports, too, though they are no subclass.
    return cast(asyncio.Transport, writer.transport)


async def deaf(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept the connection and never read a byte."""
    transport_of(writer).pause_reading()
    await asyncio.Event().wait()


async def hangs(peer: Peer) -> None:
    """Never answer."""
    await peer.left()


async def resets(peer: Peer) -> None:
    """Break the connection off once the request is there."""
    peer.reset()


async def closes(peer: Peer) -> None:
    """Close the connection without an answer."""
    peer.close()


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A scripted upstream on loopback."""
    async with Upstream() as server:
        yield server


@pytest.fixture
async def driver() -> AsyncIterator[Driver]:
    """A driver of providers, closed afterwards."""
    async with Driver() as opened:
        yield opened


@pytest.fixture
def refused() -> str:
    """`127.0.0.1:port` where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"
