"""The limits of the public HTTP server, and what its connections have in common."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from rest_bridge.asgi import Receive, Scope, Send
from rest_bridge.headers import Headers


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits of connections. Sizes in bytes, times in seconds."""

    header_bytes: int = 32 * 1024
    """Request line and headers together; more is 431."""
    header_count: int = 100
    """Headers; more is 431."""
    header_seconds: float = 10.0
    """From the first byte of a request, or from the connection, to the end of its headers."""
    keep_alive_seconds: float = 75.0
    """How long a connection may wait for its next request; more than a balancer in front."""
    connections: int = 4_096
    """At the limit the longest idle connection gives way; if all are busy: 503."""
    write_stall_seconds: float = 30.0
    """A caller who reads nothing for so long is cut off."""
    discard_seconds: float = 10.0
    """How long a body is read and dropped after its request has been answered."""
    drain_idle_seconds: float = 1.0
    """On shutdown: how long idle connections may still send a request, which is answered."""


Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]
"""An ASGI application; each is a coroutine function, whatever its type says."""

Early = Callable[[str, str, Headers], bytes | None]
"""Of a method, a path and headers: the whole answer but for its first lines (the status line
stands first), if the request is refused for who sends it; None: it goes to the application."""


def _nobody(_method: str, _path: str, _headers: Headers) -> bytes | None:
    return None


@dataclass(slots=True)
class Shared:
    """What the connections of one server have in common."""

    app: Application
    limits: HttpLimits
    early: Early = _nobody
    """Asked before anything is made for a request: under overload most of them are refused."""
    date: bytes = b""
    """The line of every head that says what time it is."""
    draining: bool = False
    """Whether every answer is the last on its connection."""
    emptied: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the last connection is gone."""
