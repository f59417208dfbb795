"""Speech is sold by the character, and each channel is asked only for what it can say."""

from datetime import UTC, datetime

import pytest

from billing.pricing import quote
from core.body import Body
from core.catalog import schema
from core.catalog.loader import CatalogueError, embedded_files, load, shipped_files
from core.model import Kind
from core.providers.elevenlabs_speech import FORMATS
from tests.catalog.catalogue_files import BASE

MODEL_ID = "gpt-4o-mini-tts"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
KEYS = ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "ELEVENLABS_API_KEY")
ENV = {
    **dict.fromkeys(KEYS, "k"),
    "AZURE_OPENAI_ENDPOINT": "https://resource.openai.azure.com",
    **{f"SIMULATOR_URL_SPEECH_{name}": "http://127.0.0.1:1" for name in "ABC"},
    **{f"SIMULATOR_KEY_SPEECH_{name}": "k" for name in "ABC"},
}


@pytest.fixture(scope="module", params=[shipped_files, embedded_files], ids=["shipped", "embedded"])
def known(request):
    return load(request.param(), ENV)


@pytest.mark.parametrize(("text", "micros"), [("x", 15), ("x" * 4096, 61_440), ("né", 30)])
def test_every_character_costs_the_same(known, text, micros):
    model = known.model(MODEL_ID)
    ask = schema.validate(model, Body(text), {})

    assert model.kind is Kind.AUDIO
    assert (
        quote(model.prices, schema.price_facts(model, ask), schema.price_units(ask), NOW) == micros
    )


def test_a_voice_and_a_format_are_always_told(known):
    ask = schema.validate(known.model(MODEL_ID), Body("x"), {"instructions": "Whisper."})

    assert dict(ask.parameters) == {"voice": "alloy", "output_format": "mp3"}
    assert ask.texts == {"instructions": Body("Whisper.")}


def test_each_model_has_three_channels_of_three_providers(known):
    channels = known.channels_of(known.model(MODEL_ID))

    dialects = {channel.dialect for channel in channels}
    assert dialects == {"openai_speech", "azure_speech", "elevenlabs_speech"}


def test_elevenlabs_is_asked_only_for_voices_and_formats_that_it_has(known):
    model = known.model(MODEL_ID)
    (channel,) = [
        channel for channel in known.channels_of(model) if channel.dialect == "elevenlabs_speech"
    ]
    for voice in model.parameters["voice"].values:
        has_voice = f"voice.{voice}" in channel.options
        assert has_voice != (f"voice={voice}" in channel.unsupported)
    for name in model.parameters["output_format"].values:
        assert (name in FORMATS) != (f"output_format={name}" in channel.unsupported)
    assert {"instructions", "speed"} <= channel.unsupported
    assert channel.bills_on_cancel


def test_a_picture_is_not_sold_by_the_character(tmp_path):
    file = tmp_path / "wrong.toml"
    file.write_text(BASE.replace('unit = "image"', 'unit = "character"'))
    with pytest.raises(CatalogueError, match="kind audio"):
        load([file], {})
