"""What a Seedance task asks for, checked against the models' rules.

Facts: Ark's field table of contents/generations/tasks, and refusals as observed. Inputs smaller
than the real minimum of 300 pixels a side are accepted here, so that tests may stay small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from simulator.ark_errors import ArkRejected, invalid, missing
from simulator.ark_fields import (
    MAX_SAFETY_IDENTIFIER_CHARS,
    MAX_URL_CHARS,
    InputImage,
    Parameters,
    input_image,
    is_web_url,
    model_named,
    refused_at,
)

MAX_IMAGE_BYTES: Final = 30 << 20
MAX_SIDE: Final = 6_000
# What the model takes for -1: it picks.
PICKED_SECONDS: Final = 6
_COUNTS: Final[Mapping[str, int]] = {
    "first_frame": 1,
    "last_frame": 1,
    "reference_image": 9,
    "reference_video": 3,
    "reference_audio": 3,
}
_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "image_url": ("first_frame", "last_frame", "reference_image"),
    "video_url": ("reference_video",),
    "audio_url": ("reference_audio",),
}
# Width and height of the video, by resolution and ratio.
SIZES: Final[Mapping[str, Mapping[str, tuple[int, int]]]] = {
    "480p": {"16:9": (864, 480), "4:3": (736, 544), "1:1": (640, 640), "21:9": (960, 416)},
    "720p": {"16:9": (1280, 720), "4:3": (1120, 832), "1:1": (960, 960), "21:9": (1504, 640)},
    "1080p": {"16:9": (1920, 1080), "4:3": (1664, 1248), "1:1": (1440, 1440), "21:9": (2176, 928)},
    "4k": {"16:9": (3840, 2160), "4:3": (3328, 2496), "1:1": (2880, 2880), "21:9": (4352, 1856)},
}
_UPRIGHT: Final = {"3:4": "4:3", "9:16": "16:9"}
RATIOS: Final = ("16:9", "4:3", "1:1", "3:4", "9:16", "21:9")


@dataclass(frozen=True, slots=True)
class VideoModel:
    """What one Seedance model takes."""

    resolutions: tuple[str, ...]
    max_seconds: int = 15
    # Whether a ratio may be asked for although a first frame decides it.
    ratio_with_frame: bool = True


_TWO: Final = VideoModel(("480p", "720p", "1080p", "4k", "4K"))
_SMALL: Final = VideoModel(("480p", "720p"))
_TWO_FIVE: Final = VideoModel(("480p", "720p", "1080p"), 30, ratio_with_frame=False)
MODELS: Final[Mapping[str, VideoModel]] = {
    f"{brand}-seedance-{version}": model
    for brand in ("doubao", "dreamina")
    for version, model in (
        ("2-0-260128", _TWO),
        ("2-0-fast-260128", _SMALL),
        ("2-0-mini-260615", _SMALL),
        ("2-5-260628", _TWO_FIVE),
    )
}


@dataclass(frozen=True, slots=True)
class VideoOrder:
    """A valid task, as its protocol shows it again. `seed` is -1 where the model picks one."""

    model: str
    resolution: str
    ratio: str
    width: int
    height: int
    seconds: int
    seed: int
    audio: bool
    last_frame: bool
    priority: int
    expires_after: int
    variant: int
    refused_at: str | None
    safety_identifier: str | None = field(repr=False)
    callback_url: str | None = field(repr=False)

    @property
    def tokens(self) -> int:
        """Tokens the video is billed as."""
        return self.width * self.height * 24 * self.seconds // 1_024


@dataclass(slots=True)
class _Content:
    """The content of a task, sorted."""

    prompt: str = field(default="", repr=False)
    images: list[InputImage] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Refuse what does not go together; raises ArkRejected."""
        if not self.prompt and not self.roles:
            raise missing("content")
        for role, most in _COUNTS.items():
            if self.roles.count(role) > most:
                raise _content(f"expected at most {most} {role} content")
        framed = {"first_frame", "last_frame"} & set(self.roles)
        if framed and any(role.startswith("reference") for role in self.roles):
            raise _content("first/last frame content cannot be mixed with reference media content")
        if framed == {"last_frame"}:
            raise _content("a last frame needs a first frame")
        if "reference_audio" in self.roles and set(self.roles) == {"reference_audio"}:
            raise _content("audio needs an image or a video beside it")


