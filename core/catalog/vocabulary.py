"""What callers say, in the canonical words of one model. Pure, and idempotent.

Services disagree on words: the shape of a picture is a size in pixels, or a ratio and a
class of resolution; a ratio is said in `size`, seconds as text, `1K` in any case. Here all of
it becomes what the model's schema has parameters for. Nothing is checked that the schema
checks anyway, and what is not understood is left for the schema to refuse. Errors name the
parameter that the caller gave.
"""

import re
from collections.abc import Mapping
from math import isqrt, log

from core.catalog.entries import Model, ParameterSchema
from core.errors import GatewayError, Reason
from core.model import Kind

_BESIDE_SIZE = frozenset(
    {"aspect_ratio", "resolution", "duration", "seconds", "n", "image_size", "upscale_factor"}
)
_WORDS = _BESIDE_SIZE | {"size"}
_SIZES = ("image_size", "size")
"""Two names of one wish: services that have both mean the ratio of an image by the first."""

_PIXELS = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")
_RATIO = re.compile(r"([1-9][0-9]{0,3}):([1-9][0-9]{0,3})")
_DIGITS = re.compile(r"-?[0-9]{1,6}")
_CLASS = re.compile(r"([1-9][0-9]{0,4})([kp]?)")

_FREE = ("auto", "adaptive")
"""A ratio that leaves the choice to the model; each model has one word for it."""
_SAME_CLASS = {"0.5k": "512", "2160p": "4k"}

RATIO_TOLERANCE = 0.03
"""How far, relatively, a size may be off its ratio: providers round to multiples of 16."""
SIDE_TOLERANCE = 0.1
"""How far an image's size may be off the square of its class, likewise, by the side."""


def canonical(
    model: Model, given: Mapping[str, object], count: int | None = None
) -> tuple[Mapping[str, object], int | None]:
    """Say *given* and the count of outputs in the words of *model*.

    Gives *given* itself where there is nothing to translate. Raises GatewayError where two
    parameters contradict each other, or pixels are of no class that the model has.
    """
    is_graded = "quality" in given and "quality" not in model.parameters
    if _WORDS.isdisjoint(given) and not is_graded:
        return given, count
    if "size" in model.parameters and _BESIDE_SIZE.isdisjoint(given) and not is_graded:
        size = given["size"]
        if not isinstance(size, str) or ":" not in size:
            return given, count
    words = dict(given)
    count = _count(model, words, count)
    if "duration" in model.parameters:
        _say_duration(words)
    if is_graded and "resolution" in model.parameters:
        _say_quality(model, words)
    if "upscale_factor" in model.parameters:
        _say_factor(words)
    if "image_size" in words and "image_size" not in model.parameters:
        return _by_another_name(model, words, count)
    if "size" not in model.parameters:
        _say_shape(model, words)
    elif model.resolutions:
        _say_pixels(model, words)
    return words, count


def _invalid(name: str, message: str, reason: Reason = Reason.INVALID_PARAMETER) -> GatewayError:
    return GatewayError(reason, message, parameter=name)


def _text(words: Mapping[str, object], name: str) -> str | None:
    """The word for *name* in lower case, if it was given."""
    value = words.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _invalid(name, f"`{name}` must be a string.", Reason.INVALID_TYPE)
    return value.lower()


