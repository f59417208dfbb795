"""reAPI's list of models as far as we serve it: what is sent, what is made of it, what it costs.

Facts: reapi.md 6 and 7; what we do otherwise is in docs/reapi-compatibility.md. Data URLs stand
for public ones: nothing on this machine is ever fetched.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from tests.films import film
from tests.matrix_asks import sound as wave

IMAGES, VIDEOS, AUDIO = (f"/api/v1/{kind}/generations" for kind in ("images", "videos", "audio"))

GPT, GPT_OFFICIAL = "gpt-image-2", "gpt-image-2-official"
PRO, PRO_OFFICIAL = "gemini-3-pro-image-preview", "gemini-3-pro-image-preview-official"
FLASH, FLASH_OFFICIAL = "gemini-2.5-flash-image-preview", "gemini-2.5-flash-image-preview-official"
NEW_FLASH, SEEDREAM = "gemini-3.1-flash-image-preview", "doubao-seedream-5-0-lite"
SEEDANCE, SEEDANCE_OFFICIAL = "doubao-seedance-2.0", "doubao-seedance-2.0-official"
HORSE, HORSE_OFFICIAL = "happyhorse-1.0", "happyhorse-1.0-official"
VIDU, TURBO = "viduq3-pro", "viduq3-turbo"
VEO_FAST, VEO_FAST_OFFICIAL = "veo3.1-fast", "veo3.1-fast-official"
VEO, VEO_OFFICIAL, VEO_LITE = "veo3.1-quality", "veo3.1-quality-official", "veo3.1-lite"
GROK, TOPAZ, ENHANCE = "grok-imagine-1.0-video", "topaz-video-upscaler", "enhance-video-1.0"
SPEECH = "gpt-4o-mini-tts"
"""OpenAI's, not on reAPI's list: ours for reAPI's path for sounds."""

OUR_NAMES = {
    PRO: "gemini-3-pro-image",
    FLASH: "gemini-2.5-flash-image",
    NEW_FLASH: "gemini-3.1-flash-image",
    SEEDREAM: "seedream-5.0-lite",
    SEEDANCE: "seedance-2.0",
    HORSE: "happy-horse-1.0",
    VIDU: "vidu-q3-pro",
    TURBO: "vidu-q3-turbo",
    VEO_FAST: "veo-3.1-fast",
    VEO: "veo-3.1",
    VEO_LITE: "veo-3.1-lite",
    TOPAZ: ENHANCE,
}
"""What answers call a model that has another name here."""

Made = tuple[Any, ...]
"""Of an image its format and size; of a video its size, seconds and sound; of a sound its format."""


@dataclass(frozen=True)
class Example:
    """A request, and what comes of it."""

    path: str
    model: str
    fields: Mapping[str, Any]
    makes: Sequence[Made] = ()
    credits: float = 0

    def __str__(self) -> str:
        return f"{self.model}: {said(self.fields)}"


@dataclass(frozen=True)
class Refusal:
    """A request, and the error that it meets with."""

    path: str
    model: str
    fields: Mapping[str, Any]
    parameter: str
    code: str

    def __str__(self) -> str:
        return f"{self.model}: {said(self.fields)}"


def said(fields: Mapping[str, Any]) -> str:
    """The fields in brief."""
    return ", ".join(
        f"{name}={len(value)}" if isinstance(value, list) else f"{name}={str(value)[:12]}"
        for name, value in fields.items()
    )


def image(model: str, made: Made, credits_: float, count: int = 1, **fields: Any) -> Example:
    return Example(IMAGES, model, fields, (made,) * count, credits_)


def video(model: str, made: Made, credits_: float, **fields: Any) -> Example:
    return Example(VIDEOS, model, fields, (made,), credits_)


def sound(model: str, made: Made, credits_: float, **fields: Any) -> Example:
    return Example(AUDIO, model, fields, (made,), credits_)


def refuses(
    path: str, model: str, parameter: str, code: str = "invalid_value", **fields: Any
) -> Refusal:
    return Refusal(path, model, fields, parameter, code)


def png(width: int, height: int) -> Made:
    return ("png", width, height)


def jpeg(width: int, height: int) -> Made:
    return ("jpeg", width, height)


def url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def picture(size: tuple[int, int] = (480, 640), mode: str = "RGB") -> str:
    stream = io.BytesIO()
    Image.new(mode, size, (200, 30, 30, 0)[: len(mode)]).save(stream, "PNG")
    return url(stream.getvalue(), "image/png")


