"""Silence, in every phase."""

import asyncio
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol

from core.errors import Fault, Phase, UpstreamError
from core.model import Ask, Channel, Deadlines, Final
from core.providers import exchange
from core.providers.driver import Driver
from core.providers.lease import Lease
from core.providers.wire import Call, at_any_time
from tests.fix_upstream import (
    Peer,
    Request,
    Script,
    Upstream,
    chunk,
    deaf,
    hangs,
    head,
    http,
    transport_of,
)
from tests.providers.asking import (
    BULKY,
    COMPLETED,
    EASY,
    EVENTS,
    MEGABYTE,
    PARTIAL,
    SOON,
    asked,
    channel,
    failure,
    hangs_after,
    resets_after,
)
from tests.providers.tapes_openai_images import (
    ASK,
    IMAGE,
    STREAMED,
    answer,
)


async def timed_out(
    driver: Driver, ask: Ask, target: Channel, budget: float | None = None
) -> UpstreamError:
    """The failure, which must come between the deadline and a tenth of a second later."""
    started = time.monotonic()
    found = await failure(driver, ask, target, budget)

    assert SOON * 0.99 <= time.monotonic() - started < SOON + 0.1
    return found


async def test_a_connection_that_is_never_made_was_never_sent_on(
    driver: Driver, upstream: Upstream
) -> None:
    upstream.talks = deaf
    # The TCP connection is made by the kernel; the TLS handshake is what never comes.
    target = channel(upstream.address, replace(EASY, connect=SOON), scheme="https")

    found = await timed_out(driver, ASK, target)

    assert (found.fault, found.phase) == (Fault.UNREACHABLE, Phase.CONNECT)


async def test_time_may_run_out_before_there_is_a_connection(
    driver: Driver, upstream: Upstream
) -> None:
    upstream.talks = deaf

    found = await timed_out(driver, ASK, channel(upstream.address, scheme="https"), SOON)

    assert (found.fault, found.phase) == (Fault.TIMEOUT, Phase.CONNECT)


@pytest.mark.parametrize(
    ("ask", "script", "deadlines", "phase"),
    [
        (ASK, hangs, replace(EASY, first_byte=SOON), Phase.FIRST_BYTE),
        (ASK, hangs_after(b"HTTP/1.1 200"), replace(EASY, first_byte=SOON), Phase.FIRST_BYTE),
        (ASK, hangs, replace(EASY, total=SOON), Phase.FIRST_BYTE),
        (ASK, hangs_after(http(200, answer(1))[:-1]), replace(EASY, idle=SOON), Phase.BODY),
        (ASK, hangs_after(http(200, answer(1))[:-1]), replace(EASY, total=SOON), Phase.BODY),
        (STREAMED, hangs, replace(EASY, acknowledge=SOON), Phase.ACKNOWLEDGE),
        (STREAMED, hangs, replace(EASY, first_byte=SOON), Phase.ACKNOWLEDGE),
        (STREAMED, hangs, replace(EASY, total=SOON), Phase.ACKNOWLEDGE),
        (
            STREAMED,
            hangs_after(head(200, EVENTS)),
            replace(EASY, first_byte=SOON),
            Phase.FIRST_BYTE,
        ),
        (STREAMED, hangs_after(head(200, EVENTS)), replace(EASY, total=SOON), Phase.FIRST_BYTE),
        (
            STREAMED,
            hangs_after(head(200, EVENTS), chunk(PARTIAL)),
            replace(EASY, idle=SOON),
            Phase.BODY,
        ),
        (
            STREAMED,
            hangs_after(head(200, EVENTS), chunk(PARTIAL)),
            replace(EASY, total=SOON),
            Phase.BODY,
        ),
    ],
)
async def test_silence_is_decided_at_the_deadline_of_its_phase(
    driver: Driver,
    upstream: Upstream,
    ask: Ask,
    script: Script,
    deadlines: Deadlines,
    phase: Phase,
) -> None:
    upstream.plays(script)

    found = await timed_out(driver, ask, channel(upstream.address, deadlines))

    assert (found.fault, found.phase) == (Fault.TIMEOUT, phase)


