"""The endpoints that simulated fal has, and their inputs.

Facts: providers.md 8.1 and 7.2 (litellm's and the catalogue's schemas, the models' pages), which
names the fields; where it gives no range, that of the model's owner stands here, by inference.
Unknown inputs are ignored, as by inference from FastAPI, which fal's apps are made with.
"""

from collections.abc import Mapping
from typing import Final

from simulator.endpoint_fields import Field, Meaning
from simulator.endpoint_orders import PRESETS, Endpoint
from simulator.recraft_model import STYLES as RECRAFT_STYLES

_SEED: Final = Field("integer", Meaning.SEED, least=0, most=(1 << 31) - 1)
_FLAG: Final = Field("boolean")
_WORDS: Final = Field("text", most=20_000)
_IMAGE: Final = Field("image", Meaning.SOURCE, required=True)
_VIDEO: Final = Field("video", Meaning.SOURCE, required=True)
_FORMATS: Final = ("jpeg", "png", "webp")
_WIDE: Final = ("16:9", "9:16")
_FIVE: Final = ("16:9", "9:16", "1:1", "4:3", "3:4")
_TEN: Final = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16")

_Fields = Mapping[str, Field]


def _prompt(most: int = 32_000, *, required: bool = True) -> Field:
    return Field("text", Meaning.PROMPT, most=most, required=required)


def _words(meaning: Meaning, words: tuple[str, ...], default: str) -> Field:
    return Field("word", meaning, words, default=default)


def _images(most: int, *, required: bool = True) -> Field:
    return Field("image", Meaning.SOURCE, most=most, required=required, many=True)


def _count(most: int = 4) -> Field:
    return Field("integer", Meaning.COUNT, least=1, most=most, default=1)


def _seconds(least: int, most: int, default: int) -> Field:
    return Field("integer", Meaning.SECONDS, least=least, most=most, default=default)


def _sound() -> Field:
    return Field("boolean", Meaning.SOUND, default=True)


def _gpt_image() -> dict[str, Endpoint]:
    fields: dict[str, Field] = {
        "prompt": _prompt(),
        "num_images": _count(),
        "image_size": Field("size", Meaning.SIZE, ("auto", *PRESETS), least=16, most=3840),
        "quality": _words(Meaning.NOTHING, ("auto", "low", "medium", "high"), "high"),
        "output_format": _words(Meaning.FORMAT, _FORMATS, "png"),
        "sync_mode": _FLAG,
    }
    edit = {**fields, "image_urls": _images(16), "mask_url": Field("image")}
    return {
        "openai/gpt-image-2": Endpoint("image", fields),
        "openai/gpt-image-2/edit": Endpoint("image", edit),
    }


def _nano_banana(name: str, sizes: tuple[str, ...], ratios: tuple[str, ...]) -> dict[str, Endpoint]:
    fields: dict[str, Field] = {
        "prompt": _prompt(50_000),
        "num_images": _count(),
        "aspect_ratio": _words(Meaning.RATIO, ("auto", *ratios), "auto"),
        "output_format": _words(Meaning.FORMAT, _FORMATS, "png"),
        "sync_mode": _FLAG,
        "limit_generations": _FLAG,
    }
    if sizes:
        fields |= {
            "resolution": _words(Meaning.SIZE, sizes, "1K"),
            "seed": _SEED,
            "safety_tolerance": Field("word", words=tuple("123456"), default="4"),
            "enable_web_search": _FLAG,
        }
    return {
        name: Endpoint("image", fields),
        f"{name}/edit": Endpoint("image", {**fields, "image_urls": _images(14)}),
    }


def _seedream() -> dict[str, Endpoint]:
    sizes = ("auto_2K", "auto_3K", *PRESETS)
    fields: dict[str, Field] = {
        "prompt": _prompt(),
        "image_size": Field("size", Meaning.SIZE, sizes, least=512, most=6_000),
        "num_images": _count(6),
        "max_images": _count(6),
        "enable_safety_checker": _FLAG,
        "sync_mode": _FLAG,
    }
    edit = {**fields, "image_urls": _images(10)}
    base = "fal-ai/bytedance/seedream/v5/lite"
    return {
        f"{base}/text-to-image": Endpoint("image", fields, default_size="auto_2K"),
        f"{base}/edit": Endpoint("image", edit, default_size="auto_2K"),
    }


