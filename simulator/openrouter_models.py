"""The models that simulated OpenRouter has, and their inputs, flattened.

Facts: providers.md 8.6 and provider_matrix.md; ranges are those of whoever owns a model, by
inference; HappyHorse's "1080P" in capitals was seen. Files stand in lists of objects:
`frame_images` by their type, `input_references` by their kind; here they are `first_frame`,
`last_frame`, `images`, `videos` and `audios`.
"""

from collections.abc import Mapping
from typing import Final

from simulator.endpoint_fields import Field, Meaning
from simulator.endpoint_orders import Endpoint
from simulator.resold_fields import (
    FIVE,
    FORMATS,
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


def _images() -> dict[str, Endpoint]:
    common: _Fields = {
        "prompt": prompt(),
        "n": Field("integer", Meaning.COUNT, least=1, most=10, default=1),
        "images": images(16),
        "output_format": words(Meaning.FORMAT, FORMATS, "png"),
        "output_compression": Field("integer", least=0, most=100),
    }
    gpt: _Fields = {
        **common,
        "size": Field("size", Meaning.SIZE, ("auto",), least=16, most=3_840),
        "quality": words(Meaning.NOTHING, ("auto", "low", "medium", "high"), "auto"),
        "background": words(Meaning.NOTHING, ("auto", "opaque", "transparent"), "auto"),
    }

    def gemini(classes: tuple[str, ...], ratios: tuple[str, ...] = TEN) -> _Fields:
        return {
            **common,
            "aspect_ratio": words(Meaning.RATIO, ratios),
            "resolution": words(Meaning.SIZE, classes, "1K"),
            "seed": SEED,
        }

    extreme = (*TEN, "8:1", "4:1", "1:4", "1:8")
    by_name: dict[str, _Fields] = {
        "openai/gpt-image-2": gpt,
        "google/gemini-3-pro-image": gemini(("1K", "2K", "4K")),
        "google/gemini-3.1-flash-image": gemini(("512", "1K", "2K", "4K"), extreme),
        "google/gemini-2.5-flash-image": gemini(("1K",)),
    }
    return {name: Endpoint("image", fields) for name, fields in by_name.items()}


def _videos() -> dict[str, Endpoint]:
    def made(
        most: int, classes: tuple[str, ...], ratios: tuple[str, ...], length: Field, **more: Field
    ) -> _Fields:
        return {
            "prompt": prompt(most, required=False),
            "resolution": words(Meaning.SIZE, classes, classes[0]),
            "aspect_ratio": words(Meaning.RATIO, ratios),
            "duration": length,
            "first_frame": Field("image", Meaning.SOURCE),
            **more,
        }

    frames: _Fields = {"last_frame": Field("image"), "generate_audio": SOUND, "seed": SEED}
    veo = made(20_000, ("720p", "1080p", "4K"), WIDE, seconds(4, 8, 8), **frames)
    lite = made(20_000, ("720p", "1080p"), WIDE, seconds(4, 8, 8), **frames)
    seedance = made(
        32_000,
        ("480p", "720p", "1080p", "4K"),
        ("21:9", *FIVE),
        seconds(4, 15, 5),
        **frames,
        images=images(9),
        videos=files("video", 3),
        audios=files("audio", 3),
    )
    horse = made(5_000, ("720P", "1080P"), FIVE, seconds(3, 15, 5), images=images(9), seed=SEED)
    grok = made(4_096, ("480p", "720p"), (*FIVE, "3:2", "2:3"), seconds(1, 15, 8))
    grok["images"] = images(7)
    by_name: dict[str, _Fields] = {
        "bytedance/seedance-2.0": seedance,
        "alibaba/happyhorse-1.0": horse,
        "x-ai/grok-imagine-video": grok,
        "google/veo-3.1": {**veo, "images": images(3)},
        "google/veo-3.1-fast": {**veo, "images": images(3)},
        "google/veo-3.1-lite": lite,
    }
    return {name: Endpoint("video", fields) for name, fields in by_name.items()}


IMAGES: Final[Mapping[str, Endpoint]] = _images()
VIDEOS: Final[Mapping[str, Endpoint]] = _videos()
