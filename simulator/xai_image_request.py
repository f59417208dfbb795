"""What a call for Grok Imagine's images asks for, checked against the models' rules.

Facts: the field tables of xAI's SDK and of @ai-sdk/xai. What the API does not know (`size`, `seed`,
`mask`, `background`) it ignores.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from simulator.xai_errors import invalid, no_model, unreadable
from simulator.xai_fields import Fields, InputFile, fingerprint, input_file, refused_at
from simulator.xai_shapes import IMAGE_RATIOS, image_size, nearest

MAX_COUNT: Final = 10
MAX_INPUTS: Final = 5
TICKS_PER_DOLLAR: Final = 10_000_000_000
# Ticks of one image, by model and quality.
_IMAGE: Final = TICKS_PER_DOLLAR // 50
_TWO: Final = {"low": TICKS_PER_DOLLAR // 25}
MODELS: Final[Mapping[str, Mapping[str, int]]] = {
    "grok-imagine-image": {},
    "grok-imagine-image-2026-03-02": {},
    "grok-imagine-image-2.0": _TWO,
}


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A valid call."""

    model: str
    count: int
    width: int
    height: int
    inline: bool
    image_format: str
    ticks: int
    refused_at: str | None
    fingerprint: bytes = field(repr=False)


def read_image_request(fields: Fields, *, is_edit: bool) -> ImageRequest:
    """Check a call; raises XaiRejected."""
    name = fields.text("model")
    prompt = fields.prompt()
    if name not in MODELS:
        raise no_model(name)
    count = fields.integer("n", 1)
    if not 1 <= count <= MAX_COUNT:
        raise invalid(f"n must be between 1 and {MAX_COUNT}.")
    if not prompt:
        raise invalid("The prompt must not be empty.")
    inputs = _inputs(fields) if is_edit else []
    ratio = fields.choice("aspect_ratio", (*IMAGE_RATIOS, "auto"), "auto")
    if ratio == "auto":
        size = inputs[0].size if inputs else None
        ratio = nearest(size, IMAGE_RATIOS) if size else "1:1"
    resolution = fields.choice("resolution", ("1k", "2k"), "1k")
    quality = fields.choice("quality", ("low", "medium", "high"), "medium")
    fields.text("user", "")
    width, height = image_size(ratio, resolution)
    dear = _IMAGE if name != "grok-imagine-image-2.0" else 3 * _IMAGE
    return ImageRequest(
        model=name,
        count=count,
        width=width,
        height=height,
        inline=fields.choice("response_format", ("url", "b64_json"), "url") == "b64_json",
        image_format=fields.choice("output_format", ("jpeg", "png", "webp"), "jpeg"),
        ticks=MODELS[name].get(quality, dear),
        refused_at=refused_at(prompt),
        fingerprint=fingerprint(prompt, inputs),
    )


def _inputs(fields: Fields) -> list[InputFile]:
    if "image" in fields and "images" in fields:
        raise invalid("Only one of image and images may be given.")
    holders = fields.each("images") if "images" in fields else [fields.inside("image")]
    if not 1 <= len(holders) <= MAX_INPUTS:
        raise invalid(f"Between 1 and {MAX_INPUTS} images are taken.")
    for holder in holders:
        if holder.text("type", "image_url") != "image_url":
            raise unreadable("type: unknown variant, expected `image_url`")
    return [input_file(holder, "image") for holder in holders]
