"""How large Vidu's videos are, in pixels.

Facts: Model Studio's tables of sizes for Vidu Q3, one for videos from text and one for videos from
references; that an image's video keeps its ratio and has as many pixels is seen in an answer there.
"""

from collections.abc import Mapping
from typing import Final

Sizes = Mapping[str, Mapping[str, tuple[int, int]]]

# Pixels of each resolution.
AREAS: Final[Mapping[str, int]] = {
    "540p": 960 * 528,
    "720p": 1280 * 720,
    "1080p": 1920 * 1080,
}
TEXT_SIZES: Final[Sizes] = {
    "540p": {
        "16:9": (960, 528),
        "9:16": (528, 960),
        "1:1": (720, 720),
        "4:3": (816, 608),
        "3:4": (608, 816),
    },
    "720p": {
        "16:9": (1280, 720),
        "9:16": (720, 1280),
        "1:1": (960, 960),
        "4:3": (1104, 816),
        "3:4": (816, 1104),
    },
    "1080p": {
        "16:9": (1920, 1080),
        "9:16": (1080, 1920),
        "1:1": (1440, 1440),
        "4:3": (1674, 1238),
        "3:4": (1238, 1674),
    },
}
REFERENCE_SIZES: Final[Sizes] = {
    resolution: {
        "16:9": (side * 16 // 9, side),
        "9:16": (side, side * 16 // 9),
        "1:1": (side, side),
        "4:3": (side * 4 // 3, side),
        "3:4": (side, side * 4 // 3),
    }
    for resolution, side in (("540p", 540), ("720p", 720), ("1080p", 1080))
}
