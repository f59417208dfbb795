"""uvicorn's httptools protocol, hardened: every wait has a limit, every refusal is an answer.

uvicorn alone accepts headers without end, idle and dripping connections, and readers
that never read (runtime.md E). The limits on bodies are the application's.
"""

import asyncio
import logging
from asyncio import TimerHandle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from rest_bridge.asgi import CONNECTION, Connection, Scope
from rest_bridge.cycle import Cycle
from rest_bridge.refusals import refusal

_SILENT: Final = logging.Logger("reapi.http", logging.CRITICAL + 1)  # noqa: LOG001 (see below)
"""Of no tree and with no handler: what uvicorn would log (exceptions with their text) is lost."""
_MOST_PIPELINED: Final = 16
_LINGER_SECONDS: Final = 1.0
"""How long a refused caller may take to read why."""


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


Early = Callable[[str, str, Sequence[tuple[bytes, bytes]]], bytes | None]
"""Of a method, a path and headers: the whole answer but for its first lines (the status line
stands first), if the request is refused for who sends it; None: it goes to the application."""


def _nobody(_method: str, _path: str, _headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
    return None


@dataclass(slots=True)
class Shared:
    """What the connections of one server have in common."""

    limits: HttpLimits
    early: Early = _nobody
    """Asked before anything is made for a request: under overload most of them are refused."""
    draining: bool = False
    """Whether every answer is the last on its connection."""
    emptied: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the last connection is gone."""


class HardenedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        shared: Shared,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(config, server_state, {}, loop)
        self.logger = _SILENT
        self.access_log = False
        self._shared = shared
        self._limits = shared.limits
        self._connection = Connection()
        self._active: Cycle | None = None
        """The request that the application works on, or answered last."""
        self._in_head = True
        self._head_read = 0
        """Bytes read since the current head began: at least its size so far."""
        self._head_size = 0
        """Bytes of the current head that were parsed."""
        self._status = 400
        """What an error of the parser is answered with."""
        self._refused = False
        self._turned_away = False
        """Whether the current request has its answer, and its body is dropped."""
        self._host_seen = False
        self._close_after_message = False
        self._head_timer: TimerHandle | None = None
        self._discard_timer: TimerHandle | None = None
        self._stall_timer: TimerHandle | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections and not self._make_room():
            self._refuse(503)
            return
        self._head_timer = self.loop.call_later(self._limits.header_seconds, self._head_overdue)

    def _make_room(self) -> bool:
        """Close an idle connection in favour of this one."""
        for other in self.connections:
            if isinstance(other, HardenedProtocol) and other is not self and other.is_idle:
                self.connections.discard(other)
                other.transport.close()
                return True
        return False

    @property
    def is_idle(self) -> bool:
        """Whether the connection waits for a request and has seen nothing of it."""
        answered = self._active is None or self._active.response_complete
        return answered and self._in_head and self._head_read == 0

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._discard_timer, self._stall_timer):
            if timer is not None:
                timer.cancel()
        for cycle in (self._active, *(waiting for waiting, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._connection.close()
        if not self.connections:
            self._shared.emptied.set()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unset_keepalive_if_required()
        if self._in_head:
            self._head_read += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # there is nothing to upgrade to: answered as HTTP/1.1, then closed
        except httptools.HttpParserError:
            self._refuse(self._status)
            return
        if self._in_head and self._head_read:
            if self._head_read - self._head_size > self._limits.header_bytes:
                self._refuse(431)  # one header without end: the parser has not told of it yet
            elif self._head_timer is None:
                seconds = self._limits.header_seconds
                self._head_timer = self.loop.call_later(seconds, self._head_overdue)

    def _head_overdue(self) -> None:
        self._head_timer = None
        if self._head_read:
            self._refuse(408)
        else:
            self.transport.close()

    def _refuse(self, status: int) -> None:
        """Answer for the application, and close: the rest of the input makes no sense."""
        self._refused = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False  # garbage behind a good request: that one is answered
                return
            if cycle.response_started or self.pipeline:
                self.transport.abort()
                return
            cycle.disconnected = True
            cycle.message_event.set()
            self._connection.close()
        self.transport.write(refusal(status))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        # Closing now would reset a caller who still writes, and lose the answer.
        self._discard_timer = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    # The parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._unset_keepalive_if_required()
        cast("Scope", self.scope)["extensions"] = {CONNECTION: self._connection}
        self._head_size = 0
        self._host_seen = False
        self._turned_away = False
        self._connection.arrived = self._connection.is_welcome = False

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        if len(self.headers) >= self._limits.header_count:
            self._status = 431
            raise ValueError("too many headers")
        name = name.lower()
        if name == b"host":
            if self._host_seen:
                raise ValueError("two hosts")
            self._host_seen = True
        elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise ValueError("a coding that is not decoded here")  # RFC 9112 6.1
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def _count(self, count: int) -> None:
        self._head_size += count
        if self._head_size > self._limits.header_bytes:
            self._status = 431
            raise ValueError("head too large")

    def on_headers_complete(self) -> None:
        parser = self.parser
        version = parser.get_http_version()
        if not self._host_seen and version == "1.1":
            raise ValueError("no host")  # RFC 9112 3.2
        self._in_head = False
        self._head_read = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope = self.scope
        scope["method"] = parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        keep_alive = version == "1.1" and parser.should_keep_alive() and not parser.should_upgrade()
        keep_alive = keep_alive and not self._shared.draining
        if not self._is_turned_away(keep_alive=keep_alive):
            self._begin(keep_alive=keep_alive)

    def _is_turned_away(self, *, keep_alive: bool) -> bool:
        """Answer a request that is refused for who sends it, without a task or an exchange."""
        active = self._active
        is_behind = self.pipeline or (active is not None and not active.response_complete)
        method = self.scope["method"]
        if is_behind or self.expect_100_continue or method == "HEAD":
            return False  # the application refuses it as well, in its turn
        answer = self._shared.early(method, self.scope["path"], self.headers)
        if answer is None:
            self._connection.is_welcome = True
            return False
        self._turned_away = True
        self._close_after_message = not keep_alive
        line, rest = answer.split(b"\r\n", 1)
        dates = [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        close = b"" if keep_alive else b"connection: close\r\n"
        self.transport.write(b"".join((line, b"\r\n", *dates, close, rest)))
        self._discard_body()
        return True

    def _discard_body(self) -> None:
        """Read on for a while and drop it: closing now would reset a caller who still writes."""
        self._discard_timer = self.loop.call_later(
            self._limits.discard_seconds, self.transport.abort
        )

    def on_body(self, body: bytes) -> None:
        if not self._turned_away:
            super().on_body(body)

    def _begin(self, *, keep_alive: bool) -> None:
        cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.connection = self
        self.cycle = cycle
        if self._active is None or self._active.response_complete:
            self._active = cycle
            self._start_asgi_task(cycle, self.app)
            return
        if len(self.pipeline) >= _MOST_PIPELINED:
            raise ValueError("too many pipelined requests")
        self.flow.pause_reading()
        self.pipeline.appendleft((cycle, self.app))

    def on_message_complete(self) -> None:
        if not self._turned_away:
            super().on_message_complete()
        self._connection.arrived = True
        self._in_head = True
        self._head_read = 0
        self._head_size = 0
        if self._discard_timer is not None:  # the rest of an answered request is through
            self._discard_timer.cancel()
            self._discard_timer = None
            if self._close_after_message:
                self.transport.close()
            else:
                self._await_next()

    # The response

    @property
    def reads_ahead(self) -> bool:
        """Whether requests wait behind the active one: then nothing more is read."""
        return bool(self.pipeline)

    def answered(self, cycle: Cycle) -> None:
        """The response of *cycle* is written."""
        if self.transport.is_closing():
            return
        if cycle.more_body:
            self._close_after_message = not cycle.keep_alive
            self._discard_body()
            self.flow.resume_reading()
        elif not cycle.keep_alive:
            self.transport.close()
        else:
            self._await_next()

    def _await_next(self) -> None:
        """Start the request that waits, or wait for one."""
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            assert isinstance(cycle, Cycle)
            self._active = cycle
            if not self.pipeline:
                self.flow.resume_reading()
            self._start_asgi_task(cycle, app)
            return
        self.flow.resume_reading()
        limits = self._limits
        draining = self._shared.draining
        seconds = limits.drain_idle_seconds if draining else limits.keep_alive_seconds
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def shutdown(self) -> None:
        """Answer what is under way, then close; an idle connection closes after a moment."""
        if self.is_idle:
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self._limits.drain_idle_seconds, self.timeout_keep_alive_handler
            )
        elif self._active is not None:
            self._active.keep_alive = False

    def abort(self) -> None:
        """Cut the connection."""
        self.transport.abort()

    # A reader who does not read

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_stall(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _watch_stall(self, waiting: int) -> None:
        self._stall_timer = self.loop.call_later(
            self._limits.write_stall_seconds, self._stalled, waiting
        )

    def _stalled(self, before: int) -> None:
        waiting = self.transport.get_write_buffer_size()
        if waiting >= before:
            self.transport.abort()
        else:
            self._watch_stall(waiting)
