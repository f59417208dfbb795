"""Whoever serves connects without asking a thread about addresses of digits."""

import asyncio
import socket

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