def _seedance(infix: str, resolutions: tuple[str, ...]) -> dict[str, Endpoint]:
    seconds = tuple(str(second) for second in range(4, 16))
    fields: dict[str, Field] = {
        "prompt": _prompt(),
        "resolution": _words(Meaning.SIZE, resolutions, "720p"),
        "duration": _words(Meaning.SECONDS, ("auto", *seconds), "auto"),
        "aspect_ratio": _words(Meaning.RATIO, ("auto", "21:9", *_FIVE), "auto"),
        "generate_audio": _sound(),
        "seed": _SEED,
        "end_user_id": _WORDS,
    }
    frames = {**fields, "image_url": _IMAGE, "end_image_url": Field("image")}
    references = {
        **fields,
        "image_urls": _images(9, required=False),
        "video_urls": Field("video", most=3, many=True),
        "audio_urls": Field("audio", most=3, many=True),
    }
    return {
        f"bytedance/seedance-2.0/{infix}{path}": Endpoint("video", known, default_size="720p")
        for path, known in (
            ("text-to-video", fields),
            ("image-to-video", frames),
            ("reference-to-video", references),
        )
    }


def _happy_horse() -> dict[str, Endpoint]:
    fields: dict[str, Field] = {
        "prompt": _prompt(5_000),
        "resolution": _words(Meaning.SIZE, ("720p", "1080p"), "1080p"),
        "duration": _seconds(3, 15, 5),
        "seed": _SEED,
        "enable_safety_checker": _FLAG,
    }
    ratio = {"aspect_ratio": _words(Meaning.RATIO, _FIVE, "16:9")}
    edit: dict[str, Field] = {
        "prompt": _prompt(5_000),
        "video_url": _VIDEO,
        "reference_image_urls": Field("image", most=5, many=True),
        "resolution": fields["resolution"],
        "audio_setting": _words(Meaning.NOTHING, ("auto", "origin"), "auto"),
        "seed": _SEED,
        "enable_safety_checker": _FLAG,
    }
    framed = {**fields, "prompt": _prompt(5_000, required=False), "image_url": _IMAGE}
    by_path: dict[str, _Fields] = {
        "text-to-video": fields | ratio,
        "image-to-video": framed,
        "reference-to-video": {**fields, **ratio, "image_urls": _images(9)},
        "video-edit": edit,
    }
    return {
        f"alibaba/happy-horse/{path}": Endpoint("video", known, default_size="1080p")
        for path, known in by_path.items()
    }


def _vidu(turbo: str) -> dict[str, Endpoint]:
    fields: dict[str, Field] = {
        "prompt": _prompt(2_000),
        "resolution": _words(Meaning.SIZE, ("360p", "540p", "720p", "1080p"), "720p"),
        "duration": _seconds(1, 16, 5),
        "audio": _sound(),
        "seed": _SEED,
    }
    ratio = {"aspect_ratio": _words(Meaning.RATIO, _FIVE, "16:9")}
    framed = {**fields, "prompt": _prompt(2_000, required=False)}
    frames = {"start_image_url": _IMAGE, "end_image_url": Field("image", required=True)}
    by_path: dict[str, _Fields] = {
        "text-to-video": fields | ratio,
        "image-to-video": {**framed, "image_url": _IMAGE},
        "start-end-to-video": framed | frames,
    }
    if not turbo:
        by_path["reference-to-video"] = {**fields, **ratio, "reference_image_urls": _images(7)}
    return {
        f"fal-ai/vidu/q3/{path}{turbo}": Endpoint("video", known, default_size="720p")
        for path, known in by_path.items()
    }


def _grok_image() -> dict[str, Endpoint]:
    ratios = ("2:1", "20:9", "19.5:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16")
    fields: dict[str, Field] = {
        "prompt": _prompt(8_000),
        "num_images": _count(),
        "aspect_ratio": _words(Meaning.RATIO, (*ratios, "9:19.5", "9:20", "1:2"), "1:1"),
        "output_format": _words(Meaning.FORMAT, _FORMATS, "jpeg"),
        "sync_mode": _FLAG,
    }
    edit = {**fields, "image_urls": _images(5)}
    return {
        "xai/grok-imagine-image": Endpoint("image", fields),
        "xai/grok-imagine-image/edit": Endpoint("image", edit),
    }


