"""Receivers of messages as customers run them: some work, some do not."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECONDS = 20


@dataclass(frozen=True)
class Received:
    """One message as it arrived."""

    path: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


def says(status: int, headers: dict[str, str] | None = None, body: bytes = b"ok") -> Behaviour:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers, body=body)

    return answer


async def drops(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def hangs(until: asyncio.Event) -> Behaviour:
    async def answer(_request: web.Request) -> web.StreamResponse:
        await until.wait()
        return web.Response()

    return answer


async def babbles(request: web.Request) -> web.StreamResponse:
    """An answer without an end."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65536)


@dataclass
class Receiver:
    """Listens on loopback; each path plays its behaviours, the last one again and again."""

    url: str = ""
    behaviours: dict[str, list[Behaviour]] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def plays(self, path: str, *behaviours: Behaviour) -> str:
        """What *path* does; returns its URL."""
        self.behaviours[path] = list(behaviours)
        return self.url + path

    def at(self, path: str) -> list[Received]:
        return [item for item in self.received if item.path == path]

    async def wait(self, path: str, count: int = 1) -> list[Received]:
        """Wait until *path* has received *count* messages."""
        async with asyncio.timeout(SECONDS), self._changed:
            await self._changed.wait_for(lambda: len(self.at(path)) >= count)
        return self.at(path)

    async def take(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        found = Received(request.path, headers, await request.read())
        async with self._changed:
            self.received.append(found)
            self._changed.notify_all()
        script = self.behaviours.get(request.path, [says(200)])
        return await (script.pop(0) if len(script) > 1 else script[0])(request)


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield receiver
    finally:
        await runner.cleanup()
