"""What the matrix asks of every model on every channel, and how it judges what comes back."""

import base64
import io
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import log
from typing import Any

import av
from PIL import Image

from core.body import Body
from core.catalog.entries import Catalogue, Model, ParameterSchema, ParameterType
from core.catalog.schema import validate
from core.errors import GatewayError
from core.model import Channel, Input, Kind, Mode, Role
from core.policy.routing import Needs
from tests.films import film

SECONDS_OFF = 0.35
RATIO_OFF = 0.04
SIDE_OFF = 0.08
"""Providers round sizes to multiples of 16 and more: 480p of theirs may have 496 lines."""
WANTED_SECONDS = 5
PIXELS = (720, 540)
FILM = (1280, 720)
"""Of the pictures and the film that are given: within every model's bounds."""

PATHS = {
    Kind.IMAGE: "/api/v1/images/generations",
    Kind.VIDEO: "/api/v1/videos/generations",
    Kind.TOOL: "/api/v1/videos/generations",
    Kind.AUDIO: "/api/v1/audio/generations",
}
OUTPUTS = {Kind.IMAGE: "image_urls", Kind.AUDIO: "audio_urls"}
FIELDS = {
    Role.IMAGE: "image_urls",
    Role.MASK: "mask_url",
    Role.FIRST_FRAME: "first_frame_image",
    Role.LAST_FRAME: "last_frame_image",
    Role.VIDEO: "video_url",
    Role.AUDIO: "audio_url",
}
ROLES: Mapping[Mode, tuple[Role, ...]] = {
    Mode.TEXT: (),
    Mode.IMAGE: (Role.IMAGE,),
    Mode.FIRST_FRAME: (Role.FIRST_FRAME,),
    Mode.FRAMES: (Role.FIRST_FRAME, Role.LAST_FRAME),
    Mode.VIDEO: (Role.VIDEO,),
}


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", PIXELS, (10, 90, 160)).save(out, "PNG")
    return out.getvalue()


def sound() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * 8000 * 3))
    return out.getvalue()


def clip() -> bytes:
    return film(audio=True, size=FILM, seconds=WANTED_SECONDS)


FILES: Mapping[Role, tuple[bytes, str]] = {
    **dict.fromkeys((Role.IMAGE, Role.FIRST_FRAME, Role.LAST_FRAME), (picture(), "image/png")),
    Role.VIDEO: (clip(), "video/mp4"),
    Role.AUDIO: (sound(), "audio/wav"),
}


@dataclass(frozen=True)
class Wish:
    """One request that a channel can serve."""

    model: Model
    channel: Channel
    mode: Mode
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """In reAPI's dialect."""
        fields: dict[str, Any] = {"model": self.model.id, "prompt": "a lighthouse at dusk"}
        if "prompt" not in self.model.parameters:
            del fields["prompt"]
        for role in ROLES[self.mode]:
            data, kind = FILES[role]
            url = f"data:{kind};base64,{base64.b64encode(data).decode()}"
            fields[FIELDS[role]] = [url] if FIELDS[role].endswith("urls") else url
        return fields | dict(self.parameters)


def wishes(catalogue: Catalogue) -> Iterator[Wish]:
    """For every model and each of its channels: each mode that it serves."""
    for model in catalogue:
        for channel in catalogue.channels_of(model):
            for mode, roles in ROLES.items():
                if _serves(model, channel, mode, roles):
                    yield Wish(model, channel, mode, _parameters(model, channel, mode))


def _serves(model: Model, channel: Channel, mode: Mode, roles: tuple[Role, ...]) -> bool:
    wanted = {role for role, rule in model.inputs.items() if rule.minimum}
    tokens = {f"mode:{mode}", *(f"input:{role}" for role in roles)}
    return model.inputs.keys() >= set(roles) >= wanted and channel.unsupported.isdisjoint(tokens)


