"""What Recraft's models of raster images take.

Facts: the appendix of Recraft's API reference; the styles are families of many more.
"""

from collections.abc import Mapping
from typing import Final

from simulator.endpoint_fields import Field, Meaning
from simulator.endpoint_orders import Endpoint

_WIDTHS: Final = (1280, 1365, 1434, 1536, 1707, 1820, 2048)
SIZES: Final = (
    "1024x1024",
    *(f"{width}x1024" for width in _WIDTHS),
    *(f"1024x{width}" for width in _WIDTHS),
)
STYLES: Final = ("any", "realistic_image", "digital_illustration", "logo_raster")

_FIELDS: Final[Mapping[str, Field]] = {
    "prompt": Field("text", Meaning.PROMPT, most=1_000, required=True),
    "n": Field("integer", Meaning.COUNT, least=1, most=6, default=1),
    "size": Field("word", Meaning.SIZE, SIZES, default="1024x1024"),
    "style": Field("word", words=STYLES, default="realistic_image"),
    "response_format": Field("word", words=("url", "b64_json"), default="url"),
}
MODELS: Final[Mapping[str, Endpoint]] = {
    "recraftv3": Endpoint("image", _FIELDS),
    "recraftv2": Endpoint("image", _FIELDS),
}
