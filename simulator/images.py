"""Real image bytes, deterministic, and cached so that a load test measures something else.

An image is a function of its recipe alone: a gradient, a few discs and a caption saying that it
is simulated, coloured by `variant`. Nothing of a request but its digest's choice of variant
reaches it, so the cache holds no caller's data.
"""

import asyncio
import colorsys
import io
import random
import struct
import zlib
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw, ImageFont, ImageOps

# How many different pictures one size and format can show.
VARIANTS: Final = 8
CACHE_BYTES: Final = 96 << 20
TINY_SIDE: Final = 16
# Above this many pixels, encoding takes long enough to be worth a thread.
_INLINE_PIXELS: Final = 256 * 256
_JPEG_SEGMENT: Final = 65_533


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything an image depends on.

    `image_format` is png, jpeg or webp; `compression` 0 to 100 is the quality of the lossy two.
    `blur` > 0 makes a preview, coarser the larger it is. `padded_bytes` pads the file to exactly
    that length with bytes that decoders skip.
    """

    width: int
    height: int
    image_format: str
    compression: int
    transparent: bool
    variant: int
    blur: int = 0
    padded_bytes: int | None = None


def variant_of(fingerprint: bytes, index: int = 0) -> int:
    """Which picture a request shows, by its digest; the next output of it shows the next one."""
    return (int.from_bytes(fingerprint[:4], "big") + index) % VARIANTS


def draw(recipe: Recipe, seed: int) -> bytes:
    """Give the encoded image of *recipe*."""
    # A string seeds the generator the same way in every process and on every platform.
    chance = random.Random(f"{seed}:{recipe.variant}")
    size = (recipe.width, recipe.height)
    picture = _gradient(size, chance)
    _decorate(picture, chance)
    if recipe.blur:
        factor = 4 << recipe.blur
        coarse = (max(1, size[0] // factor), max(1, size[1] // factor))
        picture = picture.resize(coarse, Image.Resampling.BOX).resize(
            size, Image.Resampling.BICUBIC
        )
    if recipe.transparent:
        # Opaque in the middle, fading out to the corners.
        alpha = ImageOps.invert(Image.radial_gradient("L")).resize(size)
        picture.putalpha(alpha.point([min(255, 2 * level) for level in range(256)]))
    data = _encode(picture, recipe)
    if recipe.padded_bytes is not None:
        data = _PADDERS[recipe.image_format](data, recipe.padded_bytes - len(data), chance)
    return data


def _gradient(size: tuple[int, int], chance: random.Random) -> Image.Image:
    hue = chance.random()
    colours = [
        tuple(round(255 * part) for part in colorsys.hsv_to_rgb((hue + turn) % 1.0, 0.55, value))
        for turn, value in ((0.0, 0.25), (0.08, 0.65), (0.2, 0.95))
    ]
    ramp = Image.linear_gradient("L").resize(size, Image.Resampling.BILINEAR)
    return ImageOps.colorize(ramp, colours[0], colours[2], colours[1])


def _decorate(picture: Image.Image, chance: random.Random) -> None:
    width, height = picture.size
    pen = ImageDraw.Draw(picture)
    for _ in range(5):
        radius = min(width, height) * chance.uniform(0.05, 0.2)
        x, y = chance.uniform(0, width), chance.uniform(0, height)
        tone = tuple(chance.randrange(80, 256) for _ in range(3))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tone)
    if min(width, height) >= 64:
        font = ImageFont.load_default(max(10, min(width, height) // 24))
        pen.text((width // 24, height // 24), f"simulated {width}x{height}", "white", font=font)


def _encode(picture: Image.Image, recipe: Recipe) -> bytes:
    file = io.BytesIO()
    match recipe.image_format:
        case "png":
            picture.save(file, "PNG", compress_level=1)
        case "jpeg":
            picture.save(file, "JPEG", quality=max(1, recipe.compression))
        case "webp":
            picture.save(file, "WEBP", quality=recipe.compression, method=0)
        case other:
            raise LookupError(f"no encoder for {other}")
    return file.getvalue()


def _pad_png(data: bytes, missing: int, chance: random.Random) -> bytes:
    """Put an ancillary, private, safe-to-copy chunk before IEND, the last 12 bytes."""
    body = b"reAp" + chance.randbytes(missing - 12)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:-12] + chunk + data[-12:]


def _pad_jpeg(data: bytes, missing: int, chance: random.Random) -> bytes:
    """Put comment segments after the start marker, each of 4 bytes and up."""
    segments = []
    while missing:
        length = min(missing, _JPEG_SEGMENT + 4)
        # The rest must be able to hold a segment of its own.
        if 0 < missing - length < 4:
            length -= 4
        segments.append(struct.pack(">HH", 0xFFFE, length - 2) + chance.randbytes(length - 4))
        missing -= length
    return data[:2] + b"".join(segments) + data[2:]


def _pad_webp(data: bytes, missing: int, chance: random.Random) -> bytes:
    """Append an unknown RIFF chunk; chunks are even, so an odd length loses its last byte."""
    filler = missing - 8 - missing % 2
    chunk = b"reAp" + struct.pack("<I", filler) + chance.randbytes(filler)
    grown = data + chunk
    return grown[:4] + struct.pack("<I", len(grown) - 8) + grown[8:] + b"\0" * (missing % 2)


_PADDERS: Final[dict[str, Callable[[bytes, int, random.Random], bytes]]] = {
    "png": _pad_png,
    "jpeg": _pad_jpeg,
    "webp": _pad_webp,
}


class ImageCache:
    """Images as base64, drawn once each; the least recently used go when it is full."""

    def __init__(self, seed: int, max_bytes: int = CACHE_BYTES) -> None:
        self._seed = seed
        self._max_bytes = max_bytes
        self._bytes = 0
        self._images: OrderedDict[Recipe, bytes] = OrderedDict()
        self._drawing: dict[Recipe, asyncio.Task[bytes]] = {}

    async def base64(self, recipe: Recipe) -> bytes:
        """Give the image in base64; concurrent callers of one recipe share the drawing."""
        found = self._images.get(recipe)
        if found is not None:
            self._images.move_to_end(recipe)
            return found
        if recipe.width * recipe.height <= _INLINE_PIXELS and recipe.padded_bytes is None:
            return self._keep(recipe, self._drawn(recipe))
        drawing = self._drawing.get(recipe)
        if drawing is None:
            drawing = asyncio.create_task(self._draw_aside(recipe))
            self._drawing[recipe] = drawing
        # A caller who leaves must not take the picture away from the others.
        return await asyncio.shield(drawing)

    async def close(self) -> None:
        """Wait for the drawings that nobody wants any more."""
        await asyncio.gather(*self._drawing.values(), return_exceptions=True)

    async def _draw_aside(self, recipe: Recipe) -> bytes:
        try:
            return self._keep(recipe, await asyncio.to_thread(self._drawn, recipe))
        finally:
            del self._drawing[recipe]

    def _drawn(self, recipe: Recipe) -> bytes:
        return b64encode(draw(recipe, self._seed))

    def _keep(self, recipe: Recipe, data: bytes) -> bytes:
        self._images[recipe] = data
        self._bytes += len(data)
        while self._bytes > self._max_bytes and len(self._images) > 1:
            self._bytes -= len(self._images.popitem(last=False)[1])
        return data
