"""Disputes: opened by a bank, answered by evidence, won or lost."""

from typing import Final, Literal

from simulator.stripe_books import Asked, Books, Routes
from simulator.stripe_errors import StripeError, Thing, refused
from simulator.stripe_params import Params
from simulator.stripe_shapes import balance_transaction, dispute

REASONS: Final = (
    "bank_cannot_process",
    "check_returned",
    "credit_not_processed",
    "customer_initiated",
    "debit_not_authorized",
    "duplicate",
    "fraudulent",
    "general",
    "incorrect_account_details",
    "insufficient_funds",
    "product_not_received",
    "product_unacceptable",
    "subscription_canceled",
    "unrecognized",
)
DISPUTE_FEE: Final = 1_500
"""What Stripe keeps of a dispute, in cents (US accounts)."""
_OPEN: Final = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")


class Disputes:
    """The endpoints below `/v1/disputes`."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def routes(self) -> Routes:
        """Give what is answered here."""
        yield "GET", "/v1/disputes", self.browse
        yield "GET", "/v1/disputes/{id}", self.retrieve
        yield "POST", "/v1/disputes/{id}", self.update
        yield "POST", "/v1/disputes/{id}/close", self.close

    def browse(self, asked: Asked) -> Thing:
        """Show a page of disputes."""
        return self._books.page(
            "dispute",
            asked,
            ("charge", "payment_intent"),
            lambda params, each: all(
                params.text(name) in {None, each[name]} for name in ("charge", "payment_intent")
            ),
        )

    def retrieve(self, asked: Asked) -> Thing:
        """Show a dispute."""
        Params(asked.form, ())
        return self._books.answered(self._books.find("dispute", asked.id), asked)

    def update(self, asked: Asked) -> Thing:
        """Take evidence; `submit` hands it in, once."""
        found = self._books.find("dispute", asked.id)
        params = Params(asked.form, ("evidence", "metadata", "submit"))
        _expect_open(found)
        evidence = params.mapping("evidence")
        changes: Thing = {"metadata": params.metadata(found["metadata"])}
        details = {**found["evidence_details"]}
        details["has_evidence"] |= bool(evidence)
        if params.text("submit") != "false" and evidence:
            details["submission_count"] += 1
            details["submission_method"] = "manual"
            changes["status"] = found["status"].replace("needs_response", "under_review")
        changes["evidence_details"] = details
        changes["evidence"] = {**found["evidence"], **evidence}
        previous = self._books.change(found, changes)
        if previous:
            self._books.emit("charge.dispute.updated", found, previous)
        return self._books.answered(found, asked)

    def close(self, asked: Asked) -> Thing:
        """Give a dispute up."""
        Params(asked.form, ())
        found = self._books.find("dispute", asked.id)
        _expect_open(found)
        end_dispute(self._books, found, "lost")
        return self._books.answered(found, asked)


def open_dispute(
    books: Books, charged: Thing, amount: int, reason: str, *, is_inquiry: bool = False
) -> Thing:
    """Let the bank of a charge's card take *amount* back; an inquiry takes nothing."""
    if charged["status"] != "succeeded":
        raise refused("Only a charge that succeeded can be disputed.")
    if charged["refunded"] or not 0 < amount <= charged["amount"]:
        raise refused(f"Charge {charged['id']} was refunded, or is smaller than that.")
    if charged["disputed"]:
        raise refused(f"Charge {charged['id']} has been disputed already.")
    found = books.add(dispute(books, charged, amount, reason))
    if is_inquiry:
        found["status"] = "warning_needs_response"
        found["is_charge_refundable"] = True
        found["payment_method_details"]["card"]["case_type"] = "inquiry"
    charged["disputed"] = True
    books.emit("charge.dispute.created", found)
    if not is_inquiry:
        _move(books, found, -amount, DISPUTE_FEE, "charge.dispute.funds_withdrawn")
    return found


def end_dispute(books: Books, found: Thing, status: Literal["won", "lost"]) -> None:
    """Let the bank decide; what is won is paid back."""
    _expect_open(found)
    is_inquiry = found["status"].startswith("warning")
    previous = books.change(found, {"status": "warning_closed" if is_inquiry else status})
    books.emit("charge.dispute.closed", found, previous)
    if status == "won" and not is_inquiry:
        _move(books, found, found["amount"], 0, "charge.dispute.funds_reinstated")


def _move(books: Books, found: Thing, amount: int, fee: int, kind: str) -> None:
    moved = balance_transaction(books, found, amount, fee)
    previous = books.change(
        found, {"balance_transactions": [*found["balance_transactions"], moved]}
    )
    books.emit(kind, found, previous)


def _expect_open(found: Thing) -> None:
    if found["status"] not in _OPEN:
        raise StripeError(400, "This dispute is already closed", "dispute_already_closed")