def _whole(value: object) -> object:
    """Digits, and a number without a fraction, as an integer; all else as it is."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _count(model: Model, words: dict[str, object], count: int | None) -> int | None:
    if "n" not in words or "n" in model.parameters:
        return count
    number = _whole(words.pop("n"))
    if isinstance(number, bool) or not isinstance(number, int):
        raise _invalid("n", "`n` must be an integer.", Reason.INVALID_TYPE)
    if count not in (None, number):
        raise _contradiction("n", "output_count")
    return number


def _contradiction(name: str, other: str) -> GatewayError:
    return _invalid(name, f"`{name}` and `{other}` contradict each other; give one of them.")


def _say_duration(words: dict[str, object]) -> None:
    if "duration" in words:
        words["duration"] = _whole(words["duration"])
    if "seconds" in words:
        seconds = _whole(words.pop("seconds"))
        if isinstance(seconds, bool) or not isinstance(seconds, int):
            raise _invalid("seconds", "`seconds` must be an integer.", Reason.INVALID_TYPE)
        if words.setdefault("duration", seconds) != seconds:
            raise _contradiction("seconds", "duration")


def _say_quality(model: Model, words: dict[str, object]) -> None:
    """Some services say the class of resolution by `quality`."""
    schema, said = model.parameters["resolution"], words["quality"]
    word = _resolution(schema, said.lower()) if isinstance(said, str) else ""
    if not _CLASS.fullmatch(word):
        return
    del words["quality"]
    if word not in schema.values:
        raise _invalid("quality", f"`quality` must be one of: {', '.join(schema.values)}.")
    given = words.get("resolution", word)
    if given != word and not (
        isinstance(given, str) and _resolution(schema, given.lower()) == word
    ):
        raise _contradiction("quality", "resolution")
    words["resolution"] = word


def _say_factor(words: dict[str, object]) -> None:
    """A factor is a number to some, and a text to others."""
    factor = _whole(words.get("upscale_factor"))
    if isinstance(factor, int) and not isinstance(factor, bool):
        words["upscale_factor"] = str(factor)


def _by_another_name(
    model: Model, words: dict[str, object], count: int | None
) -> tuple[Mapping[str, object], int | None]:
    """Go on with `image_size` as `size`, by the name that the caller gave it."""
    own, plain = _SIZES
    size = words.pop(own)
    if words.setdefault(plain, size) != size:
        raise _contradiction(own, plain)
    try:
        return canonical(model, words, count)
    except GatewayError as error:
        if error.parameter != plain:
            raise
        message = error.message.replace(f"`{plain}`", f"`{own}`")
        raise _invalid(own, message, error.reason) from None


# Models that take a ratio, and perhaps a class of resolution.


def _say_shape(model: Model, words: dict[str, object]) -> None:
    for name, say in (("aspect_ratio", _ratio), ("resolution", _resolution)):
        schema = model.parameters.get(name)
        if schema is not None and isinstance(value := words.get(name), str):
            words[name] = say(schema, value.lower())
    ratio = model.parameters.get("aspect_ratio")
    if ratio is None or (size := _text(words, "size")) is None:
        return
    del words["size"]
    for name, value in _shape(model, ratio, size).items():
        if words.setdefault(name, value) != value:
            raise _contradiction("size", name)


def _ratio(schema: ParameterSchema, word: str) -> str:
    if word in _FREE:
        return next((free for free in _FREE if free in schema.values), word)
    return word


def _resolution(schema: ParameterSchema, word: str) -> str:
    same = _SAME_CLASS.get(word, word)
    return same if same in schema.values else word


def _shape(model: Model, ratio: ParameterSchema, size: str) -> dict[str, str]:
    """What *size* says of the ratio and of the resolution."""
    resolution = model.parameters.get("resolution")
    word = _ratio(ratio, size)
    if word in ratio.values:
        return {"aspect_ratio": word}
    if word in _FREE:
        return {}
    if resolution is not None and _resolution(resolution, size) in resolution.values:
        return {"resolution": _resolution(resolution, size)}
    classes = () if resolution is None else resolution.values
    match = _PIXELS.fullmatch(size)
    if match is not None:
        width, height = int(match[1]), int(match[2])
        near = _nearest(ratio.values, width, height)
        fitting = [name for name in classes if _is_of(name, model.kind, width, height)]
        if near is not None and len(fitting) == 1:
            return {"aspect_ratio": near, "resolution": fitting[0]}
    pixels = f", or WIDTHxHEIGHT of such a ratio in {' or '.join(classes)}" if classes else ""
    raise _invalid("size", f"`size` must be one of: {', '.join(ratio.values)}{pixels}.")


def _nearest(ratios: tuple[str, ...], width: int, height: int) -> str | None:
    """The ratio that a size nearly has."""
    off = {
        name: abs(log(width * int(match[2]) / (height * int(match[1]))))
        for name in ratios
        if (match := _RATIO.fullmatch(name))
    }
    name = min(off, key=off.__getitem__, default=None)
    return name if name is not None and off[name] <= RATIO_TOLERANCE else None


def _is_of(name: str, kind: Kind, width: int, height: int) -> bool:
    """Whether a size is of the class: of videos the short side counts, of images the area."""
    match = _CLASS.fullmatch(name)
    if match is None:
        return False
    number, letter = int(match[1]), match[2]
    if letter == "p" or kind is Kind.VIDEO:
        # 4k video is 3840x2160, whose short side is 540 times 4.
        return min(width, height) == (number * 540 if letter == "k" else number)
    side = number * 1024 if letter == "k" else number
    area = width * height
    return ((1 - SIDE_TOLERANCE) * side) ** 2 <= area <= ((1 + SIDE_TOLERANCE) * side) ** 2


# Models that take a size in pixels, priced by its class.


def _say_pixels(model: Model, words: dict[str, object]) -> None:
    schema = model.parameters["size"]
    size, ratio, resolution = (
        _text(words, name) for name in ("size", "aspect_ratio", "resolution")
    )
    named = "aspect_ratio" if ratio is not None else "size"
    for name in ("aspect_ratio", "resolution"):
        words.pop(name, None)
    if resolution is not None and resolution not in model.resolutions:
        known = ", ".join(model.resolutions)
        raise _invalid("resolution", f"`resolution` must be one of: {known}.")
    if size is not None and ":" in size:
        if ratio not in (None, size):
            raise _contradiction("size", "aspect_ratio")
        size, ratio = None, size
    match = None if size is None else _PIXELS.fullmatch(size)
    if match is not None:
        if ratio is not None:
            raise _contradiction("size", "aspect_ratio")
        if resolution not in (None, _class(model, int(match[1]) * int(match[2]))):
            raise _contradiction("size", "resolution")
        return
    smallest = next(iter(model.resolutions))
    if ratio is None or ratio in _FREE:
        if resolution in (None, smallest):
            return
        if size is not None or ratio is not None:
            message = f"`resolution` {resolution} needs a `size` that is not auto, such as 1:1."
            raise _invalid("resolution", message)
        ratio = "1:1"
    parts = _RATIO.fullmatch(ratio)
    if parts is None:
        raise _invalid(named, f"`{named}` must be a ratio such as 16:9.")
    limit = model.resolutions[resolution or smallest]
    area = min(limit, _square(resolution or smallest, limit))
    words["size"] = _in_pixels(schema, int(parts[1]), int(parts[2]), area, limit)


def _class(model: Model, pixels: int) -> str | None:
    return next((name for name, limit in model.resolutions.items() if pixels <= limit), None)


def _square(name: str, limit: int) -> int:
    """How many pixels the square of a class has."""
    match = _CLASS.fullmatch(name)
    return (int(match[1]) * 1024) ** 2 if match is not None and match[2] == "k" else limit


def _in_pixels(schema: ParameterSchema, across: int, down: int, area: int, limit: int) -> str:
    """The largest size of about *area* pixels, at most *limit*, that the parameter accepts.

    Its short side is rounded up, so that it is never slimmer than was asked for.
    """
    step = schema.multiple_of
    more, less = max(across, down), min(across, down)
    long = min(isqrt(area * more // less), schema.maximum_side or area) // step * step
    short = _rounded_up(long * less, more * step) * step
    while long > short and long * short > limit:
        long -= step
        short = _rounded_up(long * less, more * step) * step
    long, short = max(long, step), max(short, step)
    return f"{long}x{short}" if across >= down else f"{short}x{long}"


def _rounded_up(number: int, by: int) -> int:
    return -(-number // by)
