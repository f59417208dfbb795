"""What a Seedream call asks for, checked against the models' rules.

Facts: Ark's field table of images/generations, the models' pixel ranges, and refusals as observed.
A group has as many images as it may have.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from simulator.ark_errors import invalid, missing
from simulator.ark_fields import InputImage, Parameters, input_image, model_named, refused_at

MAX_INPUTS: Final = 14
MAX_IN_AND_OUT: Final = 15
MAX_IMAGE_BYTES: Final = 30 << 20
_MAX_ASPECT: Final = 16
_SIZE: Final = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_SIDES: Final[Mapping[str, int]] = {"1K": 1024, "2K": 2048, "3K": 3072, "4K": 4096}


@dataclass(frozen=True, slots=True)
class ImageModel:
    """What one Seedream model takes."""

    names: tuple[str, ...]
    min_pixels: int
    max_pixels: int
    formats: tuple[str, ...] = ("jpeg", "png")
    # Group images and streams.
    groups: bool = True


_LITE: Final = ImageModel(("2K", "3K"), 2560 * 1440, 10_404_496)
_PRO: Final = ImageModel(("1K", "2K", "3K"), 1280 * 720, 10_404_496, groups=False)
_FOUR_FIVE: Final = ImageModel(("2K", "4K"), 2560 * 1440, 4096 * 4096, ("jpeg",))
_FOUR: Final = ImageModel(("1K", "2K", "4K"), 1280 * 720, 4096 * 4096, ("jpeg",))
MODELS: Final[Mapping[str, ImageModel]] = {
    "doubao-seedream-5-0-260128": _LITE,
    "doubao-seedream-5-0-lite-260128": _LITE,
    "seedream-5-0-260128": _LITE,
    "dola-seedream-5-0-flash-260915": _LITE,
    "dola-seedream-5-0-pro-260628": _PRO,
    "doubao-seedream-4-5-251128": _FOUR_FIVE,
    "seedream-4-5-251128": _FOUR_FIVE,
    "doubao-seedream-4-0-250828": _FOUR,
    "seedream-4-0-250828": _FOUR,
}


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A valid call. `count` is the number of images it is answered with."""

    model: str
    count: int
    width: int
    height: int
    output_format: str
    inline: bool
    stream: bool
    names_format: bool
    input_images: int
    refused_at: str | None
    # Stands for prompt and inputs: equal requests get equal images, on any channel.
    fingerprint: bytes = field(repr=False)

    @property
    def size(self) -> str:
        """The size in pixels, as answers give it."""
        return f"{self.width}x{self.height}"

    @property
    def tokens(self) -> int:
        """Output tokens of one image."""
        return self.width * self.height // 256


def read_image_request(parameters: Parameters) -> ImageRequest:
    """Check a call; raises ArkRejected."""
    name = parameters.required_text("model")
    model = model_named(name, MODELS, "seedream-5-0-260128")
    prompt = parameters.required_text("prompt")
    inputs = _inputs(parameters.get("image"))
    count = _count(parameters, model, len(inputs))
    if not model.groups:
        parameters.refuse("stream")
    parameters.refuse("layer_decomposition")
    if model.formats == ("jpeg",):
        parameters.refuse("output_format")
    output_format = parameters.choice("output_format", model.formats, "jpeg")
    inline = parameters.choice("response_format", ("url", "b64_json"), "url") == "b64_json"
    width, height = _size(parameters, model)
    parameters.boolean("watermark", default=True)
    seed = parameters.integer("seed", -1, (1 << 32) - 1, -1)
    return ImageRequest(
        model=name,
        count=count,
        width=width,
        height=height,
        output_format=output_format,
        inline=inline,
        stream=parameters.boolean("stream", default=False),
        names_format=len(model.formats) > 1,
        input_images=len(inputs),
        refused_at=refused_at(prompt),
        fingerprint=_fingerprint(prompt, inputs, seed),
    )


def _inputs(value: object) -> list[InputImage]:
    if value is None:
        return []
    given = value if isinstance(value, list) else [value]
    if len(given) > MAX_INPUTS:
        raise invalid("image", f"at most {MAX_INPUTS} images are taken")
    images = [input_image(one, "image", MAX_IMAGE_BYTES) for one in given]
    for image in images:
        if image.size is not None and max(image.size) > _MAX_ASPECT * min(image.size):
            raise invalid("image", "the aspect ratio must be between 1/16 and 16")
    return images


def _count(parameters: Parameters, model: ImageModel, inputs: int) -> int:
    """Give how many images come back: 1, or all that a group may have."""
    mode = parameters.choice("sequential_image_generation", ("auto", "disabled"), "disabled")
    options = parameters.get("sequential_image_generation_options")
    if mode == "disabled":
        return 1
    if not model.groups:
        parameters.refuse("sequential_image_generation")
    name = "sequential_image_generation_options"
    if options is None:
        return MAX_IN_AND_OUT - inputs
    if not isinstance(options, dict):
        raise invalid(name, "expected an object")
    given = Parameters(options)
    count = given.integer("max_images", 1, MAX_IN_AND_OUT, MAX_IN_AND_OUT - inputs)
    if inputs + count > MAX_IN_AND_OUT:
        raise invalid(f"{name}.max_images", f"images in and out are {MAX_IN_AND_OUT} at most")
    return count


def _size(parameters: Parameters, model: ImageModel) -> tuple[int, int]:
    size = parameters.text("size", 32)
    if size is None:
        return 2048, 2048
    if size == "":
        raise missing("size")
    if size in model.names:
        return _SIDES[size], _SIDES[size]
    match = _SIZE.fullmatch(size)
    if match is None:
        raise invalid("size", f"expected WIDTHxHEIGHT or one of {', '.join(model.names)}")
    width, height = int(match[1]), int(match[2])
    if width * height < model.min_pixels:
        raise invalid("size", f"image size must be at least {model.min_pixels} pixels")
    if width * height > model.max_pixels:
        raise invalid("size", f"image size must be at most {model.max_pixels} pixels")
    if max(width, height) > _MAX_ASPECT * min(width, height):
        raise invalid("size", "the aspect ratio must be between 1/16 and 16")
    return width, height


def _fingerprint(prompt: str, inputs: list[InputImage], seed: int) -> bytes:
    digest = blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=16)
    for image in inputs:
        digest.update(image.digest)
    if seed >= 0:
        digest.update(seed.to_bytes(4, "big"))
    return digest.digest()
