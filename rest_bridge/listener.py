"""Takes connections from a listening socket, all that wait, each time round the event loop.

libuv takes one connection each time round (since 1.45; libuv's `uv__server_io`). A loop that is
busy goes round a hundred times a second: new callers would wait for seconds, those to be refused
in microseconds as well, and the kernel's queue would overflow.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

AT_ONCE: Final = 64
"""Taken before anybody else has a turn: some milliseconds."""
_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_PAUSE_SECONDS: Final = 1.0
"""Until it is tried again, when there were no descriptors left (as asyncio's own servers do)."""


class Listener:
    """A listening socket in the running event loop. It owns the socket."""

    def __init__(self, sock: socket.socket, connect: Callable[[], asyncio.Protocol]) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._attaching: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._listen()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        port: int = self._sock.getsockname()[1]
        return port

    def close(self) -> None:
        """Take no more; those that were taken stay. Repeating it changes nothing."""
        if self._sock.fileno() == -1:
            return
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._sock)
        self._sock.close()

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._sock, self._take)

    def _take(self) -> None:
        for _ in range(AT_ONCE):
            try:
                taken, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    continue  # a caller who has left
                self._loop.remove_reader(self._sock)
                self._pause = self._loop.call_later(_PAUSE_SECONDS, self._listen)
                return
            task = self._loop.create_task(self._attach(taken))
            self._attaching.add(task)
            task.add_done_callback(self._attaching.discard)

    async def _attach(self, taken: socket.socket) -> None:
        try:
            taken.setblocking(False)
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._connect, taken)
        except OSError:  # the caller has left
            taken.close()
