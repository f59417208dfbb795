"""Answers that are cut after their headers, that cannot be read, or that tell of an error."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from simulator import Knobs, Simulator
from tests.simulator.image_callers import Caller


@pytest.fixture
async def caller(simulator: Simulator, simulated_credentials) -> AsyncIterator[Caller]:
    simulator.configure(Knobs(image="tiny"))
    opened = Caller(simulator, simulated_credentials["openai-a"])
    async with opened.session:
        yield opened
    for writer in opened.writers:
        writer.close()


async def test_a_malformed_answer_ends_in_good_order_and_cannot_be_read(caller):
    await caller.fail("malformed")
    status, _, whole = await caller.answer()
    await caller.fail("malformed", after=1)
    _, headers, streamed = await caller.answer(stream=True, partial_images=2)

    assert status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(whole)
    lines = [line[6:] for line in streamed.decode().split("\n") if line[:5] == "data:"]
    assert headers["content-type"] == "text/event-stream"
    assert json.loads(lines[0])["type"] == "image_generation.partial_image"
    with pytest.raises(json.JSONDecodeError):
        json.loads(lines[1])
    assert len(lines) == 2


async def test_an_in_band_error_is_a_success_that_tells_of_an_error(caller, simulator: Simulator):
    await caller.fail("in_band", status=429)
    status, _, whole = await caller.answer()
    await caller.fail("in_band", after=1)
    _, headers, streamed = await caller.answer(stream=True, partial_images=2)

    assert (status, json.loads(whole)["error"]["code"]) == (200, "rate_limit_exceeded")
    events = [json.loads(line[6:]) for line in streamed.decode().split("\n") if line[:5] == "data:"]
    assert headers["content-type"] == "text/event-stream"
    assert events[0]["type"] == "image_generation.partial_image"
    assert events[1]["error"]["type"] == "server_error"
    assert len(events) == 2
    assert [call.made for call in simulator.calls.newest()] == [0, 0]


async def test_headers_alone_leave_before_a_reset_or_silence(caller):
    for kind in ("reset", "cut", "hang"):
        await caller.fail(kind, unit="headers")
        reader, _ = await caller.raw()
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        if kind == "reset":
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
        elif kind == "cut":
            assert await reader.read(1) == b""
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.1)