P, MASK, SMALL_MASK = picture(), picture(mode="RGBA"), picture((64, 64), "RGBA")
FIRST, LAST = ({"url": P, "role": role} for role in ("first_frame", "last_frame"))
CLIP = url(film(audio=True, size=(640, 480), seconds=5), "video/mp4")
TONE = url(wave(), "audio/wav")

EXAMPLES: Sequence[Example] = [
    # 7, 14 and 20 credits by `resolution`; up to 16 references.
    image(GPT, png(1024, 1024), 7),
    image(GPT, png(1360, 768), 7, size="16:9", resolution="1k", n=1),
    image(GPT, png(1536, 2720), 14, size="9:16", resolution="2k"),
    image(GPT, png(3840, 2160), 20, size="16:9", resolution="4K"),
    image(GPT, png(1024, 1024), 7, size="auto", image_urls=[P] * 16),
    # 6 and 47 credits by `quality`, the third is not visible; up to 4 at once; always PNG.
    image(GPT_OFFICIAL, png(1024, 1024), 6, size="1:1", quality="low"),
    image(GPT_OFFICIAL, png(1024, 1024), 4 * 47, count=4, n=4, quality="medium"),
    image(GPT_OFFICIAL, png(1248, 832), 264, size="3:2", quality="high"),
    image(GPT_OFFICIAL, png(1024, 1024), 264, quality="auto", background="transparent"),
    image(GPT_OFFICIAL, png(1024, 1024), 6, quality="low", image_urls=[P], mask_url=MASK),
    # `size` is a ratio, `resolution` in capitals; up to 14 references.
    image(PRO, png(2752, 1536), 168, size="16:9", resolution="2K"),
    image(PRO, png(1024, 1024), 168, image_urls=[P] * 14),
    image(PRO_OFFICIAL, png(768, 1376), 168, size="9:16", resolution="1K"),
    image(PRO, png(2752, 1536), 4 * 168, count=4, size="16:9", resolution="2K", n=4),
    image(FLASH, png(864, 1184), 3 * 49, count=3, size="3:4", resolution="1K", n=3),
    image(FLASH, png(864, 1184), 49, size="3:4", resolution="1K", n=1),
    image(FLASH, png(1024, 1024), 49, image_urls=[P] * 3),
    image(FLASH_OFFICIAL, png(1536, 672), 49, size="21:9"),
    image(NEW_FLASH, png(1024, 256), 57, size="4:1", resolution="0.5K"),
    image(NEW_FLASH, png(2048, 2048), 127, size="1:1", resolution="2K"),
    # 31 credits for every image, 2K or 3K; more than one are a group.
    image(SEEDREAM, jpeg(4704, 2016), 31, size="21:9", resolution="3K"),
    image(SEEDREAM, png(2048, 2048), 2 * 31, count=2, size="auto", n=2, output_format="png"),
    image(SEEDREAM, jpeg(2048, 2048), 31, resolution="2K", image_urls=[P] * 2, watermark=False),
    # What is given decides what it starts from.
    video(SEEDANCE, (864, 480, 4, True), 4 * 83, size="16:9", resolution="480p", duration=4),
    video(SEEDANCE, (1280, 720, 15, True), 15 * 178, resolution="720P", duration="15"),
    video(SEEDANCE, (3840, 2160, 4, True), 4 * 903, size="16:9", resolution="4k", duration=4),
    video(SEEDANCE, (1280, 720, 4, False), 4 * 178, duration=4, generate_audio=False),
    video(SEEDANCE, (832, 1120, 4, True), 4 * 178, image_with_roles=[FIRST], duration=4),
    video(SEEDANCE, (832, 1120, 4, True), 4 * 178, image_with_roles=[FIRST, LAST], duration=4),
    video(SEEDANCE, (832, 1120, 4, True), 4 * 178, image_urls=[P] * 9, duration=4.0),
    video(SEEDANCE, (832, 1120, 4, True), 4 * 178, image_urls=[P], audio_urls=[TONE], duration=4),
    # The seconds of a source are paid too.
    video(SEEDANCE, (1280, 720, 4, True), (5 + 4) * 109, video_urls=[CLIP], duration=4),
    video(SEEDANCE_OFFICIAL, (720, 1280, 4, True), 4 * 178, size="9:16", duration=4, seed=-1),
    # 163 and 288 credits a second; a first frame and a video have a shape of their own.
    video(HORSE, (1920, 1080, 5, True), 5 * 288),
    video(HORSE, (720, 1280, 3, True), 3 * 163, size="9:16", resolution="720P", duration=3),
    video(HORSE, (832, 1108, 5, True), 5 * 163, first_frame_image=P, resolution="720P", size="1:1"),
    video(HORSE, (1248, 1664, 3, True), 3 * 288, prompt=None, first_frame_image=P, duration=3),
    video(HORSE, (960, 960, 5, True), 5 * 163, image_urls=[P] * 9, size="1:1", resolution="720p"),
    video(
        HORSE,
        (1280, 720, 5, True),
        2 * 5 * 163,  # the seconds of the source are paid too
        video_url=CLIP,
        image_urls=[P] * 5,
        audio_setting="origin",
        resolution="720P",
        size="1:1",
        duration=15,
    ),
    video(HORSE_OFFICIAL, (856, 1072, 5, True), 5 * 175, size="4:5", resolution="720P"),
    video(HORSE_OFFICIAL, (1920, 1080, 3, True), 3 * 300, duration=3, seed=2147483647),
    # 65, 138 and 148 credits a second, of the other one 37, 56 and 65; none, one or two images.
    video(VIDU, (1280, 720, 5, True), 5 * 138),
    video(VIDU, (608, 816, 1, True), 65, size="3:4", resolution="540p", duration=1, seed=-1),
    video(VIDU, (616, 824, 16, True), 16 * 65, image_urls=[P], resolution="540P", duration=16),
    video(VIDU, (616, 824, 5, True), 5 * 65, prompt=None, image_urls=[P] * 2, resolution="540p"),
    video(VIDU, (1920, 1080, 2, True), 2 * 148, resolution="1080P", duration=2),
    video(TURBO, (1280, 720, 5, False), 5 * 56, generate_audio=False, seed=4294967295),
    video(TURBO, (1248, 1664, 2, True), 2 * 65, image_urls=[P], resolution="1080P", duration=2),
    video(TURBO, (616, 824, 3, True), 3 * 37, image_urls=[P] * 2, resolution="540p", duration=3),
    # Eight seconds, of the official ones 4, 6 or 8; images are references, or frames.
    video(VEO_FAST, (720, 1280, 8, True), 8 * 125, aspect_ratio="9:16", resolution="720p"),
    video(VEO_FAST, (1280, 720, 8, True), 8 * 125, image_urls=[P] * 3),
    video(VEO, (1920, 1080, 8, True), 8 * 500, image_urls=[P], resolution="1080p"),
    video(VEO, (3840, 2160, 8, True), 8 * 750, resolution="4K"),
    video(VEO_LITE, (1920, 1080, 8, True), 8 * 100, aspect_ratio="16:9", resolution="1080p"),
    video(VEO_FAST_OFFICIAL, (1280, 720, 8, True), 8 * 125, image_urls=[P] * 2),
    video(VEO_FAST_OFFICIAL, (1280, 720, 4, False), 4 * 125, duration=4, generate_audio=False),
    video(VEO_OFFICIAL, (1280, 720, 6, True), 6 * 500, image_urls=[P], duration=6),
    video(VEO_OFFICIAL, (720, 1280, 4, True), 4 * 500, aspect_ratio="9:16", duration=4),
    # `quality` is the resolution; 6 to 30 seconds; up to seven images.
    video(GROK, (720, 1280, 6, True), 6 * 88, quality="720p", size="9:16", duration=6),
    video(GROK, (854, 480, 30, True), 30 * 63, quality="480P", size="16:9", duration=30),
    video(GROK, (480, 640, 6, True), 6 * 63, image_urls=[P], duration=6),
    video(GROK, (480, 480, 6, True), 6 * 63, image_urls=[P] * 7, size="1:1", duration=6),
    # The factor is a text; each second of the source is paid.
    video(TOPAZ, (640, 480, 5, True), 5 * 50, prompt=None, video_url=CLIP, upscale_factor="1"),
    video(TOPAZ, (1280, 960, 5, True), 5 * 90, prompt=None, video_url=CLIP, upscale_factor="2"),
    video(ENHANCE, (2560, 1920, 5, True), 5 * 300, prompt=None, video_url=CLIP, upscale_factor="4"),
    sound(SPEECH, ("mp3",), 0.18, voice="coral"),
    sound(SPEECH, ("wav",), 0.18, voice="nova", output_format="wav", speed=1.5),
]

