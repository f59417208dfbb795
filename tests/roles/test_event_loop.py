"""Whoever serves waits for no thread about addresses of digits, and for no name but its own."""

import asyncio
import socket
import threading

import pytest

from gateway.event_loop import EventLoop


@pytest.fixture
def loop():
    loop = EventLoop()
    yield loop
    loop.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_of_digits_is_known_without_a_wait(loop, host):
    found = loop.getaddrinfo(host, 443)
    with pytest.raises(StopIteration) as done:
        found.send(None)

    ((_, type_, _, _, address),) = done.value.value
    assert type_ == socket.SOCK_STREAM
    assert address[:2] == (host, 443)


def test_a_connection_to_an_address_of_digits_is_made(loop):
    async def connected():
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        async with server:
            with socket.socket() as client:
                client.setblocking(False)
                await loop.sock_connect(client, address)
                return client.getpeername() == address

    assert loop.run_until_complete(connected())


def test_another_type_may_be_asked_for(loop):
    found = loop.run_until_complete(loop.getaddrinfo("127.0.0.1", 53, type=socket.SOCK_DGRAM))

    assert [entry[1] for entry in found] == [socket.SOCK_DGRAM]


def test_names_are_looked_up_as_ever(loop):
    found = loop.run_until_complete(loop.getaddrinfo("localhost", 80, family=socket.AF_INET))

    assert {entry[4] for entry in found} == {("127.0.0.1", 80)}


@pytest.fixture
def answers():
    """Set, when names that begin with "slow" are to be found."""
    answers = threading.Event()
    yield answers
    answers.set()


@pytest.fixture
def asked(monkeypatch, answers):
    """The names that were looked up."""
    asked, system = [], socket.getaddrinfo

    def find(host, port, *options, **more):
        asked.append(host)
        if str(host).startswith("slow"):
            answers.wait(20)
        return system("127.0.0.1", port, *options, **more)

    monkeypatch.setattr(socket, "getaddrinfo", find)
    return asked


def test_names_that_are_slow_to_find_hold_up_no_other(loop, asked, answers):
    async def found():
        slow = [asyncio.ensure_future(loop.getaddrinfo(f"slow-{n}", 1)) for n in range(12)]
        async with asyncio.timeout(10):
            while len(asked) < len(slow):
                await asyncio.sleep(0.001)
            ((*_, address),) = await loop.getaddrinfo("well", 5432)
        answers.set()
        await asyncio.gather(*slow)
        return address

    assert loop.run_until_complete(found()) == ("127.0.0.1", 5432)


def test_who_asks_for_one_name_often_takes_one_thread(loop, asked, answers):
    async def count():
        slow = [asyncio.ensure_future(loop.getaddrinfo("slow", 1)) for _ in range(50)]
        async with asyncio.timeout(10):
            while not asked:
                await asyncio.sleep(0.001)
        answers.set()
        await asyncio.gather(*slow)

    loop.run_until_complete(count())
    assert asked == ["slow"]
