"""Which passwords are refused: too short, too long, made of the address, or soon guessed. Pure.

How soon one is guessed is estimated as zxcvbn does (Wheeler, USENIX Security 2016): a password is
cut into the pieces that are cheapest to guess (breached passwords, common words, keyboard
walks, years, single characters), and what they cost is added up. So one list of words stands for
all that people make of them: `Dragon2019!`, `p4ssw0rd123`, `monkeymonkey`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import inf, log2
from typing import Final

SHORTEST: Final = 10
LONGEST: Final = 200
"""Characters, as the contract says; NIST SP 800-63B asks for at least 8 and room for 64."""
SHORTEST_LOCAL_PART: Final = 4
"""Characters of what stands before the `@` and may not be in a password: many words hold fewer."""
ENOUGH_BITS: Final = 33.2
"""10^10 guesses: what zxcvbn calls very unguessable, also for who has stolen the hashes."""

_MOST_COMMON_BITS: Final = 13.0
"""Of a breached password: the logarithm of its place in the list, and no more than this, since
whoever tries does so with all of them."""
_WORD_BITS: Final = 13.5
"""One of some 14,000 common words."""
_OWN_BITS: Final = 2.0
"""What everybody who tries knows: the address itself."""
_TWIST_BITS: Final = 1.0
"""Capital letters, digits for letters, or backwards: each is tried with every word."""
_WALK_BITS: Final = 8.0
"""Neighbours on a keyboard or in the alphabet, or the same again and again: start and length."""
_YEAR_BITS: Final = 7.0
"""1900 to 2099, most of them after 1950."""
_DIGIT_BITS: Final = 3.3
_LETTER_BITS: Final = 4.7
_OTHER_BITS: Final = 6.5
"""One of 10, of 26, of 95."""
_SHORTEST_WORD: Final = 3
_YEAR: Final = 4
_CENTURIES: Final = ("19", "20")
_LOOKED_AT: Final = 64
"""Characters: whoever needs more to be safe repeats himself. Bounds the work: 2 ms."""

_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "!@#$%^&*()",
)
_STEPS: Final = frozenset(
    step for row in _ROWS for a, b in pairwise(row) for step in ((a, b), (b, a))
)
_FOLDS: Final = tuple(str.maketrans("0134578@$!+|9", f"o{one}eastbas{one}tlg") for one in "il")
"""Digits and signs as the letters they stand for; a 1 may be an i or an l."""


class Weakness(StrEnum):
    """Why a password is refused; told to its owner by these names."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    HAS_ADDRESS = "has_address"
    COMMON = "common"


@dataclass(frozen=True, slots=True)
class WordList:
    """What passwords are made of, in lower case."""

    bits: Mapping[str, float]
    """What each costs to guess."""
    longest: int
    """Characters of the longest one."""


def word_list(breached: Iterable[str], common: Iterable[str]) -> WordList:
    """Breached passwords, the most frequent first, and common words of the language."""
    bits = dict.fromkeys(common, _WORD_BITS)
    for place, word in enumerate(breached, start=2):
        bits[word] = min(log2(place), _MOST_COMMON_BITS)
    return WordList(bits, max(map(len, bits), default=0))


def weakness(password: str, address: str, known: WordList) -> Weakness | None:
    """Why *password* is refused to the owner of *address*; None: it is good."""
    if len(password) < SHORTEST:
        return Weakness.TOO_SHORT
    if len(password) > LONGEST:
        return Weakness.TOO_LONG
    local, _, domain = address.lower().partition("@")
    own = {local, local.partition("+")[0], domain.partition(".")[0]}
    parts = {part for part in own if len(part) >= SHORTEST_LOCAL_PART}
    if any(part in password.lower() for part in parts if part != domain.partition(".")[0]):
        return Weakness.HAS_ADDRESS
    bits = dict.fromkeys(parts, _OWN_BITS)
    return Weakness.COMMON if guess_bits(password, known, bits) < ENOUGH_BITS else None


def guess_bits(password: str, known: WordList, own: Mapping[str, float]) -> float:
    """About how many guesses find *password*, as their logarithm to the base 2.

    *own* are words that everybody who tries begins with.
    """
    text = _unit(password[:_LOOKED_AT])
    longest = max((known.longest, *map(len, own)))
    forms = _forms(text)
    walks = _walks(text.lower())
    best = [0.0]
    for end, letter in enumerate(text, start=1):
        cheapest = best[-1] + _letter_bits(letter)
        for start in range(max(0, end - longest), end - _SHORTEST_WORD + 1):
            piece = _piece_bits([(form[start:end], more) for form, more in forms], known, own)
            cheapest = min(cheapest, best[start] + piece)
        if end - walks[end - 1] >= _SHORTEST_WORD:
            cheapest = min(cheapest, best[walks[end - 1]] + _WALK_BITS)
        if end >= _YEAR and text[end - _YEAR : end - 2] in _CENTURIES and text[:end][-2:].isdigit():
            cheapest = min(cheapest, best[end - _YEAR] + _YEAR_BITS)
        best.append(cheapest)
    return best[-1] + (_TWIST_BITS if text != text.lower() else 0.0)


def _piece_bits(
    forms: Iterable[tuple[str, float]], known: WordList, own: Mapping[str, float]
) -> float:
    """What the cheapest form of a piece costs, if it is a word in one of them."""
    found = inf
    for form, more in forms:
        for word, turned in ((form, 0.0), (form[::-1], _TWIST_BITS)):
            bits = min(own.get(word, inf), known.bits.get(word, inf))
            found = min(found, bits + more + turned)
    return found


def _forms(text: str) -> list[tuple[str, float]]:
    """*text* as the words it may be made of, and what that costs each word."""
    plain = text.lower()
    folded = {plain.translate(fold) for fold in _FOLDS} - {plain}
    return [(plain, 0.0), *((form, _TWIST_BITS) for form in sorted(folded))]


def _unit(text: str) -> str:
    """What *text* is made of, where it is the same again and again."""
    for size in range(1, len(text) // 2 + 1):
        if text == (text[:size] * (len(text) // size + 1))[: len(text)]:
            return text[:size]
    return text


def _walks(text: str) -> list[int]:
    """Where the walk begins that each character ends: with itself, if it follows nothing."""
    starts: list[int] = []
    for place, letter in enumerate(text):
        follows = place > 0 and (text[place - 1] == letter or (text[place - 1], letter) in _STEPS)
        starts.append(starts[-1] if follows else place)
    return starts


def _letter_bits(letter: str) -> float:
    if letter.isdigit():
        return _DIGIT_BITS
    return _LETTER_BITS if letter.lower() in _ROWS[0] else _OTHER_BITS
