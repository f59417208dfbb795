"""The models that simulated WaveSpeed has, and their inputs.

Facts: providers.md 8.4 and provider_matrix.md; ranges that they do not give are those of whoever
owns a model, by inference. Unknown inputs are ignored, by inference too.
"""

from collections.abc import Mapping
from typing import Final

from simulator.endpoint_fields import Field, Meaning
from simulator.endpoint_orders import Endpoint
from simulator.resold_fields import (
    FIVE,
    FLAG,
    FORMATS,
    GROK,
    SEED,
    SOUND,
    TEN,
    WIDE,
    files,
    image,
    images,
    prompt,
    seconds,
    words,
)

_Fields = dict[str, Field]
_SWITCHES: Final[_Fields] = {"enable_sync_mode": FLAG, "enable_base64_output": FLAG}


def _drawn(name: str, fields: _Fields, edits: int, size: str = "1k") -> dict[str, Endpoint]:
    """A model of images: from words, and from images at `/edit`."""
    plain = name if name.endswith("lite") else f"{name}/text-to-image"
    edit = {**fields, "images": images(edits, required=True)}
    return {
        plain: Endpoint("image", fields, default_size=size),
        f"{name}/edit": Endpoint("image", edit, default_size=size),
    }


def _images() -> dict[str, Endpoint]:
    quality = words(Meaning.NOTHING, ("low", "medium", "high"), "medium")
    kind = words(Meaning.FORMAT, FORMATS, "png")
    classes = words(Meaning.SIZE, ("1k", "2k", "4k"), "1k")
    ratio = words(Meaning.RATIO, TEN)
    sized = Field("size", Meaning.SIZE, least=512, most=6_000)
    gpt: _Fields = {
        "prompt": prompt(),
        "aspect_ratio": words(Meaning.RATIO, ("1:1", "3:2", "2:3")),
        "resolution": classes,
        "quality": quality,
        "output_format": kind,
    }
    banana: _Fields = {"prompt": prompt(), "aspect_ratio": ratio, "output_format": kind}
    seedream: _Fields = {"prompt": prompt(), "size": sized, "output_format": kind}
    grok: _Fields = {"prompt": prompt(), "aspect_ratio": words(Meaning.RATIO, GROK)}
    return {
        **_drawn("openai/gpt-image-2", gpt, 16),
        **_drawn("google/nano-banana-pro", {**banana, "resolution": classes}, 14),
        **_drawn("google/nano-banana-2", {**banana, "resolution": classes}, 14),
        **_drawn("google/nano-banana", banana, 10),
        **_drawn("bytedance/seedream-v5.0-lite", seedream, 10, "2k"),
        **_drawn("x-ai/grok-imagine-image", grok, 5),
    }


def _filmed(name: str, size: str, by_path: Mapping[str, _Fields]) -> dict[str, Endpoint]:
    return {
        f"{name}/{path}": Endpoint("video", fields, default_size=size)
        for path, fields in by_path.items()
    }


def _seedance() -> dict[str, Endpoint]:
    fields: _Fields = {
        "prompt": prompt(),
        "aspect_ratio": words(Meaning.RATIO, ("21:9", *FIVE)),
        "resolution": words(Meaning.SIZE, ("480p", "720p", "1080p", "4k"), "720p"),
        "duration": seconds(4, 15, 5),
        "generate_audio": SOUND,
        "seed": SEED,
    }
    # There is no endpoint for references: they are inputs of text-to-video.
    referring: _Fields = {
        **fields,
        "reference_images": images(9),
        "reference_videos": files("video", 3),
        "reference_audios": files("audio", 3),
    }
    framed: _Fields = {
        **fields,
        "prompt": prompt(required=False),
        "image": image(required=True),
        "last_image": Field("image"),
    }
    paths = {"text-to-video": referring, "image-to-video": framed}
    return _filmed("bytedance/seedance-2.0", "720p", paths)


def _happy_horse() -> dict[str, Endpoint]:
    fields: _Fields = {
        "prompt": prompt(5_000),
        "aspect_ratio": words(Meaning.RATIO, FIVE, "16:9"),
        "resolution": words(Meaning.SIZE, ("720p", "1080p"), "720p"),
        "duration": seconds(3, 15, 5),
        "seed": SEED,
    }
    framed: _Fields = {**fields, "prompt": prompt(5_000, required=False)}
    framed["image"] = image(required=True)
    del framed["aspect_ratio"]
    paths = {"text-to-video": fields, "image-to-video": framed}
    return _filmed("alibaba/happyhorse-1.0", "720p", paths)


def _grok() -> dict[str, Endpoint]:
    fields: _Fields = {
        "prompt": prompt(4_096),
        "aspect_ratio": words(Meaning.RATIO, (*FIVE, "3:2", "2:3"), "16:9"),
        "resolution": words(Meaning.SIZE, ("480p", "720p"), "720p"),
        # The only two that it makes.
        "duration": Field("integer", Meaning.SECONDS, least=6, most=10, default=6),
    }
    framed: _Fields = {**fields, "image": image(required=True)}
    del framed["aspect_ratio"]
    edit: _Fields = {"prompt": prompt(4_096), "resolution": fields["resolution"]}
    edit["video"] = Field("video", Meaning.SOURCE, required=True)
    paths = {
        "text-to-video": fields,
        "image-to-video": framed,
        "reference-to-video": {**fields, "images": images(7, required=True)},
        "edit-video": edit,
    }
    return _filmed("x-ai/grok-imagine-video", "720p", paths)


def _veo() -> dict[str, Endpoint]:
    fields: _Fields = {
        "prompt": prompt(20_000),
        "aspect_ratio": words(Meaning.RATIO, WIDE, "16:9"),
        "resolution": words(Meaning.SIZE, ("720p", "1080p", "4k"), "1080p"),
        "duration": seconds(4, 8, 8),
        "generate_audio": SOUND,
        "negative_prompt": Field("text", most=20_000),
        "seed": SEED,
    }
    framed: _Fields = {**fields, "image": image(required=True), "last_image": Field("image")}
    paths = {
        "text-to-video": fields,
        "image-to-video": framed,
        "reference-to-video": {**fields, "images": images(3, required=True)},
    }
    return _filmed("google/veo3.1", "1080p", paths)


def _all() -> dict[str, Endpoint]:
    upscaler: _Fields = {
        "video": Field("video", Meaning.SOURCE, required=True),
        "target_resolution": words(Meaning.SIZE, ("720p", "1080p", "2k", "4k"), "1080p"),
    }
    made = {**_images(), **_seedance(), **_happy_horse(), **_grok(), **_veo()}
    made["wavespeed-ai/video-upscaler-pro"] = Endpoint("video", upscaler, default_size="1080p")
    return {
        name: Endpoint(one.kind, {**one.fields, **_SWITCHES}, default_size=one.default_size)
        for name, one in made.items()
    }


MODELS: Final[Mapping[str, Endpoint]] = _all()
