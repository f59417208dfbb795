"""What the tests hear: sounds decoded by PyAV, and a raw sample rate for those without a header."""

import io
from dataclasses import dataclass

import av

PCM_BYTES_PER_SECOND = 48_000
CONTAINERS = {"mp3": "mp3", "opus": "ogg", "aac": "aac", "flac": "flac", "wav": "wav"}
CODECS = {"mp3": "mp3", "opus": "opus", "aac": "aac", "flac": "flac", "wav": "pcm_s16le"}
FORMATS = (*CONTAINERS, "pcm")


@dataclass(frozen=True)
class Heard:
    """A sound that was decoded to its end."""

    container: str
    codec: str
    seconds: float


def hear(data: bytes) -> Heard:
    """Decode every sample of *data*; raises av.error.FFmpegError for what is no sound."""
    with av.open(io.BytesIO(data)) as opened:
        stream = opened.streams.audio[0]
        seconds = sum(frame.samples / frame.sample_rate for frame in opened.decode(stream))
        return Heard(
            opened.format.name, stream.codec_context.codec.name.removesuffix("float"), seconds
        )


def assert_sounds(data: bytes, sound_format: str, seconds: float) -> None:
    """*data* is of the format, and about so long."""
    if sound_format == "pcm":
        assert len(data) / PCM_BYTES_PER_SECOND == seconds
        return
    heard = hear(data)
    assert (heard.container, heard.codec) == (CONTAINERS[sound_format], CODECS[sound_format])
    assert abs(heard.seconds - seconds) < 0.2
