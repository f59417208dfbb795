"""Sizes for providers that want width and height as numbers. Pure."""

import re
from math import sqrt

from core.model import Ask

_SIZE = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")
_RATIO = re.compile(r"([1-9][0-9]?):([1-9][0-9]?)")
_SIDES = {"512": 512, "1k": 1024, "2k": 2048, "3k": 3072, "4k": 4096}
"""Of the square of each resolution: other ratios have as many pixels."""
_STEP = 16


def pixels(said: object, ask: Ask, default: str = "1k") -> dict[str, int] | None:
    """Width and height for what a row said (`1024x1024`), else for resolution and aspect ratio.

    *default* is the resolution of a request without one. None where the size is left to the model.
    """
    size = _SIZE.fullmatch(said) if isinstance(said, str) else None
    if size is not None:
        return {"width": int(size[1]), "height": int(size[2])}
    side = _SIDES.get(str(ask.parameters.get("resolution", default)))
    ratio = _RATIO.fullmatch(str(ask.parameters.get("aspect_ratio", "")))
    if side is None or ratio is None:
        return None
    scale = sqrt(int(ratio[1]) / int(ratio[2]))
    width, height = side * scale, side / scale
    return {"width": round(width / _STEP) * _STEP, "height": round(height / _STEP) * _STEP}
