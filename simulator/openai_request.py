"""What an OpenAI images call asks for, checked against the models' rules.

Facts: OpenAI's field tables for images.generate and images.edit, and its refusals as observed.
Sizes below the real service's minimum of about 655,000 pixels are accepted here, so that tests
may stay small.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from PIL import Image

from simulator.multipart import Part
from simulator.openai_errors import ApiError, Rejected, invalid, invalid_for_model
from simulator.openai_fields import MAX_ECHO_CHARS, Fields, missing

MAX_IMAGES: Final = 16
MAX_IMAGE_BYTES: Final = 50 * 1024 * 1024
MAX_MASK_BYTES: Final = 4 * 1024 * 1024
MAX_EDGE: Final = 3840
MAX_PIXELS: Final = 3840 * 2160
STANDARD_SIZES: Final = ("1024x1024", "1024x1536", "1536x1024", "auto")
MEDIA_TYPES: Final = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}

_INDEXED: Final = re.compile(r"image\[[0-9]{0,2}\]")
_SIZE: Final = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")
_COMMON: Final = frozenset(
    {
        "background",
        "complexity",
        "model",
        "n",
        "output_compression",
        "output_format",
        "partial_images",
        "prompt",
        "quality",
        "safety_identifier",
        "size",
        "stream",
        "user",
    }
)
GENERATION_FIELDS: Final = _COMMON | {"moderation"}
EDIT_FIELDS: Final = _COMMON | {"input_fidelity"}


@dataclass(frozen=True, slots=True)
class ImageModel:
    """What one image model takes."""

    any_size: bool
    qualities: tuple[str, ...] = ("low", "medium", "high", "auto")
    fidelities: tuple[str, ...] = ()


_FINE: Final = ImageModel(
    any_size=True, qualities=("low", "medium", "high", "xhigh", "max", "auto")
)
# Models alive in November 2026; any other name, gpt-image-1 and DALL-E included, is not found.
MODELS: Final[Mapping[str, ImageModel]] = {
    "gpt-image-2": ImageModel(any_size=True),
    "gpt-image-2-2026-04-21": ImageModel(any_size=True),
    "gpt-image-2.5-sunburst": _FINE,
    "gpt-image-2.5-sunburst-2026-09-08": _FINE,
    "gpt-image-2.5-flare": _FINE,
    "gpt-image-2.5-flare-2026-09-08": _FINE,
    "gpt-image-2.6-sunburst": _FINE,
    "gpt-image-2.6-flare": _FINE,
    "gpt-image-1.5": ImageModel(any_size=False, fidelities=("high", "low")),
    "gpt-image-1-mini": ImageModel(any_size=False, fidelities=("low",)),
    "chatgpt-image-latest": ImageModel(any_size=False),
}


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A valid call. `width` and `height` are the pixels an `auto` size came to."""

    n: int
    width: int
    height: int
    quality: str
    background: str
    output_format: str
    compression: int
    stream: bool
    partial_images: int
    text_tokens: int
    image_inputs: int
    refused_at: str | None
    safety_identifier: str | None = field(repr=False)
    # Stands for prompt and inputs: equal requests get equal images, on any channel.
    fingerprint: bytes = field(repr=False)

    @property
    def transparent(self) -> bool:
        """Say whether the image has an alpha channel."""
        return self.background == "transparent"