def _recraft() -> dict[str, Endpoint]:
    fields: dict[str, Field] = {
        "prompt": _prompt(1_000),
        "image_size": Field("size", Meaning.SIZE, PRESETS, least=16, most=2_048),
        "style": _words(Meaning.NOTHING, RECRAFT_STYLES, "realistic_image"),
        "enable_safety_checker": _FLAG,
    }
    endpoint = Endpoint("image", fields, default_size="square_hd", default_format="webp")
    return {"fal-ai/recraft/v3/text-to-image": endpoint}


def _grok_video() -> dict[str, Endpoint]:
    size = {"resolution": _words(Meaning.SIZE, ("480p", "720p"), "720p")}
    ratios = (*_FIVE, "3:2", "2:3")
    fields: dict[str, Field] = {"prompt": _prompt(4_096), "duration": _seconds(1, 15, 6), **size}
    ratio = {"aspect_ratio": _words(Meaning.RATIO, ratios, "16:9")}
    framed = {"aspect_ratio": _words(Meaning.RATIO, ("auto", *ratios), "auto"), "image_url": _IMAGE}
    by_path: dict[str, _Fields] = {
        "text-to-video": fields | ratio,
        "image-to-video": {**fields, **framed, "prompt": _prompt(4_096, required=False)},
        "reference-to-video": {**fields, **ratio, "reference_image_urls": _images(7)},
        "edit-video": {"prompt": _prompt(4_096), **size, "video_url": _VIDEO},
    }
    return {
        f"xai/grok-imagine-video/{path}": Endpoint("video", known, default_size="720p")
        for path, known in by_path.items()
    }


def _veo(tier: str, resolutions: tuple[str, ...]) -> dict[str, Endpoint]:
    fields: dict[str, Field] = {
        "prompt": _prompt(20_000),
        "aspect_ratio": _words(Meaning.RATIO, _WIDE, "16:9"),
        "duration": _words(Meaning.SECONDS, ("4s", "6s", "8s"), "8s"),
        "resolution": _words(Meaning.SIZE, resolutions, "720p"),
        "generate_audio": _sound(),
        "negative_prompt": _WORDS,
        "seed": _SEED,
        "safety_tolerance": Field("word", words=tuple("123456"), default="4"),
        "auto_fix": _FLAG,
    }
    framed = {**fields, "aspect_ratio": _words(Meaning.RATIO, ("auto", *_WIDE), "auto")}
    frames = {"first_frame_url": _IMAGE, "last_frame_url": Field("image", required=True)}
    by_path: dict[str, _Fields] = {
        "": fields,
        "/image-to-video": {**framed, "image_url": _IMAGE},
        "/first-last-frame-to-video": framed | frames,
    }
    if tier != "/lite":
        by_path["/reference-to-video"] = {**fields, "image_urls": _images(3)}
    return {
        f"fal-ai/veo3.1{tier}{path}": Endpoint("video", known, default_size="720p")
        for path, known in by_path.items()
    }


def _topaz() -> dict[str, Endpoint]:
    part = Field("number", least=0, most=1)
    fields: dict[str, Field] = {
        "video_url": _VIDEO,
        "upscale_factor": Field("number", Meaning.FACTOR, least=1, most=4, default=2),
        "target_fps": Field("integer", least=16, most=120),
        "model": Field("text", most=64),
        "H264_output": _FLAG,
        **dict.fromkeys(("compression", "noise", "halo", "grain", "recover_detail"), part),
    }
    return {"fal-ai/topaz/upscale/video": Endpoint("video", fields)}


def _all() -> dict[str, Endpoint]:
    extreme = ("8:1", "4:1", "1:4", "1:8")
    return {
        **_gpt_image(),
        **_nano_banana("fal-ai/nano-banana-pro", ("1K", "2K", "4K"), _TEN),
        **_nano_banana("fal-ai/nano-banana-2", ("0.5K", "1K", "2K", "4K"), _TEN + extreme),
        **_nano_banana("fal-ai/nano-banana", (), _TEN),
        **_seedream(),
        **_seedance("", ("480p", "720p", "1080p", "4k")),
        **_seedance("fast/", ("480p", "720p")),
        **_happy_horse(),
        **_vidu(""),
        **_vidu("/turbo"),
        **_grok_image(),
        **_recraft(),
        **_grok_video(),
        **_veo("", ("720p", "1080p", "4k")),
        **_veo("/fast", ("720p", "1080p", "4k")),
        **_veo("/lite", ("720p", "1080p")),
        **_topaz(),
    }


ENDPOINTS: Final[Mapping[str, Endpoint]] = _all()
