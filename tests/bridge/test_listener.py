"""New connections: all that wait are taken at once, and a lack of descriptors is outlived."""

import asyncio
import errno
import socket
from contextlib import ExitStack

import pytest

from rest_bridge import listener
from rest_bridge.listener import AT_ONCE, Listener


class Counting(asyncio.Protocol):
    """Counts connections."""

    def __init__(self, made: list[asyncio.BaseTransport]) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made.append(transport)


class Exhausted(socket.socket):
    """Has no descriptor for the first caller."""

    is_first = True

    def accept(self) -> tuple[socket.socket, object]:
        if self.is_first:
            self.is_first = False
            raise OSError(errno.EMFILE, "no descriptors")
        return super().accept()


def listening(kind: type[socket.socket] = socket.socket) -> socket.socket:
    sock = kind(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind(("127.0.0.1", 0))
    sock.listen(2 * AT_ONCE)
    return sock


async def turns(count: int) -> None:
    """Let the event loop go round so often."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_all_that_wait_are_taken_in_a_few_turns_of_the_loop() -> None:
    made: list[asyncio.BaseTransport] = []
    with ExitStack() as stack:
        taken = Listener(listening(), lambda: Counting(made))
        stack.callback(taken.close)
        for _ in range(AT_ONCE):
            stack.enter_context(socket.create_connection(("127.0.0.1", taken.port)))
        await turns(20)

        assert len(made) == AT_ONCE
        for transport in made:
            transport.close()
        await turns(5)


async def test_without_descriptors_it_tries_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_PAUSE_SECONDS", 0.01)
    made: list[asyncio.BaseTransport] = []
    taken = Listener(listening(Exhausted), lambda: Counting(made))
    with socket.create_connection(("127.0.0.1", taken.port)):
        async with asyncio.timeout(5):
            while not made:
                await asyncio.sleep(0.005)
        made[0].close()
        await turns(5)
    taken.close()
    taken.close()  # again: nothing


async def test_nobody_is_taken_after_it_was_closed() -> None:
    sock = listening()
    taken = Listener(sock, asyncio.Protocol)
    port = taken.port
    taken.close()

    assert sock.fileno() == -1
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass
