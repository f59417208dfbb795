"""How large xAI's images and videos are: by aspect ratio and class of resolution. Pure.

The pixels are a guess: of images the area of the class, of videos its short side.
"""

from math import sqrt
from typing import Final

# fmt: off
IMAGE_RATIOS: Final = (
    "1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "9:19.5", "19.5:9", "9:20", "20:9", "1:2",
    "2:1",
)
VIDEO_RATIOS: Final = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3")
# fmt: on
_SIDES: Final = {"1k": 1024, "2k": 2048}
_LINES: Final = {"480p": 480, "720p": 720, "1080p": 1080}
_STEP: Final = 16


def image_size(ratio: str, resolution: str) -> tuple[int, int]:
    """Give width and height of an image."""
    across = sqrt(_quotient(ratio))
    side = _SIDES[resolution]
    return _rounded(side * across), _rounded(side / across)


def video_size(ratio: str, resolution: str) -> tuple[int, int]:
    """Give width and height of a video."""
    lines, quotient = _LINES[resolution], _quotient(ratio)
    long = _rounded(lines * max(quotient, 1 / quotient))
    return (long, lines) if quotient >= 1 else (lines, long)


def nearest(size: tuple[int, int], ratios: tuple[str, ...]) -> str:
    """Give the ratio that an output takes from its first image."""
    wanted = size[0] / size[1]

    def distance(ratio: str) -> float:
        return max(wanted, _quotient(ratio)) / min(wanted, _quotient(ratio))

    return min(ratios, key=distance)


def _quotient(ratio: str) -> float:
    across, down = ratio.split(":")
    return float(across) / float(down)


def _rounded(pixels: float) -> int:
    return max(_STEP, round(pixels / _STEP) * _STEP)
