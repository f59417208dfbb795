"""The official models that simulated Replicate has, and their inputs.

Facts: providers.md 8.2 and 7.2, and the schemas of google's and bytedance's models as their pages
show them; the inputs of alibaba's, vidu's, xai's, topazlabs' and gpt-image-2 are inferred from
those of their siblings there. Unknown inputs are refused, as cog's models do by inference.
"""

from collections.abc import Mapping
from typing import Final

from simulator.endpoint_fields import Field, Meaning
from simulator.endpoint_orders import Endpoint
from simulator.recraft_model import SIZES as RECRAFT_SIZES
from simulator.recraft_model import STYLES as RECRAFT_STYLES

_SEED: Final = Field("integer", Meaning.SEED, least=0, most=(1 << 31) - 1)
_FLAG: Final = Field("boolean")
_WORDS: Final = Field("text", most=20_000)
_IMAGE: Final = Field("image")
_FRAME: Final = Field("image", Meaning.SOURCE)
_MATCH: Final = "match_input_image"
_FIVE: Final = ("16:9", "9:16", "1:1", "4:3", "3:4")
_TEN: Final = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16")


def _prompt(most: int = 32_000, *, required: bool = True) -> Field:
    return Field("text", Meaning.PROMPT, most=most, required=required)


def _words(meaning: Meaning, words: tuple[str, ...], default: str) -> Field:
    return Field("word", meaning, words, default=default)


def _images(most: int) -> Field:
    return Field("image", Meaning.SOURCE, most=most, many=True)


def _seconds(least: int, most: int, default: int) -> Field:
    return Field("integer", Meaning.SECONDS, least=least, most=most, default=default)


def _sound() -> Field:
    return Field("boolean", Meaning.SOUND, default=True)


def _gpt_image() -> Endpoint:
    fields: dict[str, Field] = {
        "prompt": _prompt(),
        "aspect_ratio": _words(Meaning.RATIO, ("1:1", "3:2", "2:3"), "1:1"),
        "input_images": Field("image", most=16, many=True),
        "number_of_images": Field("integer", Meaning.COUNT, least=1, most=10, default=1),
        "quality": _words(Meaning.NOTHING, ("auto", "low", "medium", "high"), "auto"),
        "background": _words(Meaning.NOTHING, ("auto", "opaque", "transparent"), "auto"),
        "output_format": _words(Meaning.FORMAT, ("png", "jpeg", "webp"), "webp"),
        "output_compression": Field("integer", least=0, most=100),
        "moderation": _words(Meaning.NOTHING, ("auto", "low"), "auto"),
        "user_id": _WORDS,
    }
    sizes = {"1:1": (1024, 1024), "3:2": (1536, 1024), "2:3": (1024, 1536)}
    return Endpoint("image", fields, sizes)


def _nano_banana(sizes: tuple[str, ...], extra: tuple[str, ...] = ()) -> Endpoint:
    fields: dict[str, Field] = {
        "prompt": _prompt(50_000),
        "image_input": _images(14),
        "aspect_ratio": _words(Meaning.RATIO, (_MATCH, *_TEN, *extra), _MATCH),
        "output_format": _words(Meaning.FORMAT, ("jpg", "png"), "jpg"),
    }
    if sizes:
        fields["resolution"] = _words(Meaning.SIZE, sizes, "1K")
    return Endpoint("image", fields, single=True)


def _seedream() -> Endpoint:
    ratios = (_MATCH, "1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3", "21:9", "9:21")
    fields: dict[str, Field] = {
        "prompt": _prompt(),
        "image_input": _images(14),
        "size": _words(Meaning.SIZE, ("2K", "3K"), "2K"),
        "aspect_ratio": _words(Meaning.RATIO, ratios, _MATCH),
        "max_images": Field("integer", Meaning.COUNT, least=1, most=15, default=1),
        "sequential_image_generation": Field("word", words=("disabled", "auto")),
        "output_format": _words(Meaning.FORMAT, ("jpeg", "png"), "jpeg"),
    }
    return Endpoint("image", fields, default_size="2K")


def _seedance(resolutions: tuple[str, ...]) -> Endpoint:
    fields: dict[str, Field] = {
        "prompt": _prompt(),
        "image": _FRAME,
        "last_frame_image": _IMAGE,
        "reference_images": _images(9),
        "reference_videos": Field("video", most=3, many=True),
        "reference_audios": Field("audio", most=3, many=True),
        "duration": _seconds(-1, 15, 5),
        "resolution": _words(Meaning.SIZE, resolutions, "720p"),
        "aspect_ratio": _words(Meaning.RATIO, ("adaptive", "21:9", *_FIVE), "16:9"),
        "generate_audio": _sound(),
        "seed": _SEED,
    }
    return Endpoint("video", fields, default_size="720p", single=True)


