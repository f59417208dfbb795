"""The ASGI types, and what the HTTP server tells about a connection."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

CONNECTION = "reapi.connection"
"""Key of the `Connection` in the extensions of a scope, where the server offers one."""


class Connection:
    """One HTTP connection, as far as a request handler cares: is the caller still there?

    HTTP/1.1 answers one request at a time, so one callback is enough. Without a
    server that calls `close`, the caller counts as present for ever.
    """

    __slots__ = ("arrived", "is_welcome", "lost", "on_lost")

    def __init__(self) -> None:
        self.lost = False
        self.arrived = False
        """Whether the whole request is here: then reading its body never waits."""
        self.is_welcome = False
        """Whether it was found already that the request is not turned away for who sends it."""
        self.on_lost: Callable[[], object] | None = None
        """Called once, from the event loop, when the connection closes."""

    def close(self) -> None:
        """Note that the connection is gone."""
        self.lost = True
        if (callback := self.on_lost) is not None:
            self.on_lost = None
            callback()


class ClientGone(Exception):
    """The caller closed the connection: there is nobody to answer."""


def connection_of(scope: Scope) -> Connection:
    """The connection that *scope* came on; one that never closes, if the server tells none."""
    extensions = scope.get("extensions") or {}
    found = extensions.get(CONNECTION)
    return found if isinstance(found, Connection) else Connection()