def read_request(fields: Fields, images: Sequence[Part], *, edit: bool) -> ImageRequest:
    """Check a call in the API's own order; raises Rejected."""
    name = fields.required_text("model")
    model = MODELS.get(name)
    if model is None:
        shown = name[:MAX_ECHO_CHARS]
        raise Rejected(
            ApiError(
                404,
                f"The model `{shown}` does not exist or you do not have access to it.",
                code="model_not_found",
            )
        )
    fields.refuse_unknown(EDIT_FIELDS if edit else GENERATION_FIELDS)
    prompt = fields.prompt()
    if edit:
        check_images(images)
    n = fields.integer("n", 1, 10, 1)
    quality = fields.choice("quality", model.qualities, "auto")
    output_format = fields.choice("output_format", ("png", "webp", "jpeg"), "png")
    background = fields.choice("background", ("transparent", "opaque", "auto"), "auto")
    compression = fields.integer("output_compression", 0, 100, 100)
    partial_images = fields.integer("partial_images", 0, 3, 0)
    stream = fields.boolean("stream")
    _check_rest(fields, model, name)
    width, height = _size(fields, model)
    _check_combination(background, output_format, compression)
    return ImageRequest(
        n=n,
        width=width,
        height=height,
        # The answer never says auto.
        quality="medium" if quality == "auto" else quality,
        background="transparent" if background == "transparent" else "opaque",
        output_format=output_format,
        compression=compression,
        stream=stream,
        partial_images=partial_images if stream else 0,
        text_tokens=max(1, -(-len(prompt) // 4)),
        image_inputs=sum(part.name != "mask" for part in images),
        refused_at=_refused_at(prompt),
        safety_identifier=fields.safety_identifier(),
        fingerprint=_fingerprint(prompt, images),
    )


def check_images(images: Sequence[Part]) -> None:
    """Check the files of an edit: formats, sizes, count, and that the mask fits."""
    inputs = [part for part in images if part.name != "mask"]
    masks = [part for part in images if part.name == "mask"]
    if not inputs:
        raise missing("image")
    if len(inputs) > MAX_IMAGES:
        raise invalid(
            f"Invalid 'image': array too long. Expected an array with maximum length {MAX_IMAGES}, "
            f"but got an array with length {len(inputs)} instead.",
            "image",
            "array_above_max_length",
        )
    pictures = [_opened(part, index, inputs) for index, part in enumerate(inputs, 1)]
    for part in masks:
        _check_mask(part, pictures[0].size)


def _opened(part: Part, index: int, inputs: Sequence[Part]) -> Image.Image:
    param = "image" if len(inputs) == 1 else f"image[{index - 1}]"
    if not part.is_file:
        raise invalid(
            f"Invalid type for '{param}': expected a file, but got a string instead.",
            param,
            "invalid_type",
        )
    _check_media_type(part, "image")
    if len(part.data) >= MAX_IMAGE_BYTES:
        raise invalid(f"Invalid file '{param}': must be less than 50MB.", param, "invalid_value")
    picture = _decoded(part.data)
    if picture is None:
        raise invalid_for_model(
            f"Invalid image file or mode for image {index}, please check your image file.",
            "",
            "invalid_image_file",
        )
    return picture


def _check_media_type(part: Part, param: str) -> None:
    if part.content_type not in MEDIA_TYPES:
        shown = part.content_type[:MAX_ECHO_CHARS]
        raise invalid(
            f"Invalid file '{param}': unsupported mimetype ('{shown}'). Supported file formats are "
            "'image/jpeg', 'image/png', and 'image/webp'.",
            param,
            "unsupported_file_mimetype",
        )


def _check_mask(part: Part, size: tuple[int, int]) -> None:
    if not part.is_file:
        raise invalid(
            "Invalid type for 'mask': expected a file, but got a string instead.",
            "mask",
            "invalid_type",
        )
    _check_media_type(part, "mask")
    mask = _decoded(part.data)
    problem = None
    if len(part.data) >= MAX_MASK_BYTES:
        problem = "mask must be less than 4MB"
    elif mask is None or mask.format != "PNG":
        problem = "mask is not a PNG image"
    elif not mask.has_transparency_data:
        problem = "mask image missing alpha channel"
    elif mask.size != size:
        problem = "mask size does not match image size"
    if problem:
        raise invalid_for_model(
            f"Invalid mask image format - {problem}", "mask", "invalid_mask_image_format"
        )


def _decoded(data: bytes) -> Image.Image | None:
    """Read the header only: enough for format, size and mode, and cheap for any size."""
    try:
        return Image.open(io.BytesIO(data), formats=tuple(MEDIA_TYPES.values()))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _check_rest(fields: Fields, model: ImageModel, name: str) -> None:
    fields.choice("moderation", ("auto", "low"), "auto")
    fields.choice("complexity", ("low", "medium", "high"), "medium")
    if fields.text("input_fidelity", "") and not model.fidelities:
        raise invalid_for_model(
            f"The model '{name}' does not support the 'input_fidelity' parameter.",
            "input_fidelity",
            "invalid_input_fidelity_model",
        )
    if model.fidelities:
        fields.choice("input_fidelity", model.fidelities, model.fidelities[-1])


def _size(fields: Fields, model: ImageModel) -> tuple[int, int]:
    if not model.any_size:
        size = fields.choice("size", STANDARD_SIZES, "auto")
    else:
        size = fields.text("size", "auto")
    if size == "auto":
        return 1024, 1024
    match = _SIZE.fullmatch(size)
    if match is None:
        raise _bad_size(size, "Expected WIDTHxHEIGHT, for example '1824x1024'.")
    width, height = int(match[1]), int(match[2])
    if width % 16 or height % 16:
        raise _bad_size(size, "Width and height must both be divisible by 16.")
    if max(width, height) > MAX_EDGE:
        raise _bad_size(size, f"The longest edge must be less than or equal to {MAX_EDGE}.")
    if max(width, height) > 3 * min(width, height):
        raise _bad_size(size, "The aspect ratio must be between 1:3 and 3:1.")
    if width * height > MAX_PIXELS:
        raise _bad_size(size, "Requested resolution is above the current maximum pixel budget.")
    return width, height


def _bad_size(size: str, why: str) -> Rejected:
    return invalid_for_model(
        f"Invalid size '{size[:MAX_ECHO_CHARS]}'. {why}", "size", "invalid_value"
    )


def _check_combination(background: str, output_format: str, compression: int) -> None:
    if background == "transparent" and output_format == "jpeg":
        raise invalid_for_model(
            "Transparent background is not supported for JPEG output format",
            "background",
            "invalid_value",
        )
    if compression < 100 and output_format == "png":
        raise invalid_for_model(
            "Compression less than 100 is not supported for PNG output format",
            "output_compression",
            "invalid_png_output_compression",
        )


def _refused_at(prompt: str) -> str | None:
    """Give the stage at which the safety system refuses; the marker in the prompt decides."""
    if "moderation_blocked" not in prompt:
        return None
    return "output" if "moderation_blocked_output" in prompt else "input"


def _fingerprint(prompt: str, images: Sequence[Part]) -> bytes:
    digest = blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=16)
    for part in images:
        digest.update(blake2b(part.data, digest_size=16).digest())
    return digest.digest()


def edit_fields(parts: Sequence[Part]) -> tuple[Fields, list[Part]]:
    """Sort the parts of a form into fields and images; raises Rejected."""
    values: dict[str, object] = {}
    images: list[Part] = []
    for part in parts:
        name = part.name
        if name in {"mask", "image"} or _INDEXED.fullmatch(name):
            images.append(part)
        elif name == "images":
            raise invalid(
                "Unknown parameter: 'images'. For multipart/form-data use 'image' or 'image[]'.",
                "images",
                "invalid_value",
            )
        else:
            values[name] = part.text()
    return Fields(values, from_form=True), images
