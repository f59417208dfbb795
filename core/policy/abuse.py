"""Which behaviour looks like abuse. Pure.

A sign is no verdict: it says where an operator should look, and nothing follows from it by
itself. Thresholds are set so that an ordinary account, a large one too, shows none.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final
from uuid import UUID

from core.values import dataclass

LEAST_GENERATIONS: Final = 20
"""Of an account before its refusals are a rate: three of four say nothing."""
REFUSED_MILLI: Final = 300
"""Refusals of 1,000 generations. Callers who moderate what they send stay far below; one in ten
is usual where end users type freely."""
FAILED_PAYMENTS: Final = 5
"""A person who mistypes a card, or has none that works, tries two or three times; who tests cards
tries dozens."""
NETWORKS: Final = 25
"""From which one key is used on one day. Servers have a few; a team behind phones and homes a
dozen; a key that was published or resold has hundreds."""
LOSS_MICROS: Final = 5_000_000
"""Five dollars that providers billed for what nobody paid (semantics.md 23). One key that is
refused all day reaches the cap of `core.policy.risk`; that is worth a look."""
MILLI: Final = 1_000


class Sign(StrEnum):
    """What kind of abuse it looks like; the words of `reapi.v1.AbuseSignal.Type`."""

    REFUSAL_RATE = "refusal_rate"
    CARD_TESTING = "card_testing"
    KEY_SHARING = "key_sharing"
    PROVIDER_COST = "provider_cost"


@dataclass(frozen=True, slots=True)
class Observed:
    """A figure of one account, or of one of its keys."""

    account_id: UUID
    sign: Sign
    figure: int
    """Refusals; failed payments; networks on one day; micro-dollars."""
    observed_at: float
    """When it was last seen, in seconds since 1970."""
    of: int = 0
    """Of how many generations, where the figure is refusals."""
    key: str = ""
    """The public id of the key, where one shows it."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A figure that reaches its threshold, both in thousandths."""

    account_id: UUID
    sign: Sign
    observed_milli: int
    threshold_milli: int
    observed_at: float
    key: str = ""

    @property
    def name(self) -> str:
        """By which it is told from others."""
        return f"{self.account_id.hex}/{self.sign}/{self.key}"


def signals(figures: Iterable[Observed]) -> list[Signal]:
    """Those that reach their thresholds, strongest first: by how many times they reach it."""
    found = [signal for figure in figures if (signal := _signal(figure)) is not None]
    return sorted(found, key=lambda item: (-item.observed_milli / item.threshold_milli, item.name))


def _signal(item: Observed) -> Signal | None:
    match item.sign:
        case Sign.REFUSAL_RATE:
            if item.of < LEAST_GENERATIONS:
                return None
            # A share: 300 thousandths are three of ten.
            observed, threshold = item.figure * MILLI // item.of, REFUSED_MILLI
        case Sign.CARD_TESTING:
            observed, threshold = item.figure * MILLI, FAILED_PAYMENTS * MILLI
        case Sign.KEY_SHARING:
            observed, threshold = item.figure * MILLI, NETWORKS * MILLI
        case Sign.PROVIDER_COST:
            # Dollars.
            observed, threshold = item.figure // MILLI, LOSS_MICROS // MILLI
    if observed < threshold:
        return None
    return Signal(item.account_id, item.sign, observed, threshold, item.observed_at, item.key)