def _parameters(model: Model, channel: Channel, mode: Mode) -> dict[str, Any]:
    """The smallest and shortest that the channel makes, wide where it can be told."""
    found: dict[str, Any] = {}
    for name in ("resolution", "duration", "upscale_factor", "aspect_ratio"):
        schema = model.parameters.get(name)
        values = [] if schema is None else _values(schema)
        if name == "aspect_ratio":
            values = ["16:9"] if "16:9" in values and mode is Mode.TEXT else []
        fitting = (value for value in values if _fits(model, channel, mode, {**found, name: value}))
        value = next(fitting, None)
        if value is not None and not (name == "duration" and mode is Mode.VIDEO):
            found[name] = value
    return found


def _fits(model: Model, channel: Channel, mode: Mode, parameters: Mapping[str, Any]) -> bool:
    """Whether the model accepts it, and the channel can be told all of it."""
    inputs = []
    for role in ROLES[mode]:
        data, kind = FILES[role]
        size = FILM if role is Role.VIDEO else PIXELS
        url = Body("https://example.org/x")
        inputs.append(Input(role, Body(data), kind, *size, role, WANTED_SECONDS, url))
    try:
        prompt = "a lighthouse" if "prompt" in model.parameters else ""
        ask = validate(model, Body(prompt), parameters, inputs)
    except GatewayError:
        return False
    needs = Needs.of(ask, model.defaults)
    return set(needs.unmet(channel)).isdisjoint(parameters)


def _values(schema: ParameterSchema) -> list[Any]:
    if schema.type is ParameterType.INTEGER:
        low, high = int(schema.minimum or 1), int(schema.maximum or 1)
        whole = [value for value in range(low, high + 1) if value % schema.multiple_of == 0]
        return sorted(whole, key=lambda value: abs(value - WANTED_SECONDS))
    return list(schema.values)


def judge(wish: Wish, data: bytes) -> str:
    """What is wrong with an output; empty if it is what was asked for."""
    if wish.model.kind is Kind.IMAGE:
        return _judge_image(wish, data)
    if wish.model.kind is Kind.AUDIO:
        with av.open(io.BytesIO(data)) as found:
            return "" if any(True for _ in found.decode(audio=0)) else "silence"
    return _judge_video(wish, data)


def _judge_image(wish: Wish, data: bytes) -> str:
    with Image.open(io.BytesIO(data)) as found:
        found.load()
        asked = wish.model.parameters.get("output_format")
        wanted = str(asked.default) if asked is not None and asked.default else ""
        if wanted and (found.format or "").lower() != wanted:
            return f"{found.format} for {wanted}"
        return _shape(wish, found.size)


def _judge_video(wish: Wish, data: bytes) -> str:
    with av.open(io.BytesIO(data)) as found:
        stream = found.streams.video[0]
        size, seconds = (stream.width, stream.height), (found.duration or 0) / 1_000_000
        next(found.decode(video=0))
    wanted = wish.parameters.get("duration")
    if wish.mode is Mode.VIDEO:
        wanted = WANTED_SECONDS
    if wanted is not None and abs(seconds - wanted) > SECONDS_OFF:
        return f"{seconds:.2f} s for {wanted} s"
    factor = wish.parameters.get("upscale_factor")
    if factor is not None and size != tuple(side * int(factor) for side in FILM):
        return f"{size[0]}x{size[1]} for {factor} times {FILM[0]}x{FILM[1]}"
    lines = wish.parameters.get("resolution", "")
    if lines.endswith("p") and wish.mode is Mode.TEXT:
        off = abs(min(size) / int(lines[:-1]) - 1)
        if off > SIDE_OFF:
            return f"{size[0]}x{size[1]} for {lines}"
    return _shape(wish, size)


def _shape(wish: Wish, size: tuple[int, int]) -> str:
    ratio = wish.parameters.get("aspect_ratio")
    if ratio is None:
        return ""
    across, down = (int(part) for part in ratio.split(":"))
    off = abs(log(size[0] * down / (size[1] * across)))
    return "" if off <= RATIO_OFF else f"{size[0]}x{size[1]} for {ratio}"
