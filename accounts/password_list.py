"""The shipped lists of what passwords are made of: `common_passwords.txt`, `common_words.txt`.

The first holds the 30,000 most frequent passwords of public breaches, the most frequent first, as
the zxcvbn project has counted them (MIT licence: third_party/zxcvbn), and some more of the kind;
the second the most frequent English words of a Linux distribution's manuals, sorted. Both are in
lower case, one on a line. docs/decisions/0022-lock-out.md says what they are for.
"""

from functools import cache
from pathlib import Path
from typing import Final

from accounts.password_rules import WordList, word_list

_FOLDER: Final = Path(__file__).parent


@cache
def shipped() -> WordList:
    """Both, read once."""
    return word_list(_lines("common_passwords.txt"), _lines("common_words.txt"))


def _lines(name: str) -> list[str]:
    return (_FOLDER / name).read_text(encoding="utf-8").split()
