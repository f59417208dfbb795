"""docs/security.md keeps its word: no number is missing, and every test that it names exists."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
COUNTS: Mapping[str, int] = {
    "2.1": 12,
    "2.2": 7,
    "2.3": 3,
    "2.4": 5,
    "2.5": 7,
    "2.6": 3,
    "2.7": 6,
    "2.8": 7,
    "2.9": 3,
    "2.10": 4,
    "3.1": 1,
    "3.2": 4,
    "3.3": 4,
    "3.4": 5,
    "3.5": 3,
    "3.6": 2,
    "3.7": 1,
    "4.1": 5,
    "4.2": 2,
    "4.3": 3,
}
"""How many requirements each section of OWASP ASVS 4.0.3 has."""
HOW = ("Met", "Partly", "Not met", "Not applicable")
_ROW = re.compile(r"\| (\d+\.\d+\.\d+) \| (.+?) \| (.+?) \|(.*)\|\Z")
_NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
_GAPS = re.compile(r"\d+\.\d+\.\d+")


def rows() -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Number, how, and the named tests."""
    for line in PAGE.read_text().splitlines():
        if found := _ROW.match(line):
            yield found[1], found[3], _NAMED.findall(found[4])


@cache
def named_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    )


def test_every_requirement_of_the_chapters_has_one_line_in_order() -> None:
    expected = [f"{part}.{n}" for part, count in COUNTS.items() for n in range(1, count + 1)]

    assert [number for number, _, _ in rows()] == expected


def test_every_line_says_how_it_stands_and_what_is_met_is_shown() -> None:
    for number, how, named in rows():
        assert how.startswith(HOW), number
        if how.startswith(("Met", "Partly")):
            assert named, f"{number} names no test"


def test_every_named_test_exists() -> None:
    missing = [
        f"{number}: {file}::{name}"
        for number, _, named in rows()
        for file, name in named
        if not (ROOT / file).is_file() or name not in named_in(file)
    ]

    assert not missing


def test_what_is_not_wholly_met_is_listed_as_a_gap() -> None:
    gaps = {
        number
        for line in PAGE.read_text().splitlines()
        if line.startswith("| ") and not _ROW.match(line)
        for number in _GAPS.findall(line.split("|")[1])
    }
    open_ = {number for number, how, _ in rows() if how.startswith(("Partly", "Not met"))}

    assert gaps == open_
