"""Reads answers that are a sound itself, while they are being made. Pure."""

from collections.abc import Mapping, Sequence

from core.body import Body
from core.errors import UpstreamError
from core.model import Ask, Final, Piece, Sound
from core.providers.wire import EventReader, invalid
from core.sound import PCM, sniff_sound

SNIFFED_BYTES = 16
"""How much of a sound tells its type. Nothing is given before: what is no sound, nobody hears."""

# fmt: off
MEDIA_TYPES: Mapping[str, str] = {
    "mp3":  "audio/mpeg",
    "opus": "audio/ogg",
    "aac":  "audio/aac",
    "flac": "audio/flac",
    "wav":  "audio/wav",
    "pcm":  PCM,
}
"""What a file of each `output_format` is."""
# fmt: on


class SoundReader:
    """Makes pieces of the bytes of one sound of a known type."""

    def __init__(self, media_type: str) -> None:
        self._media_type = media_type
        self._parts: list[bytes] = []
        self._size = 0
        self._is_known = False

    @property
    def complete(self) -> bool:
        """Never before the end of the body."""
        return False

    def feed(self, data: bytes) -> tuple[Sequence[Piece], UpstreamError | None]:
        """The piece that *data* makes, if any, and the failure: it is of another type."""
        self._parts.append(data)
        if self._is_known:
            return [self._piece(data)], None
        head = b"".join(self._parts)
        if len(head) < SNIFFED_BYTES:
            return (), None
        if self._media_type != PCM and sniff_sound(head) != self._media_type:
            return (), invalid()
        self._is_known = True
        self._parts = [head]
        return [self._piece(head)], None

    def finish(self) -> Sequence[Piece]:
        """The end and the whole, once the body has ended in good order. Raises UpstreamError."""
        if not self._is_known:
            raise invalid()
        end = Sound(0, self._media_type, self._size, Body(b""), last=True)
        return [end, Final(0, Body(b"".join(self._parts)))]

    def _piece(self, data: bytes) -> Sound:
        offset, self._size = self._size, self._size + len(data)
        return Sound(0, self._media_type, offset, Body(data))


class SoundDialect:
    """For dialects whose answers are sounds: there are no events to read."""

    def reader(self, ask: Ask) -> EventReader:
        """Never asked: no call of these dialects streams events."""
        del ask
        raise AssertionError("a sound is no stream of events")
