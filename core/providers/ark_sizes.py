"""The pixels of Seedream's images, by resolution and aspect ratio. Pure.

Source: ModelArk's API reference, image generation, `size` (providers.md 3.2). Either a
resolution (`2K`; the model takes the ratio from the prompt and the inputs) or width x height
is sent. Seedream 5.0 lite takes 3,686,400 to 10,404,496 pixels, of a ratio of 1:16 to 16:1.
"""

import re
from collections.abc import Mapping
from math import sqrt

# fmt: off
SIZES: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "2k": {"1:1": (2048, 2048), "4:3": (2304, 1728), "3:2": (2496, 1664),
           "16:9": (2848, 1600), "21:9": (3136, 1344)},
    "3k": {"1:1": (3072, 3072), "4:3": (3456, 2592), "3:2": (3744, 2496),
           "16:9": (4096, 2304), "21:9": (4704, 2016)},
}
"""What the provider recommends; upright ones are the same, turned."""

_SIDES: Mapping[str, int] = {"1k": 1024, "2k": 2048, "3k": 3072, "4k": 4096}
"""Of the square of each resolution."""
# fmt: on

_RATIO = re.compile(r"([1-9]\d?):([1-9]\d?)")
_STEP = 16
"""Every recommended width and height is a multiple of it."""


def size_of(parameters: Mapping[str, str | int | float | bool]) -> str:
    """The `size` for a caller's `size`, else for `resolution` (or 2k) and `aspect_ratio`."""
    size = str(parameters.get("size", "auto"))
    if size != "auto":
        return size
    resolution = str(parameters.get("resolution", "2k"))
    ratio = _RATIO.fullmatch(str(parameters.get("aspect_ratio", "auto")))
    if ratio is None or resolution not in _SIDES:
        return resolution.upper()
    width, height = _pixels(resolution, int(ratio[1]), int(ratio[2]))
    return f"{width}x{height}"


def _pixels(resolution: str, across: int, up: int) -> tuple[int, int]:
    sizes = SIZES.get(resolution, {})
    if (known := sizes.get(f"{across}:{up}")) is not None:
        return known
    if (turned := sizes.get(f"{up}:{across}")) is not None:
        return turned[1], turned[0]
    # As many pixels as the square has.
    side = _SIDES[resolution] / _STEP
    scale = sqrt(across / up)
    return round(side * scale) * _STEP, round(side / scale) * _STEP
