"""What holds for every dialect, on every tape, wherever the network cuts it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import Acknowledged, Channel, Deadlines, Piece, Report
from core.providers import DIALECTS
from core.providers.driver import Driver
from core.providers.sse import SseDecoder
from core.providers.wire import Reply
from tests.fix_upstream import Peer, Script, Upstream, chunk, chunked, head, http
from tests.providers.every_tape import tapes
from tests.providers.tape import Tape

TAPES = tapes(Tape)
SPOKEN = {"azure_speech", "elevenlabs_speech", "openai_speech"}
"""They answer with the sound itself: `test_speech_sounds.py`."""

every_tape = pytest.mark.parametrize("tape", TAPES, ids=lambda tape: tape.name)
every_stream = pytest.mark.parametrize(
    "tape", [tape for tape in TAPES if tape.events], ids=lambda tape: tape.name
)


@pytest.fixture
async def driver() -> AsyncIterator[Driver]:
    async with Driver() as opened:
        yield opened


def channel(upstream: Upstream, tape: Tape) -> Channel:
    return Channel(
        "a",
        tape.dialect,
        "model",
        f"http://{upstream.address}/v1",
        Secret("sk-contract"),
        deadlines=Deadlines(3.0, 3.0, 3.0, 3.0, 10.0),
    )


async def asked(driver: Driver, upstream: Upstream, tape: Tape) -> list[Piece]:
    found: list[Piece] = []
    dialect = DIALECTS[tape.dialect]
    await driver.attempt(dialect, tape.ask, channel(upstream, tape), found.append)
    return found


async def outcome(driver: Driver, upstream: Upstream, tape: Tape) -> list[Piece] | Fault:
    try:
        return await asked(driver, upstream, tape)
    except UpstreamError as error:
        return error.fault


def whole(tape: Tape) -> bytes:
    return http(200, tape.body, media_type=tape.media_type)


def in_chunks(tape: Tape) -> bytes:
    """In three chunks, so that cuts also fall between and inside them."""
    third = len(tape.body) // 3
    pieces = tape.body[:third], tape.body[third : 2 * third], tape.body[2 * third :]
    return chunked(200, *pieces, media_type=tape.media_type)


def until_closed(tape: Tape) -> bytes:
    lines = {"Content-Type": tape.media_type, "Connection": "close"}
    return head(200, lines) + tape.body


def step_of(tape: Tape) -> int:
    """Every byte of a short tape; of a long one, which only repeats, every fifth."""
    return 1 if len(tape.body) < 1_200 else 5


def sent_in_two(data: bytes, at: int) -> Script:
    async def script(peer: Peer) -> None:
        await peer.send(data[:at], data[at:])

    return script


def cut_off(data: bytes, at: int) -> Script:
    async def script(peer: Peer) -> None:
        await peer.send(data[:at])
        peer.close()

    return script


def test_every_dialect_has_a_tape() -> None:
    assert {tape.dialect for tape in TAPES} == set(DIALECTS) - SPOKEN


@every_tape
@pytest.mark.parametrize("framed", [whole, in_chunks], ids=["length", "chunks"])
async def test_a_tape_means_the_same_however_it_is_framed(
    driver: Driver, upstream: Upstream, tape: Tape, framed: object
) -> None:
    assert callable(framed)
    upstream.plays(framed(tape))

    assert await asked(driver, upstream, tape) == [Acknowledged(200), *tape.pieces]
    assert await asked(driver, upstream, tape) == [Acknowledged(200), *tape.pieces]
    assert upstream.connections == 1


@every_tape
async def test_a_body_may_end_with_the_connection(
    driver: Driver, upstream: Upstream, tape: Tape
) -> None:
    upstream.plays(cut_off(until_closed(tape), len(until_closed(tape))))

    assert await asked(driver, upstream, tape) == [Acknowledged(200), *tape.pieces]


@every_stream
def test_the_pieces_of_a_stream_do_not_depend_on_how_its_bytes_are_cut(tape: Tape) -> None:
    for at in range(len(tape.body) + 1):
        decoder, reader = SseDecoder(1 << 20), DIALECTS[tape.dialect].reader(tape.ask)
        pieces = [
            piece
            for part in (tape.body[:at], tape.body[at:])
            for event in decoder.feed(part)
            for piece in reader.feed(event)
        ]

        assert (*pieces, *reader.finish()) == tape.pieces


@every_tape
async def test_pieces_do_not_depend_on_how_the_network_cuts(
    driver: Driver, upstream: Upstream, tape: Tape
) -> None:
    data = in_chunks(tape)
    positions = range(1, len(data), step_of(tape))
    upstream.plays(*(sent_in_two(data, at) for at in positions))

    for _ in positions:
        assert await asked(driver, upstream, tape) == [Acknowledged(200), *tape.pieces]
    # Every answer was read to its end: the connection served all along.
    assert upstream.connections == 1


@every_tape
async def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one(
    driver: Driver, upstream: Upstream, tape: Tape
) -> None:
    data = in_chunks(tape)
    for at in range(0, len(data), step_of(tape)):
        upstream.plays(cut_off(data, at))
        found = await outcome(driver, upstream, tape)

        # Of a stream, all that matters may be there before its very last bytes.
        if not (tape.events and found == [Acknowledged(200), *tape.pieces]):
            assert found is Fault.LOST, at


@every_stream
def test_a_stream_that_ends_early_is_invalid_to_the_dialect_itself(tape: Tape) -> None:
    events = list(SseDecoder(1 << 20).feed(tape.body))
    for number in range(len(events) + 1):
        reader = DIALECTS[tape.dialect].reader(tape.ask)
        for event in events[:number]:
            reader.feed(event)

        if not reader.complete:
            with pytest.raises(UpstreamError) as caught:
                reader.finish()
            assert caught.value.fault is Fault.INVALID_RESPONSE
    assert reader.complete


@every_tape
def test_a_whole_answer_that_is_cut_is_invalid_to_the_dialect_itself(tape: Tape) -> None:
    for at in range(len(tape.body)):
        with pytest.raises(UpstreamError) as caught:
            DIALECTS[tape.dialect].read(Reply(200, {}, Body(tape.body[:at]), 0.0), tape.ask)
        assert caught.value.fault is Fault.INVALID_RESPONSE


@every_tape
async def test_concurrent_calls_share_nothing(
    driver: Driver, upstream: Upstream, tape: Tape
) -> None:
    data = in_chunks(tape)
    upstream.plays(*(sent_in_two(data, len(data) * at // 16) for at in range(1, 16)), data)

    found = await asyncio.gather(*(asked(driver, upstream, tape) for _ in range(16)))

    assert found == [[Acknowledged(200), *tape.pieces]] * 16


@every_tape
@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (401, Fault.AUTH),
        (403, Fault.AUTH),
        (404, Fault.NOT_FOUND),
        (408, Fault.SERVER_ERROR),
        (409, Fault.SERVER_ERROR),
        (429, Fault.RATE_LIMITED),
        (500, Fault.SERVER_ERROR),
        (502, Fault.SERVER_ERROR),
        (503, Fault.OVERLOADED),
        (504, Fault.TIMEOUT),
        (529, Fault.OVERLOADED),
        (302, Fault.INVALID_RESPONSE),
    ],
)
async def test_a_status_without_a_word_from_the_provider_has_its_plain_fault(
    driver: Driver, upstream: Upstream, tape: Tape, status: int, fault: Fault
) -> None:
    upstream.plays(http(status, b"<html>", {"Location": "/elsewhere"}, "text/html"))

    assert await outcome(driver, upstream, tape) is fault
    assert len(upstream.requests) == 1


@every_tape
@pytest.mark.parametrize(
    "answer",
    [
        http(200, b"<html>Welcome</html>", media_type="text/html"),
        http(200, b"", media_type="application/json"),
        http(200, b"{}"),
        http(200, b"data: {}\n\n", media_type="text/event-stream"),
        http(204),
        http(202, b"{}"),
        chunked(200),
    ],
    ids=["HTML", "empty", "no image", "no event", "204", "202", "no chunk"],
)
async def test_a_success_without_a_result_is_invalid(
    driver: Driver, upstream: Upstream, tape: Tape, answer: bytes
) -> None:
    upstream.plays(answer)

    assert await outcome(driver, upstream, tape) is Fault.INVALID_RESPONSE


@every_stream
async def test_pieces_are_given_as_soon_as_their_bytes_are_there(
    driver: Driver, upstream: Upstream, tape: Tape
) -> None:
    events = [each + b"\n\n" for each in tape.body.split(b"\n\n")[:-1]]
    seen = asyncio.Semaphore(0)

    async def waits_for_the_reader(peer: Peer) -> None:
        await peer.send(chunked(200)[: -len(chunk(b""))])
        for each in events:
            await peer.send(chunk(each))
            if b'"b64_json"' in each or b'"url"' in each:
                await seen.acquire()
        await peer.send(chunk(b""))

    upstream.plays(waits_for_the_reader)
    found = []

    def take(piece: Piece) -> None:
        found.append(piece)
        if not isinstance(piece, Acknowledged | Report):
            seen.release()

    async with asyncio.timeout(5):
        dialect = DIALECTS[tape.dialect]
        await driver.attempt(dialect, tape.ask, channel(upstream, tape), take)

    assert found == [Acknowledged(200), *tape.pieces]
