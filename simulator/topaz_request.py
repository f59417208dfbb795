"""What a call of Topaz' video API asks for, and what an uploaded file really is.

Facts: Topaz' OpenAPI file, Video API 1.0.0.
"""

import io
import math
from dataclasses import dataclass
from typing import Final

from simulator.asked import Asked

# Those that enlarge, without the interpolators.
FILTERS: Final = frozenset(
    {
        *("aaa-9", "ahq-12", "alq-13", "alqs-2", "amq-13", "amqs-2", "color-1"),
        *("ddv-3", "dtd-4", "dtds-2", "dtv-4", "dtvs-2", "gcg-5", "ghq-5"),
        *("iris-2", "iris-3", "nxf-1", "nxl-1", "nxhf-1", "nyx-3", "prob-4"),
        *("rhea-1", "thd-3", "thf-4", "thm-2", "slf-1", "slf-2", "slf-3"),
    }
)
CONTAINERS: Final = ("mp4", "mov", "mkv")
# Pixels across, by codec.
WIDEST: Final = {"H264": 4_096, "H265": 8_192, "VP9": 8_192, "AV1": 16_384}
# A larger file is uploaded in several parts, which are not simulated.
MAX_BYTES: Final = 500 << 20
MAX_SIDE: Final = 16_384
# How much of what was said of a file may be off.
TOLERANCE: Final = 0.1
_CREDITS_PER_FULL_HD_SECOND: Final = 0.4


@dataclass(frozen=True, slots=True)
class Film:
    """What a video file is."""

    width: int
    height: int
    seconds: float
    frames: int
    has_audio: bool = False

    def resembles(self, other: "Film") -> bool:
        """Say whether two accounts of one file agree, nearly."""
        return (
            (self.width, self.height) == (other.width, other.height)
            and _close(self.seconds, other.seconds)
            and _close(self.frames, other.frames)
        )


@dataclass(frozen=True, slots=True)
class EnhanceOrder:
    """A valid request: what the file is said to be, and what is to come of it."""

    size: int
    film: Film
    width: int
    height: int
    keeps_audio: bool
    webhook_url: str | None

    @property
    def cost(self) -> tuple[int, int]:
        """Credits, at least and at most; the lower bound is billed."""
        pixels = self.width * self.height / (1_920 * 1_080)
        low = max(1, math.ceil(self.film.seconds * pixels * _CREDITS_PER_FULL_HD_SECOND))
        return low, math.ceil(low * 1.2)


def read_request(asked: Asked) -> EnhanceOrder:
    """Check a request; raises Unacceptable."""
    source, output = asked.inside("source"), asked.inside("output")
    source.choice("container", CONTAINERS)
    seconds, frames = source.number("duration"), source.integer("frameCount", 1, 1 << 30)
    source.number("frameRate")
    width, height = _resolution(source)
    size = source.integer("size", 1, MAX_BYTES)
    filters = asked.objects("filters")
    if not filters:
        raise asked.wrong("filters", "is required")
    for each in filters:
        if each.text("model", 32) not in FILTERS:
            raise each.wrong("model", "is not supported")
    output.number("frameRate")
    output.choice("audioCodec", ("AAC", "AC3", "PCM"))
    audio = output.choice("audioTransfer", ("Copy", "Convert", "None"))
    output.choice("container", CONTAINERS, "mp4")
    output.choice("dynamicCompressionLevel", ("Low", "Mid", "High"), "High")
    codec = output.choice("videoEncoder", tuple(WIDEST), "H265")
    made = _resolution(output)
    if made[0] > WIDEST[codec]:
        raise output.wrong("resolution.width", f"must be at most {WIDEST[codec]} with {codec}")
    webhook = None
    if asked.has("notifications"):
        webhook = asked.inside("notifications").link("webhookUrl", inline=False)
    film = Film(width, height, seconds, frames)
    return EnhanceOrder(size, film, *made, keeps_audio=audio != "None", webhook_url=webhook)


def look_at(data: bytes) -> Film | None:
    """Read what a file is; None if it is no video."""
    import av  # noqa: PLC0415 - an extra that may be absent; here a job was made, so it is not

    try:
        with av.open(io.BytesIO(data), "r") as container:
            if not container.streams.video:
                return None
            video = container.streams.video[0]
            frames = video.frames or sum(1 for _ in container.decode(video))
            seconds = (container.duration or 0) / av.time_base
            width, height = video.codec_context.width, video.codec_context.height
            return Film(width, height, seconds, frames, bool(container.streams.audio))
    except (av.FFmpegError, ValueError):
        return None


def _resolution(of: Asked) -> tuple[int, int]:
    resolution = of.inside("resolution")
    return resolution.integer("width", 1, MAX_SIDE), resolution.integer("height", 1, MAX_SIDE)


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= TOLERANCE * max(one, other)