def _happy_horse() -> Endpoint:
    fields: dict[str, Field] = {
        "prompt": _prompt(5_000, required=False),
        "image": _FRAME,
        "duration": _seconds(3, 15, 5),
        "resolution": _words(Meaning.SIZE, ("720p", "1080p"), "1080p"),
        "aspect_ratio": _words(Meaning.RATIO, _FIVE, "16:9"),
        "seed": _SEED,
    }
    return Endpoint("video", fields, default_size="1080p", single=True)


def _vidu() -> Endpoint:
    fields: dict[str, Field] = {
        "prompt": _prompt(2_000, required=False),
        "start_image": _FRAME,
        "end_image": _IMAGE,
        "duration": _seconds(1, 16, 5),
        "resolution": _words(Meaning.SIZE, ("540p", "720p", "1080p"), "720p"),
        "aspect_ratio": _words(Meaning.RATIO, _FIVE, "16:9"),
        "audio": _sound(),
        "seed": _SEED,
    }
    return Endpoint("video", fields, default_size="720p", single=True)


def _grok_image() -> Endpoint:
    ratios = ("2:1", "20:9", "19.5:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16")
    fields: dict[str, Field] = {
        "prompt": _prompt(8_000),
        "image": _FRAME,
        "aspect_ratio": _words(Meaning.RATIO, (*ratios, "9:19.5", "9:20", "1:2"), "1:1"),
    }
    return Endpoint("image", fields, default_format="jpeg", single=True)


def _recraft() -> Endpoint:
    fields: dict[str, Field] = {
        "prompt": _prompt(1_000),
        "size": _words(Meaning.SIZE, RECRAFT_SIZES, "1024x1024"),
        "style": _words(Meaning.NOTHING, RECRAFT_STYLES, "any"),
    }
    return Endpoint("image", fields, default_format="webp", single=True)


def _grok_video() -> Endpoint:
    fields: dict[str, Field] = {
        "prompt": _prompt(4_096),
        "image": _FRAME,
        "duration": _seconds(1, 15, 6),
        "resolution": _words(Meaning.SIZE, ("480p", "720p"), "720p"),
        "aspect_ratio": _words(Meaning.RATIO, ("auto", *_FIVE, "3:2", "2:3"), "auto"),
    }
    return Endpoint("video", fields, default_size="720p", single=True)


def _veo(resolutions: tuple[str, ...], *, references: bool) -> Endpoint:
    fields: dict[str, Field] = {
        "prompt": _prompt(20_000),
        "image": _FRAME,
        "last_frame": _IMAGE,
        "duration": _seconds(4, 8, 8),
        "resolution": _words(Meaning.SIZE, resolutions, "1080p"),
        "aspect_ratio": _words(Meaning.RATIO, ("16:9", "9:16"), "16:9"),
        "generate_audio": _sound(),
        "negative_prompt": _WORDS,
        "seed": _SEED,
    }
    if references:
        fields["reference_images"] = _images(3)
    return Endpoint("video", fields, default_size="1080p", single=True)


def _topaz() -> Endpoint:
    fields: dict[str, Field] = {
        "video": Field("video", Meaning.SOURCE, required=True),
        "target_resolution": _words(Meaning.SIZE, ("720p", "1080p", "4k"), "1080p"),
        "target_fps": Field("integer", least=15, most=120),
    }
    return Endpoint("video", fields, default_size="1080p", single=True)


MODELS: Final[Mapping[str, Endpoint]] = {
    "openai/gpt-image-2": _gpt_image(),
    "google/nano-banana-pro": _nano_banana(("1K", "2K", "4K")),
    "google/nano-banana-2": _nano_banana(("512px", "1K", "2K", "4K"), ("8:1", "4:1", "1:4", "1:8")),
    "google/nano-banana": _nano_banana(()),
    "bytedance/seedream-5-lite": _seedream(),
    "bytedance/seedance-2.0": _seedance(("480p", "720p", "1080p", "4k")),
    "bytedance/seedance-2.0-fast": _seedance(("480p", "720p")),
    "alibaba/happyhorse-1.0": _happy_horse(),
    "vidu/q3-pro": _vidu(),
    "vidu/q3-turbo": _vidu(),
    "xai/grok-imagine-image": _grok_image(),
    "recraft-ai/recraft-v3": _recraft(),
    "xai/grok-imagine-video": _grok_video(),
    "google/veo-3.1": _veo(("720p", "1080p"), references=True),
    "google/veo-3.1-fast": _veo(("720p", "1080p"), references=False),
    "google/veo-3.1-lite": _veo(("720p", "1080p"), references=False),
    "topazlabs/video-upscale": _topaz(),
}
