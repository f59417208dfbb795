"""Catalogue files as they were written: parsed, laid over each other, and where each key stands."""

import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

KeyPath = tuple[str, ...]
Table = dict[str, object]

WHOLE = frozenset({"credential", "resolutions", "conditions", "requires", "values", "variants"})
"""Tables that an overlay replaces whole; all others are merged key by key. Lists are replaced."""
LIKE = "like"
"""The key of a table that names another of its kind: what it does not say itself, that one does."""
MAXIMUM_BYTES = 1 << 20
"""Of a file. All that ship have a fifth of it; the parser takes seconds for more."""
_DEEPEST = 16
"""Tables in each other, and tables that are like each other."""
_TOO_DEEP = "is nested too deeply; no key of the catalogue has as many parts"


class CatalogueError(Exception):
    """The catalogue has a mistake: `FILE:LINE: KEY: what is wrong and what to do`.

    Values are never repeated: somebody may have written a credential in the wrong place.
    """

    def __init__(self, file: Path, key: str, problem: str, line: int | None = None) -> None:
        self.file = file
        self.key = key
        self.problem = problem
        self.line = line
        place = file.name if line is None else f"{file.name}:{line}"
        super().__init__(": ".join(part for part in (place, key, problem) if part))


@dataclass(frozen=True, slots=True)
class Source:
    """One file."""

    file: Path
    text: str = field(repr=False)
    content: Table = field(repr=False)

    def line_of(self, path: KeyPath) -> int | None:
        """Find the line of *path*, or else of the table nearest to it."""
        best, best_length = None, 0
        for number, found in _keys(self.text):
            length = len(found)
            if found == path[:length] and length > best_length:
                best, best_length = number, length
        return best


def read(file: Path) -> Source:
    """Read one file; raises CatalogueError."""
    try:
        status = file.stat()
        if stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode):  # has no end
            raise CatalogueError(file, "", "is no file; check the path")
        if status.st_size > MAXIMUM_BYTES:
            raise CatalogueError(file, "", f"is larger than {MAXIMUM_BYTES} bytes; divide it")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        problem = f"cannot be read ({type(error).__name__}); check the path and its permissions"
        raise CatalogueError(file, "", problem) from None
    except UnicodeDecodeError:
        raise CatalogueError(file, "", "is not UTF-8; save it as UTF-8") from None
    try:
        return Source(file, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        # Its message names the place and a character at most; keys and values are not in it.
        raise CatalogueError(file, "", f"is not TOML: {_place(str(error))}") from None
    except RecursionError:
        raise CatalogueError(file, "", _TOO_DEEP) from None
    except ValueError:  # Python reads no integer of thousands of digits
        raise CatalogueError(file, "", "has a number of too many digits; write a smaller") from None


def _place(message: str) -> str:
    _, at, place = message.rpartition("(at ")
    return f"syntax error at {place.removesuffix(')')}" if at else "syntax error"


class Layers:
    """Files laid over each other, later over earlier, and which file each key is from."""

    def __init__(self, sources: Sequence[Source]) -> None:
        assert sources
        self.content: Table = {}
        self._sources = sources
        self._origins: dict[KeyPath, Source] = {}
        for source in sources:
            self._lay(self.content, source.content, (), source)

    def error(self, path: KeyPath, problem: str) -> CatalogueError:
        """Describe a mistake at *path*, where the last file that touched it wrote it."""
        source = self._origin(path)
        return CatalogueError(source.file, ".".join(path), problem, source.line_of(path))

    def file_of(self, path: KeyPath) -> Path:
        """Say which file wrote *path*, or else the table nearest to it."""
        return self._origin(path).file

    def inherit(self, kind: str, own: frozenset[str]) -> None:
        """Lay each table `[kind.…]` that says `like = "another"` over a copy of the other.

        The keys *own* are not copied. Raises CatalogueError.
        """
        tables = self.content.get(kind)
        if isinstance(tables, dict):
            for name in list(tables):
                self._inherit(tables, kind, own, (name,))

    def _inherit(
        self, tables: Table, kind: str, own: frozenset[str], names: tuple[str, ...]
    ) -> None:
        """Do so for the last of *names*, each of which is like the next."""
        table = tables[names[-1]]
        if not isinstance(table, dict) or LIKE not in table:
            return
        other, at = table[LIKE], (kind, names[-1])
        if not isinstance(other, str) or not isinstance(tables.get(other), dict):
            raise self.error((*at, LIKE), f"must be the name of another of the {kind}")
        if other in names:
            raise self.error((*at, LIKE), "leads back to itself; remove one `like` of the circle")
        if len(names) >= _DEEPEST:
            raise self.error((*at, LIKE), "leads through too many others; name the last of them")
        self._inherit(tables, kind, own, (*names, other))
        origins, source = dict(self._origins), self._origin(at)
        merged: Table = {}
        for layer in (without(tables[other], own), without(table, frozenset({LIKE}))):
            self._lay(merged, layer, at, source)
        tables[names[-1]] = merged
        self._origins = origins

    def _origin(self, path: KeyPath) -> Source:
        while path and path not in self._origins:
            path = path[:-1]
        return self._origins.get(path, self._sources[-1])

    def _lay(self, below: Table, above: Mapping[str, object], at: KeyPath, source: Source) -> None:
        if len(at) > _DEEPEST:
            raise CatalogueError(source.file, "", _TOO_DEEP)
        for key, value in above.items():
            path = (*at, key)
            self._origins[path] = source
            if not isinstance(value, dict):
                below[key] = value
                continue
            kept = below.get(key)
            if not isinstance(kept, dict) or key in WHOLE:
                kept = {}
                below[key] = kept
            self._lay(kept, value, path, source)


def without(table: object, keys: frozenset[str]) -> Table:
    """A table without some of its keys."""
    assert isinstance(table, dict)
    return {key: value for key, value in table.items() if key not in keys}


def _keys(text: str) -> list[tuple[int, KeyPath]]:
    """Find where tables and keys begin. Only for messages: multi-line strings may mislead it."""
    found: list[tuple[int, KeyPath]] = []
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("[") and not stripped.startswith("[["):
            table = _nested(stripped) or table
            found.append((number, table))
        elif stripped.startswith("[["):
            name = _nested(stripped) or table
            counts[name] = counts.get(name, 0) + 1
            table = (*name, str(counts[name]))
            found += [(number, name), (number, table)]
        elif "=" in stripped and not stripped.startswith("#"):
            keys = _nested(stripped.split("=", 1)[0] + "= 0")
            if keys:
                found.append((number, (*table, *keys)))
    return found


def _nested(line: str) -> KeyPath:
    """Read the key of a line by parsing it alone: quoting is TOML's affair."""
    try:
        content: object = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(content, dict | list) and content:
        if isinstance(content, list):
            content = content[0]
            continue
        [(key, content)] = content.items()
        path.append(key)
    return tuple(path)
