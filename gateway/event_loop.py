"""The event loop of whatever serves: uvloop's, and no thread is asked about an address of digits.

uvloop looks every address up before it connects to it. What needs no lookup it tells at once, but
only where the type of the socket is given, and its own `sock_connect` does not give it. So every
connection to a provider waited for a thread of a pool of four, which slow names may hold for
seconds.
"""

import socket
from typing import Any

import uvloop


class EventLoop(uvloop.Loop):
    """See above; all that connects here does so by streams."""

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the name that asyncio gives it
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple[Any, ...]]:
        """As asyncio's, for streams unless *type* says else."""
        of_type = type or socket.SOCK_STREAM
        return await super().getaddrinfo(
            host, port, family=family, type=of_type, proto=proto, flags=flags
        )