REFUSALS: Sequence[Refusal] = [
    # More files than the model takes.
    refuses(IMAGES, GPT, "image_urls[16]", image_urls=[P] * 17),
    refuses(IMAGES, PRO, "image_urls[14]", image_urls=[P] * 15),
    refuses(IMAGES, SEEDREAM, "image_urls[14]", image_urls=[P] * 15),
    refuses(VIDEOS, SEEDANCE, "video_urls[3]", video_urls=[CLIP] * 4),
    refuses(VIDEOS, HORSE, "image_urls[9]", image_urls=[P] * 10),
    refuses(VIDEOS, HORSE, "image_urls[5]", video_url=CLIP, image_urls=[P] * 6),
    refuses(VIDEOS, VIDU, "image_urls[2]", image_urls=[P] * 3),
    refuses(VIDEOS, VEO_FAST, "image_urls[3]", image_urls=[P] * 4),
    refuses(VIDEOS, VEO_LITE, "image_urls[0]", image_urls=[P]),
    refuses(VIDEOS, GROK, "image_urls[7]", image_urls=[P] * 8),
    # A resolution that is not offered.
    refuses(IMAGES, GPT, "resolution", resolution="8k"),
    refuses(IMAGES, PRO, "resolution", resolution="3K"),
    refuses(IMAGES, FLASH, "resolution", resolution="2K"),
    refuses(IMAGES, SEEDREAM, "resolution", resolution="4K"),
    refuses(VIDEOS, SEEDANCE, "resolution", resolution="540p"),
    refuses(VIDEOS, HORSE, "resolution", resolution="480P"),
    refuses(VIDEOS, TURBO, "resolution", resolution="480p"),
    refuses(VIDEOS, VEO_LITE, "resolution", resolution="4K"),
    refuses(VIDEOS, GROK, "quality", quality="1080p"),
    # A duration out of range.
    refuses(VIDEOS, SEEDANCE, "duration", duration="3"),
    refuses(VIDEOS, SEEDANCE, "duration", duration=16),
    refuses(VIDEOS, HORSE, "duration", duration=2),
    refuses(VIDEOS, VIDU, "duration", duration=17),
    refuses(VIDEOS, VEO_FAST_OFFICIAL, "duration", duration=5),
    refuses(VIDEOS, GROK, "duration", duration=31),
    # Files that exclude each other, or need one another.
    refuses(
        *(VIDEOS, SEEDANCE, "image_with_roles[0].url"), image_with_roles=[FIRST], image_urls=[P]
    ),
    refuses(VIDEOS, SEEDANCE, "audio_urls[0]", audio_urls=[TONE]),
    refuses(VIDEOS, HORSE, "first_frame_image", video_url=CLIP, first_frame_image=P),
    refuses(VIDEOS, HORSE, "first_frame_image", image_urls=[P], first_frame_image=P),
    refuses(IMAGES, GPT, "mask_url", mask_url=MASK),
    refuses(IMAGES, GPT, "mask_url", "invalid_input", image_urls=[P], mask_url=SMALL_MASK),
    refuses(VIDEOS, TOPAZ, "video_url", "missing_required_parameter", prompt=None),
    # Other limits.
    refuses(IMAGES, GPT_OFFICIAL, "n", n=5),
    refuses(IMAGES, SEEDREAM, "n", n=5),
    refuses(IMAGES, PRO, "size", size="7:1"),
    refuses(VIDEOS, GROK, "size", size="21:9"),
    refuses(VIDEOS, HORSE, "seed", seed=2147483648),
    refuses(VIDEOS, TOPAZ, "upscale_factor", prompt=None, video_url=CLIP, upscale_factor="3"),
    refuses(VIDEOS, HORSE, "prompt", prompt="x" * 2501),
    refuses(VIDEOS, VIDU, "prompt", prompt="x" * 2001),
    refuses(VIDEOS, VIDU, "prompt", "missing_required_parameter", prompt=None),
    refuses(AUDIO, SPEECH, "voice", voice="nobody"),
    refuses(IMAGES, GPT, "sizze", "unknown_parameter", sizze="1:1"),
    # Documented, but not served here.
    refuses(IMAGES, GPT, "prompt", "missing_required_parameter", prompt=None, image_urls=[P]),
    refuses(IMAGES, PRO, "n", n=5),
    refuses(IMAGES, FLASH, "image_urls[3]", image_urls=[P] * 14),
    refuses(VIDEOS, SEEDANCE, "return_last_frame", "no_channel", return_last_frame=True),
]
