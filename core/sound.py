"""What a sound is, from its bytes: MP3, WAV, FLAC, Ogg and AAC. Pure.

Sources: MP3 (ISO 11172-3 and 13818-3, frame header; ID3v2.4, header), WAV (RIFF, Microsoft's
WAVEFORMATEX), FLAC (RFC 9639, STREAMINFO), Ogg (RFC 3533; Opus in it: RFC 7845), AAC (ISO
13818-7, ADTS header).

How long a sound is, is told by WAV and FLAC at the beginning, by Ogg on its last page, and by the
frames of the others, which are counted. Raw samples have no header: they are what they are declared
to be.
"""

from collections.abc import Mapping
from typing import Final

PCM: Final = "audio/pcm"
PCM_BYTES_PER_SECOND: Final = 48_000
"""Of raw samples: 24 kHz, 16 bits, little-endian, one channel, as every provider sends them."""

EXTENSIONS: Final[Mapping[str, str]] = {
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/aac": "aac",
    PCM: "pcm",
}

_OPUS_RATE: Final = 48_000
_ADTS_RATES: Final = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000),
    *(22_050, 16_000, 12_000, 11_025, 8_000, 7_350),
)
_ADTS_SAMPLES: Final = 1_024
_MP3_KILOBITS: Final = (
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
"""Of layer III, by the index in the header from 1: of MPEG 1, then of MPEG 2 and 2.5."""
_MP3_RATES: Final = (44_100, 48_000, 32_000)
"""Of MPEG 1; those of MPEG 2 are half, those of 2.5 a quarter."""
_MPEG_1: Final = 3
_MAXIMUM_FRAMES: Final = 500_000
"""That are counted, hours of sound: a file of millions would take long."""
_MAXIMUM_CHUNKS: Final = 1_000
"""Before the samples of a WAV."""


def sniff_sound(head: bytes) -> str:
    """The MIME type of a sound that starts with *head*; empty when it is none that we know."""
    if head.startswith(b"ID3") or _is_mp3_frame(head):
        return "audio/mpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "audio/wav"
    if head.startswith(b"fLaC"):
        return "audio/flac"
    if head.startswith(b"OggS"):
        return "audio/ogg"
    if _is_adts_frame(head):
        return "audio/aac"
    return ""


def seconds_of_sound(media_type: str, data: bytes) -> float | None:
    """How long a whole sound of a type that was sniffed is; 0 if it does not tell.

    None if it is no such sound after all.
    """
    match media_type:
        case "audio/mpeg":
            return _mp3(data)
        case "audio/wav":
            return _wav(data)
        case "audio/flac":
            return _flac(data)
        case "audio/ogg":
            return _ogg(data)
        case "audio/aac":
            return _aac(data)
    return None


def seconds_of_samples(data: bytes) -> float | None:
    """How long raw samples are; None if there are none, or half of one."""
    if not data or len(data) % 2:
        return None
    return len(data) / PCM_BYTES_PER_SECOND


def _is_mp3_frame(head: bytes) -> bool:
    """Eleven set bits, a version that exists, layer III, a bit rate and a sample rate."""
    return (
        len(head) >= 4
        and head[0] == 0xFF
        and head[1] & 0xE0 == 0xE0
        and head[1] & 0x18 != 0x08
        and head[1] & 0x06 == 0x02
        and 0 < head[2] >> 4 < 15
        and head[2] & 0x0C != 0x0C
    )


def _is_adts_frame(head: bytes) -> bool:
    """Twelve set bits, the layer 0, and a sample rate that exists."""
    return (
        len(head) >= 7
        and head[0] == 0xFF
        and head[1] & 0xF6 == 0xF0
        and head[2] >> 2 & 0x0F < len(_ADTS_RATES)
    )


def _mp3(data: bytes) -> float | None:
    at = 0
    if data.startswith(b"ID3"):
        if len(data) < 10:
            return None
        size = 0
        for byte in data[6:10]:
            size = size << 7 | byte & 0x7F
        at = 10 + size
    seconds = 0.0
    for _ in range(_MAXIMUM_FRAMES):
        if not _is_mp3_frame(data[at : at + 4]):
            break
        length, duration = _mp3_frame(data[at : at + 4])
        at += length
        seconds += duration
    # 0 where a tag hides the first frame: what is one is believed.
    return seconds


def _mp3_frame(head: bytes) -> tuple[int, float]:
    """How many bytes a frame has, and how many seconds."""
    version = head[1] >> 3 & 3  # 3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5
    is_first = version == _MPEG_1
    rate = _MP3_RATES[head[2] >> 2 & 3] >> (0 if is_first else 1 if version else 2)
    bits = _MP3_KILOBITS[not is_first][(head[2] >> 4) - 1] * 1_000
    samples = 1_152 if is_first else 576
    return samples // 8 * bits // rate + (head[2] >> 1 & 1), samples / rate


def _wav(data: bytes) -> float | None:
    at, rate = 12, 0
    for _ in range(_MAXIMUM_CHUNKS):
        if at + 8 > len(data):
            break
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"fmt ":
            rate = int.from_bytes(data[at + 16 : at + 20], "little")
        elif name == b"data":
            if not rate:
                return None
            # Who streams it does not know its length beforehand, and announces any.
            return min(size, len(data) - at - 8) / rate
        at += 8 + size + size % 2
    return None


def _flac(data: bytes) -> float | None:
    if len(data) < 42 or data[4] & 0x7F:
        return None
    facts = int.from_bytes(data[18:26], "big")
    rate, samples = facts >> 44, facts & (1 << 36) - 1
    return samples / rate if rate else None


def _ogg(data: bytes) -> float | None:
    last = data.rfind(b"OggS")
    if len(data) < 28 or last + 14 > len(data):
        return None
    if data[28:36] != b"OpusHead" or not last:
        return 0.0
    samples = int.from_bytes(data[last + 6 : last + 14], "little", signed=True)
    skipped = int.from_bytes(data[38:40], "little")
    return max(0, samples - skipped) / _OPUS_RATE


def _aac(data: bytes) -> float | None:
    at, frames = 0, 0
    rate = _ADTS_RATES[data[2] >> 2 & 0x0F]
    while frames < _MAXIMUM_FRAMES and _is_adts_frame(data[at : at + 7]):
        length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        if length < 7:
            return None
        at += length
        frames += 1
    return frames * _ADTS_SAMPLES / rate
