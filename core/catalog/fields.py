"""Reads the keys of one table of the catalogue, each by its type, and refuses what is left."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from enum import StrEnum
from math import isfinite
from typing import TypeVar

from core.catalog.source import CatalogueError, KeyPath, Layers

Word = TypeVar("Word", bound=StrEnum)

_MOST = (1 << 63) - 1
"""What fits wherever a number of the catalogue goes; TOML's own limit of integers."""
_CREDITS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})?")


class Fields:
    """One table. Ask for each key, then call `finish`: what nobody asked for is a mistake."""

    def __init__(self, layers: Layers, path: KeyPath, table: Mapping[str, object]) -> None:
        self._layers = layers
        self._path = path
        self._table = table
        self._seen: set[str] = set()

    def error(self, key: str, problem: str) -> CatalogueError:
        """Describe a mistake in *key*; empty means the table itself."""
        return self._layers.error((*self._path, key) if key else self._path, problem)

    def finish(self) -> None:
        """Refuse a key that nobody asked for."""
        for key in self._table:
            if key not in self._seen:
                known = ", ".join(sorted(self._seen))
                raise self.error(key, f"unknown key; the keys here are: {known}")

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        self._seen.add(key)
        return key in self._table

    def names(self) -> list[str]:
        """Give all keys, of a table whose keys are names."""
        self._seen.update(self._table)
        return list(self._table)

    def text(self, key: str, default: str | None = None) -> str:
        """Read a string that is not empty."""
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, "a string")
        if not value and default is None:
            raise self.error(key, "must not be empty")
        return value

    def word(self, key: str, words: type[Word], default: Word | None = None) -> Word:
        """Read one of the values of *words*."""
        value = self._get(key, default)
        if isinstance(value, str) and value in list(words):
            return words(value)
        raise self.error(key, f"must be one of: {', '.join(words)}")

    def words(self, key: str, words: type[Word]) -> tuple[Word, ...]:
        """Read a list of values of *words*; absent means empty."""
        values = self.texts(key)
        if not set(values) <= set(words):
            raise self.error(key, f"each must be one of: {', '.join(words)}")
        return tuple(words(value) for value in values)

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Read one of *choices*."""
        value = self._get(key, None)
        if isinstance(value, str) and value in choices:
            return value
        raise self.error(key, f"must be one of: {', '.join(choices)}")

    def flag(self, key: str, *, default: bool) -> bool:
        """Read true or false."""
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def whole(self, key: str, default: int | None, least: int = 1) -> int:
        """Read an integer of at least *least*."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MOST:
            raise self._wrong(key, f"an integer of at least {least}")
        return value

    def number(self, key: str) -> float | None:
        """Read a number, if there is one."""
        if not self.has(key):
            return None
        value = self._table[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_usable(value):
            raise self._wrong(key, "a number")
        return value

    def seconds(self, key: str, default: float) -> float:
        """Read a duration above zero, in seconds."""
        value = self.number(key)
        if value is not None and value <= 0:
            raise self.error(key, "must be a number of seconds above 0")
        return default if value is None else float(value)

    def scalar(self, key: str) -> str | int | float | bool | None:
        """Read a string, number or flag, if there is one."""
        if not self.has(key):
            return None
        value = self._table[key]
        if not (isinstance(value, str) or (isinstance(value, int | float) and _is_usable(value))):
            raise self._wrong(key, "a string, a number, true or false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Read a list of strings; absent means empty."""
        value = self._get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self._wrong(key, "a list of strings")
        if len(set(value)) < len(value):
            raise self.error(key, "names something twice; remove one")
        return tuple(value)

    def is_list(self, key: str) -> bool:
        """Whether the key holds a list."""
        return self.has(key) and isinstance(self._table[key], list)

    def wholes(self, key: str) -> list[int]:
        """Read a list of integers."""
        value = self._get(key, None)
        if not isinstance(value, list) or not all(type(item) is int for item in value):
            raise self._wrong(key, "a list of integers")
        return value

    def rows(self, key: str) -> list[list[str]]:
        """Read a list of lists of strings; absent means empty."""
        value = self._get(key, [])
        if not isinstance(value, list) or not all(
            isinstance(row, list) and all(isinstance(item, str) for item in row) for row in value
        ):
            raise self._wrong(key, "a list of lists of strings")
        return value

    def day(self, key: str) -> date:
        """Read a date."""
        value = self._get(key, None)
        if isinstance(value, datetime) or not isinstance(value, date):
            raise self._wrong(key, "a date, for example 2026-04-21")
        return value

    def moment(self, key: str) -> datetime:
        """Read a date (midnight UTC) or a time with its offset."""
        value = self._get(key, None)
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value
        if isinstance(value, datetime) or not isinstance(value, date):
            raise self._wrong(key, "a date, or a time with an offset: 2026-04-21T00:00:00Z")
        return datetime.combine(value, time.min, UTC)

    def credits(self, key: str) -> int:
        """Read an amount, given in credits as a decimal string, in micro-dollars."""
        value = self._get(key, None)
        if not isinstance(value, str) or not _CREDITS.fullmatch(value):
            raise self._wrong(key, 'an amount of credits as a string, for example "7" or "0.125"')
        whole, _, fraction = value.partition(".")
        return int(whole) * 1000 + int(fraction.ljust(3, "0"))

    def table(self, key: str) -> "Fields":
        """Read a table; absent means empty."""
        value = self._get(key, {})
        if not isinstance(value, dict):
            raise self._wrong(key, "a table")
        return Fields(self._layers, (*self._path, key), value)

    def table_or_text(self, key: str, name: str) -> "Fields":
        """Read a table, or a string that is short for a table with nothing but *name*."""
        value = self._get(key, {})
        if isinstance(value, str):
            return Fields(self._layers, (*self._path, key), {name: value})
        return self.table(key)

    def scalars(self, key: str) -> dict[str, str | int | float | bool]:
        """Read a table of strings, numbers and flags by any name; absent means empty."""
        table = self.table(key)
        found: dict[str, str | int | float | bool] = {}
        for name in table.names():
            value = table.scalar(name)
            assert value is not None, "the name is one of the table's"
            found[name] = value
        return found

    def tables(self, key: str) -> Iterator["Fields"]:
        """Read a list of tables; absent means empty."""
        value = self._get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self._wrong(key, f"a list of tables, each under [[…{key}]]")
        for number, item in enumerate(value, 1):
            yield Fields(self._layers, (*self._path, key, str(number)), item)

    def _get(self, key: str, default: object) -> object:
        self._seen.add(key)
        if key in self._table:
            return self._table[key]
        if default is None:
            raise self.error(key, "is missing; add it")
        return default

    def _wrong(self, key: str, wanted: str) -> CatalogueError:
        return self.error(key, f"must be {wanted}")


def _is_usable(value: float) -> bool:
    return abs(value) <= _MOST if isinstance(value, int) else isfinite(value)
