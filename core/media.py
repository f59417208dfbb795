"""What a file is, from its bytes: PNG, JPEG, WebP, MP4, WebM, and sounds. Pure.

Sources: PNG (W3C, IHDR), JPEG (ITU-T T.81, SOFn markers), WebP (RFC 9649, VP8, VP8L, VP8X),
WebM (RFC 8794, EBML's DocType), MP4 (see `core.mp4`), sounds (see `core.sound`).
"""

from struct import Struct

from core import sound
from core.mp4 import Mp4, VideoProbe
from core.values import dataclass

EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "video/mp4": "mp4",
    "video/webm": "webm",
    **sound.EXTENSIONS,
}
SNIFFED_BYTES = 64
"""How much of a file tells its type."""

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MAXIMUM_SEGMENTS = 10_000
"""Before the size of a JPEG; a profile and a preview take a few hundred. A file of nothing else
would take long to read."""
_SIDES = Struct(">II")
"""Of a PNG, at its place in IHDR."""
_LARGEST = (1 << 31) - 1
"""Pixels of a side, by the definition of PNG, the only type whose field could hold more."""


@dataclass(frozen=True, slots=True)
class Probe:
    """MIME type and pixels; a size of 0 × 0 means that the header does not tell.

    `seconds` is 0 where the file does not tell. Of WebM only the type is known.
    """

    media_type: str
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    has_audio: bool = False
    frames: int = 0
    """Of an MP4; 0 where its index does not tell."""


def sniff(head: bytes) -> str:
    """The MIME type of a file that starts with *head*; empty when it is none that we know."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return "video/mp4"
    if head.startswith(b"\x1a\x45\xdf\xa3") and b"webm" in head[:SNIFFED_BYTES]:
        return "video/webm"
    return sound.sniff_sound(head)


def probe(data: bytes) -> Probe | None:
    """Recognise a file by its bytes; None when it is none of our types.

    Of an image the first bytes do; of an MP4 those up to the end of its index, which may
    be its last; of a sound all of them, for its duration.
    """
    match sniff(data):
        case "image/png":
            return _png(data)
        case "image/jpeg":
            return _jpeg(data)
        case "image/webp":
            return _webp(data)
        case "video/mp4":
            video = VideoProbe()
            video.feed(data)
            return of_video(video.found)
        case "video/webm":
            return Probe("video/webm")
        case media_type if media_type.startswith("audio/"):
            return of_sound(media_type, sound.seconds_of_sound(media_type, data))
    return None


def declared(data: bytes, media_type: str) -> Probe | None:
    """Like `probe`, of a file that shall be of *media_type*, if that is not empty.

    Raw samples have no header: they are believed to be what was asked for.
    """
    if media_type == sound.PCM:
        return of_sound(media_type, sound.seconds_of_samples(data))
    return probe(data)


def of_sound(media_type: str, seconds: float | None) -> Probe | None:
    """A sound that lasts so long, in the words of `probe`; None if it is none."""
    return None if seconds is None else Probe(media_type, seconds=seconds, has_audio=True)


def of_video(found: Mp4 | None) -> Probe | None:
    """What a `VideoProbe` found, in the words of `probe`."""
    if found is None:
        return None
    return Probe(
        "video/mp4", found.width, found.height, found.seconds, found.has_audio, found.frames
    )


def _number(data: bytes, start: int, length: int, order: str = "big") -> int:
    return int.from_bytes(data[start : start + length], "little" if order == "little" else "big")


def _png(data: bytes) -> Probe | None:
    if len(data) < 33 or data[12:16] != b"IHDR":
        return None
    width, height = _SIDES.unpack_from(data, 16)
    return _sized("image/png", width, height)


def _jpeg(data: bytes) -> Probe | None:
    at = 2
    for _ in range(_MAXIMUM_SEGMENTS):
        if at + 9 >= len(data) or data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAME_HEADERS:
            return _sized("image/jpeg", _number(data, at + 7, 2), _number(data, at + 5, 2))
        at += 2 + max(2, _number(data, at + 2, 2))
    return None


def _webp(data: bytes) -> Probe | None:
    kind = data[12:16]
    if len(data) < 30:
        return None
    if kind == b"VP8X":
        width, height = _number(data, 24, 3, "little") + 1, _number(data, 27, 3, "little") + 1
    elif kind == b"VP8L":
        bits = _number(data, 21, 4, "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (
            _number(data, 26, 2, "little") & 0x3FFF,
            _number(data, 28, 2, "little") & 0x3FFF,
        )
    else:
        return None
    return _sized("image/webp", width, height)


def _sized(media_type: str, width: int, height: int) -> Probe | None:
    if not (0 < width <= _LARGEST and 0 < height <= _LARGEST):
        return None
    return Probe(media_type, width, height)
