"""Reads the type and the size of a picture from its first bytes; decodes nothing."""

from dataclasses import dataclass
from struct import unpack_from

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class Picture:
    """What the header of a picture says."""

    media_type: str
    width: int
    height: int


def probe(data: bytes | bytearray) -> Picture | None:
    """The picture that *data* begins; None if it is no PNG, JPEG or WebP, or has no size."""
    found = None
    if data.startswith(_PNG):
        found = _png(data)
    elif data.startswith(_JPEG):
        found = _jpeg(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        found = _webp(data)
    if found is None or found.width == 0 or found.height == 0:
        return None
    return found


def _png(data: bytes | bytearray) -> Picture | None:
    if len(data) < 33 or data[12:16] != b"IHDR":
        return None
    width, height = unpack_from(">II", data, 16)
    return Picture("image/png", width, height)


def _jpeg(data: bytes | bytearray) -> Picture | None:
    """Walk the segments up to the frame header (SOF0 to SOF15 without DHT, JPG, DAC)."""
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # stands alone
            at += 2
        elif marker in {0xD9, 0xDA}:  # the end, or the scan, before any frame
            return None
        elif 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = unpack_from(">HH", data, at + 5)
            return Picture("image/jpeg", width, height)
        else:
            (length,) = unpack_from(">H", data, at + 2)
            if length < 2:
                return None
            at += 2 + length
    return None


def _webp(data: bytes | bytearray) -> Picture | None:
    if len(data) < 30:
        return None
    chunk = bytes(data[12:16])
    if chunk == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
    elif chunk == b"VP8L" and data[20] == 0x2F:
        (bits,) = unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif chunk == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in unpack_from("<HH", data, 26))
    else:
        return None
    return Picture("image/webp", width, height)
