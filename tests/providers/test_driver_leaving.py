"""Leaving early, what is left behind, and what is never shown."""

import asyncio
import gc
import logging
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from core.body import Body
from core.errors import Fault, Phase, UpstreamError
from core.model import Ask, Final, Kind, Piece
from core.providers.driver import Driver
from tests.fix_upstream import (
    Peer,
    Request,
    Script,
    Upstream,
    chunk,
    chunked,
    closes,
    hangs,
    head,
    http,
    resets,
    transport_of,
)
from tests.providers.asking import (
    BULKY,
    COMPLETED,
    CREDENTIAL,
    EASY,
    EVENTS,
    PARTIAL,
    SOON,
    asked,
    attempt,
    channel,
    failure,
    hangs_after,
    resets_after,
    settled,
)
from tests.providers.tapes_openai_images import (
    ASK,
    IMAGE,
    STREAMED,
    answer,
)

AT_ONCE = 0.05
"""Seconds; it takes under two milliseconds where nothing else runs."""
FILES = Path("/proc/self/fd")


def open_files() -> int:
    return len(list(FILES.iterdir()))


async def seen_leaving(upstream: Upstream, left: asyncio.Event) -> float:
    """Seconds until the upstream has seen the caller leave."""
    started = time.monotonic()
    await asyncio.wait_for(left.wait(), 5)
    return time.monotonic() - started


