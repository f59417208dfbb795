"""Reads `[credit_packs.…]` and `[custom_amounts]`: what can be bought with money."""

import re

from billing.packs import (
    CENT_MICROS,
    CUSTOM,
    LEAST_PRICE_MICROS,
    MOST_PRICE_MICROS,
    CreditPack,
    CustomAmounts,
    Offer,
)
from core.catalog.fields import Fields

_ID = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
_DOLLARS = re.compile(r"([0-9]{1,9})\.([0-9]{2})")
_MICROS = 1_000_000
"""Of a dollar."""


def read_offer(packs: Fields, custom: Fields) -> Offer:
    """Read both tables; raises CatalogueError."""
    found = {id_: _pack(id_, packs.table(id_)) for id_ in sorted(packs.names())}
    return Offer(
        packs={id_: pack for id_, pack in found.items() if pack is not None},
        custom=_custom(custom),
    )


def _pack(id_: str, fields: Fields) -> CreditPack | None:
    """Read one; None where it is switched off, though not without being read."""
    if not _ID.fullmatch(id_) or id_ == CUSTOM:
        raise fields.error("", f"the id must be 1 to 64 of a-z 0-9 _, and not `{CUSTOM}`")
    is_on = fields.flag("enabled", default=True)
    pack = CreditPack(
        id=id_,
        display_name=fields.text("display_name"),
        price_micros=_price(fields, "price"),
        credited_micros=fields.credits("credits"),
    )
    if pack.credited_micros == 0:
        raise fields.error("credits", "must be above 0")
    fields.finish()
    return pack if is_on else None


def _custom(fields: Fields) -> CustomAmounts | None:
    """Read the bounds; None where there are none."""
    if not (fields.has("minimum") or fields.has("maximum")):
        fields.finish()
        return None
    bounds = CustomAmounts(_price(fields, "minimum"), _price(fields, "maximum"))
    if bounds.maximum_micros < bounds.minimum_micros:
        raise fields.error("maximum", "must not be below minimum")
    fields.finish()
    return bounds


def _price(fields: Fields, key: str) -> int:
    """Read an amount of dollars that a card can be charged, in micro-dollars."""
    found = _DOLLARS.fullmatch(fields.text(key))
    amount = int(found[1]) * _MICROS + int(found[2]) * CENT_MICROS if found else 0
    if not LEAST_PRICE_MICROS <= amount <= MOST_PRICE_MICROS:
        raise fields.error(key, 'must be dollars and cents as a string, from "0.50" to "999999.99"')
    return amount
