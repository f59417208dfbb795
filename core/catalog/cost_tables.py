"""Reads `costs` of a channel: what its provider charges the operator for one unit."""

import re
from collections.abc import Sequence

from billing.pricing import PriceRow
from core.catalog.entries import Model
from core.catalog.fields import Fields
from core.catalog.model_tables import known_conditions

_USD = re.compile(r"([0-9]{1,5})(?:\.([0-9]{1,6}))?")
_DIGITS = 6
"""Of a fraction of a dollar: a micro-dollar is the least."""
USD_MICROS = 1_000_000


def read_costs(fields: Fields, models: Sequence[Model]) -> tuple[PriceRow, ...]:
    """Read the rows, whose conditions are as those of prices; raises CatalogueError.

    They need not cover everything: what no row is for is not known.
    """
    found: list[PriceRow] = []
    for table in fields.tables("costs"):
        row = _cost(table, models)
        if any((row.unit, row.conditions) == (other.unit, other.conditions) for other in found):
            raise table.error("", "there is a row for this already; remove one of them")
        found.append(row)
    return tuple(found)


def _cost(fields: Fields, models: Sequence[Model]) -> PriceRow:
    conditions = fields.table("conditions")
    units = sorted({row.unit for model in models for row in model.prices})
    row = PriceRow(
        unit=fields.choice("unit", units),
        amount_micros=_micros(fields),
        conditions={name: conditions.text(name) for name in conditions.names()},
        per=fields.whole("per", 1),
    )
    known = [known_conditions(model.parameters, model.resolutions) for model in models]
    for name, value in row.conditions.items():
        if not any(value in each.get(name, ()) for each in known):
            raise conditions.error(
                name,
                "must be `mode`, `resolution` or a parameter with values, and one of its values",
            )
    fields.finish()
    return row


def _micros(fields: Fields) -> int:
    match = _USD.fullmatch(fields.text("usd"))
    if match is None:
        raise fields.error("usd", 'must be US dollars as a string, for example "0.134"')
    return int(match[1]) * USD_MICROS + int((match[2] or "").ljust(_DIGITS, "0"))
