"""A proxy before PostgreSQL that loses what it is told to lose."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import pytest_asyncio

Trouble = Literal["none", "lose commit", "lose answer", "freeze"]

_PARSED_COMMIT = re.compile(rb"(s\d+)\x00COMMIT\x00")


class Proxy:
    """Forwards bytes; knows a COMMIT when it passes.

    "lose commit" hangs up before the next COMMIT gets through, "lose answer" after it took
    effect; both happen once. "freeze" forwards nothing more until another mode is set.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._moving = asyncio.Event()
        self._moving.set()
        self._trouble: Trouble = "none"
        self.port = 0
        self.lost = asyncio.Event()

    @property
    def trouble(self) -> Trouble:
        return self._trouble

    @trouble.setter
    def trouble(self, trouble: Trouble) -> None:
        self._trouble = trouble
        (self._moving.clear if trouble == "freeze" else self._moving.set)()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse and hang up."""
        assert self._server is not None
        self._server.close()
        self.hang_up()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._connect(reader, writer)
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, downstream = await asyncio.open_connection(*self._target)
        self._writers |= {writer, downstream}
        connection = _Connection(self)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(connection.pump(reader, downstream, connection.outgoing))
                group.create_task(connection.pump(upstream, writer, connection.incoming))
        except* (OSError, _HungUp):
            pass
        finally:
            downstream.transport.abort()
            self._writers.discard(downstream)

    async def moving(self) -> None:
        await self._moving.wait()


class _HungUp(Exception):
    pass


class _Connection:
    """One connection: which statement is its COMMIT, and whether one is under way."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._name: bytes | None = None
        self._committing = False

    async def pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        inspect: Callable[[bytes], None],
    ) -> None:
        while data := await reader.read(1 << 16):
            inspect(data)
            await self._proxy.moving()
            writer.write(data)
            await writer.drain()
        raise _HungUp

    def outgoing(self, data: bytes) -> None:
        found = _PARSED_COMMIT.search(data)
        if found is not None:
            self._name = found[1]
        if self._name is None or b"\x00" + self._name + b"\x00" not in data:
            return
        if self._proxy.trouble == "lose commit":
            self._lose()
        self._committing = True

    def incoming(self, data: bytes) -> None:
        # The answer to a batch that ends in COMMIT comes when it has taken effect.
        if self._committing and self._proxy.trouble == "lose answer":
            self._lose()
        self._committing = False

    def _lose(self) -> None:
        self._proxy.trouble = "none"
        self._proxy.lost.set()
        raise _HungUp


@pytest_asyncio.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    """A proxy before the test's database."""
    parts = urlsplit(database_url)
    assert parts.hostname is not None
    assert parts.port is not None
    made = Proxy((parts.hostname, parts.port))
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def proxied_url(database_url: str, proxy: Proxy) -> str:
    """The database through the proxy."""
    parts = urlsplit(database_url)
    login, _, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{proxy.port}"))
