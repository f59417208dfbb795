"""What an output tells of itself is stored only where it can be true."""

import struct

import pytest

from core.body import Body
from core.engine import closing
from core.media import probe
from core.model import Acknowledged, Final, Hosted, Report
from tests.films import INDEX_FIRST, film
from tests.fix_core import PNG
from tests.generating import generate, kinds, start
from tests.jobs.following import row_of, video
from tests.scripted_jobs import PRICE

FITS = 1 << 31
"""What a column of the database holds."""


def group(count):
    url = Body("http://127.0.0.1:1/1.png")
    return [Hosted(number, url) for number in range(count)]


def images(count):
    asked = start(spec={"model": "gpt-image-2"})
    asked.start.spec.parameters.output_count = count
    return asked


def lasting(data, units):
    """The film, whose header tells so many units, of which 1,000 are a second."""
    at = data.index(b"mvhd") + 4
    return data[: at + 16] + struct.pack(">I", units) + data[at + 20 :]


@pytest.mark.parametrize("units", [(1 << 32) - 2, 87_000_000])
async def test_a_film_that_tells_impossible_seconds_is_delivered_and_costs_the_quote(
    channel, core, films, units
):
    films.always = lasting(film(), units)
    events = await generate(channel, video(5))
    row, _ = await row_of(core)

    assert kinds(events)[-1] == "completed"
    assert 0 <= row.duration_ms < FITS
    assert row.duration_ms in (0, 5000)
    assert await core.balance() == (10_000 - 5 * PRICE, 0)


@pytest.mark.parametrize("told", [float(1 << 52), 100_000_000.0])
async def test_a_provider_that_tells_impossible_seconds_is_not_believed(
    channel, core, monkeypatch, told
):
    length = closing._length
    lying = Report(seconds=told)
    monkeypatch.setattr(closing, "_length", lambda _report, kept: length(lying, kept))
    await generate(channel, video(5))
    row, _ = await row_of(core)

    assert row.duration_ms == round(probe(INDEX_FIRST).seconds * 1000)
    assert await core.balance() == (10_000 - PRICE, 0)


@pytest.mark.parametrize("side", [FITS, (1 << 32) - 1])
def test_a_picture_that_tells_impossible_pixels_is_none(side):
    assert probe(PNG) is not None
    assert probe(PNG[:16] + side.to_bytes(4, "big") + PNG[20:]) is None
    assert probe(PNG[:20] + side.to_bytes(4, "big") + PNG[24:]) is None


@pytest.mark.parametrize("made", [2, 40])
async def test_more_outputs_than_were_asked_for_are_neither_copied_nor_charged(
    channel, core, films, made
):
    films.always = PNG
    core.upstream.play("openai-a", (Acknowledged(200), *group(made), Report()))
    events = await generate(channel, images(1))

    assert kinds(events)[-1] == "completed"
    assert len(core.store.objects) == 1
    assert len(films.fetched) == 1
    assert await core.balance() == (10_000 - 7, 0)


async def test_more_images_in_the_answer_than_were_asked_for_are_left_out(channel, core):
    finals = [Final(number, Body(PNG)) for number in range(3)]
    core.upstream.play("openai-a", (Acknowledged(200), *finals, Report()))
    events = await generate(channel, images(2))

    assert kinds(events)[-1] == "completed"
    assert events[-1].completed.generation.delivered_count == 2
    assert len(core.store.objects) == 2
    assert await core.balance() == (10_000 - 14, 0)
