"""What the price of a request follows from, and a quote binds."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from catalogue_files import BASE, ENV, Files

from core.body import Body
from core.catalog.entries import Model
from core.catalog.loader import load, shipped_files
from core.catalog.price_subject import parameter_of, price_names, price_subject
from core.catalog.schema import price_units, seconds_of, validate
from core.engine.terms import _price
from core.model import Ask, Input, Role

SHIPPED = load(shipped_files(), {})
NOW = datetime(2030, 1, 1, tzinfo=UTC)
TIMED = """\
[models.m]
display_name = "M"
owner = "o"
kind = "video"
status = "active"
created = 2026-01-02
prices = [{ unit = "minute", credits = "60" }]

[models.m.parameters]
prompt = { type = "string", maximum = 100 }
output_count = { type = "integer", minimum = 1, maximum = 4, default = 1 }
duration = { type = "integer", minimum = 2, maximum = 600, automatic = -1, default = 5 }
"""


def ask(model: Model, prompt: str = "p", *inputs: Input, **given: Any) -> Ask:
    count = given.pop("output_count", None)
    return validate(model, Body(prompt), given, inputs, count=count)


def subject(name: str, prompt: str = "p", *inputs: Input, **given: Any) -> dict[str, str]:
    model = SHIPPED.model(name)
    return price_subject(model, ask(model, prompt, *inputs, **given), price_names(model))


def film(seconds: float) -> Input:
    return Input(Role.VIDEO, Body(b"x"), "video/mp4", 640, 480, "video", seconds)


def test_images_are_paid_by_their_number_and_class() -> None:
    found = subject("gpt-image-2", size="2048x2048", output_count=2, quality="high")

    assert found == {"resolution": "2k", "output_count": "2"}
    model = SHIPPED.model("gpt-image-2")
    assert parameter_of(model, "resolution") == "size"


def test_what_is_not_known_yet_is_bound_as_such() -> None:
    model = SHIPPED.model("gpt-image-2")

    assert price_subject(model, ask(model), ["quality"])["quality"] == ""
    assert price_subject(model, ask(model, quality="low"), ["quality"])["quality"] == "low"


def test_videos_are_paid_by_their_length_and_what_they_start_from() -> None:
    found = subject("seedance-2.0", duration=7, resolution="720p")

    assert found == {
        "mode": "text",
        "resolution": "720p",
        "output_count": "1",
        "duration": "7",
    }
    assert parameter_of(SHIPPED.model("seedance-2.0"), "mode") == "inputs"
    assert parameter_of(SHIPPED.model("seedance-2.0"), "resolution") == "resolution"


def test_a_source_is_bound_by_the_seconds_that_are_billed_of_it() -> None:
    one, same, longer = (
        subject("enhance-video-1.0", "", film(seconds)) for seconds in (4.2, 4.9, 5.9)
    )

    assert one == same
    assert (one["video"], longer["video"]) == ("5", "6")
    assert "duration" not in one


def test_speech_is_paid_by_its_characters_and_not_by_its_words() -> None:
    one = subject("gpt-4o-mini-tts", "hello", voice="alloy")

    assert one["prompt"] == "5"
    assert one == subject("gpt-4o-mini-tts", "world", voice="alloy")


@pytest.mark.parametrize(("seconds", "minutes"), [(2, 1), (60, 1), (61, 2), (-1, 10)])
def test_a_started_minute_of_each_output_is_charged(
    tmp_path: Path, seconds: int, minutes: int
) -> None:
    head = BASE[BASE.index("[channels.c]") :].replace("openai_images", "fal")
    text = TIMED + head + 'resubmit = "reconcile_first"\n[channels.c.fields]\nprompt = "prompt"\n'
    model = load([Files(tmp_path).write(text)], ENV).model("m")
    made = ask(model, output_count=3, duration=seconds)

    assert price_units(made, seconds_of(model, made), unit="minute") == {"minute": 3 * minutes}
    (line,) = _price(model, made, NOW)
    assert (line.unit, line.quantity_milli) == ("minute", 3_000 * minutes)
    assert line.amount_micros == 3 * minutes * 60_000
