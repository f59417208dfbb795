"""The words of the map of data (`accounts.data_map`). Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Erase(StrEnum):
    """What becomes of the rows of whoever is erased."""

    NOTHING = "nothing"
    """There are none, or they go with another row."""
    DELETE = "delete"
    KEEP = "keep"
    """The law, or the books: they name nobody."""
    FORGET = "forget"
    """They stay, without the ids (`accounts.erasure`)."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table."""

    name: str
    holds: str
    """What, in words."""
    kept: str
    """How long, in words; `accounts.retention` has the rules."""
    columns: str
    """Those of types that could hold something typed, sealed, or told by a person's machine."""
    account: Erase = Erase.NOTHING
    """Of an erased account: the rows with its `account_id`."""
    person: Erase = Erase.NOTHING
    """Of an erased person: the rows with its `user_id`."""
    file: str = ""
    """Of an export that has it."""


BOOKS: Final = "for as long as the operator keeps books"
DAYS: Final = "30 days"
USED: Final = "as long as it is of use"
