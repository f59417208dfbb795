"""Sounds come as they are made, and what is none, or only a part of one, is never taken for one."""

import asyncio
from dataclasses import replace

import pytest

from core.body import Body
from core.errors import Fault, Phase, UpstreamError
from core.model import Acknowledged, Deadlines, Sound
from core.providers import DIALECTS
from tests.fix_upstream import chunk, chunked, head, http
from tests.providers.asking import settled
from tests.providers.tapes_speech import ASK, EASY, SAMPLES, SPEAKERS, WAV, pieces

CHUNKED = {"Content-Type": "audio/wav", "Transfer-Encoding": "chunked"}


@pytest.fixture(params=SPEAKERS, ids=lambda speaker: speaker.name)
def speaker(request):
    return request.param


async def attempt(driver, upstream, speaker, take, *, ask=ASK, deadlines=EASY):
    target = speaker.channel(f"http://{upstream.address}/v1", deadlines)
    await driver.attempt(DIALECTS[speaker.dialect], ask, target, take)


async def heard(driver, upstream, speaker, **options):
    found = []
    await attempt(driver, upstream, speaker, found.append, **options)
    return found


async def failed(driver, upstream, speaker, **options):
    """The pieces before the failure, and the failure."""
    found = []
    with pytest.raises(UpstreamError) as caught:
        await attempt(driver, upstream, speaker, found.append, **options)
    return found, caught.value


def whole(found):
    return b"".join(piece.data.reveal() for piece in found if isinstance(piece, Sound))


async def test_a_sound_is_whole_however_it_is_framed(driver, upstream, speaker):
    upstream.plays(
        http(200, WAV, media_type="audio/wav"),
        chunked(200, WAV[:9], WAV[9:500], WAV[500:], media_type="application/octet-stream"),
    )
    for _ in range(2):
        acknowledged, *sounds = await heard(driver, upstream, speaker)

        assert acknowledged == Acknowledged(200)
        assert whole(sounds) == WAV
        parts = [piece.data.reveal() for piece in sounds if isinstance(piece, Sound)]
        assert sounds == pieces(*parts[:-1])
    assert upstream.connections == 1


async def test_parts_are_given_as_soon_as_they_are_there(driver, upstream, speaker):
    given = asyncio.Semaphore(0)
    parts = [WAV[:100], WAV[100:900], WAV[900:]]

    async def waits_for_the_listener(peer):
        await peer.send(head(200, CHUNKED))
        for part in parts:
            await peer.send(chunk(part))
            await given.acquire()
        await peer.send(chunk(b""))

    upstream.plays(waits_for_the_listener)
    found = []

    def take(piece):
        found.append(piece)
        if isinstance(piece, Sound):
            given.release()

    async with asyncio.timeout(5):
        await attempt(driver, upstream, speaker, take)

    assert found == [Acknowledged(200), *pieces(*parts)]


async def test_nothing_is_given_before_it_is_known_to_be_a_sound(driver, upstream, speaker):
    more = asyncio.Event()

    async def hesitates(peer):
        await peer.send(head(200, CHUNKED), chunk(WAV[:8]))
        await settled()
        assert found == [Acknowledged(200)]
        more.set()
        await peer.send(chunk(WAV[8:]), chunk(b""))

    upstream.plays(hesitates)
    found = []
    await attempt(driver, upstream, speaker, found.append)

    assert more.is_set()
    assert found[1:] == pieces(WAV)


async def test_a_sound_that_breaks_off_is_lost_wherever_it_does(driver, upstream, speaker):
    data = chunked(200, WAV[:60], WAV[60:600], WAV[600:], media_type="audio/wav")

    def cut_off(at):
        async def script(peer):
            await peer.send(data[:at])
            peer.close()

        return script

    for at in range(0, len(data), 7):
        upstream.plays(cut_off(at))
        found, error = await failed(driver, upstream, speaker)

        assert error.fault is Fault.LOST
        assert WAV.startswith(whole(found))
        assert not any(isinstance(piece, Sound) and piece.last for piece in found)


