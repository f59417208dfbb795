"""Typed reading of the JSON objects that the controls are given."""

from collections.abc import Collection, Mapping
from typing import TypeVar, overload

T = TypeVar("T")


class ControlError(ValueError):
    """A control was given something it does not take; `field` names the culprit."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class JsonObject:
    """A decoded JSON object whose members are asked for by name and type."""

    def __init__(self, data: object, known: Collection[str]) -> None:
        if not isinstance(data, Mapping):
            raise ControlError("body", "expected a JSON object")
        for name in data:
            if name not in known:
                raise ControlError(str(name)[:64], "unknown field")
        self._data: Mapping[str, object] = data

    def text(self, name: str, default: str | None = None) -> str:
        """Give a string; required when there is no *default*."""
        value = self._typed(name, str, default)
        if value is None:
            raise ControlError(name, "required")
        return value

    def text_or_none(self, name: str) -> str | None:
        """Give a string, or None when absent or null."""
        return self._typed(name, str, None) if self._data.get(name) is not None else None

    @overload
    def integer(self, name: str, default: int) -> int: ...
    @overload
    def integer(self, name: str, default: None) -> int | None: ...
    def integer(self, name: str, default: int | None) -> int | None:
        """Give an integer; null is allowed where the default is None."""
        if default is None and self._data.get(name) is None:
            return None
        return self._typed(name, int, default)

    def has(self, name: str) -> bool:
        """Say whether a member was given."""
        return name in self._data

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Give a truth value."""
        value = self._data.get(name, default)
        if not isinstance(value, bool):
            raise ControlError(name, "expected bool")
        return value

    def fraction(self, name: str) -> float:
        """Give a number from 0 to 1; 0 when absent."""
        value = self._data.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ControlError(name, "expected 0 to 1")
        return float(value)

    def texts(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Give a list of strings."""
        value = self._data.get(name, list(default))
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ControlError(name, "expected a list of strings")
        return tuple(value)

    def _typed(self, name: str, kind: type[T], default: T | None) -> T | None:
        value = self._data.get(name, default)
        if value is default:
            return default
        # bool is an int to Python, but `true` is no count.
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ControlError(name, f"expected {kind.__name__}")
        return value


def one_of(name: str, value: str, allowed: Collection[str]) -> None:
    """Refuse a *value* that is not among *allowed*."""
    if value not in allowed:
        raise ControlError(name, f"expected one of {', '.join(allowed)}")


def within(name: str, value: int, low: int, high: int) -> None:
    """Refuse a *value* outside *low* to *high*."""
    if not low <= value <= high:
        raise ControlError(name, f"expected {low} to {high}")
