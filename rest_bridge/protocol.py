"""uvicorn's httptools protocol, hardened: every wait has a limit, every refusal is an answer.

uvicorn alone accepts headers without end, idle and dripping connections, and readers
that never read (runtime.md E). The limits on bodies are the application's.
"""

import asyncio
import logging
from asyncio import TimerHandle
from collections import deque
from typing import Final
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from rest_bridge.asgi import CONNECTION, DIRECT, Connection, Scope
from rest_bridge.cycle import Cycle
from rest_bridge.http_limits import Early, Shared
from rest_bridge.refusals import refusal

__all__ = ["Early", "HardenedProtocol"]

_SILENT: Final = logging.Logger("reapi.http", logging.CRITICAL + 1)  # noqa: LOG001 (see below)
"""Of no tree and with no handler: what uvicorn would log (exceptions with their text) is lost."""
_OURS: Final = frozenset((b"host", b"transfer-encoding", b"expect"))
_MOST_PIPELINED: Final = 16
_LINGER_SECONDS: Final = 1.0
"""How long a refused caller may take to read why."""


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
        self._shared = shared
        self._limits = shared.limits
        self._connection = Connection()
        self._active: Cycle | None = None
        """The request that the application works on, or answered last."""
        self._latest: Cycle | None = None
        """The request that arrives, or arrived last."""
        self._waiting: deque[tuple[Cycle, Scope]] = deque()
        """Requests that arrived before the one in front of them was answered."""
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
        self._idle_timer: TimerHandle | None = None
        self._idle_since = 0.0
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
        for timer in (
            self._head_timer,
            self._idle_timer,
            self._discard_timer,
            self._stall_timer,
        ):
            if timer is not None:
                timer.cancel()
        for cycle in (self._active, *(waiting for waiting, _ in self._waiting)):
            if cycle is not None and not cycle.response_complete:
                cycle.lose()
        self._waiting.clear()
        super().connection_lost(exc)
        self._connection.close()
        if not self.connections:
            self._shared.emptied.set()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
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
        cycle = self._latest
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False  # garbage behind a good request: that one is answered
                return
            if cycle.response_started or self._waiting:
                self.transport.abort()
                return
            cycle.lose()
            self._connection.close()
        self.transport.write(refusal(status))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        # Closing now would reset a caller who still writes, and lose the answer.
        self._discard_timer = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    # The parser

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._head_size = 0
        self._host_seen = False
        self._turned_away = False

    def on_url(self, url: bytes) -> None:
        self._head_size += len(url)
        if self._head_size > self._limits.header_bytes:
            self._status = 431
            raise ValueError("head too large")
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        headers = self.headers
        self._head_size += len(name) + len(value) + 4
        if self._head_size > self._limits.header_bytes or len(headers) >= self._limits.header_count:
            self._status = 431
            raise ValueError("head too large")
        name = name.lower()
        if name in _OURS:
            self._note(name, value)
        headers.append((name, value))

    def _note(self, name: bytes, value: bytes) -> None:
        """Heed a header that is the server's own affair."""
        if name == b"host":
            if self._host_seen:
                raise ValueError("two hosts")
            self._host_seen = True
        elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise ValueError("a coding that is not decoded here")  # RFC 9112 6.1
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True

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
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": "",
            "method": parser.get_method().decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
            "headers": self.headers,
        }
        keep_alive = version == "1.1" and parser.should_keep_alive() and not parser.should_upgrade()
        self._begin(scope, keep_alive=keep_alive and not self._shared.draining)

    def _begin(self, scope: Scope, *, keep_alive: bool) -> None:
        """Answer a request that is refused for who sends it; hand over any other."""
        active = self._active
        is_behind = self.reads_ahead or (active is not None and not active.response_complete)
        waits_for_100 = self.expect_100_continue
        method: str = scope["method"]
        is_welcome = False
        # The application refuses those as well, in their turn.
        if not (is_behind or waits_for_100 or method == "HEAD"):
            answer = self._shared.early(method, scope["path"], self.headers)
            if answer is not None:
                self._turn_away(answer, keep_alive=keep_alive)
                return
            is_welcome = True
        version: str = scope["http_version"]
        cycle = Cycle(self, method, version, keep_alive=keep_alive, waits_for_100=waits_for_100)
        cycle.is_welcome = is_welcome
        scope["extensions"] = {CONNECTION: self._connection, DIRECT: cycle}
        self._latest = cycle
        if not is_behind:
            self._serve(cycle, scope)
            return
        if len(self._waiting) >= _MOST_PIPELINED:
            raise ValueError("too many pipelined requests")
        self.flow.pause_reading()
        self._waiting.append((cycle, scope))

    def _serve(self, cycle: Cycle, scope: Scope) -> None:
        self._active = cycle
        task = self.loop.create_task(self._shared.app(scope, cycle.receive, cycle.send))
        self.tasks.add(task)
        task.add_done_callback(cycle.end)

    def _turn_away(self, answer: bytes, *, keep_alive: bool) -> None:
        """Answer without a task or an exchange."""
        self._turned_away = True
        self._close_after_message = not keep_alive
        line, rest = answer.split(b"\r\n", 1)
        close = b"" if keep_alive else b"connection: close\r\n"
        self.transport.write(b"".join((line, b"\r\n", self.date, close, rest)))
        self._discard_body()

    def _discard_body(self) -> None:
        """Read on for a while and drop it: closing now would reset a caller who still writes."""
        self._discard_timer = self.loop.call_later(
            self._limits.discard_seconds, self.transport.abort
        )

    def on_body(self, body: bytes) -> None:
        if not self._turned_away:
            assert self._latest is not None
            self._latest.feed(body)

    def on_message_complete(self) -> None:
        if not self._turned_away:
            assert self._latest is not None
            self._latest.feed_end()
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
        return bool(self._waiting)

    @property
    def date(self) -> bytes:
        """The line of the head that says what time it is."""
        return self._shared.date

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
        if self._waiting:
            cycle, scope = self._waiting.popleft()
            if not self._waiting:
                self.flow.resume_reading()
            self._serve(cycle, scope)
            return
        self.flow.resume_reading()
        # A busy connection moves the time on and leaves its timer alone.
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self._patience(), self._idled)

    def _patience(self) -> float:
        """Seconds that the connection may wait for its next request."""
        limits = self._limits
        return limits.drain_idle_seconds if self._shared.draining else limits.keep_alive_seconds

    def _idled(self) -> None:
        """Close if no request came since the last; look again later if one did."""
        self._idle_timer = None
        if not self.is_idle:
            return  # the next answer starts it again
        left = self._idle_since + self._patience() - self.loop.time()
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._idled)
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """Answer what is under way, then close; an idle connection closes after a moment."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if self.is_idle:
            self._idle_since = self.loop.time()
            self._idle_timer = self.loop.call_later(self._patience(), self._idled)
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
