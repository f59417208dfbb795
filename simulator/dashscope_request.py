"""What a DashScope video task asks for, checked against the models' rules.

Facts: Model Studio's references of HappyHorse 1.0 and 1.1 and of Vidu (Beijing), video synthesis.
What is inferred: which sizes the ratios of HappyHorse have, and that a video keeps its first
frame's ratio. A video to edit is never fetched: its result is always EDITED_SECONDS long.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from simulator.body_fields import BodyFields, Picture, Problem, digest_of, fitted, picture
from simulator.body_fields import refused_at as moderated_at
from simulator.dashscope_errors import known
from simulator.vidu_sizes import AREAS, REFERENCE_SIZES, TEXT_SIZES

EDITED_SECONDS: Final = 5
MAX_SEED: Final = 2_147_483_647
RATIOS: Final = ("16:9", "9:16", "1:1", "4:3", "3:4", "4:5", "5:4", "9:21", "21:9")
HORSE_AREAS: Final = {"480P": 854 * 480, "720P": 1280 * 720, "1080P": 1920 * 1080}
_SIZE: Final = re.compile(r"([0-9]{2,4})\*([0-9]{2,4})")


@dataclass(frozen=True, slots=True)
class VideoModel:
    """What one model takes: `media` is how many of each type, least and most."""

    media: Mapping[str, tuple[int, int]]
    resolutions: tuple[str, ...]
    default: str
    seconds: tuple[int, int]
    needs_prompt: bool = True
    has_ratio: bool = True
    watermark: bool = True
    sides: tuple[int, int] = (300, 300)
    slimness: float = 2.5
    # Of Vidu's: the sizes that may be asked for, by resolution and ratio.
    sizes: Mapping[str, Mapping[str, tuple[int, int]]] | None = None

    @property
    def is_vidu(self) -> bool:
        """Say whether Vidu makes it: other settings, and other words in the answers."""
        return not self.watermark


def _horses(version: str, resolutions: tuple[str, ...]) -> dict[str, VideoModel]:
    name = f"happyhorse-{version}"
    return {
        f"{name}-t2v": VideoModel({}, resolutions, "1080P", (3, 15)),
        f"{name}-i2v": VideoModel(
            {"first_frame": (1, 1)}, resolutions, "1080P", (3, 15), False, has_ratio=False
        ),
        f"{name}-r2v": VideoModel(
            {"reference_image": (1, 9)}, resolutions, "1080P", (3, 15), sides=(400, 400)
        ),
    }


def _vidus() -> dict[str, VideoModel]:
    kinds = {
        "text2video": ((0, 0), ("pro", "turbo"), TEXT_SIZES, True),
        "img2video": ((1, 1), ("pro", "turbo"), None, False),
        "start-end2video": ((2, 2), ("pro", "turbo"), None, False),
        "reference2video": ((1, 7), ("", "turbo", "mix"), REFERENCE_SIZES, True),
    }
    made = {}
    for kind, (count, versions, sizes, needs_prompt) in kinds.items():
        for version in versions:
            name = f"vidu/viduq3{version and '-'}{version}_{kind}"
            made[name] = VideoModel(
                media={"image": count},
                resolutions=("720P", "1080P") if version == "mix" else ("540P", "720P", "1080P"),
                default="720P",
                seconds=(1, 16),
                needs_prompt=needs_prompt,
                has_ratio=False,
                watermark=False,
                sides=(1, 1),
                slimness=4.0,
                sizes=sizes,
            )
    return made


MODELS: Final[Mapping[str, VideoModel]] = {
    **_horses("1.0", ("720P", "1080P")),
    **_horses("1.1", ("480P", "720P", "1080P")),
    "happyhorse-1.0-video-edit": VideoModel(
        {"video": (1, 1), "reference_image": (0, 5)},
        ("720P", "1080P"),
        "1080P",
        (EDITED_SECONDS, EDITED_SECONDS),
        has_ratio=False,
    ),
    **_vidus(),
}


@dataclass(frozen=True, slots=True)
class VideoOrder:
    """A valid task, as its protocol shows it again. `seed` is -1 where the model picks one."""

    model: str
    resolution: str
    # Empty where the task did not take one.
    ratio: str
    width: int
    height: int
    seconds: int
    input_seconds: int
    seed: int
    audio: bool
    watermark: bool
    is_vidu: bool
    variant: int
    refused_at: str
    mismatch: bool = False


@dataclass(slots=True)
class _Media:
    """The media of a task, sorted."""

    types: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    urls: list[str] = field(default_factory=list, repr=False)


def read_task_request(fields: BodyFields, variants: int) -> VideoOrder:
    """Check a task; raises FieldRefused and DashScopeRejected.

    *variants* is how many videos there are to tell apart.
    """
    name = fields.required_text("model")
    model = MODELS.get(name)
    if model is None:
        raise known(404, "ModelNotFound")
    asked, given = fields.section("input"), fields.section("parameters")
    prompt = asked.text("prompt")
    if model.needs_prompt and not prompt:
        raise asked.refused("prompt", "it is required", Problem.MISSING)
    media = _read_media(asked, model)
    resolution = given.choice("resolution", model.resolutions, model.default)
    ratio = given.choice("ratio", RATIOS, "16:9") if model.has_ratio else ""
    width, height, mismatch = _size(given, model, resolution, ratio, media)
    edits = "video" in media.types
    if edits:
        given.choice("audio_setting", ("auto", "origin"), "auto")
    low, high = model.seconds
    seconds = EDITED_SECONDS if edits else given.integer("duration", low, high, 5)
    variant = int.from_bytes(digest_of(prompt, *media.urls), "big") % variants
    return VideoOrder(
        model=name,
        resolution=resolution,
        ratio=ratio,
        width=width,
        height=height,
        seconds=seconds,
        input_seconds=EDITED_SECONDS if edits else 0,
        seed=given.integer("seed", 0, MAX_SEED, -1),
        # HappyHorse has no switch: its videos have sound.
        audio=given.boolean("audio", default=False) if model.is_vidu else True,
        watermark=given.boolean("watermark", default=model.watermark),
        is_vidu=model.is_vidu,
        variant=variant,
        refused_at=moderated_at(prompt),
        mismatch=mismatch,
    )


def _read_media(fields: BodyFields, model: VideoModel) -> _Media:
    media = _Media()
    for item in fields.objects("media"):
        kind = item.required_text("type")
        if kind not in model.media:
            raise item.refused("type", f"expected one of {', '.join(model.media) or 'none'}")
        media.types.append(kind)
        url = item.required_text("url")
        media.urls.append(url)
        if kind == "video":
            item.url("url")
        else:
            media.pictures.append(picture(url, "input.media.url", model.sides, model.slimness))
    for kind, (least, most) in model.media.items():
        if not least <= media.types.count(kind) <= most:
            why = f"expected {least} to {most} of the type {kind}"
            raise fields.refused("media", why, Problem.COUNT)
    return media


def _size(
    given: BodyFields, model: VideoModel, resolution: str, ratio: str, media: _Media
) -> tuple[int, int, bool]:
    """Give width and height, and whether they are of another resolution than was asked for."""
    areas = AREAS if model.is_vidu else HORSE_AREAS
    area = areas[resolution.lower() if model.is_vidu else resolution]
    if model.sizes is not None:
        asked = given.text("size")
        sizes = model.sizes[resolution.lower()]
        if not asked:
            return *sizes["16:9"], False
        match = _SIZE.fullmatch(asked)
        if match is None:
            raise given.refused("size", "expected width*height")
        size = int(match[1]), int(match[2])
        return *size, size not in sizes.values()
    if ratio:
        width, _, height = ratio.partition(":")
        return *fitted(area, int(width), int(height), 8), False
    framed = [one.size for one in media.pictures if one.size is not None]
    follows = "video" not in media.types and framed
    return *(fitted(area, *framed[0], 4) if follows else fitted(area, 16, 9, 8)), False
