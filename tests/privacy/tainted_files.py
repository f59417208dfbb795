"""Pictures, films and sounds with a canary inside, where their formats have room for words."""

import base64
import io
import struct
import wave
from collections.abc import Callable, Mapping

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.model import Role
from tests.films import film
from tests.privacy.tainted_rest import tainted_png

SIDE = 640
"""Pixels: models have a smallest side."""
FILM = (640, 480)
FILM_SECONDS = 3
SOUND_SECONDS = 3
_CLIP = film(audio=True, size=FILM, seconds=FILM_SECONDS)


def tainted_picture(word: str) -> bytes:
    """A PNG that every model takes."""
    return tainted_png(word, SIDE)


def tainted_mask(word: str) -> bytes:
    """A PNG of the same size with transparent pixels."""
    note = PngInfo()
    note.add_text("Comment", word)
    out = io.BytesIO()
    Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0)).save(out, "PNG", pnginfo=note)
    return out.getvalue()


def tainted_film(word: str) -> bytes:
    """An MP4 with a box that players skip."""
    data = word.encode()
    return _CLIP + struct.pack(">I4s", 8 + len(data), b"free") + data


def tainted_sound(word: str) -> bytes:
    """A WAV with a comment (RIFF's LIST chunk) behind the samples."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * 8000 * SOUND_SECONDS))
    text = word.encode() + b"\0" * (len(word) % 2)
    comment = b"INFOICMT" + struct.pack("<I", len(text)) + text
    data = out.getvalue() + b"LIST" + struct.pack("<I", len(comment)) + comment
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


FILES: Mapping[Role, tuple[Callable[[str], bytes], str]] = {
    **dict.fromkeys(
        (Role.IMAGE, Role.FIRST_FRAME, Role.LAST_FRAME), (tainted_picture, "image/png")
    ),
    Role.MASK: (tainted_mask, "image/png"),
    Role.VIDEO: (tainted_film, "video/mp4"),
    Role.AUDIO: (tainted_sound, "audio/wav"),
}


def data_url(role: Role, word: str) -> str:
    """A file for *role* as a data URL."""
    make, kind = FILES[role]
    return f"data:{kind};base64,{base64.b64encode(make(word)).decode()}"
