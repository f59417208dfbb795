"""Real MP4 files, deterministic, encoded once each and kept while there is room.

A video is a function of its recipe alone: a still gradient with a square whose hue moves once a
second, a quiet tone if it has sound. It has the size and the duration that were asked for; its
frames are as many a second, up to 24, as can be encoded quickly, so that long or large videos stay
cheap (720p of 5 s: 24; 1080p of 5 s: 10; 4k of 15 s: 1).

PyAV is an extra (`pip install 'reapi[demo]'`), imported when the first video is made. Only FFmpeg's
own encoders are used, `mpeg4` and `aac`: docs/decisions/0008-simulated-video-uses-pyav.md.
"""

import asyncio
import colorsys
import importlib.util
import io
import math
from array import array
from collections import OrderedDict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import av

CACHE_BYTES: Final = 48 << 20
MAX_FPS: Final = 24
# Pixels encoded per video at most: about 0.1 s of one core.
_PIXEL_BUDGET: Final = 1280 * 720 * 5 * MAX_FPS
_RATE: Final = 24_000
_SAMPLES: Final = 1_024
# Fine enough that flat areas need no correction afterwards: that would cost more than it saves.
_QUALITY: Final = "4"


class NoEncoder(Exception):
    """PyAV is not installed."""


@dataclass(frozen=True, slots=True)
class VideoRecipe:
    """Everything a video depends on; the sides are even."""

    width: int
    height: int
    seconds: int
    audio: bool
    variant: int

    @property
    def fps(self) -> int:
        """Frames a second, 1 to 24."""
        affordable = _PIXEL_BUDGET // (self.width * self.height * self.seconds)
        return max(1, min(MAX_FPS, affordable))


def available() -> bool:
    """Say whether videos can be made here."""
    return importlib.util.find_spec("av") is not None


def encode(recipe: VideoRecipe) -> bytes:
    """Give the MP4 of *recipe*; raises NoEncoder. Takes up to about 0.15 s of a core."""
    try:
        # Here, not above: an extra that may be absent, and 0.1 s that only videos should cost.
        import av  # noqa: PLC0415
    except ImportError:
        raise NoEncoder from None
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        video = container.add_stream("mpeg4", rate=recipe.fps)
        video.width, video.height, video.pix_fmt = recipe.width, recipe.height, "yuv420p"
        # One key frame, whatever changes; what does not move then costs next to nothing.
        video.gop_size, video.max_b_frames = 1 << 20, 0
        video.options = {"qmin": _QUALITY, "qmax": _QUALITY, "sc_threshold": str(1 << 30)}
        video.codec_context.thread_count = 1
        tone = None
        if recipe.audio:
            tone = container.add_stream("aac", rate=_RATE, layout="mono", bit_rate=16_000)
        frame = av.VideoFrame(recipe.width, recipe.height, "yuv420p")
        _paint_gradient(frame, recipe)
        for index in range(recipe.seconds * recipe.fps):
            if index % recipe.fps == 0:
                _paint_square(frame, recipe, index // recipe.fps)
            frame.pts, frame.time_base = index, Fraction(1, recipe.fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if tone is not None:
            for sound in _tone(recipe):
                container.mux(tone.encode(sound))
            container.mux(tone.encode(None))
    return file.getvalue()


def _tone(recipe: VideoRecipe) -> "list[av.AudioFrame]":
    """Give the frames of a tone, whose period divides their length: all hold the same samples."""
    import av  # noqa: PLC0415 - as above

    wave = [0.02 * math.sin(2 * math.pi * index / 64) for index in range(_SAMPLES)]
    samples = array("f", wave).tobytes()
    frames = []
    for start in range(0, recipe.seconds * _RATE, _SAMPLES):
        count = min(_SAMPLES, recipe.seconds * _RATE - start)
        frame = av.AudioFrame("fltp", "mono", count)
        frame.planes[0].update(samples[: frame.planes[0].buffer_size])
        frame.pts, frame.sample_rate, frame.time_base = start, _RATE, Fraction(1, _RATE)
        frames.append(frame)
    return frames


def _paint_gradient(frame: "av.VideoFrame", recipe: VideoRecipe) -> None:
    """Fill the frame: lighter from top to bottom, in the colour of the variant."""
    light, blue, red = frame.planes
    rows = (light.height + 15) // 16
    light.update(
        b"".join(
            bytes([48 + 128 * (row // 16) // rows]) * light.line_size for row in range(light.height)
        )
    )
    blue_tone, red_tone = _chroma(recipe.variant / 8, 0.2)
    blue.update(bytes([blue_tone]) * blue.buffer_size)
    red.update(bytes([red_tone]) * red.buffer_size)


def _paint_square(frame: "av.VideoFrame", recipe: VideoRecipe, second: int) -> None:
    """Colour a square in the middle; its hue goes round once in twelve seconds."""
    tones = _chroma(recipe.variant / 8 + second / 12, 0.9)
    side = min(recipe.width, recipe.height) // 4 // 16 * 16 or 16
    for plane, tone in zip(frame.planes[1:], tones, strict=True):
        half = min(side // 2, plane.width, plane.height)
        left, top = (plane.width - half) // 2 // 8 * 8, (plane.height - half) // 2 // 8 * 8
        pixels = bytearray(plane)
        for row in range(top, top + half):
            start = row * plane.line_size + left
            pixels[start : start + half] = bytes([tone]) * half
        plane.update(bytes(pixels))


def _chroma(hue: float, saturation: float) -> tuple[int, int]:
    """Give Cb and Cr (BT.601) of a bright colour."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, 0.8)
    cb = 128 + 112 * (-0.338 * red - 0.662 * green + blue)
    cr = 128 + 112 * (red - 0.838 * green - 0.162 * blue)
    return round(min(240, max(16, cb))), round(min(240, max(16, cr)))


class VideoCache:
    """Videos, encoded aside, one at a time; the least recently used go when it is full."""

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._videos: OrderedDict[VideoRecipe, bytes] = OrderedDict()
        self._encoding: dict[VideoRecipe, asyncio.Task[bytes]] = {}
        self._encoder = asyncio.Lock()

    async def mp4(self, recipe: VideoRecipe) -> bytes:
        """Give the file; concurrent callers of one recipe share the encoding. Raises NoEncoder."""
        found = self._videos.get(recipe)
        if found is not None:
            self._videos.move_to_end(recipe)
            return found
        encoding = self._encoding.get(recipe)
        if encoding is None:
            encoding = asyncio.create_task(self._encode_aside(recipe))
            self._encoding[recipe] = encoding
        # A caller who leaves must not take the video away from the others.
        return await asyncio.shield(encoding)

    async def close(self) -> None:
        """Wait for the videos that nobody wants any more."""
        await asyncio.gather(*self._encoding.values(), return_exceptions=True)

    async def _encode_aside(self, recipe: VideoRecipe) -> bytes:
        try:
            async with self._encoder:
                data = await asyncio.to_thread(encode, recipe)
        finally:
            del self._encoding[recipe]
        self._videos[recipe] = data
        self._bytes += len(data)
        while self._bytes > self._max_bytes and len(self._videos) > 1:
            self._bytes -= len(self._videos.popitem(last=False)[1])
        return data
