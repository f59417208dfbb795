"""What a call for Grok Imagine's videos asks for, checked against the models' rules.

Facts: the field tables of xAI's SDK and of @ai-sdk/xai. What excludes what is a guess, and so is
what an extension becomes: its input and as many seconds more as were asked for.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from simulator.images import variant_of
from simulator.xai_errors import invalid, no_model
from simulator.xai_fields import Fields, InputFile, fingerprint, input_file, refused_at
from simulator.xai_image_request import TICKS_PER_DOLLAR
from simulator.xai_shapes import VIDEO_RATIOS, nearest, video_size

MAX_SECONDS: Final = 15
MAX_REFERENCES: Final = 7
MAX_INPUT_SECONDS: Final = 8.7
CAPPED: Final = "720p"
# A video behind a link is not looked at: it counts as one of this length and size.
_UNSEEN: Final = (6.0, 1280, 720)
_CENT: Final = TICKS_PER_DOLLAR // 100


@dataclass(frozen=True, slots=True)
class VideoModel:
    """What a model takes: ticks of a second by resolution, ticks of an input image."""

    prices: Mapping[str, int]
    image: int
    frames: bool


MODELS: Final[Mapping[str, VideoModel]] = {
    "grok-imagine-video": VideoModel({"480p": 5 * _CENT, "720p": 7 * _CENT}, _CENT // 5, False),
    "grok-imagine-video-1.5": VideoModel(
        {"480p": 8 * _CENT, "720p": 14 * _CENT, "1080p": 25 * _CENT}, _CENT, True
    ),
    "grok-imagine-video-1.5-lite": VideoModel(
        {"480p": 2 * _CENT, "720p": 3 * _CENT, "1080p": 14 * _CENT}, _CENT, True
    ),
}


@dataclass(frozen=True, slots=True)
class VideoOrder:
    """A valid call, resolved. Holds no words of it."""

    model: str
    width: int
    height: int
    seconds: int
    audio: bool
    variant: int
    ticks: int
    refused_at: str | None


def read_video_request(fields: Fields, kind: str) -> VideoOrder:
    """Check a call to `/videos/{kind}`; raises XaiRejected."""
    name = fields.text("model")
    model = MODELS.get(name)
    if model is None:
        raise no_model(name)
    prompt = fields.prompt("" if kind == "generations" else None)
    fields.text("user", "")
    if kind == "generations":
        inputs = _inputs(fields, model)
        if not prompt and not inputs:
            raise invalid("A prompt is needed where there is no image.")
        seconds, resolution, (width, height) = _shape(fields, model, inputs)
    else:
        inputs = [input_file(fields.inside("video"), "video")]
        length, *size = _looked_at(inputs[0])
        if length > MAX_INPUT_SECONDS:
            raise invalid(
                f"The input video is {length:.1f}s long, which exceeds the maximum allowed length "
                f"of {MAX_INPUT_SECONDS}s."
            )
        more = _seconds(fields, 6) if kind == "extensions" else 0
        seconds, resolution = max(1, round(length)) + more, CAPPED
        width, height = _capped(size[0], size[1])
    return VideoOrder(
        model=name,
        width=width,
        height=height,
        seconds=seconds,
        audio=fields.boolean("generate_audio", default=True),
        variant=variant_of(fingerprint(prompt, inputs)),
        ticks=seconds * model.prices[resolution] + len(inputs) * model.image,
        refused_at=refused_at(prompt),
    )


def _inputs(fields: Fields, model: VideoModel) -> list[InputFile]:
    """Give the images: first frame, last frame, then references."""
    for name in ("last_frame", "keyframes"):
        if name in fields and not model.frames:
            raise invalid(f"The model does not support {name}.")
    references = fields.each("reference_images")
    if len(references) > MAX_REFERENCES:
        raise invalid(f"At most {MAX_REFERENCES} reference images are taken.")
    if references and "image" in fields:
        raise invalid("image and reference_images cannot be given together.")
    frames = [fields.inside(name) for name in ("image", "last_frame") if name in fields]
    return [input_file(holder, "image") for holder in (*frames, *references)]


def _shape(
    fields: Fields, model: VideoModel, inputs: list[InputFile]
) -> tuple[int, str, tuple[int, int]]:
    """Give seconds, class of resolution and pixels."""
    resolution = fields.choice("resolution", ("480p", "720p", "1080p"), "480p")
    if resolution not in model.prices:
        raise invalid(f"The model does not support the resolution {resolution}.")
    if resolution == "1080p" and "reference_images" in fields:
        resolution = CAPPED
    ratio = fields.choice("aspect_ratio", VIDEO_RATIOS, "") if "aspect_ratio" in fields else ""
    if not ratio:
        sizes = [item.size for item in inputs if item.size is not None]
        ratio = nearest(sizes[0], VIDEO_RATIOS) if sizes else "16:9"
    return _seconds(fields, 8), resolution, video_size(ratio, resolution)


def _seconds(fields: Fields, default: int) -> int:
    seconds = fields.integer("duration", default)
    if seconds < 1:
        raise invalid("Duration must be at least 1s.")
    if seconds > MAX_SECONDS:
        raise invalid(
            f"Duration {seconds}s exceeds the maximum allowed duration of {MAX_SECONDS}s."
        )
    return seconds


def _looked_at(item: InputFile) -> tuple[float, int, int]:
    """Give seconds, width and height of an input video."""
    if item.data is None:
        return _UNSEEN
    # Here, not above: an extra that may be absent.
    import av  # noqa: PLC0415

    try:
        with av.open(io.BytesIO(item.data), "r") as container:
            pictures = container.streams.video[0]
            return (container.duration or 0) / 1_000_000, pictures.width, pictures.height
    except (av.FFmpegError, IndexError):
        raise invalid("Failed to decode the video: unsupported format.") from None


def _capped(width: int, height: int) -> tuple[int, int]:
    """Give the size of an edit: the input's, its short side at most 720; sides are even."""
    factor = min(1.0, 720 / min(width, height))
    return round(width * factor / 2) * 2, round(height * factor / 2) * 2