def watched(left: asyncio.Event, *pieces: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.send(*pieces)
        await peer.left()
        left.set()

    return script


@pytest.mark.parametrize(
    ("ask", "sent"),
    [
        (ASK, ()),
        (ASK, (http(200, answer(1))[:-1],)),
        (STREAMED, ()),
        (STREAMED, (head(200, EVENTS),)),
        (STREAMED, (head(200, EVENTS), chunk(PARTIAL))),
    ],
)
async def test_cancelling_closes_the_connection_at_once(
    driver: Driver, upstream: Upstream, ask: Ask, sent: tuple[bytes, ...]
) -> None:
    left = asyncio.Event()
    upstream.plays(watched(left, *sent))
    task = asyncio.create_task(asked(driver, ask, channel(upstream.address)))
    await asyncio.wait_for(upstream.asked.wait(), 5)
    await settled()
    task.cancel()

    assert await seen_leaving(upstream, left) < AT_ONCE
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("until", [1, 2])
async def test_an_error_of_who_takes_the_pieces_closes_the_connection_at_once(
    driver: Driver, upstream: Upstream, until: int
) -> None:
    left = asyncio.Event()
    upstream.plays(watched(left, head(200, EVENTS), chunk(PARTIAL)))
    found: list[Piece] = []

    def take(piece: Piece) -> None:
        found.append(piece)
        if len(found) == until:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await attempt(driver, STREAMED, channel(upstream.address), take)

    assert await seen_leaving(upstream, left) < AT_ONCE


@pytest.mark.skipif(not FILES.exists(), reason="counts open files as Linux lists them")
async def test_cancelling_an_upload_does_not_wait_for_its_buffers(
    driver: Driver, upstream: Upstream
) -> None:
    accepted = asyncio.Event()

    async def never_reads(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport_of(writer).pause_reading()
        accepted.set()
        await asyncio.Event().wait()

    upstream.talks = never_reads
    task = asyncio.create_task(asked(driver, BULKY, channel(upstream.address)))
    await asyncio.wait_for(accepted.wait(), 5)
    await settled()
    before = open_files()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settled()

    assert open_files() == before - 1


async def test_a_connection_serves_again_whatever_becomes_of_the_answer(
    driver: Driver, upstream: Upstream
) -> None:
    upstream.plays(http(200, answer(1)))
    target = channel(upstream.address)

    def take(piece: Piece) -> None:
        if piece == Final(0, IMAGE):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await attempt(driver, ASK, target, take)
    await asked(driver, ASK, target)

    assert upstream.connections == 1


@pytest.mark.parametrize("is_orderly", [True, False])
async def test_an_answer_before_the_upload_has_ended_is_heard_and_its_connection_cut(
    driver: Driver, upstream: Upstream, *, is_orderly: bool
) -> None:
    left = asyncio.Event()

    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(http(413, b"{}"))
        await writer.drain()
        if is_orderly:
            await Peer(Request("", "", {}, b""), reader, writer).left()
        left.set()

    upstream.talks = refuses

    assert (await failure(driver, BULKY, channel(upstream.address))).http_status == 413
    assert await seen_leaving(upstream, left) < 1
    await settled()
    assert upstream.open == 0


async def test_leaving_the_driver_ends_its_calls(upstream: Upstream) -> None:
    left = asyncio.Event()
    upstream.plays(watched(left))
    async with Driver() as driver:
        task = asyncio.create_task(failure(driver, ASK, channel(upstream.address)))
        await asyncio.wait_for(upstream.asked.wait(), 5)

    assert (await task).fault is Fault.LOST
    assert await seen_leaving(upstream, left) < AT_ONCE


async def test_a_call_that_was_still_connecting_when_the_driver_was_left_was_never_sent(
    upstream: Upstream,
) -> None:
    upstream.plays(hangs)
    async with Driver() as driver:
        task = asyncio.create_task(failure(driver, ASK, channel(upstream.address)))
        await asyncio.sleep(0)

    found = await task
    assert (found.fault, found.phase) == (Fault.UNREACHABLE, Phase.CONNECT)
    assert upstream.requests == []


async def test_a_timeout_closes_the_connection(driver: Driver, upstream: Upstream) -> None:
    left = asyncio.Event()
    upstream.plays(watched(left))
    await failure(driver, ASK, channel(upstream.address, replace(EASY, first_byte=SOON)))

    assert await seen_leaving(upstream, left) < AT_ONCE


async def test_hundreds_of_abandoned_calls_leave_no_connection(
    driver: Driver, upstream: Upstream
) -> None:
    number = 200
    left = asyncio.Semaphore(0)

    async def notes(peer: Peer) -> None:
        await peer.left()
        left.release()

    upstream.plays(notes)
    target = channel(upstream.address)
    tasks = [asyncio.create_task(asked(driver, ASK, target)) for _ in range(number)]
    async with asyncio.timeout(5):
        while len(upstream.requests) < number:
            upstream.asked.clear()
            await upstream.asked.wait()
        for task in tasks:
            task.cancel()
        for _ in range(number):
            await left.acquire()

    assert all(task.cancelled() for task in tasks)


PROMPT = "never shown either"


async def test_no_failure_shows_an_address_a_credential_or_content(
    driver: Driver, upstream: Upstream, refused: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ask = Ask("gpt-image-2", Kind.IMAGE, Body(PROMPT), partials=1)
    scripts = (
        resets,
        closes,
        hangs_after(b"HTTP/1.1 xyz " + PROMPT.encode() + b"\r\n\r\n"),
        http(400, orjson.dumps({"error": {"message": PROMPT, "code": PROMPT, "type": "x"}})),
        http(200, f'{{"echo": "{PROMPT}'.encode()),
        chunked(200, f"data: {PROMPT}\n\n".encode()),
        resets_after(head(200, EVENTS), chunk(f"data: {PROMPT}\n\n".encode())),
    )
    shown = []
    for script in scripts:
        upstream.plays(script)
        shown.append(await failure(driver, ask, channel(upstream.address)))
    shown.append(await failure(driver, ask, channel(refused)))

    for each in shown:
        text = "".join(traceback.format_exception(each)) + repr(each)
        assert not any(word in text for word in (PROMPT, CREDENTIAL, "127.0.0.1"))
        # Nothing hangs behind it that could be shown by somebody else.
        assert (each.__cause__, each.__context__) == (None, None)
    assert not any(word in caplog.text for word in (PROMPT, CREDENTIAL, "127.0.0.1"))


async def test_finished_calls_leave_no_garbage(driver: Driver, upstream: Upstream) -> None:
    scripts = (
        http(200, answer(1)),
        chunked(200, PARTIAL, COMPLETED),
        http(500),
        closes,
        resets_after(head(200, EVENTS), chunk(PARTIAL)),
        hangs_after(b"HTTP/1.1 xyz\r\n\r\n"),
    )
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for script in scripts * 3:
            upstream.plays(script)
            with suppress(UpstreamError):
                await asked(driver, STREAMED, channel(upstream.address))
        gc.collect()
        left = {type(each).__name__ for each in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()

    # Each collection of the cyclic kind stops the whole process for a moment.
    assert not {"Exchange", "Lease", "Alarm", "Call", "Body"} & left
