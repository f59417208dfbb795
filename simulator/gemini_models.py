"""Google's image models: what each takes, how large its images are, what they cost in tokens.

Sizes: the table of the Gemini API's guide to image generation. Every class of size is the 1K
image times a factor (512: one half, 2K: two, 4K: four). Tokens: Google's list prices per image
over the price of a token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Pixels = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ImageModel:
    """What one model takes and makes. `tokens` are those of an image, by `imageSize`."""

    sizes: Mapping[str, Pixels]
    tokens: Mapping[str, int]
    tokens_of_input_image: int
    tokens_of_thoughts: int
    maximum_images: int
    maximum_input_tokens: int
    scales: bool = True

    def pixels(self, aspect_ratio: str, image_size: str) -> Pixels:
        """Give width and height; a model that does not scale only knows 1K."""
        width, height = self.sizes[aspect_ratio]
        factor = FACTORS[image_size] if self.scales else 1.0
        return round(width * factor), round(height * factor)


FACTORS: Final[Mapping[str, float]] = {"512": 0.5, "1K": 1.0, "2K": 2.0, "4K": 4.0}


def _both_ways(wide: Mapping[str, Pixels]) -> dict[str, Pixels]:
    """Add the upright twin of each landscape."""
    sizes: dict[str, Pixels] = {}
    for ratio, (width, height) in wide.items():
        across, down = ratio.split(":")
        sizes[ratio] = (width, height)
        sizes[f"{down}:{across}"] = (height, width)
    return sizes


_SECOND: Final = _both_ways(
    {
        "1:1": (1024, 1024),
        "3:2": (1248, 832),
        "4:3": (1184, 864),
        "5:4": (1152, 896),
        "16:9": (1344, 768),
    }
) | {"21:9": (1536, 672)}
_THIRD: Final = _both_ways(
    {
        "1:1": (1024, 1024),
        "3:2": (1264, 848),
        "4:3": (1200, 896),
        "5:4": (1152, 928),
        "16:9": (1376, 768),
    }
) | {"21:9": (1584, 672)}

# Models alive in November 2026; any other name is not found.
MODELS: Final[Mapping[str, ImageModel]] = {
    "gemini-3-pro-image": ImageModel(
        sizes=_THIRD,
        tokens={"1K": 1_120, "2K": 1_120, "4K": 2_000},
        tokens_of_input_image=560,
        tokens_of_thoughts=180,
        maximum_images=14,
        maximum_input_tokens=65_536,
    ),
    "gemini-3.1-flash-image": ImageModel(
        sizes=_THIRD | _both_ways({"4:1": (2048, 512), "8:1": (3072, 384)}),
        tokens={"512": 747, "1K": 1_120, "2K": 1_680, "4K": 2_520},
        tokens_of_input_image=560,
        tokens_of_thoughts=90,
        maximum_images=14,
        maximum_input_tokens=65_536,
    ),
    "gemini-2.5-flash-image": ImageModel(
        sizes=_SECOND,
        # It takes any imageSize and makes 1K.
        tokens={"1K": 1_290, "2K": 1_290, "4K": 1_290},
        tokens_of_input_image=258,
        tokens_of_thoughts=0,
        maximum_images=3,
        maximum_input_tokens=32_768,
        scales=False,
    ),
}
# Shut down on 2026-06-25.
RETIRED: Final = frozenset({"gemini-3-pro-image-preview", "gemini-3.1-flash-image-preview"})
