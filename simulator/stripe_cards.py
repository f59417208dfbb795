"""Stripe's test cards and what becomes of payments with them.

Source: docs.stripe.com/testing. Of a card only its brand and last four digits are ever kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Authentication = Literal["never", "unless_set_up", "always"]


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a card says no: the error's code, its decline code, and the sentence for a customer."""

    code: str
    decline_code: str
    message: str


GENERIC: Final = Decline("card_declined", "generic_decline", "Your card was declined.")
NO_FUNDS: Final = Decline(
    "card_declined", "insufficient_funds", "Your card has insufficient funds."
)
EXPIRED: Final = Decline("expired_card", "expired_card", "Your card has expired.")
UNAUTHENTICATED: Final = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)
FAILED_AUTHENTICATION: Final = Decline(
    "payment_intent_authentication_failure",
    "",
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or "
    "a new PaymentMethod to attempt to fulfill this PaymentIntent again.",
)


@dataclass(frozen=True, slots=True)
class TestCard:
    """A card and how it behaves."""

    name: str
    last4: str
    token: str
    title: str
    brand: str = "visa"
    decline: Decline | None = None
    # Whether it can be saved and is declined only when it is charged.
    attaches: bool = True
    authentication: Authentication = "never"
    # A dispute that a payment brings about at once, by its reason.
    dispute: str | None = None
    # How a refund ends: at once, or refused by the bank later.
    refund: Literal["succeeds", "pending", "fails"] = "succeeds"


_ALL: Final = (
    TestCard("visa", "4242", "pm_card_visa", "Succeeds"),
    TestCard("mastercard", "4444", "pm_card_mastercard", "Succeeds (Mastercard)", "mastercard"),
    TestCard(
        "declined",
        "0002",
        "pm_card_visa_chargeDeclined",
        "Is declined",
        decline=GENERIC,
        attaches=False,
    ),
    TestCard(
        "insufficient_funds",
        "9995",
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "Is declined: insufficient funds",
        decline=NO_FUNDS,
        attaches=False,
    ),
    TestCard(
        "expired",
        "0069",
        "pm_card_chargeDeclinedExpiredCard",
        "Is declined: expired",
        decline=EXPIRED,
        attaches=False,
    ),
    TestCard(
        "declined_later",
        "0341",
        "pm_card_chargeCustomerFail",
        "Can be saved, is declined when charged",
        decline=GENERIC,
    ),
    TestCard(
        "authentication",
        "3155",
        "pm_card_authenticationRequiredOnSetup",
        "Needs authentication, unless it was set up",
        authentication="unless_set_up",
    ),
    TestCard(
        "authentication_always",
        "3184",
        "pm_card_authenticationRequired",
        "Needs authentication, always",
        authentication="always",
    ),
    TestCard(
        "disputed",
        "0259",
        "pm_card_createDispute",
        "Succeeds, then is disputed",
        dispute="fraudulent",
    ),
    TestCard(
        "refund_pending", "7726", "pm_card_pendingRefund", "Refunds take long", refund="pending"
    ),
    TestCard("refund_fails", "5126", "pm_card_refundFail", "Refunds fail later", refund="fails"),
)
CARDS: Final[Mapping[str, TestCard]] = {card.name: card for card in _ALL}
TOKENS: Final[Mapping[str, TestCard]] = {card.token: card for card in _ALL}
# The test numbers that docs.stripe.com/testing prints: nobody's.
NUMBERS: Final[Mapping[str, TestCard]] = {
    "4242424242424242": CARDS["visa"],
    "5555555555554444": CARDS["mastercard"],
    "4000000000000002": CARDS["declined"],
    "4000000000009995": CARDS["insufficient_funds"],
    "4000000000000069": CARDS["expired"],
    "4000000000000341": CARDS["declined_later"],
    "4000002500003155": CARDS["authentication"],
    "4000002760003184": CARDS["authentication_always"],
    "4000000000000259": CARDS["disputed"],
    "4000000000007726": CARDS["refund_pending"],
    "4000000000005126": CARDS["refund_fails"],
}


def card_of(given: str) -> TestCard | None:
    """Find a card by number, test payment method or name."""
    return NUMBERS.get(given.replace(" ", "")) or TOKENS.get(given) or CARDS.get(given)
