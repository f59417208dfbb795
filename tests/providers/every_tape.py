"""Finds the tapes: what `TAPES` of each `tapes_….py` beside this file holds."""

from importlib import import_module
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def tapes(kind: type[T]) -> tuple[T, ...]:
    """Every tape of a kind, in the order of the files' names."""
    names = sorted(file.stem for file in Path(__file__).parent.glob("tapes_*.py"))
    modules = [import_module(f"tests.providers.{name}") for name in names]
    found = [tape for module in modules for tape in getattr(module, "TAPES", ())]
    return tuple(tape for tape in found if isinstance(tape, kind))
