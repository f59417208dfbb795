"""The event loop of whatever serves: uvloop's, but names are looked up in threads of our own.

uvloop has four threads for that and uses two of them: two names that are slow to find, of the
service that checks for bots say, kept the database and the bucket from being connected to. It
asked them about addresses of digits, too, since its own `sock_connect` does not give the type of
the socket, without which it does not know them at once. What `create_connection` connects to by
name it still looks up itself: here only mail by SMTP, beside which nobody waits there any more.
"""

import socket
from functools import partial
from ipaddress import ip_address
from typing import Any

import uvloop

from core.resolving import SharedLookups


class EventLoop(uvloop.Loop):
    """See above; all that connects here does so by streams."""

    def __init__(self) -> None:
        super().__init__()
        self._lookups = SharedLookups()

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
        if not host or _is_address(host):
            return await super().getaddrinfo(
                host, port, family=family, type=of_type, proto=proto, flags=flags
            )
        asked = host, port, family, of_type, proto, flags
        return await self._lookups.run(asked, partial(socket.getaddrinfo, *asked))


def _is_address(host: str | bytes) -> bool:
    try:
        ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False
    return True
