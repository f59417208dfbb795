"""Handing response objects over, and the mode that proves the handlers fit for it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fix_local_channel import Peer, connected, failure, read_all, spin, text, within
from google.protobuf.wrappers_pb2 import BytesValue, StringValue
from grpc import StatusCode

from core.local.handover import HandoverViolation
from core.local.server import LocalServer


async def test_a_handed_over_response_is_the_handlers_own_object() -> None:
    made = [text("a"), text("b")]

    async def handler(_request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
        for message in made:
            yield message

    async with connected("local", isolation="handover") as peer:
        received = [message async for message in peer.unary_stream(handler)(text())]

    assert [id(message) for message in received] == [id(message) for message in made]


async def test_a_request_is_never_handed_over() -> None:
    request = text("original")

    async def handler(received: StringValue, _context: Any) -> StringValue:
        received.value = "changed"
        return received

    async with connected("local", isolation="handover") as peer:
        response = await within(peer.unary_unary(handler)(request))

    assert (response.value, request.value) == ("changed", "original")


async def test_a_message_of_another_type_crosses_as_bytes() -> None:
    made = BytesValue(value=b"same wire format")

    async def handler(_request: StringValue, _context: Any) -> BytesValue:
        return made

    async with connected("local", isolation="handover") as peer:
        response = await within(peer.unary_unary(handler)(text()))

    assert response == text("same wire format")


async def test_the_message_limit_holds_for_what_is_handed_over() -> None:
    async def handler(request: StringValue, _context: Any) -> StringValue:
        return text(request.value * 50)

    async with connected("local", isolation="handover", message_bytes_max=100) as peer:
        stub = peer.unary_unary(handler)

        assert (await within(stub(text("x")))).value == "x" * 50
        assert (await failure(stub(text("xx")))).code() is StatusCode.RESOURCE_EXHAUSTED


async def test_a_window_counts_what_is_handed_over() -> None:
    made = 0

    async def handler(_request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
        nonlocal made
        while True:
            made += 1
            yield text("x" * 999)

    async with connected("local", isolation="handover", window_bytes=10_000) as peer:
        call = peer.unary_stream(handler)(text())
        await spin()
        assert made == 5
        call.cancel()


def violations(peer: Peer) -> list[str]:
    assert all(isinstance(error, HandoverViolation) for error in peer.unhandled)
    return [str(error) for error in peer.unhandled]


async def test_a_handler_that_lets_go_of_its_messages_passes_the_check() -> None:
    kept = []

    async def handler(_request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
        for value in "abc":
            message = text(value)
            kept.append(message)
            yield message

    async with connected("local", isolation="checked") as peer:
        received = [message async for message in peer.unary_stream(handler)(text())]
        await spin()

    assert received == kept
    assert received[0] is not kept[0]
    assert violations(peer) == []


async def test_a_message_changed_after_its_write_is_found() -> None:
    async def handler(_request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
        message = text("a")
        yield message
        message.value = "b"

    async with connected("local", isolation="checked") as peer:
        call = peer.unary_stream(handler)(text())
        assert (await within(call.read())).value == "a"
        error = await failure(call.read())

    assert error.code() is StatusCode.UNKNOWN
    assert violations(peer) == ["StringValue was changed after its write"]


async def test_a_message_changed_by_a_handler_that_is_cancelled_is_found() -> None:
    async def handler(_request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
        message = text("a")
        yield message
        try:
            await asyncio.Event().wait()
        finally:
            message.value = "b"

    async with connected("local", isolation="checked") as peer:
        call = peer.unary_stream(handler)(text())
        await within(call.read())
        call.cancel()
        await spin()

    assert violations(peer) == ["StringValue was changed after its write"]


async def test_a_message_written_twice_is_found() -> None:
    async def handler(_request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
        message = text("a")
        yield message
        yield message

    async with connected("local", isolation="checked") as peer:
        await failure(read_all(peer.unary_stream(handler)(text())))

    assert violations(peer) == ["StringValue was written twice"]


async def test_a_message_written_to_two_calls_is_found() -> None:
    shared = text("fan-out")

    async def handler(_request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
        yield shared
        await asyncio.Event().wait()

    async with connected("local", isolation="checked") as peer:
        stub = peer.unary_stream(handler)
        first, second = stub(text()), stub(text())
        await within(first.read())
        await failure(second.read())
        first.cancel()
        await spin()

        assert violations(peer) == ["StringValue was written twice"]
        assert (await within(stub(text()).read())).value == "fan-out"  # nobody holds it any more


async def test_a_checked_server_must_have_somebody_to_tell() -> None:
    with pytest.raises(ValueError, match="on_unhandled"):
        LocalServer(isolation="checked")
