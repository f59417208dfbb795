"""Real sounds, deterministic: a tone in syllables, about as long as the text takes to say.

WAV and raw samples are written here; the others are encoded through PyAV, like the simulated
videos (docs/decisions/0008-simulated-video-uses-pyav.md), with `libmp3lame`, `libopus` and
FFmpeg's `aac` and `flac`. Sounds end after MAX_SECONDS, so that long texts stay cheap.
"""

import asyncio
import importlib.util
import io
import math
import struct
from array import array
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

MAX_SECONDS: Final = 60.0
CACHE_BYTES: Final = 16 << 20
CHARACTERS_PER_SECOND: Final = 15
# Formats that need an encoder: the container, the codec, and the sample rate.
ENCODED: Final = {
    "mp3": ("mp3", "libmp3lame", 24_000),
    "opus": ("ogg", "libopus", 48_000),
    "aac": ("adts", "aac", 24_000),
    "flac": ("flac", "flac", 24_000),
}
PCM_RATE: Final = 24_000

_SHORTEST: Final = 0.2
_SYLLABLES: Final = 4
_UNKNOWN_SIZE: Final = 0xFFFFFFFF


class NoEncoder(Exception):
    """PyAV is not installed."""


@dataclass(frozen=True, slots=True)
class SoundRecipe:
    """Everything a sound depends on. `milliseconds` is a multiple of 100."""

    sound_format: str
    milliseconds: int
    variant: int
    # Who streams a WAV announces no length; who sends it whole does.
    has_length: bool = False

    @property
    def pieces(self) -> int:
        """How many pieces it is sent in: four a second, as it would be made."""
        return max(2, self.milliseconds // 250)


def recipe_for(text: str, sound_format: str, speed: float, voice: str) -> SoundRecipe:
    """Give what *text* sounds like; each voice has a pitch of its own."""
    seconds = len(text) / CHARACTERS_PER_SECOND / speed
    milliseconds = round(min(MAX_SECONDS, max(_SHORTEST, seconds)) * 10) * 100
    return SoundRecipe(sound_format, milliseconds, sum(voice.encode()) % 8)


def available(sound_format: str) -> bool:
    """Say whether sounds of the format can be made here."""
    return sound_format not in ENCODED or importlib.util.find_spec("av") is not None


def pieces_of(data: bytes, count: int) -> tuple[bytes, ...]:
    """Cut *data* into at most *count* pieces, all but the last of one length."""
    length = max(1, -(-len(data) // count))
    return tuple(data[start : start + length] for start in range(0, len(data), length))


def encode(recipe: SoundRecipe) -> bytes:
    """Give the file of *recipe*; raises NoEncoder."""
    if recipe.sound_format == "pcm":
        return _samples(recipe, PCM_RATE)
    if recipe.sound_format == "wav":
        samples = _samples(recipe, PCM_RATE)
        return _wav_header(len(samples) if recipe.has_length else _UNKNOWN_SIZE) + samples
    return _encoded(recipe)


def _samples(recipe: SoundRecipe, rate: int) -> bytes:
    """Give 16 bit samples, little-endian, one channel: one second, again and again."""
    pitch = 2 * math.pi * (160 + 25 * recipe.variant) / rate
    beat = math.pi * _SYLLABLES / rate
    second = array(
        "h",
        (round(6_000 * math.sin(pitch * at) * abs(math.sin(beat * at))) for at in range(rate)),
    ).tobytes()
    length = rate * recipe.milliseconds // 1_000 * 2
    return (second * (length // len(second) + 1))[:length]


def _wav_header(size: int) -> bytes:
    """Give 44 bytes; a size that is not known is the largest."""
    whole = min(size + 36, _UNKNOWN_SIZE)
    form = struct.pack("<IHHIIHH", 16, 1, 1, PCM_RATE, PCM_RATE * 2, 2, 16)
    return (
        b"RIFF" + struct.pack("<I", whole) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size)
    )


def _encoded(recipe: SoundRecipe) -> bytes:
    try:
        # Here, not above: an extra that may be absent, and 0.1 s that only sounds should cost.
        import av  # noqa: PLC0415
    except ImportError:
        raise NoEncoder from None
    container_format, codec, rate = ENCODED[recipe.sound_format]
    file = io.BytesIO()
    with av.open(file, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(stream.format, "mono", rate)
        samples = _samples(recipe, rate)
        frame = av.AudioFrame("s16", "mono", len(samples) // 2)
        frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate = rate
        for each in (*resampler.resample(frame), None):
            container.mux(stream.encode(each))
    return file.getvalue()


class SoundCache:
    """Sounds, encoded aside, one at a time; the least recently used go when it is full."""

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._sounds: OrderedDict[SoundRecipe, bytes] = OrderedDict()
        self._encoder = asyncio.Lock()

    async def sound(self, recipe: SoundRecipe) -> bytes:
        """Give the file. Raises NoEncoder."""
        async with self._encoder:
            found = self._sounds.get(recipe)
            if found is not None:
                self._sounds.move_to_end(recipe)
                return found
            data = await asyncio.to_thread(encode, recipe)
            self._sounds[recipe] = data
            self._bytes += len(data)
            while self._bytes > self._max_bytes and len(self._sounds) > 1:
                self._bytes -= len(self._sounds.popitem(last=False)[1])
            return data
