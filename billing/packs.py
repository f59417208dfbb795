"""What credits cost: packs and custom amounts, and what one purchase comes to. Pure.

Money is in micro-dollars (one cent is 10,000), prices are without tax. A pack may add more
credits than its price: what it adds is written down when a checkout begins, and is what a payment
is credited with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

CURRENCY = "USD"
"""ISO 4217; the only one: a credit is a thousandth of a US dollar."""
CUSTOM = "custom"
"""What the product of an amount of the buyer's own is called; no pack may be."""
CENT_MICROS = 10_000
"""Micro-dollars of a cent: the smallest amount that a card is charged."""
LEAST_PRICE_MICROS = 50 * CENT_MICROS
"""Stripe charges no card less than 0.50 US dollars (its minimum charge amounts)."""
MOST_PRICE_MICROS = 99_999_999 * CENT_MICROS
"""Stripe takes amounts of up to eight digits of cents (its API reference, `amount`)."""


@dataclass(frozen=True, slots=True)
class CreditPack:
    """An amount of credits on offer."""

    id: str
    display_name: str
    price_micros: int
    credited_micros: int


@dataclass(frozen=True, slots=True)
class CustomAmounts:
    """Between which amounts a buyer may choose; they cost what they add."""

    minimum_micros: int
    maximum_micros: int


@dataclass(frozen=True, slots=True)
class Sale:
    """What somebody is about to buy."""

    product: str
    """A word of ours: the id of the pack, or `custom`."""
    display_name: str
    """For humans, on the page and the invoice."""
    price_micros: int
    credited_micros: int


@dataclass(frozen=True, slots=True)
class NotOnOffer:
    """The amount is not sold; None where there is no bound."""

    minimum_micros: int | None = None
    maximum_micros: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """Everything that can be bought."""

    packs: Mapping[str, CreditPack] = field(default_factory=dict)
    """By id."""
    custom: CustomAmounts | None = None
    """None: packs only."""

    def cheapest_first(self) -> Sequence[CreditPack]:
        """The packs in the order in which they are listed."""
        return sorted(self.packs.values(), key=lambda pack: (pack.price_micros, pack.id))

    def of_pack(self, id_: str) -> Sale | None:
        """What a pack comes to; None where there is none of that id."""
        pack = self.packs.get(id_)
        if pack is None:
            return None
        return Sale(pack.id, pack.display_name, pack.price_micros, pack.credited_micros)

    def of_amount(self, amount_micros: int) -> Sale | NotOnOffer:
        """What a custom amount comes to."""
        if self.custom is None:
            return NotOnOffer()
        low, high = self.custom.minimum_micros, self.custom.maximum_micros
        if amount_micros % CENT_MICROS or not low <= amount_micros <= high:
            return NotOnOffer(low, high)
        return Sale(CUSTOM, _credits(amount_micros), amount_micros, amount_micros)


def cents(price_micros: int) -> int:
    """A price in the unit that cards are charged in."""
    assert price_micros % CENT_MICROS == 0
    return price_micros // CENT_MICROS


def _credits(amount_micros: int) -> str:
    """`12,500 credits`: whole, since an amount in cents is a multiple of ten credits."""
    return f"{amount_micros // 1000:,} credits"
