"""What a file is, from its first bytes: PNG, JPEG and WebP.

Sources: PNG (W3C, IHDR), JPEG (ITU-T T.81, SOFn markers), WebP (RFC 9649, VP8, VP8L, VP8X).
"""

from dataclasses import dataclass

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Probe:
    """MIME type and pixels; a size of 0 × 0 means that the header does not tell."""

    media_type: str
    width: int = 0
    height: int = 0


def probe(data: bytes) -> Probe | None:
    """Recognise an image by its bytes; None when it is none of the three types."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    return None


def _number(data: bytes, start: int, length: int, order: str = "big") -> int:
    return int.from_bytes(data[start : start + length], "little" if order == "little" else "big")


def _png(data: bytes) -> Probe | None:
    if len(data) < 33 or data[12:16] != b"IHDR":
        return None
    return _sized("image/png", _number(data, 16, 4), _number(data, 20, 4))


def _jpeg(data: bytes) -> Probe | None:
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
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
    return Probe(media_type, width, height) if width > 0 and height > 0 else None