@pytest.mark.parametrize("ask", [ASK, STREAMED], ids=["whole", "stream"])
async def test_the_callers_budget_ends_an_attempt_as_the_total_deadline_does(
    driver: Driver, upstream: Upstream, ask: Ask
) -> None:
    upstream.plays(hangs)

    assert (await timed_out(driver, ask, channel(upstream.address), SOON)).fault is Fault.TIMEOUT


async def test_a_budget_that_is_spent_sends_nothing(driver: Driver, upstream: Upstream) -> None:
    found = await failure(driver, ASK, channel(upstream.address), budget=0.0)

    assert (found.fault, found.phase) == (Fault.TIMEOUT, Phase.CONNECT)
    assert upstream.requests == []


async def test_an_upload_that_is_not_read_is_silence_too(
    driver: Driver, upstream: Upstream
) -> None:
    upstream.talks = deaf
    target = channel(upstream.address, replace(EASY, first_byte=SOON))
    found = await failure(driver, BULKY, target)

    assert (found.fault, found.phase) == (Fault.TIMEOUT, Phase.FIRST_BYTE)


async def test_an_upload_that_moves_is_given_time(driver: Driver, upstream: Upstream) -> None:
    deadline = 0.3

    async def reads_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = 32 * MEGABYTE
        while left > 0:
            size = len(await reader.read(4 * MEGABYTE))
            left -= size
            # The last bytes wait in the kernel, where they count as sent: they are fetched fast.
            if left > 16 * MEGABYTE:
                transport_of(writer).pause_reading()
                await asyncio.sleep(size / (32 * MEGABYTE))
                transport_of(writer).resume_reading()
        await Peer(Request("", "", {}, b""), reader, writer).send(http(200, answer(1)))

    upstream.talks = reads_slowly
    started = time.monotonic()
    target = channel(upstream.address, replace(EASY, first_byte=deadline))

    assert Final(0, IMAGE) in await asked(driver, BULKY, target)
    assert time.monotonic() - started > deadline


async def test_the_bytes_of_a_slow_answer_keep_it_alive(driver: Driver, upstream: Upstream) -> None:
    ticks = 12

    async def drips(peer: Peer) -> None:
        data = http(200, answer(1))
        step = len(data) // ticks
        for at in range(0, len(data), step):
            await peer.send(data[at : at + step])
            await asyncio.sleep(SOON / 4)

    upstream.plays(drips)
    deadlines = replace(EASY, idle=SOON)

    assert Final(0, IMAGE) in await asked(driver, ASK, channel(upstream.address, deadlines))


async def test_the_end_of_a_finished_stream_is_not_waited_for(
    driver: Driver, upstream: Upstream
) -> None:
    upstream.plays(hangs_after(head(200, EVENTS), chunk(COMPLETED)))
    async with asyncio.timeout(1):
        found = await asked(driver, STREAMED, channel(upstream.address))

    assert found[1] == Final(0, IMAGE)


async def test_an_error_is_decided_by_its_status_when_its_body_does_not_come(
    driver: Driver, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "_ERROR_SECONDS", SOON)
    target = channel(upstream.address)
    upstream.plays(hangs_after(http(429, b"{}")[:-1]))
    assert (await timed_out(driver, ASK, target)).fault is Fault.RATE_LIMITED
    upstream.plays(resets_after(http(500, b"{}")[:-1]))
    assert (await failure(driver, ASK, target)).fault is Fault.SERVER_ERROR


async def test_an_end_that_comes_with_the_alarm_is_a_timeout_and_no_defect() -> None:
    loop = asyncio.get_running_loop()
    content = aiohttp.StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    asking = exchange.Exchange(
        Call("GET", "/jobs/1", {}), channel("127.0.0.1:9"), None, at_any_time
    )
    asking._lease = cast(Lease, SimpleNamespace(content=content, is_malformed=False, release=str))
    content.feed_data(b"{")
    asking._alarm.rang = True
    content.set_exception(TimeoutError())
    content.feed_eof()

    with pytest.raises(UpstreamError) as caught:
        await asking.chunk()
    assert caught.value.fault is Fault.TIMEOUT
