"""A channel's own port: open, or refusing connections, and the same port again afterwards."""

import asyncio
import ipaddress
import logging
import socket
from typing import Final, Protocol
from urllib.parse import urlsplit

from aiohttp import web

BACKLOG: Final = 2_048
# How long a handler may still run once the simulator shuts down.
SHUTDOWN_SECONDS: Final = 0.05
FAREWELL_SECONDS: Final = 0.01


class Serving(Protocol):
    """What a listener hands requests to."""

    @property
    def busy(self) -> set[object]:
        """The connections with a request in flight."""

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request."""


class Listener:
    """Listens for one channel.

    While it refuses, a second socket, bound but deaf, holds the port: without it the kernel could
    hand the number to any outgoing connection, even to one that dials this very port.
    """

    def __init__(self, front: Serving, host: str, port: int) -> None:
        self._front = front
        self._host = host
        self._wanted_port = port
        self._holder: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._web: web.Server | None = None

    @property
    def port(self) -> int:
        """The port, from the opening to the closing."""
        if self._holder is None:
            raise RuntimeError("the listener is not open")
        return int(self._holder.getsockname()[1])

    async def open(self) -> None:
        """Take the port and listen."""
        if self._wanted_port:
            # Port sharing, below, would let two simulators split one port unnoticed.
            _bound(self._host, self._wanted_port, shared=False).close()
        self._holder = _bound(self._host, self._wanted_port, shared=True)
        self._web = web.Server(
            self._front,
            handler_cancellation=True,
            access_log=None,
            logger=silent_logger(),
            lingering_time=2.0,
        )
        await self.accept()

    async def accept(self) -> None:
        """Listen (again)."""
        if self._server is None and self._web is not None:
            loop = asyncio.get_running_loop()
            sock = _bound(self._host, self.port, shared=True)
            self._server = await loop.create_server(self._web, sock=sock, backlog=BACKLOG)

    async def refuse(self) -> None:
        """Stop listening and drop idle connections; calls in flight finish, then close."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._web is not None:
            for connection in self._web.connections:
                if connection in self._front.busy:
                    connection.close()
                else:
                    connection.force_close()
        # A caller that still believes in an idle connection must have heard of its end before
        # the fault counts as set: its next call is then refused, not lost.
        await asyncio.sleep(FAREWELL_SECONDS)

    async def close(self) -> None:
        """Stop listening, end what still runs, give the port back."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._web is not None:
            await self._web.shutdown(SHUTDOWN_SECONDS)
            self._web = None
        if self._holder is not None:
            self._holder.close()
            self._holder = None


def silent_logger() -> logging.Logger:
    """Give a logger that says nothing: aiohttp's own would write out requests and tracebacks."""
    logger = logging.getLogger("simulator.http")
    logger.disabled = True
    return logger


def is_loopback(host: str) -> bool:
    """Say whether *host* is reachable from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_url(url: str) -> bool:
    """Say whether a URL leads to this machine only."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host == "localhost" or is_loopback(host)


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock
