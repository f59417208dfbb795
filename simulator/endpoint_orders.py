"""What a job of a model makes: sizes, seconds, format and number, from its checked inputs.

The pixels of a class and a ratio are a guess where the table of the model has none: of images the
area of the class's square, of videos its lines as the short side.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil, sqrt
from typing import Final

from simulator.ark_fields import refused_at
from simulator.endpoint_fields import Field, Inputs, Meaning, picture_size, read_inputs
from simulator.hosting import COMPRESSION, Links, image_name, video_name
from simulator.images import VARIANTS, Recipe
from simulator.knobs import Knobs
from simulator.videos import VideoRecipe

# fmt: off
_AREAS: Final[Mapping[str, int]] = {
    "512": 512, "512px": 512, "0.5K": 512, "1K": 1024, "1k": 1024, "2K": 2048, "2k": 2048,
    "auto_2K": 2048, "3K": 3072, "auto_3K": 3072, "4K": 4096, "auto_4K": 4096,
}
_LINES: Final[Mapping[str, int]] = {
    "360p": 360, "480p": 480, "540p": 540, "720p": 720, "1080p": 1080, "4k": 2160,
}
_PRESETS: Final[Mapping[str, tuple[int, int]]] = {
    "square_hd": (1024, 1024), "square": (512, 512),
    "portrait_4_3": (768, 1024), "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768), "landscape_16_9": (1024, 576),
}
# fmt: on
PRESETS: Final = tuple(_PRESETS)
_PIXELS: Final = re.compile(r"([1-9][0-9]{1,3})x([1-9][0-9]{1,3})")
_RATIO: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9])?):([0-9]{1,3}(?:\.[0-9])?)")
_UNKNOWN_VIDEO: Final = ((1280, 720), 5)
"""Of a video behind a link: nothing is fetched."""
_LONGEST_SIDE: Final = 8192


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One model, or one way to use it. `kind` is image or video."""

    kind: str
    fields: Mapping[str, Field] = field(repr=False)
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Pixels by ratio, where a class does not decide."""
    default_size: str = "1K"
    """The class of outputs, where none was asked for."""
    default_format: str = "png"
    single: bool = False
    """The output is one link, not a list, at providers where models differ in that."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a job makes. `shown` is what its protocol shows again: no words and no files."""

    endpoint: str
    kind: str
    width: int
    height: int
    count: int
    image_format: str
    seconds: int
    sound: bool
    variant: int
    refused_at: str | None
    seed: int | None
    shown: Mapping[str, object] = field(repr=False)
    single: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """One file of a job that succeeded."""

    url: str
    width: int
    height: int
    content_type: str


def read_order(name: str, endpoint: Endpoint, given: Mapping[str, object]) -> Order:
    """Check a job's inputs; raises Problem."""
    inputs = read_inputs(endpoint.fields, given)
    shape = _Shape(endpoint, inputs)
    width, height = shape.size()
    seed = inputs.by(Meaning.SEED)
    return Order(
        endpoint=name,
        kind=endpoint.kind,
        width=width,
        height=height,
        count=inputs.count(),
        image_format=_format(inputs.by(Meaning.FORMAT) or endpoint.default_format),
        seconds=shape.seconds(),
        sound=inputs.by(Meaning.SOUND) is not False,
        variant=inputs.digest() % VARIANTS,
        refused_at=refused_at(str(inputs.by(Meaning.PROMPT) or "")),
        seed=seed if isinstance(seed, int) and seed >= 0 else None,
        shown=inputs.plain(),
        single=endpoint.single,
    )


def outputs(order: Order, links: Links, folder: str, since: float, seconds: int) -> list[Output]:
    """Give the files of a job, behind links that work for *seconds* from *since* on."""
    if order.kind == "video":
        video = VideoRecipe(order.width, order.height, order.seconds, order.sound, order.variant)
        url = links.link(folder, video_name(video), since, seconds)
        return [Output(url, order.width, order.height, "video/mp4")]
    first = 1 if order.refused_at == "one" else 0
    made = []
    for index in range(first, order.count):
        recipe = Recipe(
            width=order.width,
            height=order.height,
            image_format=order.image_format,
            compression=COMPRESSION,
            transparent=False,
            variant=(order.variant + index) % VARIANTS,
        )
        url = links.link(folder, image_name(recipe), since, seconds)
        made.append(Output(url, order.width, order.height, f"image/{order.image_format}"))
    return made


