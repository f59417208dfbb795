"""What a model is paid by besides its amounts: it stays as long as the model's id. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from billing.pricing import TIME_UNITS

Content = Mapping[str, Any]
"""A catalogue or a model of it, as it is written."""


def changed_term(before: Content, model: Content) -> str | None:
    """The key of a term in which *model* differs from what was sold under its id; None: of none.

    No date helps here: nobody can compare an amount per second with one per minute, or see from
    a price that another size, or another default, falls under it. Without prices nothing is sold.
    """
    if not before.get("prices") or not model.get("prices"):
        return None
    if _units(before) != _units(model):
        return "prices"
    if not _keeps_classes(before.get("resolutions", {}), model.get("resolutions", {})):
        return "resolutions"
    if before.get("source_seconds") != model.get("source_seconds"):
        return "source_seconds"
    old, new = before.get("parameters", {}), model.get("parameters", {})
    for name in sorted({*_paid_by(before), *_paid_by(model)} & old.keys() & new.keys()):
        if old[name].get("default") != new[name].get("default"):
            return f"parameters.{name}.default"
    return None


def _units(model: Content) -> set[str]:
    return {row["unit"] for row in model["prices"]}


def _keeps_classes(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    """Whether every size stays in its class; larger ones, which were not offered, may come."""
    old, new = (sorted(limits.items(), key=_limit) for limits in (before, after))
    return new[: len(old)] == old if old else not new


def _limit(item: tuple[str, int]) -> int:
    return item[1]


def _paid_by(model: Content) -> Iterator[str]:
    """The parameters that a price follows from: conditions, and how much of it there is."""
    yield "output_count"
    if "resolutions" in model:
        yield "size"
    for row in model["prices"]:
        yield from row.get("conditions", {})
        if row["unit"] in TIME_UNITS:
            yield "duration"
