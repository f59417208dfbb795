"""What a Vidu task asks for, checked against the rules of Q3's models.

Facts: Vidu's references of text2video, img2video, start-end2video and reference2video, and its
pricing page for the credits. What is inferred: that a video keeps its first frame's ratio.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from simulator.body_fields import BodyFields, Picture, Problem, digest_of, fitted, picture
from simulator.body_fields import refused_at as moderated_at
from simulator.vidu_sizes import AREAS, REFERENCE_SIZES, TEXT_SIZES, Sizes

MAX_PROMPT: Final = 5_000
MAX_PAYLOAD: Final = 1_048_576
MAX_SEED: Final = 4_294_967_295
SECONDS: Final = 16
_ALL: Final = ("540p", "720p", "1080p")
_FAST: Final = ("720p", "1080p")
# Credits per second, by model and resolution; references have a table of their own.
CREDITS: Final[Mapping[str, Mapping[str, int]]] = {
    "viduq3-pro": {"540p": 9, "720p": 20, "1080p": 24},
    "viduq3-turbo": {"540p": 7, "720p": 12, "1080p": 13},
    "viduq3-pro-fast": {"720p": 12, "1080p": 15},
}
REFERENCE_CREDITS: Final[Mapping[str, Mapping[str, int]]] = {
    "viduq3": {"540p": 7, "720p": 12, "1080p": 15},
    "viduq3-mix": {"720p": 24, "1080p": 29},
    "viduq3-turbo": {"540p": 4, "720p": 10, "1080p": 13},
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one endpoint takes."""

    models: Mapping[str, Mapping[str, int]]
    images: tuple[int, int]
    least_seconds: int = 1
    needs_prompt: bool = False
    # Where a ratio may be asked for: the sizes that follow.
    sizes: Sizes | None = None
    least_side: int = 1
    # How many times the one the other of two images' ratios may be.
    alike: float | None = None


def _without(model: str) -> dict[str, Mapping[str, int]]:
    return {name: credits_ for name, credits_ in CREDITS.items() if name != model}


_FRAMES: Final = _without("viduq3-pro-fast")
ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "text2video": Endpoint(_FRAMES, (0, 0), needs_prompt=True, sizes=TEXT_SIZES),
    "img2video": Endpoint(CREDITS, (1, 1)),
    "start-end2video": Endpoint(_FRAMES, (2, 2), alike=1.25),
    "reference2video": Endpoint(
        REFERENCE_CREDITS, (1, 7), 3, needs_prompt=True, sizes=REFERENCE_SIZES, least_side=128
    ),
}


@dataclass(frozen=True, slots=True)
class VideoOrder:
    """A valid task, as its protocol shows it again. `seed` is 0 where the model picks one."""

    kind: str
    model: str
    resolution: str
    ratio: str
    width: int
    height: int
    seconds: int
    seed: int
    audio: bool
    watermark: bool
    off_peak: bool
    credits: int
    variant: int
    refused_at: str
    payload: str = field(repr=False)
    callback_url: str = field(repr=False)


def read_task_request(kind: str, fields: BodyFields, variants: int) -> VideoOrder:
    """Check a task of an endpoint; raises FieldRefused.

    *variants* is how many videos there are to tell apart.
    """
    endpoint = ENDPOINTS[kind]
    model = fields.required_text("model")
    rates = endpoint.models.get(model)
    if rates is None:
        raise fields.refused("model", f"expected one of {', '.join(endpoint.models)}")
    prompt = fields.text("prompt", MAX_PROMPT)
    if endpoint.needs_prompt and not prompt:
        raise fields.refused("prompt", "it is required", Problem.MISSING)
    images = fields.texts("images")
    pictures = _read_images(fields, images, endpoint)
    resolution = fields.choice("resolution", tuple(rates), "720p")
    ratio = "" if endpoint.sizes is None else fields.choice("aspect_ratio", _ratios(), "16:9")
    width, height = _size(endpoint, resolution, ratio, pictures)
    seconds = fields.integer("duration", endpoint.least_seconds, SECONDS, 5)
    return VideoOrder(
        kind=kind,
        model=model,
        resolution=resolution,
        ratio=ratio,
        width=width,
        height=height,
        seconds=seconds,
        seed=fields.integer("seed", 0, MAX_SEED, 0),
        audio=fields.boolean("audio", default=True),
        watermark=fields.boolean("watermark", default=False),
        off_peak=fields.boolean("off_peak", default=False),
        credits=rates[resolution] * seconds,
        variant=int.from_bytes(digest_of(prompt, *images), "big") % variants,
        refused_at=moderated_at(prompt),
        payload=fields.text("payload", MAX_PAYLOAD),
        callback_url=fields.url("callback_url"),
    )


def _ratios() -> tuple[str, ...]:
    return tuple(TEXT_SIZES["720p"])


def _read_images(fields: BodyFields, images: list[str], endpoint: Endpoint) -> list[Picture]:
    least, most = endpoint.images
    if not least <= len(images) <= most:
        raise fields.refused("images", f"expected {least} to {most}", Problem.COUNT)
    sides = (endpoint.least_side, endpoint.least_side)
    found = [picture(image, "images", sides, 4.0) for image in images]
    sizes = [one.size for one in found if one.size is not None]
    if endpoint.alike is not None and len(sizes) == 2:
        first, last = (size[0] * size[1] for size in sizes)
        if not 1 / endpoint.alike <= first / last <= endpoint.alike:
            raise fields.refused("images", "the sizes are too different", Problem.PICTURE)
    return found


def _size(
    endpoint: Endpoint, resolution: str, ratio: str, pictures: list[Picture]
) -> tuple[int, int]:
    if endpoint.sizes is not None:
        return endpoint.sizes[resolution][ratio]
    sizes = [one.size for one in pictures if one.size is not None]
    return fitted(AREAS[resolution], *(sizes[0] if sizes else (16, 9)), 4)
