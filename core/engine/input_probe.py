"""Looks at the files of a request: what they are, and whether they may be so large."""

from core.engine.order import RawInput
from core.errors import GatewayError, Reason
from core.media import probe
from core.model import Input, Role

_IMAGES = ("image/", "PNG, JPEG or WebP image")
_READABLE = {
    Role.VIDEO: ("video/", "MP4 or WebM video"),
    Role.AUDIO: ("audio/", "MP3, WAV, FLAC, Ogg or AAC sound"),
}
MAXIMUM_PIXELS = 1 << 27
"""Of an input: a few bytes may unpack to more than a provider can bear."""


def probed(item: RawInput) -> Input:
    """The file with what its first bytes tell; raises INVALID_INPUT naming the parameter."""
    found = probe(item.data.reveal())
    kind, names = _READABLE.get(item.role, _IMAGES)
    if found is None or not found.media_type.startswith(kind):
        raise GatewayError(
            Reason.INVALID_INPUT,
            f"`{item.parameter}` is not a readable {names}.",
            parameter=item.parameter,
        )
    if found.width * found.height > MAXIMUM_PIXELS:
        raise GatewayError(
            Reason.INVALID_INPUT,
            f"`{item.parameter}` has more than {MAXIMUM_PIXELS} pixels.",
            parameter=item.parameter,
        )
    return Input(
        item.role,
        item.data,
        found.media_type,
        found.width,
        found.height,
        item.parameter,
        found.seconds,
        item.url,
        found.frames,
    )
