"""The subprocessors that an operator names: `subprocessors.toml` in the folder of policies.

[[subprocessor]]
name = "Example Hosting GmbH"
region = "Germany"
purpose = "hosts the machines"
data = "all that is kept here"
"""

import tomllib
from pathlib import Path
from typing import Final

from core.legal.subprocessors import Subprocessor
from core.legal.versions import PolicyError

FILE: Final = "subprocessors.toml"
MOST: Final = 100
"""Of one file: more than any operator has."""
_LONGEST: Final = 300
"""Characters of a text: what a table of a page shows."""
_SIZE: Final = 256 * 1024
"""Bytes of the file: more than so many entries need."""


def told_subprocessors(folder: Path | None) -> list[Subprocessor]:
    """Those in the folder's file; none where there is none. Raises PolicyError, which says why."""
    file = None if folder is None else folder / FILE
    if file is None or not file.exists():
        return []
    try:
        with file.open("rb") as opened:
            data = opened.read(_SIZE + 1)
        content = tomllib.loads(data.decode())
    except (OSError, UnicodeDecodeError):
        raise PolicyError(f"{FILE} cannot be read as UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{FILE} is not TOML: {error}") from None
    entries = content.get("subprocessor", [])
    if len(data) > _SIZE or content.keys() - {"subprocessor"} or not isinstance(entries, list):
        raise PolicyError(f"{FILE} holds tables [[subprocessor]] and nothing else")
    if len(entries) > MOST:
        raise PolicyError(f"{FILE} has more than {MOST} entries")
    return [_entry(number, entry) for number, entry in enumerate(entries, 1)]


def _entry(number: int, entry: object) -> Subprocessor:
    if not isinstance(entry, dict) or entry.keys() != set(Subprocessor._fields):
        names = ", ".join(Subprocessor._fields)
        raise PolicyError(f"{FILE}: entry {number} must have {names}, and nothing else")
    for name, text in entry.items():
        if not isinstance(text, str) or not text.isprintable() or len(text) > _LONGEST:
            raise PolicyError(
                f"{FILE}: {name} of entry {number} must be a text of at most {_LONGEST} characters"
            )
        if not text.strip() and name != "region":
            raise PolicyError(f"{FILE}: {name} of entry {number} is empty")
    return Subprocessor(**{name: text.strip() for name, text in entry.items()})
