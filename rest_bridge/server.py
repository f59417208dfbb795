"""The public HTTP server: uvicorn's protocol, hardened, in the caller's event loop.

No signal handlers, no access log, no environment. `stop` loses no request: it stops
accepting, lets idle connections send one more for a moment, answers everything with
`connection: close`, and cuts what is left when the grace is over.
"""

import asyncio
import socket
import time
from email.utils import formatdate
from typing import cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from rest_bridge.asgi import ASGIApp
from rest_bridge.http_limits import Application, Early, HttpLimits, Shared
from rest_bridge.listener import Listener
from rest_bridge.protocol import HardenedProtocol

__all__ = ["HttpLimits", "HttpServer"]

_BACKLOG = 2048
"""Connections that wait in the kernel, as uvicorn has it."""
_CUT_SECONDS = 1.0
"""How long handlers may take to end after their connections were cut."""


class HttpServer:
    """Serves *app* on *host*:*port* (0: any free one), or on a bound *sock*."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        limits: HttpLimits | None = None,
        sock: socket.socket | None = None,
        early: Early | None = None,
    ) -> None:
        """*early* gives whole answers to requests that are refused for who sends them."""
        self._config = Config(
            app,
            interface="asgi3",
            http=HardenedProtocol,
            ws="none",
            lifespan="off",
            loop="none",
            workers=1,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            forwarded_allow_ips="",
        )
        self._host = host
        self._port = port
        self._sock = sock
        self._shared = Shared(cast("Application", app), limits or HttpLimits())
        if early is not None:
            self._shared.early = early
        self._state = ServerState()
        self._listener: Listener | None = None
        self._clock: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._listener is not None, "not started"
        return self._listener.port

    @property
    def connection_count(self) -> int:
        """Open connections."""
        return len(self._state.connections)

    async def start(self) -> None:
        """Listen. Raises OSError if the address cannot be had."""
        self._config.load()
        loop = asyncio.get_running_loop()

        def connect() -> HardenedProtocol:
            return HardenedProtocol(self._config, self._state, self._shared, loop)

        if self._sock is None:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            address = (self._host, self._port)
            self._sock = socket.create_server(address, family=family, backlog=_BACKLOG)
        self._listener = Listener(self._sock, connect)
        self._tick(loop)

    async def stop(self, grace: float = 5.0) -> None:
        """Stop accepting, answer what is under way, and be gone within *grace* seconds or so."""
        if self._listener is None:
            return
        self._listener.close()
        self._shared.draining = True
        self._shared.emptied.clear()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.connections:
            try:
                async with asyncio.timeout(grace):
                    await self._shared.emptied.wait()
            except TimeoutError:
                self._cut()
        if tasks := set(self._state.tasks):
            _, late = await asyncio.wait(tasks, timeout=_CUT_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_CUT_SECONDS)
        if self._clock is not None:
            self._clock.cancel()
        self._listener = None

    def _cut(self) -> None:
        for connection in list(self._state.connections):
            if isinstance(connection, HardenedProtocol):
                connection.abort()

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """Keep the `date` header right to the second."""
        self._shared.date = b"date: %b\r\n" % formatdate(time.time(), usegmt=True).encode()
        self._clock = loop.call_later(1.0, self._tick, loop)
