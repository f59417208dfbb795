"""The fields that resellers of others' models have in common, for their tables of models."""

from typing import Final

from simulator.endpoint_fields import Field, Meaning

SEED: Final = Field("integer", Meaning.SEED, least=0, most=(1 << 31) - 1)
SOUND: Final = Field("boolean", Meaning.SOUND, default=True)
FLAG: Final = Field("boolean")
FORMATS: Final = ("png", "jpeg", "webp")
WIDE: Final = ("16:9", "9:16")
FIVE: Final = ("16:9", "9:16", "1:1", "4:3", "3:4")
TEN: Final = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16")
GROK: Final = (
    *("auto", "1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2"),
    *("9:19.5", "19.5:9", "9:20", "20:9", "1:2", "2:1"),
)


def prompt(most: int = 32_000, *, required: bool = True) -> Field:
    """Words of the caller."""
    return Field("text", Meaning.PROMPT, most=most, required=required)


def words(meaning: Meaning, allowed: tuple[str, ...], default: str | None = None) -> Field:
    """One of some words."""
    return Field("word", meaning, allowed, default=default)


def image(*, required: bool = False) -> Field:
    """The image whose shape the result takes."""
    return Field("image", Meaning.SOURCE, required=required)


def images(most: int, *, required: bool = False) -> Field:
    """Several of them: the first decides."""
    return Field("image", Meaning.SOURCE, most=most, required=required, many=True)


def files(kind: str, most: int) -> Field:
    """Videos or sounds to refer to."""
    return Field(kind, most=most, many=True)


def seconds(least: int, most: int, default: int) -> Field:
    """How long a video is to be."""
    return Field("integer", Meaning.SECONDS, least=least, most=most, default=default)
