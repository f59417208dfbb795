"""The models that simulated kie.ai has, and their inputs.

Facts: providers.md 8.5, from kie.ai's own OpenAPI files; where these give no range, that of whoever
owns a model stands here, by inference. Files are links only.
"""

from collections.abc import Mapping
from typing import Final

from simulator.endpoint_fields import Field, Meaning
from simulator.endpoint_orders import Endpoint
from simulator.resold_fields import (
    FIVE,
    FLAG,
    SEED,
    SOUND,
    TEN,
    WIDE,
    files,
    images,
    prompt,
    seconds,
    words,
)

_Fields = dict[str, Field]
_CLASSES: Final = ("1K", "2K", "4K")


def _images() -> dict[str, Endpoint]:
    ratio, kind = words(Meaning.RATIO, ("auto", *TEN)), words(Meaning.FORMAT, ("png", "jpg"), "png")
    classes = words(Meaning.SIZE, _CLASSES, "1K")
    gpt: _Fields = {
        "prompt": prompt(20_000),
        "aspect_ratio": words(Meaning.RATIO, ("auto", *TEN, "1:2", "2:1", "3:1", "1:3", "9:21")),
        "resolution": classes,
    }
    banana: _Fields = {"prompt": prompt(20_000), "aspect_ratio": ratio, "output_format": kind}
    sized: _Fields = {**banana, "resolution": classes}
    seedream: _Fields = {
        "prompt": prompt(20_000),
        "aspect_ratio": Field("word", Meaning.RATIO, (*TEN, "9:21"), required=True),
        "quality": words(Meaning.SIZE, ("basic", "high", "ultra"), "basic"),
    }
    grok: _Fields = {
        "prompt": prompt(5_000),
        "aspect_ratio": words(Meaning.RATIO, ("2:3", "3:2", "1:1", "16:9", "9:16")),
        "enable_pro": FLAG,
    }
    edited: dict[str, _Fields] = {
        "gpt-image-2-text-to-image": gpt,
        "gpt-image-2-image-to-image": {**gpt, "input_urls": images(16, required=True)},
        "nano-banana-pro": {**sized, "image_input": images(8)},
        "nano-banana-2": {**sized, "image_input": images(14)},
        "google/nano-banana": banana,
        "google/nano-banana-edit": {**banana, "image_urls": images(10, required=True)},
        "seedream/5-lite-text-to-image": seedream,
        "seedream/5-lite-image-to-image": {**seedream, "image_urls": images(14, required=True)},
        "grok-imagine/text-to-image": grok,
        "grok-imagine/image-to-image": {**grok, "image_urls": images(1, required=True)},
    }
    return {
        name: Endpoint(
            "image", fields, default_format="jpeg" if name.startswith("seedream") else "png"
        )
        for name, fields in edited.items()
    }


def _horses() -> dict[str, tuple[_Fields, str]]:
    horse: _Fields = {
        "prompt": prompt(5_000),
        "resolution": words(Meaning.SIZE, ("720p", "1080p"), "1080p"),
        "aspect_ratio": words(Meaning.RATIO, FIVE, "16:9"),
        "duration": seconds(3, 15, 5),
        "seed": SEED,
    }
    framed = {**horse, "prompt": prompt(5_000, required=False)}
    edit: _Fields = {
        "prompt": prompt(5_000),
        "resolution": horse["resolution"],
        "video_url": Field("video", Meaning.SOURCE, required=True),
        "reference_image": Field("image", most=5, many=True),
        "audio_setting": Field("word", words=("auto", "origin")),
        "seed": SEED,
    }
    return {
        "happyhorse/text-to-video": (horse, "1080p"),
        "happyhorse/image-to-video": ({**framed, "image_urls": images(1, required=True)}, "1080p"),
        "happyhorse/reference-to-video": (
            {**horse, "reference_image": images(9, required=True)},
            "1080p",
        ),
        "happyhorse/video-edit": (edit, "1080p"),
    }


def _videos() -> dict[str, Endpoint]:
    seedance: _Fields = {
        "prompt": prompt(required=False),
        "first_frame_url": Field("image", Meaning.SOURCE),
        "last_frame_url": Field("image"),
        "reference_image_urls": images(9),
        "reference_video_urls": files("video", 3),
        "reference_audio_urls": files("audio", 3),
        "return_last_frame": FLAG,
        "generate_audio": SOUND,
        "resolution": words(Meaning.SIZE, ("480p", "720p", "1080p", "4k"), "720p"),
        "aspect_ratio": words(Meaning.RATIO, ("21:9", "adaptive", *FIVE), "16:9"),
        "duration": seconds(4, 15, 5),
        "web_search": FLAG,
    }
    # Seconds are a text here: an integer is answered with "duration it must be a string".
    grok: _Fields = {
        "prompt": prompt(5_000),
        "aspect_ratio": words(Meaning.RATIO, ("2:3", "3:2", "1:1", "16:9", "9:16")),
        "mode": Field("word", words=("fun", "normal", "spicy")),
        "duration": words(Meaning.SECONDS, tuple(str(each) for each in range(6, 31)), "6"),
        "resolution": words(Meaning.SIZE, ("480p", "720p"), "480p"),
    }
    by_name: dict[str, tuple[_Fields, str]] = {
        "bytedance/seedance-2": (seedance, "720p"),
        **_horses(),
        "grok-imagine/text-to-video": (grok, "480p"),
        "grok-imagine/image-to-video": ({**grok, "image_urls": images(7, required=True)}, "480p"),
        "topaz/video-upscale": (
            {
                "video_url": Field("video", Meaning.SOURCE, required=True),
                "upscale_factor": words(Meaning.FACTOR, ("1", "2", "4"), "2"),
            },
            "720p",
        ),
    }
    return {
        name: Endpoint("video", fields, default_size=size)
        for name, (fields, size) in by_name.items()
    }


MODELS: Final[Mapping[str, Endpoint]] = {**_images(), **_videos()}

_VEO: Final[_Fields] = {
    "prompt": prompt(20_000),
    "imageUrls": images(3),
    "generationType": Field(
        "word", words=("TEXT_2_VIDEO", "FIRST_AND_LAST_FRAMES_2_VIDEO", "REFERENCE_2_VIDEO")
    ),
    "aspect_ratio": words(Meaning.RATIO, (*WIDE, "Auto"), "16:9"),
    "seeds": Field("integer", Meaning.SEED, least=10_000, most=99_999),
    "enableTranslation": FLAG,
    "watermark": Field("text", most=64),
}
VEO: Final[Mapping[str, Endpoint]] = {
    # Always 720p and eight seconds: nothing asks for anything else.
    name: Endpoint(
        "video",
        {**_VEO, "duration": Field("integer", Meaning.SECONDS, least=8, most=8, default=8)},
        default_size="720p",
    )
    for name in ("veo3", "veo3_fast")
}
