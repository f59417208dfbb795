"""What happens at Stripe without a request: payers pay, banks dispute, staff refund."""

from collections import defaultdict
from typing import Final, Literal

from simulator.stripe_attempts import authenticate
from simulator.stripe_books import PREFIXES, Books
from simulator.stripe_cards import TestCard
from simulator.stripe_checkout import Checkout, Paid
from simulator.stripe_disputes import end_dispute, open_dispute
from simulator.stripe_errors import Thing
from simulator.stripe_refunds import end_refund, fail_refund, finish_refund, give_back

# Refunds whose money is still with the account.
_RETURNED: Final = frozenset({"failed", "canceled"})


class Dashboard:
    """Acts on a Stripe account as others do; ids are Stripe's. Raises StripeError."""

    def __init__(self, books: Books, checkout: Checkout) -> None:
        self._books = books
        self._checkout = checkout

    def pay(self, session_id: str, card: TestCard, *, is_genuine: bool | None = None) -> Paid:
        """Pay a session; *is_genuine* answers an authentication, if the card wants one."""
        found = self._books.find("checkout.session", session_id)
        paid = self._checkout.pay(found, card)
        if paid.status == "requires_action" and is_genuine is not None:
            paid = self._checkout.authenticate(found, is_genuine=is_genuine)
        return paid

    def authenticate(self, intent_id: str, *, is_genuine: bool) -> Thing:
        """End the authentication of a payment that no session makes."""
        intent = self._books.find("payment_intent", intent_id)
        authenticate(self._books, intent, is_genuine=is_genuine)
        return self._books.shown(intent)

    def refund(self, paid_id: str, amount: int | None, status: str | None) -> Thing:
        """Refund a payment intent or charge, as staff do on the dashboard."""
        charged = self._charge(paid_id)
        made = give_back(self._books, charged, amount, "requested_by_customer", status=status)
        end_refund(self._books, made)
        return self._books.shown(made)

    def finish_refund(self, refund_id: str) -> Thing:
        """Let a pending refund arrive."""
        made = self._books.find("refund", refund_id)
        finish_refund(self._books, made)
        return self._books.shown(made)

    def fail_refund(self, refund_id: str, reason: str) -> Thing:
        """Let the bank send a refund back."""
        made = self._books.find("refund", refund_id)
        fail_refund(self._books, made, reason)
        return self._books.shown(made)

    def open_dispute(
        self, paid_id: str, amount: int | None, reason: str, *, is_inquiry: bool
    ) -> Thing:
        """Let the payer's bank dispute a payment intent or charge: what is left, or *amount*."""
        charged = self._charge(paid_id)
        if amount is None:
            amount = charged["amount"] - charged["amount_refunded"]
        made = open_dispute(self._books, charged, amount, reason, is_inquiry=is_inquiry)
        return self._books.shown(made)

    def end_dispute(self, dispute_id: str, status: Literal["won", "lost"]) -> Thing:
        """Let the bank decide."""
        found = self._books.find("dispute", dispute_id)
        end_dispute(self._books, found, status)
        return self._books.shown(found)

    def advance(self, seconds: int) -> int:
        """Move the clock on; sessions expire. Gives the new time."""
        self._books.advance(seconds)
        self._checkout.lapse()
        return self._books.now()

    def objects(self) -> Thing:
        """Show everything, by kind, oldest first."""
        return {
            kind: [self._books.shown(each) for each in self._books.all(kind)] for kind in PREFIXES
        }

    def ledger(self) -> list[Thing]:
        """What each payment left with the account, in cents: paid, given back, taken by banks.

        Fees are left out: they are between Stripe and the account.
        """
        refunded: defaultdict[str, int] = defaultdict(int)
        withdrawn: defaultdict[str, int] = defaultdict(int)
        for each in self._books.all("refund"):
            if each["status"] not in _RETURNED:
                refunded[each["payment_intent"]] += each["amount"]
        for each in self._books.all("dispute"):
            moved = sum(one["amount"] for one in each["balance_transactions"])
            withdrawn[each["payment_intent"]] -= moved
        return [
            {
                "payment_intent": each["id"],
                "customer": each["customer"],
                "currency": each["currency"],
                "status": each["status"],
                "metadata": dict(each["metadata"]),
                "paid": each["amount_received"],
                "refunded": refunded[each["id"]],
                "withdrawn": withdrawn[each["id"]],
                "net": each["amount_received"] - refunded[each["id"]] - withdrawn[each["id"]],
            }
            for each in self._books.all("payment_intent")
        ]

    def _charge(self, paid_id: str) -> Thing:
        if paid_id.startswith(PREFIXES["charge"]):
            return self._books.find("charge", paid_id)
        intent = self._books.find("payment_intent", paid_id)
        return self._books.find("charge", intent["latest_charge"] or "")
