"""Reads the fields of an images call as OpenAI does, and refuses them in its words.

JSON and form fields share the rules; form values are strings that are converted first. A JSON
null means "not given", except for `model` and `prompt`. The order of the checks (model, unknown
names, prompt, images, n, then the rest) is the API's own, as observed.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from simulator.openai_errors import Rejected, invalid

MAX_PROMPT_CHARS: Final = 32_000
MAX_SAFETY_IDENTIFIER_CHARS: Final = 64
# How much of a caller's wrong value an error repeats.
MAX_ECHO_CHARS: Final = 200

_TYPE_NAMES: Final[Mapping[type, str]] = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",
    str: "a string",
    list: "an array",
    dict: "an object",
}
_UNCONVERTED: Final = "a string value that could not be converted into "


class Fields:
    """The named values of one call. Never shown: they are the caller's words."""

    __slots__ = ("_from_form", "_values")

    def __init__(self, values: Mapping[str, object], *, from_form: bool) -> None:
        self._values = values
        self._from_form = from_form

    def __repr__(self) -> str:
        return f"<Fields {len(self._values)}>"

    def refuse_unknown(self, known: frozenset[str]) -> None:
        """Refuse the first name, in the order sent, that is not *known*."""
        for name in self._values:
            if name not in known:
                shown = name[:MAX_ECHO_CHARS]
                raise invalid(f"Unknown parameter: '{shown}'.", shown, "unknown_parameter")

    def required_text(self, name: str) -> str:
        """Give a string that must be there."""
        if name not in self._values:
            raise missing(name)
        value = self._values[name]
        if not isinstance(value, str):
            raise _wrong_type(name, "a string", value)
        return value

    def prompt(self) -> str:
        """Give the prompt: 1 to 32,000 characters."""
        return self.limited("prompt", MAX_PROMPT_CHARS)

    def limited(self, name: str, limit: int) -> str:
        """Give a string that must be there, of 1 to *limit* characters."""
        value = self.required_text(name)
        if not value:
            raise invalid(
                f"Invalid '{name}': empty string. Expected a string with minimum length 1, but got "
                "an empty string instead.",
                name,
                "empty_string",
            )
        _limit_length(name, value, limit)
        return value

    def number(self, name: str, low: float, high: float, default: float) -> float:
        """Give a number from *low* to *high*."""
        value = self._values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong_type(name, "a decimal", value)
        if not low <= value <= high:
            side, word = (("below_min", ">= "), ("above_max", "<= "))[value > high]
            bound = high if value > high else low
            raise invalid(
                f"Invalid '{name}': decimal {side.replace('_', ' ')} value. Expected a value "
                f"{word}{bound}, but got {value} instead.",
                name,
                f"decimal_{side}_value",
            )
        return float(value)

    def safety_identifier(self) -> str | None:
        """Give the hashed end-user id, if sent."""
        value = self._values.get("safety_identifier")
        if value is None:
            return None
        if not isinstance(value, str):
            raise _wrong_type("safety_identifier", "a string", value)
        _limit_length("safety_identifier", value, MAX_SAFETY_IDENTIFIER_CHARS)
        return value

    def text(self, name: str, default: str) -> str:
        """Give any string."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise _wrong_type(name, "a string", value)
        return value

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Give one of *allowed*, whose order is the one the API lists them in."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise _wrong_type(name, f"one of {_listed(allowed, 'or')}", value)
        if value not in allowed:
            shown = value[:MAX_ECHO_CHARS]
            raise invalid(
                f"Invalid value: '{shown}'. Supported values are: {_listed(allowed, 'and')}.",
                name,
                "invalid_value",
            )
        return value

    def integer(self, name: str, low: int, high: int, default: int) -> int:
        """Give an integer from *low* to *high*."""
        value = self._values.get(name)
        if value is None:
            return default
        number = self._as_integer(name, value)
        if number < low:
            raise invalid(
                f"Invalid '{name}': integer below minimum value. Expected a value >= {low}, but "
                f"got {number} instead.",
                name,
                "integer_below_min_value",
            )
        if number > high:
            raise invalid(
                f"Invalid '{name}': integer above maximum value. Expected a value <= {high}, but "
                f"got {number} instead.",
                name,
                "integer_above_max_value",
            )
        return number

    def boolean(self, name: str) -> bool:
        """Give a boolean, false when not sent; a form says `true` or `false`."""
        value = self._values.get(name)
        if value is None:
            return False
        if self._from_form and isinstance(value, str):
            if value.lower() in {"true", "false"}:
                return value.lower() == "true"
            raise _unconverted(name, "a boolean")
        if not isinstance(value, bool):
            raise _wrong_type(name, "a boolean", value)
        return value

    def _as_integer(self, name: str, value: object) -> int:
        if self._from_form and isinstance(value, str):
            # int() would take blanks and underscores; and a number of that length is no count.
            digits = value.removeprefix("-")
            if digits.isascii() and digits.isdigit() and len(digits) <= 18:
                return int(value)
            raise _unconverted(name, "an integer")
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type(name, "an integer", value)
        return value


def missing(name: str) -> Rejected:
    """Refuse a call that lacks the field *name*."""
    return invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def _wrong_type(name: str, expected: str, value: object) -> Rejected:
    return _mistyped(name, expected, _TYPE_NAMES.get(type(value), "an object") + " instead")


def _unconverted(name: str, expected: str) -> Rejected:
    return _mistyped(name, expected, _UNCONVERTED + expected)


def _mistyped(name: str, expected: str, got: str) -> Rejected:
    return invalid(
        f"Invalid type for '{name}': expected {expected}, but got {got}.", name, "invalid_type"
    )


def _limit_length(name: str, value: str, limit: int) -> None:
    if len(value) > limit:
        raise invalid(
            f"Invalid '{name}': string too long. Expected a string with maximum length {limit}, "
            f"but got a string with length {len(value)} instead.",
            name,
            "string_above_max_length",
        )


def _listed(values: Sequence[str], word: str) -> str:
    quoted = [f"'{value}'" for value in values]
    if len(quoted) == 1:
        return quoted[0]
    comma = "," if len(quoted) > 2 else ""
    return f"{', '.join(quoted[:-1])}{comma} {word} {quoted[-1]}"
