"""Sounds are recognised by their bytes, with their duration."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.body import Body
from core.engine.input_probe import probed
from core.engine.order import RawInput
from core.errors import GatewayError, Reason
from core.media import EXTENSIONS, SNIFFED_BYTES, declared, probe, sniff
from core.model import Role
from simulator.sounds import SoundRecipe, encode
from tests.sounds import CONTAINERS, hear

TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
}
every_format = pytest.mark.parametrize("sound_format", CONTAINERS)


@cache
def sound(sound_format: str, milliseconds: int = 2_500) -> bytes:
    return encode(SoundRecipe(sound_format, milliseconds, 1))


@every_format
@pytest.mark.parametrize("milliseconds", [200, 2_500])
def test_type_and_duration_are_those_that_a_decoder_finds(sound_format, milliseconds):
    data = sound(sound_format, milliseconds)
    found = probe(data)

    assert found is not None
    assert (found.media_type, found.has_audio) == (TYPES[sound_format], True)
    assert abs(found.seconds - hear(data).seconds) < 0.12
    assert found.media_type in EXTENSIONS


@every_format
def test_the_first_bytes_tell_the_type(sound_format):
    assert sniff(sound(sound_format)[:SNIFFED_BYTES]) == TYPES[sound_format]


def test_a_wav_that_knows_its_length_is_as_long():
    found = probe(encode(SoundRecipe("wav", 700, 0, has_length=True)))

    assert found is not None
    assert found.seconds == 0.7


def test_samples_without_a_header_are_what_they_are_declared_to_be():
    data = encode(SoundRecipe("pcm", 500, 0))
    found = declared(data, "audio/pcm")

    assert probe(data) is None
    assert found is not None
    assert (found.media_type, found.seconds) == ("audio/pcm", 0.5)


@pytest.mark.parametrize("data", [b"", b"odd"])
def test_no_samples_and_half_a_sample_are_no_sound(data):
    assert declared(data, "audio/pcm") is None


def test_what_is_declared_otherwise_is_looked_at():
    assert declared(b"<html>", "audio/mpeg") is None


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff" * 20,  # no bit rate
        b"\xff\xeb\x90\x00" * 20,  # a version that does not exist
        b"\xff\xfd\x90\x00" * 20,  # layer II
        b"\xff\xf1\x3c\x80" * 20,  # a sample rate that does not exist
        b"RIFF\0\0\0\0AVI LIST" * 4,
        b"<!DOCTYPE html><html></html>" * 3,
    ],
)
def test_what_only_looks_like_a_sound_is_none(data):
    assert sniff(data) == ""
    assert probe(data) is None


@every_format
def test_a_sound_that_a_model_refers_to_is_looked_at_too(sound_format):
    found = probed(RawInput(Role.AUDIO, Body(sound(sound_format)), "audio_urls[0]"))

    assert found.media_type == TYPES[sound_format]
    assert abs(found.seconds - 2.5) < 0.2


@pytest.mark.parametrize("data", [b"<html>" * 20, encode(SoundRecipe("pcm", 500, 0))])
def test_what_is_no_sound_cannot_be_referred_to(data):
    with pytest.raises(GatewayError) as caught:
        probed(RawInput(Role.AUDIO, Body(data), "audio_urls[0]"))

    assert (caught.value.reason, caught.value.parameter) == (Reason.INVALID_INPUT, "audio_urls[0]")


@every_format
@given(st.data())
def test_no_cut_and_no_damage_is_ever_an_exception(sound_format, data):
    whole = bytearray(sound(sound_format, 300))
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    for _ in range(data.draw(st.integers(0, 4))):
        if cut:
            cut[data.draw(st.integers(0, len(cut) - 1))] = data.draw(st.integers(0, 255))
    found = probe(bytes(cut))

    assert found is None or found.seconds >= 0
