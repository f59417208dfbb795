"""Connections in memory: two transports that hand each other bytes, after a while.

They behave as TCP over a loop of asyncio does, as far as HTTP clients and servers can tell:
`tests/dst/test_wire_contract.py` runs the same tests over both.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, Protocol

LATENCY = 0.0005
"""Seconds that bytes travel."""

Factory = Callable[[], asyncio.BaseProtocol]


class Listener(Protocol):
    """Who is connected to."""

    context: Context
    """In which the server's side runs."""

    async def accept(self) -> asyncio.BaseProtocol:
        """The server's protocol for a new connection; OSError refuses, waiting holds it up."""
        ...


class _Socket:
    """What users of a transport ask its socket."""

    family = socket.AF_UNIX

    def __init__(self, wire: "Wire") -> None:
        self._wire = wire

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self._wire.lingers = False


_EOF, _RESET = object(), object()


class Wire(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, context: Context) -> None:
        super().__init__()
        self._loop = loop
        self._context = context
        self._protocol: Any = None
        self._peer: Wire | None = None
        self._incoming: deque[Any] = deque()
        self._due = 0
        """How many of the incoming have arrived and wait because reading is paused."""
        self._is_paused = False
        self._is_closing = False
        self._has_ended = False
        """No more is read."""
        self.lingers = True

    @classmethod
    def pair(
        cls, loop: asyncio.AbstractEventLoop, one: Context, other: Context
    ) -> "tuple[Wire, Wire]":
        """Two ends; give each its protocol with `begin`."""
        ends = cls(loop, one), cls(loop, other)
        ends[0]._peer, ends[1]._peer = ends[1], ends[0]
        return ends

    def begin(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    # ---- asyncio.Transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return _Socket(self) if name == "socket" else default

    def get_protocol(self) -> Any:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return not self._is_paused and not self._is_closing

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        self._loop.call_soon(self._read, context=self._context)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: Any) -> None:
        if data and not self._is_closing:
            self._send(bytes(data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._send(_EOF)

    def close(self) -> None:
        if not self._is_closing:
            self._send(_EOF)
            self._end(None)

    def abort(self) -> None:
        if not self._is_closing:
            # Who closes with unread bytes resets, as kernels do.
            self._send(_EOF if self.lingers and not self._due else _RESET)
            self._end(None)

    # ---- between the ends

    def cut(self) -> None:
        """Its process is gone: the kernel closes it, and nobody here is told."""
        if not self._is_closing:
            self._send(_RESET)
            self._is_closing = self._has_ended = True

    def _send(self, item: Any) -> None:
        peer = self._peer
        if peer is None or peer._has_ended:
            return
        peer._incoming.append(item)
        self._loop.call_later(LATENCY, peer._arrived, context=peer._context)

    def _arrived(self) -> None:
        self._due += 1
        self._read()

    def _read(self) -> None:
        while self._due and not self._has_ended:
            if self._is_paused and self._incoming[0] is not _RESET:
                return
            self._due -= 1
            item = self._incoming.popleft()
            if item is _RESET:
                self._end(ConnectionResetError(104, "Connection reset by peer"))
            elif item is _EOF:
                if not self._protocol.eof_received():
                    self.close()
            else:
                self._protocol.data_received(item)

    def _end(self, error: Exception | None) -> None:
        self._is_closing = self._has_ended = True
        self._loop.call_soon(self._protocol.connection_lost, error, context=self._context)


async def dial(
    loop: asyncio.AbstractEventLoop, listener: Listener | None, factory: Factory
) -> Wire:
    """Connect to *listener*; raises OSError where nobody listens."""
    await asyncio.sleep(LATENCY)
    if listener is None:
        raise ConnectionRefusedError(111, "Connection refused")
    theirs = await listener.accept()
    mine, other = Wire.pair(loop, copy_context(), listener.context)
    protocol = factory()
    mine.begin(protocol)
    loop.call_soon(other.begin, theirs, context=listener.context)
    return mine
