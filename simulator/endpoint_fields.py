"""The inputs of models at providers that serve many: a table of fields for each, read alike.

A provider says in its own words what is wrong (`Problem`); what a field means for the result
(`Meaning`) is told by the table, so that one reader serves them all.
"""

import io
import math
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from PIL import Image

from simulator.ark_fields import is_web_url

MAX_FILE_BYTES: Final = 64 << 20


class Meaning(StrEnum):
    """What the result takes from a field."""

    NOTHING = "nothing"
    PROMPT = "prompt"
    COUNT = "count"
    SIZE = "size"
    RATIO = "ratio"
    SECONDS = "seconds"
    SOUND = "sound"
    FORMAT = "format"
    SEED = "seed"
    FACTOR = "factor"
    SOURCE = "source"
    """The image or the video whose shape the result takes where nothing else decides."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input: its JSON type, and what of it is taken.

    `kind` is text, word, integer, number, boolean, image, video, audio (a link or a data URL) or
    size (a word, or an object of width and height). `many` makes a list of it, of at most `most`.
    """

    kind: str
    means: Meaning = Meaning.NOTHING
    words: tuple[str, ...] = ()
    least: float = -math.inf
    most: float = math.inf
    required: bool = False
    many: bool = False
    default: object = None


class Problem(Exception):
    """An input is refused: which, and why in one of these words.

    `missing`, `wrong_type`, `one_of`, `greater_than_equal`, `less_than_equal`, `too_long`,
    `image_load_error`, `unsupported_format`. `limit` is the number or the words it is about; never
    a value of the caller.
    """

    def __init__(self, name: str, kind: str, limit: object = None) -> None:
        super().__init__(kind)
        self.name = name
        self.kind = kind
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Inputs:
    """Checked inputs. Never shown: they are the caller's."""

    values: Mapping[str, object] = field(repr=False)
    fields: Mapping[str, Field] = field(repr=False)
    source: bytes | str | None = field(repr=False)
    """The file whose shape the result takes: its bytes, or where it is."""

    def by(self, meaning: Meaning) -> object:
        """Give the value that means that, None if there is none."""
        for name, known in self.fields.items():
            if known.means is meaning:
                value = self.values.get(name)
                return known.default if value is None else value
        return None

    def count(self) -> int:
        """Give how many outputs are asked for: of some models, so many groups of so many."""
        counted = [name for name, known in self.fields.items() if known.means is Meaning.COUNT]
        return math.prod(
            value for name in counted if isinstance(value := self.values.get(name), int)
        )

    def plain(self) -> dict[str, object]:
        """Give what holds no words and no files of the caller."""
        return {
            name: value
            for name, value in self.values.items()
            if self.fields[name].kind in {"word", "integer", "number", "boolean", "size"}
        }

    def digest(self) -> int:
        """Give a number that equal inputs share."""
        digest = blake2b(digest_size=8)
        for name in sorted(self.values):
            digest.update(f"{name}={self.values[name]}".encode("utf-8", "surrogatepass"))
        return int.from_bytes(digest.digest(), "big")


def read_inputs(fields: Mapping[str, Field], given: Mapping[str, object]) -> Inputs:
    """Check what is given, field by field; raises Problem. Unknown names are not looked at."""
    values: dict[str, object] = {}
    source: bytes | str | None = None
    for name, known in fields.items():
        value = given.get(name)
        if value is None or (known.required and value in ("", [])):
            if known.required:
                raise Problem(name, "missing")
            continue
        files = _check(name, known, value)
        values[name] = value
        if known.means is Meaning.SOURCE and files and source is None:
            source = files[0]
    return Inputs(values, fields, source)


def _check(name: str, known: Field, value: object) -> list[bytes | str]:
    """Refuse a wrong value; give the files in a right one."""
    if not known.many:
        return _check_one(name, known, value)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise Problem(name, "wrong_type", "array")
    if len(value) > known.most:
        raise Problem(name, "too_long", int(known.most))
    return [file for each in value for file in _check_one(name, known, each)]


def _check_one(name: str, known: Field, value: object) -> list[bytes | str]:
    match known.kind:
        case "integer" | "number":
            _check_number(name, known, value)
        case "boolean":
            if not isinstance(value, bool):
                raise Problem(name, "wrong_type", "boolean")
        case "size" if isinstance(value, dict):
            for side in ("width", "height"):
                bounds = Field("integer", least=known.least, most=known.most)
                _check_number(f"{name}.{side}", bounds, value.get(side))
        case _ if not isinstance(value, str):
            raise Problem(name, "wrong_type", "string")
        case "word" | "size":
            if value not in known.words:
                raise Problem(name, "one_of", known.words)
        case "text":
            if len(value) > known.most:
                raise Problem(name, "too_long", int(known.most))
        case _:
            return [_file(name, known.kind, value)]
    return []


def _check_number(name: str, known: Field, value: object) -> None:
    whole = known.kind == "integer"
    right = isinstance(value, int) or (isinstance(value, float) and not whole)
    if not right or isinstance(value, bool):
        raise Problem(name, "wrong_type", known.kind)
    assert isinstance(value, int | float)
    if not value >= known.least:
        raise Problem(name, "greater_than_equal", known.least)
    if not value <= known.most:
        raise Problem(name, "less_than_equal", known.most)


def _file(name: str, kind: str, value: str) -> bytes | str:
    """Give the bytes of a data URL, or a link as it is: links are never fetched."""
    head, comma, data = value.partition(",")
    if not head.startswith(f"data:{kind}/") or not head.endswith(";base64") or not comma:
        if is_web_url(value):
            return value
        raise Problem(name, "unsupported_format", kind)
    try:
        content = b64decode(data, validate=True)
    except (Base64Error, ValueError):
        # `from None`: the decoder's error may hold the data.
        raise Problem(name, "unsupported_format", kind) from None
    if len(content) > MAX_FILE_BYTES:
        raise Problem(name, "less_than_equal", MAX_FILE_BYTES)
    if kind == "image" and picture_size(content) is None:
        raise Problem(name, "image_load_error")
    return content


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Give width and height of an image, None if it is none."""
    try:
        return Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")).size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
