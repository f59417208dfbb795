"""Streams of responses: the same over a real grpc.aio channel and over a LocalChannel."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from fix_local_channel import Peer, failure, read_all, text, within
from google.protobuf.wrappers_pb2 import StringValue
from grpc import StatusCode, aio


async def counting(request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
    for number in range(int(request.value)):
        yield text(str(number))


class Ticker:
    """A handler that yields one message for each `tick`, and remembers how it ended."""

    def __init__(self) -> None:
        self.tick = asyncio.Semaphore(0)
        self.stop = False
        self.ended = asyncio.Event()
        self.how = "running"

    def behaviour(self) -> Any:
        async def handler(_request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
            number = 0
            try:
                while True:
                    await self.tick.acquire()
                    if self.stop:
                        break
                    yield text(str(number))
                    number += 1
            except asyncio.CancelledError:
                self.how = "cancelled"
                raise
            else:
                self.how = "returned"
            finally:
                self.ended.set()

        return handler

    def let_go(self) -> None:
        self.stop = True
        self.tick.release()


async def test_messages_arrive_in_order_and_then_the_end(peer: Peer) -> None:
    call = peer.unary_stream(counting)(text("100"))

    assert await read_all(call) == [str(number) for number in range(100)]
    assert await within(call.read()) is aio.EOF
    assert await call.code() is StatusCode.OK
    assert not call.cancel()


async def test_a_stream_may_be_iterated(peer: Peer) -> None:
    call = peer.unary_stream(counting)(text("3"))

    assert [message.value async for message in call] == ["0", "1", "2"]
    assert [message.value async for message in call] == []
    assert call.done()


async def test_an_empty_stream_ends_ok(peer: Peer) -> None:
    assert await read_all(peer.unary_stream(counting)(text("0"))) == []


async def test_a_handler_may_write_instead_of_yielding(peer: Peer) -> None:
    async def handler(_request: StringValue, context: Any) -> None:
        await context.write(text("a"))
        await context.write(text("b"))

    assert await read_all(peer.unary_stream(handler)(text())) == ["a", "b"]


async def test_messages_before_an_error_arrive_before_the_error(peer: Peer) -> None:
    async def handler(_request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        yield text("a")
        yield text("b")
        await context.abort(StatusCode.DATA_LOSS, "cut", (("k", "v"),))

    call = peer.unary_stream(handler)(text())
    messages = call.__aiter__()
    received = [(await within(anext(messages))).value for _ in range(2)]
    error = await failure(anext(messages))

    assert received == ["a", "b"]
    assert error.code() is StatusCode.DATA_LOSS
    assert list(error.trailing_metadata()) == [("k", "v")]


async def test_every_further_read_repeats_the_error(peer: Peer) -> None:
    async def handler(_request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        yield text("a")
        context.set_code(StatusCode.NOT_FOUND)
        context.set_details("d")

    call = peer.unary_stream(handler)(text())

    assert (await within(call.read())).value == "a"
    for _ in range(3):
        error = await failure(call.read())
        assert (error.code(), error.details()) == (StatusCode.NOT_FOUND, "d")
    assert call.done()
    assert not call.cancelled()


async def test_an_escaping_exception_arrives_after_the_messages(peer: Peer) -> None:
    async def handler(_request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
        yield text("a")
        raise KeyError("sunset over Bern")

    call = peer.unary_stream(handler)(text())

    assert (await within(call.read())).value == "a"
    assert (await failure(call.read())).code() is StatusCode.UNKNOWN


async def test_an_abort_in_a_generator_unwinds_it(peer: Peer) -> None:
    unwound = asyncio.Event()

    async def handler(_request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        try:
            with pytest.raises(aio.AbortError):
                await context.abort(StatusCode.ABORTED, "once")
            yield text("after the abort")
        finally:
            unwound.set()

    error = await failure(peer.unary_stream(handler)(text()).read())
    gc.collect()  # a real server leaves the generator to the collector
    await within(unwound.wait())

    assert (error.code(), error.details()) == (StatusCode.ABORTED, "once")


async def test_initial_metadata_arrives_before_the_first_message(peer: Peer) -> None:
    go = asyncio.Event()

    async def handler(_request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        await context.send_initial_metadata((("k", "v"),))
        await go.wait()
        yield text("a")

    call = peer.unary_stream(handler)(text())

    assert list(await within(call.initial_metadata())) == [("k", "v")]
    go.set()
    assert await read_all(call) == ["a"]


async def test_the_first_message_sends_empty_initial_metadata(peer: Peer) -> None:
    ticker = Ticker()
    call = peer.unary_stream(ticker.behaviour())(text())

    waiter = asyncio.ensure_future(call.initial_metadata())
    await peer.idle()
    assert not waiter.done()
    ticker.tick.release()
    assert list(await within(waiter)) == []
    call.cancel()


async def test_a_call_that_fails_at_once_has_empty_initial_metadata(peer: Peer) -> None:
    async def handler(_request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        await context.abort(StatusCode.PERMISSION_DENIED, "no")
        yield text()

    call = peer.unary_stream(handler)(text())

    assert list(await within(call.initial_metadata())) == []
    assert await within(call.code()) is StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("first", ["metadata", "message"])
async def test_initial_metadata_is_sent_once_and_before_the_messages(
    peer: Peer, first: str
) -> None:
    async def handler(_request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        if first == "metadata":
            await context.send_initial_metadata(())
        else:
            yield text("a")
        with pytest.raises(aio.UsageError):
            await context.send_initial_metadata(())
        yield text("refused")

    assert (await read_all(peer.unary_stream(handler)(text())))[-1] == "refused"


async def test_reading_and_iterating_may_not_be_mixed(peer: Peer) -> None:
    stub = peer.unary_stream(counting)
    by_hand, iterated = stub(text("3")), stub(text("3"))

    await within(by_hand.read())
    with pytest.raises(aio.UsageError):
        by_hand.__aiter__()
    await within(anext(iterated.__aiter__()))
    with pytest.raises(aio.UsageError):
        await within(iterated.read())
    by_hand.cancel()
    iterated.cancel()


@pytest.mark.parametrize("how", ["break", "aclose", "drop"])
async def test_leaving_a_stream_does_not_end_the_call(peer: Peer, how: str) -> None:
    ticker = Ticker()
    ticker.tick.release()
    stub = peer.unary_stream(ticker.behaviour())

    if how == "break":
        async for _ in stub(text()):
            break
    elif how == "aclose":
        async with aclosing(stub(text()).__aiter__()) as messages:
            await within(anext(messages))
    else:
        await within(stub(text()).read())
    gc.collect()
    await peer.idle()

    assert ticker.how == "running"
    ticker.let_go()
    await within(ticker.ended.wait())
    assert ticker.how == "returned"


async def test_cancel_ends_a_read_that_waits_and_the_handler(peer: Peer) -> None:
    ticker = Ticker()
    ticker.tick.release()
    call = peer.unary_stream(ticker.behaviour())(text())
    await within(call.read())

    waiter = asyncio.ensure_future(call.read())
    await peer.idle()
    assert call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(waiter)
    await within(ticker.ended.wait())

    assert ticker.how == "cancelled"
    assert await call.code() is StatusCode.CANCELLED
    with pytest.raises(asyncio.CancelledError):
        await within(call.read())


async def test_cancel_drops_the_messages_that_have_not_been_read(peer: Peer) -> None:
    call = peer.unary_stream(counting)(text("3"))
    await within(call.read())
    await peer.idle()

    assert call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(call.read())
    assert await call.code() is StatusCode.CANCELLED


async def test_cancelling_the_task_that_reads_cancels_the_call(peer: Peer) -> None:
    ticker = Ticker()
    ticker.tick.release()
    call = peer.unary_stream(ticker.behaviour())(text())
    await within(call.read())

    waiter = asyncio.ensure_future(call.read())
    await peer.idle()
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(waiter)
    await within(ticker.ended.wait())

    assert ticker.how == "cancelled"
    assert call.cancelled()


async def test_the_deadline_ends_a_stream_in_the_middle(peer: Peer) -> None:
    ticker = Ticker()
    ticker.tick.release()
    call = peer.unary_stream(ticker.behaviour())(text(), timeout=0.6)

    assert (await within(call.read())).value == "0"
    error = await failure(call.read())
    await within(ticker.ended.wait())

    assert error.code() is StatusCode.DEADLINE_EXCEEDED
    assert ticker.how == "cancelled"


async def test_the_status_of_a_stream_shows_when_its_messages_are_read(peer: Peer) -> None:
    ended = asyncio.Event()

    async def handler(_request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        context.add_done_callback(lambda _context: ended.set())
        yield text("a")

    call = peer.unary_stream(handler)(text())
    waiter = asyncio.ensure_future(call.code())
    await within(ended.wait())
    await peer.idle()

    assert not waiter.done()
    assert not call.done()
    assert await read_all(call) == ["a"]
    assert await within(waiter) is StatusCode.OK


async def test_messages_before_one_over_the_limit_arrive(peer: Peer) -> None:
    ended = asyncio.Event()

    async def handler(_request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        context.add_done_callback(lambda _context: ended.set())
        yield text("fits")
        yield text("x" * (5 << 20))
        await asyncio.Event().wait()

    call = peer.unary_stream(handler)(text())

    assert (await within(call.read())).value == "fits"
    error = await failure(call.read())
    await within(ended.wait())
    assert error.code() is StatusCode.RESOURCE_EXHAUSTED
    assert "CLIENT: Received message larger than max (5242885 vs. 4194304)" in str(error.details())


async def test_a_write_after_the_client_has_gone_fails(peer: Peer) -> None:
    cancelled, failed = asyncio.Event(), asyncio.Event()

    async def handler(_request: StringValue, context: Any) -> None:
        await context.write(text("a"))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            with pytest.raises(aio.InternalError):
                await context.write(text("late"))
            failed.set()
            raise

    call = peer.unary_stream(handler)(text())
    await within(call.read())
    call.cancel()

    await within(cancelled.wait())
    await within(failed.wait())


async def test_a_slow_reader_gets_everything(peer: Peer) -> None:
    async def handler(_request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
        for number in range(300):
            yield text(str(number) + " " * 10_000)

    call = peer.unary_stream(handler)(text())
    numbers = []
    async for message in call:
        numbers.append(int(message.value))
        await asyncio.sleep(0)

    assert numbers == list(range(300))


async def test_a_unary_method_may_be_called_as_a_stream(peer: Peer) -> None:
    async def handler(request: StringValue, context: Any) -> StringValue:
        if request.value == "abort":
            with pytest.raises(aio.AbortError):
                await context.abort(StatusCode.ABORTED, "swallowed")
        return request

    peer.unary_unary(handler, "/t.T/M")
    stub = peer.channel.unary_stream(
        "/t.T/M", StringValue.SerializeToString, StringValue.FromString
    )

    assert await read_all(stub(text("one"))) == ["one"]
    assert (await failure(stub(text("abort")).read())).code() is StatusCode.ABORTED
