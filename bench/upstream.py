"""A static upstream that speaks OpenAI's image wire and Ark's tasks, and breaks on demand.

`python -m bench.upstream` runs one in a process of its own and prints its port. It answers
from bytes made at start, so that it is never what is measured; the benchmark proves that by
loading it directly in the same run.
"""

import argparse
import asyncio
import socket
import struct
import sys
from enum import StrEnum
from typing import Self, cast

import httptools
import uvloop

from bench.canned import Answers, Shape, answers, plain, shape_of
from bench.canned_ark import FILM, TASKS, TaskAnswers, task_answers

PAUSE_SECONDS = 0.01
"""Between two events of a stream."""
HOST = "127.0.0.1"
_TASKS, _TASK, _FILM = TASKS.encode(), f"{TASKS}/".encode(), FILM.encode()


class Fault(StrEnum):
    """What can be wrong with an upstream."""

    ERROR = "500"
    RATE_LIMITED = "429"
    UNAUTHORIZED = "401"
    REFUSE = "refuse"
    RESET = "reset"
    HANG = "hang"
    HTML = "html"
    EMPTY = "empty"


def _error(status: int, kind: str, code: str) -> bytes:
    text = f'{{"error":{{"message":"no","type":"{kind}","param":null,"code":"{code}"}}}}'
    return plain(status, "application/json", text.encode())


_FAULTY = {
    Fault.ERROR: _error(500, "server_error", "server_error"),
    Fault.RATE_LIMITED: _error(429, "rate_limit_error", "rate_limit_exceeded"),
    Fault.UNAUTHORIZED: _error(401, "invalid_request_error", "invalid_api_key"),
    Fault.HTML: plain(200, "text/html", b"<!doctype html><title>Down</title><p>Back soon."),
    Fault.EMPTY: plain(200, "application/json", b'{"created":1750000000,"data":[]}'),
}
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Upstream:
    """A listener on loopback; use it with `async with`."""

    def __init__(self, canned: Answers | None = None, port: int = 0, delay: float = 0.0) -> None:
        self.answers = canned or answers()
        self.delay = delay
        """Seconds before a small image is answered."""
        self.fault: Fault | None = None
        self.connections: set[_Connection] = set()
        self.port = port
        self._tasks: TaskAnswers | None = None
        self._made = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._deafen()

    async def break_with(self, fault: Fault | None) -> None:
        """From the next request on, fail that way; None heals."""
        self.fault = fault
        if fault is Fault.REFUSE:
            await self._deafen()
        elif self._server is None:
            await self._listen()

    def task(self, path: bytes) -> bytes | None:
        """The answer where *path* is one of tasks: made, looked at, fetched; None elsewhere."""
        if path != _FILM and not path.startswith(_TASKS):
            return None
        if self._tasks is None:
            self._tasks = task_answers(f"http://{HOST}:{self.port}")
        if path == _FILM:
            return self._tasks.film
        if path.startswith(_TASK):
            return self._tasks.succeeded
        self._made += 1
        return self._tasks.made(self._made)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), HOST, self.port, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _deafen(self) -> None:
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for connection in list(self.connections):
            connection.abort()
        await server.wait_closed()


class _Connection(asyncio.Protocol):
    """Answers the requests of one connection, one after the other."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._answers = upstream.answers
        self._body = b""
        self._path = b""
        self._later: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no instances of it.
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)
        self._upstream.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._upstream.connections.discard(self)
        if self._later is not None:
            self._later.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    def on_url(self, path: bytes) -> None:
        """Part of a request's target (the parser calls this)."""
        self._path += path

    def on_body(self, body: bytes) -> None:
        """Part of a request's body (the parser calls this)."""
        self._body += body

    def on_message_complete(self) -> None:
        """A whole request is there (the parser calls this)."""
        body, self._body = self._body, b""
        path, self._path = self._path, b""
        if self._upstream.fault is not None:
            self._fail(self._upstream.fault)
            return
        if (answer := self._upstream.task(path)) is not None:
            self._transport.write(answer)
            return
        match shape_of(body):
            case Shape.SMALL if self._upstream.delay:
                loop = asyncio.get_running_loop()
                small = self._answers.small
                self._later = loop.call_later(self._upstream.delay, self._transport.write, small)
            case Shape.SMALL:
                self._transport.write(self._answers.small)
            case Shape.LARGE:
                self._transport.write(self._answers.large)
            case Shape.STREAM:
                self._stream(0)

    def abort(self) -> None:
        """Close at once, whatever is on its way."""
        self._transport.abort()

    def _stream(self, step: int) -> None:
        self._transport.write(self._answers.stream[step])
        if step + 1 < len(self._answers.stream):
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(PAUSE_SECONDS, self._stream, step + 1)

    def _fail(self, fault: Fault) -> None:
        match fault:
            case Fault.RESET:
                found = self._transport.get_extra_info("socket")
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                self.abort()
            case Fault.HANG | Fault.REFUSE:
                pass
            case _:
                self._transport.write(_FAULTY[fault])


async def _serve(port: int, delay: float) -> None:
    async with Upstream(port=port, delay=delay) as upstream:
        sys.stdout.write(f"{upstream.port}\n")
        sys.stdout.flush()
        # Whoever started it holds the other end: it dies with them.
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m bench.upstream", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--delay", type=float, default=0.0, help="of small images, in seconds")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        options = parser.parse_args()
        runner.run(_serve(options.port, options.delay))


if __name__ == "__main__":
    main()
