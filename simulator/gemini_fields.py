"""Reads JSON as Google's servers read it into a protobuf message, and refuses in their words.

Names may be camelCase or snake_case; a null means "not given"; what is unknown is refused. Paths
in errors are in snake case, as Google gives them: `generation_config.image_config.aspect_ratio`.
"""

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Final

from simulator.gemini_errors import Rejected, invalid

# How much of a caller's wrong value an error repeats.
MAX_ECHO_CHARS: Final = 200
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_STEP: Final = re.compile(r"_([a-z0-9])")
_INT32: Final = 1 << 31


def snake(name: str) -> str:
    """Write a name as paths do."""
    return _HUMP.sub("_", name).lower()


def camel(name: str) -> str:
    """Write a name as JSON does."""
    return _STEP.sub(lambda match: match[1].upper(), name)


class Message:
    """The fields of one JSON object. Never shown: they are the caller's words."""

    __slots__ = ("_path", "_values")

    def __init__(self, values: object, known: frozenset[str], path: str = "") -> None:
        self._path = path
        if not isinstance(values, dict):
            raise _bad_value(path, "type.googleapis.com/google.protobuf.Struct", values)
        self._values: dict[str, object] = {}
        for name, value in values.items():
            if camel(name) not in known:
                where = f" at '{path}'" if path else ""
                text = f'Unknown name "{name[:MAX_ECHO_CHARS]}"{where}: Cannot find field.'
                raise invalid(f"Invalid JSON payload received. {text}", path)
            if value is not None:
                self._values[camel(name)] = value

    def __repr__(self) -> str:
        return f"<Message {len(self._values)}>"

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def at(self, name: str) -> str:
        """Give the path of a field."""
        return f"{self._path}.{snake(name)}" if self._path else snake(name)

    def message(self, name: str, known: frozenset[str]) -> "Message":
        """Give a message inside; an empty one when not sent."""
        return Message(self._values.get(name, {}), known, self.at(name))

    def messages(self, name: str, known: frozenset[str]) -> "list[Message]":
        """Give a list of messages; a single one stands for a list of itself."""
        return [
            Message(value, known, f"{self.at(name)}[{index}]")
            for index, value in enumerate(self._list(name))
        ]

    def text(self, name: str, default: str = "") -> str:
        """Give a string."""
        value = self._values.get(name, default)
        if not isinstance(value, str):
            raise _bad_value(self.at(name), "TYPE_STRING", value)
        return value

    def flag(self, name: str) -> bool:
        """Give a boolean, false when not sent."""
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            raise _bad_value(self.at(name), "TYPE_BOOL", value)
        return value

    def integer(self, name: str) -> int | None:
        """Give a 32-bit integer."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not -_INT32 <= value < _INT32:
            raise _bad_value(self.at(name), "TYPE_INT32", value)
        return value

    def number(self, name: str) -> float | None:
        """Give a number."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _bad_value(self.at(name), "TYPE_FLOAT", value)
        return float(value)

    def octets(self, name: str) -> bytes:
        """Give bytes from base64, of either alphabet, as protobuf takes it."""
        text = self.text(name).translate(_STANDARD)
        try:
            return b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise invalid(
                f"Invalid value at '{self.at(name)}' (TYPE_BYTES), Base64 decoding failed for "
                f'"{text[:MAX_ECHO_CHARS]}"',
                self.at(name),
            ) from None

    def enums(self, name: str, kind: str, allowed: Sequence[str]) -> list[str]:
        """Give a list of words of the enum *kind*."""
        found = []
        for index, value in enumerate(self._list(name)):
            if not isinstance(value, str) or value not in allowed:
                raise _bad_value(f"{self.at(name)}[{index}]", kind, value)
            found.append(value)
        return found

    def enum(self, name: str, kind: str, allowed: Sequence[str]) -> str:
        """Give a word of the enum *kind*, empty when not sent."""
        value = self._values.get(name, "")
        if not isinstance(value, str) or (name in self._values and value not in allowed):
            raise _bad_value(self.at(name), kind, value)
        return value

    def _list(self, name: str) -> list[object]:
        value = self._values.get(name, [])
        return value if isinstance(value, list) else [value]


_STANDARD: Final[Mapping[int, str]] = {ord("-"): "+", ord("_"): "/", ord("="): ""}


def parsed(body: bytes) -> object:
    """Decode a JSON body."""
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        # `from None`: the decoder's error carries the whole text.
        raise invalid("Invalid JSON payload received. Expected a value.") from None
    if not isinstance(found, dict):
        raise invalid("Invalid JSON payload received. Root element must be a message.")
    return found


def _bad_value(path: str, kind: str, value: object) -> Rejected:
    shown = json.dumps(value)[:MAX_ECHO_CHARS]
    return invalid(f"Invalid value at '{path}' ({kind}), {shown}", path)
