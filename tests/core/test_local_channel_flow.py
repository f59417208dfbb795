"""Flow control of a LocalChannel: who waits for whom, and for how much."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fix_local_channel import Peer, connected, read_all, spin, text, within
from google.protobuf.wrappers_pb2 import StringValue
from grpc import aio

from core.local.pipe import MESSAGE_OVERHEAD_BYTES


async def listening(requests: Any, _context: Any) -> StringValue:
    async for _ in requests:
        pass
    return text()


@pytest.mark.parametrize(("window", "ahead"), [(10_000, 5), (1, 1), (2_026 * 7, 7)])
async def test_a_writer_waits_when_it_is_a_window_ahead(window: int, ahead: int) -> None:
    # 1,002 bytes of message and 1,024 of overhead each: the last one may go beyond the window.
    written = 0

    async def handler(_request: StringValue, context: Any) -> None:
        nonlocal written
        while True:
            written += 1
            await context.write(text("x" * 999))

    async with connected("local", window_bytes=window) as peer:
        call = peer.unary_stream(handler)(text())
        await spin()
        assert written == ahead
        for _ in range(ahead):
            await within(call.read())
        await spin()
        assert written == 2 * ahead
        call.cancel()


async def test_a_generator_waits_when_it_is_a_window_ahead() -> None:
    made = 0

    async def handler(_request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
        nonlocal made
        while True:
            made += 1
            yield text("x" * 999)

    async with connected("local", window_bytes=10_000) as peer:
        call = peer.unary_stream(handler)(text())
        await spin()
        assert made == 5
        call.cancel()


async def test_a_client_waits_when_it_is_a_window_ahead() -> None:
    window = 10 * MESSAGE_OVERHEAD_BYTES
    passed = 0

    def numbers() -> Iterator[StringValue]:
        nonlocal passed
        while True:
            passed += 1
            yield text()

    async def handler(_requests: Any, context: Any) -> None:
        await context.send_initial_metadata(())
        await asyncio.Event().wait()

    async with connected("local", window_bytes=window) as peer:
        fed = peer.stream_unary(handler)(numbers())
        by_hand = peer.stream_unary(handler)()
        for _ in range(9):
            await within(by_hand.write(text()))
        tenth = asyncio.ensure_future(by_hand.write(text()))
        await spin()
        assert passed == 10
        assert not tenth.done()
        with pytest.raises(aio.UsageError):
            await within(by_hand.write(text()))
        by_hand.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(tenth)
        fed.cancel()


async def test_cancelling_the_task_that_writes_cancels_the_call() -> None:
    async with connected("local", window_bytes=1) as peer:
        call = peer.stream_stream(lambda *_: asyncio.Event().wait())()
        writer = asyncio.ensure_future(call.write(text()))
        await spin()
        writer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(writer)

        assert call.cancelled()


async def test_writing_to_a_call_that_has_been_answered_does_not_block_the_loop(
    local: Peer,
) -> None:
    async def handler(_requests: Any, context: Any) -> None:
        await context.write(text("answer"))

    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    call = local.stream_stream(handler)()
    await spin()
    before = turns
    for _ in range(10):
        await call.write(text("nobody reads this"))

    assert turns - before == 10
    assert await read_all(call) == ["answer"]
    other.cancel()


async def test_a_client_that_waits_for_room_goes_on_when_the_handler_ends() -> None:
    release = asyncio.Event()

    async def handler(_requests: Any, _context: Any) -> StringValue:
        await release.wait()
        return text("answer")

    async with connected("local", window_bytes=1) as peer:
        call = peer.stream_unary(handler)()
        writer = asyncio.ensure_future(call.write(text()))
        await spin()
        assert not writer.done()
        release.set()

        await within(writer)
        assert (await within(call)).value == "answer"


async def test_a_request_generator_that_waits_for_room_is_closed_with_the_call() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[StringValue]:
        try:
            while True:
                yield text()
        finally:
            closed.set()

    requests = endless()  # kept, so that only an explicit close can end it
    async with connected("local", window_bytes=1) as peer:
        call = peer.stream_unary(lambda *_: asyncio.Event().wait())(requests)
        await spin()
        call.cancel()

        await within(closed.wait())


async def test_a_second_reader_of_a_stream_is_refused(local: Peer) -> None:
    call = local.stream_stream(listening)()
    first = asyncio.ensure_future(call.read())
    await spin()

    with pytest.raises(aio.UsageError):
        await within(call.read())
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(first)


class Storm:
    """Calls that are left, cancelled or read to their end at random moments."""

    def __init__(self, seed: int, peer: Peer) -> None:
        self.random = random.Random(seed)
        self.stub = peer.stream_stream(self.behaviour())
        self.running = 0

    def behaviour(self) -> Any:
        async def handler(requests: Any, context: Any) -> AsyncIterator[StringValue]:
            self.running += 1
            try:
                if self.random.random() < 0.5:
                    await context.send_initial_metadata((("k", "v"),))
                async for request in requests:
                    await self.dawdle()
                    for _ in range(self.random.randrange(4)):
                        yield request
                    if self.random.random() < 0.2:
                        break
            finally:
                try:
                    await self.dawdle()  # may be cancelled here too, as on a real server
                finally:
                    self.running -= 1

        return handler

    async def requests(self) -> AsyncIterator[StringValue]:
        for _ in range(self.random.randrange(6)):
            await self.dawdle()
            yield text("x" * self.random.randrange(2000))

    async def dawdle(self) -> None:
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)

    async def call(self) -> None:
        call = self.stub(self.requests(), timeout=60)
        try:
            for _ in range(self.random.randrange(8)):
                if await call.read() is aio.EOF:
                    break
                await self.dawdle()
        finally:
            call.cancel()

    async def cut(self) -> None:
        task = asyncio.create_task(self.call())
        await self.dawdle()
        await self.dawdle()
        if self.random.random() < 0.3:
            task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None


@pytest.mark.parametrize("seed", range(20))
async def test_calls_cut_at_any_moment_leave_nothing_behind(seed: int) -> None:
    async with connected("local", window_bytes=3000) as peer:
        storm = Storm(seed, peer)
        for _ in range(10):
            await within(asyncio.gather(*(storm.cut() for _ in range(5))))
        await spin()

        assert storm.running == 0
        assert peer.unhandled == []
        assert asyncio.all_tasks() == {asyncio.current_task()}