def read_task_request(parameters: Parameters, variants: int) -> VideoOrder:
    """Check a task; raises ArkRejected. *variants* is how many videos there are to tell apart."""
    name = parameters.required_text("model")
    model = model_named(name, MODELS, "doubao-seedance-2-0-260128")
    content = _read_content(parameters.get("content"))
    parameters.refuse("frames", "camera_fixed", "draft")
    parameters.choice("service_tier", ("default",), "default")
    parameters.choice("output_format", ("mp4",), "mp4")
    parameters.boolean("watermark", default=False)
    callback_url = parameters.text("callback_url", MAX_URL_CHARS)
    if callback_url is not None and not is_web_url(callback_url):
        raise invalid("callback_url", "expected an http or https URL")
    resolution = parameters.choice("resolution", model.resolutions, "720p").lower()
    ratio = _ratio(parameters, model, content)
    seconds = parameters.integer("duration", -1, model.max_seconds, 5)
    if -1 < seconds < 4:
        raise invalid("duration", f"expected 4 to {model.max_seconds}, or -1")
    width, height = size_of(resolution, ratio)
    return VideoOrder(
        model=name,
        resolution=resolution,
        ratio=ratio,
        width=width,
        height=height,
        seconds=PICKED_SECONDS if seconds == -1 else seconds,
        seed=parameters.integer("seed", -1, (1 << 32) - 1, -1),
        audio=parameters.boolean("generate_audio", default=True),
        last_frame=parameters.boolean("return_last_frame", default=False),
        priority=parameters.integer("priority", 0, 9, 0),
        expires_after=parameters.integer("execution_expires_after", 3_600, 259_200, 172_800),
        variant=_digest(content) % variants,
        refused_at=refused_at(content.prompt),
        safety_identifier=parameters.text("safety_identifier", MAX_SAFETY_IDENTIFIER_CHARS),
        callback_url=callback_url,
    )


def size_of(resolution: str, ratio: str) -> tuple[int, int]:
    """Give width and height of a video."""
    if ratio in _UPRIGHT:
        height, width = SIZES[resolution][_UPRIGHT[ratio]]
        return width, height
    return SIZES[resolution][ratio]


def nearest_ratio(size: tuple[int, int]) -> str:
    """Give the ratio that an `adaptive` video takes from its first image."""
    wanted = size[0] / size[1]

    def distance(ratio: str) -> float:
        width, height = size_of("720p", ratio)
        return max(wanted, width / height) / min(wanted, width / height)

    return min(RATIOS, key=distance)


def _ratio(parameters: Parameters, model: VideoModel, content: _Content) -> str:
    ratio = parameters.choice("ratio", (*RATIOS, "adaptive"), "adaptive")
    if ratio != "adaptive":
        if "first_frame" in content.roles and not model.ratio_with_frame:
            raise invalid("ratio", "the output ratio follows the first-frame image")
        return ratio
    sizes = [image.size for image in content.images if image.size is not None]
    return nearest_ratio(sizes[0]) if sizes else "16:9"


def _read_content(value: object) -> _Content:
    if value is None:
        raise missing("content")
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _content("expected an array")
    content = _Content()
    parts = [(f"content[{index}]", item) for index, item in enumerate(value)]
    images = sum(isinstance(item, dict) and item.get("type") == "image_url" for _, item in parts)
    for name, item in parts:
        if not isinstance(item, dict):
            raise invalid(name, "expected an object")
        part = Parameters(item)
        kind = part.choice("type", ("text", *_ROLES), "")
        if kind == "text":
            content.prompt += part.text("text", 32_000) or ""
        elif kind == "":
            raise missing(f"{name}.type")
        else:
            _read_media(part, kind, name, images, content)
    content.check()
    return content


def _read_media(part: Parameters, kind: str, name: str, images: int, content: _Content) -> None:
    holder = part.get(kind)
    if not isinstance(holder, dict):
        raise invalid(f"content.{kind}", "expected an object")
    roles = _ROLES[kind]
    role = part.text("role", 32)
    if role is None:
        if kind == "image_url" and images > 1:
            raise _content("role must be specified for image contents")
        role = roles[0]
    if role not in roles:
        raise _content(f"invalid role specified for {kind.removesuffix('_url')} content")
    content.roles.append(role)
    url = holder.get("url")
    if kind == "image_url":
        image = input_image(url, f"{name}.image_url", MAX_IMAGE_BYTES)
        if image.size is not None:
            _check_image(image.size, f"{name}.image_url")
        content.images.append(image)
    elif kind == "video_url" and not is_web_url(url):
        raise invalid(f"{name}.video_url", "expected a web URL")
    elif not isinstance(url, str) or not url:
        raise invalid(f"{name}.audio_url", "expected a URL")


def _check_image(size: tuple[int, int], name: str) -> None:
    if max(size) > MAX_SIDE:
        raise invalid(name, f"a side is longer than {MAX_SIDE} pixels")
    if not 0.4 <= size[0] / size[1] <= 2.5:
        raise invalid(name, "the aspect ratio must be between 0.4 and 2.5")


def _digest(content: _Content) -> int:
    digest = blake2b(content.prompt.encode("utf-8", "surrogatepass"), digest_size=8)
    for image in content.images:
        digest.update(image.digest)
    return int.from_bytes(digest.digest(), "big")


def _content(why: str) -> ArkRejected:
    return invalid("content", why)
