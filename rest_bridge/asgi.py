"""The ASGI types, and what the HTTP server tells about a connection."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol

from rest_bridge.headers import Headers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

CONNECTION = "reapi.connection"
"""Key of the `Connection` in the extensions of a scope, where the server offers one."""


class Alarm:
    """Calls back at a moment, unless it is cleared before: one at a time.

    Its timer stays when it is cleared, and serves the next one, too: nearly every request is
    answered long before its time is up, and a timer for each would cost more than the look.
    """

    __slots__ = ("_at", "_callback", "_closed", "_timer", "_wakes")

    def __init__(self) -> None:
        self._at = 0.0
        self._callback: Callable[[], object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wakes = 0.0
        """When the timer fires."""
        self._closed = False

    def set(self, at: float, callback: Callable[[], object]) -> None:
        """Call *callback* at *at*, a moment of the event loop's clock."""
        self._at = at
        self._callback = callback
        if (self._timer is None or self._wakes > at) and not self._closed:
            self._start()

    def clear(self) -> None:
        """Call nobody."""
        self._callback = None

    def close(self) -> None:
        """Call nobody any more."""
        self._closed = True
        self._callback = None
        if self._timer is not None:
            self._timer.cancel()

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._wakes = self._at
        self._timer = asyncio.get_running_loop().call_at(self._at, self._wake)

    def _wake(self) -> None:
        self._timer = None
        if self._callback is None:
            return
        if self._at > self._wakes:
            self._start()
            return
        callback, self._callback = self._callback, None
        callback()


class Connection:
    """One HTTP connection, as far as a request handler cares: is the caller still there?

    HTTP/1.1 answers one request at a time, so one callback is enough. Without a
    server that calls `close`, the caller counts as present for ever.
    """

    __slots__ = ("alarm", "lost", "on_lost")

    def __init__(self) -> None:
        self.lost = False
        self.alarm = Alarm()
        """For the request that is being answered."""
        self.on_lost: Callable[[], object] | None = None
        """Called once, from the event loop, when the connection closes."""

    def close(self) -> None:
        """Note that the connection is gone."""
        self.lost = True
        self.alarm.close()
        if (callback := self.on_lost) is not None:
            self.on_lost = None
            callback()


DIRECT = "reapi.direct"
"""Key of the `Direct` in the extensions of a scope, where the server offers one."""


class Direct(Protocol):
    """What the server offers for one request beyond ASGI: its whole body, its whole answer."""

    is_welcome: bool
    """Whether it was found already that the request is not turned away for who sends it."""

    @property
    def more_body(self) -> bool:
        """Whether the request's body is still arriving."""

    def whole_body(self) -> bytes | None:
        """All of the body that was not received, if it is here; None: `receive` waits for it."""

    async def answer(self, status: int, headers: Headers, parts: Sequence[bytes]) -> None:
        """Send a whole response, its length among its *headers*; *parts* together are its body."""


class ClientGone(Exception):
    """The caller closed the connection: there is nobody to answer."""


def server_of(scope: Scope) -> tuple[Connection, Direct | None]:
    """The connection that *scope* came on, and what its server offers beyond ASGI.

    Of a server that is not ours: a connection that never closes, and nothing.
    """
    extensions = scope.get("extensions") or {}
    return extensions.get(CONNECTION) or Connection(), extensions.get(DIRECT)