async def test_an_announced_length_that_is_not_reached_is_a_loss(driver, upstream, speaker):
    async def stops_short(peer):
        await peer.send(http(200, WAV, media_type="audio/wav")[:-1])
        peer.close()

    upstream.plays(stops_short)
    found, error = await failed(driver, upstream, speaker)

    assert (error.fault, error.phase) == (Fault.LOST, Phase.BODY)
    assert whole(found) == WAV[:-1]


async def test_a_sound_that_ends_with_the_connection_could_be_cut_and_is_refused(
    driver, upstream, speaker
):
    async def ends(peer):
        await peer.send(head(200, {"Content-Type": "audio/wav", "Connection": "close"}) + WAV)
        peer.close()

    upstream.plays(ends)
    found, error = await failed(driver, upstream, speaker)

    assert (found, error.fault) == ([Acknowledged(200)], Fault.INVALID_RESPONSE)


@pytest.mark.parametrize(
    "answer",
    [
        http(200, b"<html>Welcome</html>", media_type="text/html"),
        http(200, b"<html>Welcome to a page</html>", media_type="audio/wav"),
        http(200, b"", media_type="audio/wav"),
        http(200, WAV[:15], media_type="audio/wav"),
        http(200, b"ID3\x04" + SAMPLES, media_type="audio/wav"),
        http(200, b"{}"),
        http(204),
        chunked(200, media_type="audio/wav"),
    ],
    ids=[
        "HTML",
        "HTML as a sound",
        "empty",
        "too short",
        "another type",
        "JSON",
        "204",
        "no chunk",
    ],
)
async def test_a_success_that_is_no_sound_shows_nothing(driver, upstream, speaker, answer):
    upstream.plays(answer)
    found, error = await failed(driver, upstream, speaker)

    assert (found[1:], error.fault) == ([], Fault.INVALID_RESPONSE)


async def test_raw_samples_are_believed(driver, upstream, speaker):
    ask = replace(ASK, parameters={**ASK.parameters, "output_format": "pcm"})
    upstream.plays(http(200, SAMPLES, media_type="audio/pcm"))
    found = await heard(driver, upstream, speaker, ask=ask)

    assert whole(found) == SAMPLES
    assert found[1].media_type == "audio/pcm"


@pytest.mark.parametrize(
    ("sent", "phase"),
    [
        ((), Phase.FIRST_BYTE),
        ((head(200, CHUNKED),), Phase.FIRST_BYTE),
        ((head(200, CHUNKED), chunk(WAV[:200])), Phase.BODY),
    ],
    ids=["headers", "first byte", "idle"],
)
async def test_silence_ends_at_the_deadline_of_its_phase(driver, upstream, speaker, sent, phase):
    async def falls_silent(peer):
        await peer.send(*sent)
        await peer.left()

    upstream.plays(falls_silent)
    soon = Deadlines(connect=20.0, acknowledge=20.0, first_byte=0.1, idle=0.1, total=20.0)
    _, error = await failed(driver, upstream, speaker, deadlines=soon)

    assert (error.fault, error.phase) == (Fault.TIMEOUT, phase)


async def test_a_listener_who_leaves_ends_the_call(driver, upstream, speaker):
    left = asyncio.Event()

    async def speaks_for_ever(peer):
        await peer.send(head(200, CHUNKED), chunk(WAV))
        await peer.left()
        left.set()

    upstream.plays(speaks_for_ever)

    def leaves(piece):
        if isinstance(piece, Sound):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await attempt(driver, upstream, speaker, leaves)
    async with asyncio.timeout(5):
        await left.wait()


def test_a_part_says_nothing_of_what_it_holds():
    assert "RIFF" not in repr(Sound(0, "audio/wav", 0, Body(WAV)))
