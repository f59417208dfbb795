"""Callers who leave: core learns of it, whenever it happens."""

import asyncio

import orjson

from rest_bridge.server import HttpLimits
from tests.bridge.scripted_core import (
    NAME,
    WAIT,
    FakeCore,
    accepted,
    attempt,
    completed,
    outputs,
    success,
)
from tests.fix_bridge import Bridge

URL = "/v1/images/generations"
BODY = orjson.dumps({"model": "gpt-image-2", "prompt": "a red square"})


async def test_leaving_before_the_answer_cancels_the_call(
    bridge: Bridge, fake_core: FakeCore, dial
) -> None:
    fake_core.script = [accepted(), attempt(), asyncio.Event().wait]
    for leave in ("close", "abort"):
        wire = await dial(bridge.port)
        await wire.post(URL, BODY)
        call = await fake_core.waiting()

        getattr(wire, leave)()

        await asyncio.wait_for(call.cancelled.wait(), WAIT)
    assert fake_core.abandoned.empty()
    assert bridge.defects == []


async def test_leaving_after_a_large_upload_is_noticed_too(
    bridge: Bridge, fake_core: FakeCore, dial
) -> None:
    """A body above the read buffer pauses reading, and that hides the end of a connection."""
    fake_core.script = [accepted(), asyncio.Event().wait]
    fake_core.admit.clear()  # so that the body comes before anybody reads it
    wire = await dial(bridge.port)
    await wire.post(URL, orjson.dumps({"model": "m", "prompt": "x" * 150_000}))
    call = await fake_core.called()

    fake_core.admit.set()
    await asyncio.wait_for(call.waiting.wait(), WAIT)
    wire.close()

    await asyncio.wait_for(call.cancelled.wait(), WAIT)


async def test_leaving_before_admission_cancels_the_call(
    bridge: Bridge, fake_core: FakeCore, dial
) -> None:
    fake_core.admit.clear()
    wire = await dial(bridge.port)
    await wire.post(URL, BODY)
    call = await fake_core.called()

    wire.close()

    await asyncio.wait_for(call.cancelled.wait(), WAIT)


async def test_leaving_in_the_middle_of_the_body_cancels_the_call(
    bridge: Bridge, fake_core: FakeCore, dial
) -> None:
    wire = await dial(bridge.port)
    await wire.post(URL, BODY[:10], length=len(BODY))
    call = await fake_core.called()

    wire.close()

    await asyncio.wait_for(call.cancelled.wait(), WAIT)
    assert call.start is None


async def test_an_answer_that_found_nobody_is_abandoned(
    bridge: Bridge, fake_core: FakeCore, dial
) -> None:
    """The terminal event is read, the answer is too large for the socket, the caller leaves."""
    fake_core.script = success(bytes(30_000_000))
    wire = await dial(bridge.port)
    await wire.post(URL, BODY)
    assert (await wire.read(12)).startswith(b"HTTP/1.1 200")

    wire.abort()

    assert await asyncio.wait_for(fake_core.abandoned.get(), WAIT) == NAME


async def test_a_reader_who_stops_reading_is_cut_off_and_the_answer_abandoned(
    start_bridge, fake_core: FakeCore, dial
) -> None:
    bridge = await start_bridge(HttpLimits(write_stall_seconds=0.1, drain_idle_seconds=0.0))
    fake_core.script = success(bytes(30_000_000))
    wire = await dial(bridge.port)

    await wire.post(URL, BODY)

    assert await asyncio.wait_for(fake_core.abandoned.get(), WAIT) == NAME


async def test_a_slow_reader_who_reads_is_not_cut_off(
    start_bridge, fake_core: FakeCore, dial
) -> None:
    bridge = await start_bridge(HttpLimits(write_stall_seconds=0.1, drain_idle_seconds=0.0))
    fake_core.script = success(bytes(15_000_000))
    wire = await dial(bridge.port)
    await wire.post(URL, BODY)

    received = 0
    while received < 20_000_000:
        received += len(await wire.read(2_000_000))
        await asyncio.sleep(0.002)  # the pace of the reader

    assert fake_core.abandoned.empty()


async def test_a_caller_who_got_the_answer_is_not_abandoned(
    bridge: Bridge, fake_core: FakeCore, dial
) -> None:
    wire = await dial(bridge.port)
    await wire.post(URL, BODY)
    await wire.answer()
    wire.close()
    await bridge.server.stop()  # comes back when the connection is gone

    assert fake_core.abandoned.empty()
    assert not fake_core.calls[0].cancelled.is_set()


async def test_a_stream_whose_last_frames_found_nobody_is_abandoned(
    bridge: Bridge, fake_core: FakeCore, dial
) -> None:
    fake_core.script = [accepted(), *outputs(bytes(30_000_000)), completed()]
    wire = await dial(bridge.port)
    await wire.post(URL, orjson.dumps({"model": "m", "prompt": "p", "stream": True}))
    await wire.read(12)

    wire.abort()

    assert await asyncio.wait_for(fake_core.abandoned.get(), WAIT) == NAME
