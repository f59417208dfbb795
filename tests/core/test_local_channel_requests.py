"""Streams of requests: the same over a real grpc.aio channel and over a LocalChannel."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fix_local_channel import Peer, failure, read_all, text, within
from google.protobuf.wrappers_pb2 import StringValue
from grpc import StatusCode, aio


async def joining(requests: AsyncIterator[StringValue], _context: Any) -> StringValue:
    """Join the requests; answer early when one of them says stop."""
    values = []
    async for request in requests:
        if request.value == "stop":
            break
        values.append(request.value)
    return text(",".join(values))


async def echoing(requests: Any, _context: Any) -> AsyncIterator[StringValue]:
    async for request in requests:
        yield request


class Listener:
    """A bidirectional handler that echoes, and remembers what it saw after the last message."""

    def __init__(self) -> None:
        self.saw: list[str] = []
        self.ended = asyncio.Event()

    def behaviour(self) -> Any:
        async def handler(requests: Any, _context: Any) -> AsyncIterator[StringValue]:
            try:
                async for request in requests:
                    yield request
                self.saw.append("end of requests")
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.saw.append("CancelledError")
                raise
            finally:
                self.ended.set()

        return handler


async def three() -> AsyncIterator[StringValue]:
    for value in "abc":
        yield text(value)


@pytest.mark.parametrize("how", ["async generator", "generator", "list", "by hand"])
async def test_requests_come_from_an_iterator_or_by_hand(peer: Peer, how: str) -> None:
    stub = peer.stream_unary(joining)

    if how == "by hand":
        call = stub()
        async for request in three():
            await within(call.write(request))
        await within(call.done_writing())
    elif how == "async generator":
        call = stub(three())
    else:
        values = [text(value) for value in "abc"]
        call = stub(iter(values) if how == "generator" else values)

    assert (await within(call)).value == "a,b,c"
    assert await call.code() is StatusCode.OK


async def test_both_sides_take_turns(peer: Peer) -> None:
    call = peer.stream_stream(echoing)()

    for number in range(5):
        await within(call.write(text(str(number))))
        assert (await within(call.read())).value == str(number)
    await within(call.done_writing())

    assert await within(call.read()) is aio.EOF


async def test_a_handler_may_read_by_hand(peer: Peer) -> None:
    async def handler(_requests: Any, context: Any) -> None:
        while (request := await context.read()) is not aio.EOF:
            await context.write(request)
        assert await context.read() is aio.EOF
        await context.write(text("end"))

    call = peer.stream_stream(handler)(three())

    assert await read_all(call) == ["a", "b", "c", "end"]


async def test_nothing_is_written_after_the_half_close(peer: Peer) -> None:
    call = peer.stream_stream(echoing)()
    await within(call.wait_for_connection())
    await within(call.write(text("a")))
    await within(call.done_writing())
    await within(call.done_writing())

    with pytest.raises(asyncio.InvalidStateError, match="half closed"):
        await within(call.write(text("b")))
    assert await read_all(call) == ["a"]
    with pytest.raises(asyncio.InvalidStateError, match="already finished"):
        await within(call.write(text("c")))
    await within(call.done_writing())


async def test_an_early_answer_ends_the_call(peer: Peer) -> None:
    call = peer.stream_unary(joining)()
    await within(call.write(text("stop")))

    assert (await within(call)).value == ""
    with pytest.raises(asyncio.InvalidStateError, match="already finished"):
        await within(call.write(text("too late")))


async def test_an_endless_iterator_does_not_outlast_an_early_answer(peer: Peer) -> None:
    async def endless() -> AsyncIterator[StringValue]:
        yield text("a")
        yield text("stop")
        await asyncio.Event().wait()

    assert (await within(peer.stream_unary(joining)(endless()))).value == "a"


async def test_responses_are_read_though_the_iterator_of_requests_never_ends(peer: Peer) -> None:
    answered = asyncio.Event()

    async def handler(requests: Any, context: Any) -> AsyncIterator[StringValue]:
        context.add_done_callback(lambda _context: answered.set())
        async for _request in requests:
            for value in "xyz":
                yield text(value)
            break

    async def endless() -> AsyncIterator[StringValue]:
        yield text("go")
        await asyncio.Event().wait()

    call = peer.stream_stream(handler)(endless())
    await within(answered.wait())
    await peer.idle()

    assert await read_all(call) == ["x", "y", "z"]
    assert await call.code() is StatusCode.OK


async def test_an_iterator_that_fails_cancels_the_call(peer: Peer) -> None:
    fail = asyncio.Event()

    async def failing() -> AsyncIterator[StringValue]:
        yield text("a")
        await fail.wait()
        raise RuntimeError("a bug of the caller")

    listener = Listener()
    call = peer.stream_stream(listener.behaviour())(failing())
    await within(call.read())
    fail.set()
    with pytest.raises(asyncio.CancelledError):
        await read_all(call)
    with pytest.raises(asyncio.CancelledError):
        await within(peer.stream_unary(joining)(failing()))

    await within(listener.ended.wait())
    assert listener.saw[-1] == "CancelledError"


async def test_cancel_stops_the_iterator_of_requests(peer: Peer) -> None:
    stopped = asyncio.Event()

    async def waiting() -> AsyncIterator[StringValue]:
        try:
            yield text("a")
            await asyncio.Event().wait()
        finally:
            stopped.set()

    call = peer.stream_stream(echoing)(waiting())
    await within(call.read())
    call.cancel()

    await within(stopped.wait())


@pytest.mark.parametrize("how", ["cancel", "deadline"])
async def test_a_handler_that_reads_sees_a_normal_end_before_it_is_cancelled(
    peer: Peer, how: str
) -> None:
    listener = Listener()
    call = peer.stream_stream(listener.behaviour())(timeout=0.6 if how == "deadline" else None)
    await within(call.write(text("a")))
    await within(call.read())
    await peer.idle()

    if how == "cancel":
        call.cancel()
    await within(listener.ended.wait())

    assert listener.saw == ["end of requests", "CancelledError"]


async def test_a_handler_that_keeps_reading_a_dead_call_is_cancelled(peer: Peer) -> None:
    ended = asyncio.Event()
    reads: list[Any] = []

    async def handler(_requests: Any, context: Any) -> AsyncIterator[StringValue]:
        yield text("entered")
        try:
            while True:
                reads.append(await context.read())
        finally:
            ended.set()

    call = peer.stream_stream(handler)()
    await within(call.read())
    await peer.idle()
    call.cancel()
    await within(ended.wait())

    assert set(reads) <= {aio.EOF}
    assert reads


async def test_an_abort_ends_a_call_that_the_client_still_writes(peer: Peer) -> None:
    async def handler(requests: Any, context: Any) -> AsyncIterator[StringValue]:
        async for _request in requests:
            await context.abort(StatusCode.ABORTED, "enough")
        yield text()

    call = peer.stream_stream(handler)()
    await within(call.write(text("a")))

    assert (await failure(call.read())).code() is StatusCode.ABORTED
    with pytest.raises(asyncio.InvalidStateError):
        await within(call.write(text("b")))


async def test_an_iterator_and_writing_by_hand_may_not_be_mixed(peer: Peer) -> None:
    call = peer.stream_stream(echoing)(three())

    with pytest.raises(aio.UsageError):
        await within(call.write(text()))
    with pytest.raises(aio.UsageError):
        await within(call.done_writing())
    assert await read_all(call) == ["a", "b", "c"]


async def test_a_handler_may_answer_before_the_first_request(peer: Peer) -> None:
    async def handler(requests: Any, context: Any) -> AsyncIterator[StringValue]:
        await context.send_initial_metadata((("admitted", "yes"),))
        async for request in requests:
            yield request

    call = peer.stream_stream(handler)(metadata=(("authorization", "Bearer x"),), timeout=30)
    try:
        assert list(await within(call.initial_metadata())) == [("admitted", "yes")]
        await within(call.write(text("body")))
        assert (await within(call.read())).value == "body"
    finally:
        call.cancel()


async def test_a_request_over_the_limit_ends_the_stream(peer: Peer) -> None:
    call = peer.stream_stream(echoing)()
    await within(call.write(text("fits")))
    assert (await within(call.read())).value == "fits"
    await within(call.write(text("x" * (5 << 20))))

    error = await failure(call.read())

    assert error.code() is StatusCode.RESOURCE_EXHAUSTED
    assert "SERVER: Received message larger than max (5242885 vs. 4194304)" in str(error.details())


async def test_many_requests_all_arrive(peer: Peer) -> None:
    def numbers() -> Iterator[StringValue]:
        for number in range(500):
            yield text(str(number) + " " * 5_000)

    received = []
    async for message in peer.stream_stream(echoing)(numbers()):
        received.append(int(message.value))
        await asyncio.sleep(0)

    assert received == list(range(500))


async def test_a_unary_handler_takes_the_first_message_of_a_stream(peer: Peer) -> None:
    async def deny(_request: StringValue, context: Any) -> None:
        await context.abort(StatusCode.PERMISSION_DENIED, "no")

    peer.unary_unary(deny, "/t.T/M")
    stub = peer.channel.stream_stream(
        "/t.T/M", StringValue.SerializeToString, StringValue.FromString
    )
    call = stub()
    await within(call.write(text()))

    assert (await failure(call.read())).code() is StatusCode.PERMISSION_DENIED


async def test_a_streaming_handler_may_be_called_with_one_request(peer: Peer) -> None:
    peer.stream_unary(joining, "/t.T/M")
    stub = peer.channel.unary_unary("/t.T/M", StringValue.SerializeToString, StringValue.FromString)

    assert (await within(stub(text("only")))).value == "only"