def shrunk(order: Order, knobs: Knobs) -> Order:
    """Give *order* with the size of images that the knobs want instead."""
    if order.kind == "video" or knobs.image == "real":
        return order
    plain = Recipe(order.width, order.height, order.image_format, COMPRESSION, False, 0)
    tiny = knobs.picture(plain)
    return replace(order, width=tiny.width, height=tiny.height)


@dataclass(slots=True)
class _Shape:
    """How large and how long an output is."""

    endpoint: Endpoint
    inputs: Inputs
    video: tuple[tuple[int, int], int] = _UNKNOWN_VIDEO

    def __post_init__(self) -> None:
        source = self.inputs.source
        if isinstance(source, bytes) and self.endpoint.kind == "video":
            self.video = _video(source) or _UNKNOWN_VIDEO

    def size(self) -> tuple[int, int]:
        wanted = self.inputs.by(Meaning.SIZE)
        if isinstance(wanted, dict):
            return int(wanted["width"]), int(wanted["height"])
        factor = self.inputs.by(Meaning.FACTOR)
        if factor is not None:
            (width, height), _ = self.video
            return _even(width * float(str(factor))), _even(height * float(str(factor)))
        word = str(wanted or self.endpoint.default_size)
        if (pixels := _PIXELS.fullmatch(word)) is not None:
            return int(pixels[1]), int(pixels[2])
        ratio = self._ratio()
        if word in _PRESETS:
            return _PRESETS[word]
        if ratio in self.endpoint.sizes:
            return self.endpoint.sizes[ratio]
        across = _quotient(ratio)
        if self.endpoint.kind == "image":
            side = _AREAS.get(word, 1024)
            return _sixteenth(side * sqrt(across)), _sixteenth(side / sqrt(across))
        lines = _LINES.get(word.lower(), 720)
        long = _even(lines * max(across, 1 / across))
        return (long, lines) if across >= 1 else (lines, long)

    def seconds(self) -> int:
        wanted = self.inputs.by(Meaning.SECONDS)
        if wanted is None:
            return self.video[1]
        digits = str(wanted).removesuffix("s")
        return int(digits) if digits.isdigit() and int(digits) else _UNKNOWN_VIDEO[1]

    def _ratio(self) -> str:
        ratio = str(self.inputs.by(Meaning.RATIO) or "")
        if _RATIO.fullmatch(ratio):
            return ratio
        source = self.inputs.source
        size = picture_size(source) if isinstance(source, bytes) else None
        if size is not None:
            return f"{min(size[0], 999)}:{min(size[1], 999)}"
        return "1:1" if self.endpoint.kind == "image" else "16:9"


def _video(data: bytes) -> tuple[tuple[int, int], int] | None:
    """Give size and whole seconds of a video, None where it cannot be read here."""
    try:
        # Here, not above: an extra that may be absent.
        import av  # noqa: PLC0415
    except ImportError:
        return None
    try:
        with av.open(io.BytesIO(data), "r") as container:
            stream = container.streams.video[0]
            return (stream.width, stream.height), ceil((container.duration or 1) / 1_000_000)
    except (av.FFmpegError, IndexError, ValueError):
        return None


def _format(word: object) -> str:
    return "jpeg" if word == "jpg" else str(word)


def _quotient(ratio: str) -> float:
    found = _RATIO.fullmatch(ratio)
    across = float(found[1]) / max(float(found[2]), 0.1) if found else 1.0
    return min(max(across, 1 / 16), 16.0)


def _even(pixels: float) -> int:
    return min(_LONGEST_SIDE, max(2, round(pixels / 2) * 2))


def _sixteenth(pixels: float) -> int:
    return max(16, round(pixels / 16) * 16)
