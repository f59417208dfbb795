"""Unary calls: the same over a real grpc.aio channel and over a LocalChannel."""

import asyncio
import contextvars
import gc
from typing import Any

import grpc
import pytest
from fix_local_channel import Peer, echo, failure, text, within
from google.protobuf.wrappers_pb2 import StringValue
from grpc import StatusCode

CALLERS = contextvars.ContextVar("CALLERS", default="unset")


class Handler:
    """A unary handler that waits until it is released or cancelled, and remembers what it saw."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.ended = asyncio.Event()
        self.release = asyncio.Event()
        self.cancelled = False
        self.context: Any = None
        self.remaining: float | None = None

    async def __call__(self, request: StringValue, context: Any) -> StringValue:
        self.context = context
        self.remaining = context.time_remaining()
        self.entered.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            self.ended.set()
        return request


# grpcio runs only functions that it recognises as async.
def waiting(handler: Handler) -> Any:
    async def behaviour(request: StringValue, context: Any) -> StringValue:
        return await handler(request, context)

    return behaviour


async def test_a_call_returns_the_response_and_ends_ok(peer: Peer) -> None:
    call = peer.unary_unary(echo)(text("hello"))

    response = await within(call)

    assert response.value == "hello"
    assert await within(call) is response
    assert await within(call.code()) is StatusCode.OK
    assert await within(call.details()) == ""
    assert call.done()
    assert not call.cancelled()
    assert not call.cancel()


async def test_the_deadline_ends_the_call_and_cancels_the_handler(peer: Peer) -> None:
    handler = Handler()

    error = await failure(peer.unary_unary(waiting(handler))(text(), timeout=0.5))
    await within(handler.ended.wait())

    assert (error.code(), error.details()) == (StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    assert handler.remaining is not None
    assert 0 < handler.remaining < 0.6
    assert handler.cancelled
    assert not handler.context.cancelled()
    assert not handler.context.done()
    assert handler.context.time_remaining() == 0


async def test_a_handler_that_ignores_the_deadline_cannot_change_the_answer(peer: Peer) -> None:
    ended = asyncio.Event()

    async def handler(_request: StringValue, _context: Any) -> StringValue:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.set()
        return text("too late")

    call = peer.unary_unary(handler)(text(), timeout=0.5)
    error = await failure(call)
    await within(ended.wait())
    await peer.idle()

    assert error.code() is StatusCode.DEADLINE_EXCEEDED
    assert (await failure(call)).code() is StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("timeout", [0, -1])
async def test_a_deadline_that_has_passed_fails_the_call(peer: Peer, timeout: float) -> None:
    error = await failure(peer.unary_unary(waiting(Handler()))(text(), timeout=timeout))

    assert error.code() is StatusCode.DEADLINE_EXCEEDED


async def test_both_sides_see_the_time_that_remains(peer: Peer) -> None:
    handler = Handler()
    handler.release.set()
    stub = peer.unary_unary(waiting(handler))

    endless = stub(text())
    await within(endless)
    assert (endless.time_remaining(), handler.remaining) == (None, None)

    bounded = stub(text(), timeout=50)
    assert 0 < bounded.time_remaining() <= 50
    await within(bounded)
    assert handler.remaining is not None
    assert 40 < handler.remaining < 51  # a real deadline crosses rounded up


async def test_a_cancelled_call_cancels_its_handler(peer: Peer) -> None:
    handler = Handler()
    call = peer.unary_unary(waiting(handler))(text())
    await within(handler.entered.wait())

    assert call.cancel()
    assert not call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(call)
    await within(handler.ended.wait())

    assert call.cancelled()
    assert await call.code() is StatusCode.CANCELLED
    assert await call.details() == "Locally cancelled by application!"
    assert list(await call.initial_metadata()) == []
    assert list(await call.trailing_metadata()) == []
    assert handler.cancelled
    assert not handler.context.cancelled()


async def test_a_call_cancelled_at_once_never_enters_its_handler(peer: Peer) -> None:
    handler = Handler()
    call = peer.unary_unary(waiting(handler))(text())

    assert call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(call)
    await peer.idle()

    assert not handler.entered.is_set()


async def test_cancelling_the_task_that_waits_cancels_the_call(peer: Peer) -> None:
    handler = Handler()
    call = peer.unary_unary(waiting(handler))(text())
    waiter = asyncio.ensure_future(call)
    await within(handler.entered.wait())

    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(waiter)
    await within(handler.ended.wait())

    assert handler.cancelled
    assert call.cancelled()


async def test_a_handler_cannot_change_the_callers_request(peer: Peer) -> None:
    async def handler(request: StringValue, _context: Any) -> StringValue:
        request.value = "changed"
        return request

    request = text("original")

    assert (await within(peer.unary_unary(handler)(request))).value == "changed"
    assert request.value == "original"


async def test_a_caller_cannot_change_what_the_handler_keeps(peer: Peer) -> None:
    kept: list[StringValue] = []

    async def handler(_request: StringValue, _context: Any) -> StringValue:
        kept.append(text("kept"))
        return kept[0]

    response = await within(peer.unary_unary(handler)(text()))
    response.value = "changed"

    assert kept[0].value == "kept"


async def test_context_variables_do_not_cross(peer: Peer) -> None:
    seen: list[str] = []

    async def handler(request: StringValue, _context: Any) -> StringValue:
        seen.append(CALLERS.get())
        CALLERS.set("handler")
        return request

    CALLERS.set("caller")
    stub = peer.unary_unary(handler)
    await within(stub(text()))
    await within(stub(text()))

    assert seen == ["unset", "unset"]
    assert CALLERS.get() == "caller"


async def test_a_request_over_the_limit_is_refused(peer: Peer) -> None:
    handler = Handler()

    error = await failure(peer.unary_unary(waiting(handler))(text("x" * (5 << 20))))

    assert error.code() is StatusCode.RESOURCE_EXHAUSTED
    assert "SERVER: Received message larger than max (5242885 vs. 4194304)" in str(error.details())
    assert not handler.entered.is_set()


async def test_a_response_over_the_limit_is_refused(peer: Peer) -> None:
    async def handler(_request: StringValue, _context: Any) -> StringValue:
        return text("x" * (5 << 20))

    error = await failure(peer.unary_unary(handler)(text()))

    assert error.code() is StatusCode.RESOURCE_EXHAUSTED
    assert "CLIENT: Received message larger than max (5242885 vs. 4194304)" in str(error.details())


async def test_done_callbacks_run_once_the_call_has_ended(peer: Peer) -> None:
    told: asyncio.Queue[Any] = asyncio.Queue()
    call = peer.unary_unary(echo)(text())
    call.add_done_callback(told.put_nowait)
    await within(call)

    assert await within(told.get()) is call
    call.add_done_callback(told.put_nowait)
    assert told.get_nowait() is call


async def test_the_handlers_done_callbacks_run_after_it(peer: Peer) -> None:
    order: list[Any] = []
    told = asyncio.Event()

    async def handler(request: StringValue, context: Any) -> StringValue:
        def callback(of: Any) -> None:
            order.append(of is context)
            told.set()

        context.add_done_callback(callback)
        try:
            return request
        finally:
            order.append("handler")

    await within(peer.unary_unary(handler)(text()))
    await within(told.wait())

    assert order == ["handler", True]


async def test_a_dropped_call_runs_to_its_end(peer: Peer) -> None:
    handler = Handler()
    peer.unary_unary(waiting(handler))(text())
    await within(handler.entered.wait())

    gc.collect()
    handler.release.set()
    await within(handler.ended.wait())

    assert not handler.cancelled


async def test_the_context_tells_what_grpc_tells(peer: Peer) -> None:
    seen: list[Any] = []

    async def handler(request: StringValue, context: Any) -> StringValue:
        seen.append((context.code(), context.details(), context.trailing_metadata()))
        seen.append((context.done(), context.cancelled(), context.peer_identities()))
        context.set_code(StatusCode.CANCELLED)
        seen.append((context.code(), context.cancelled()))
        context.set_code(StatusCode.OK)
        context.set_compression(grpc.Compression.NoCompression)
        context.disable_next_message_compression()
        return request

    await within(peer.unary_unary(handler)(text()))

    assert seen == [(None, "", ()), (False, False, None), (StatusCode.CANCELLED, True)]
