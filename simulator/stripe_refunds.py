"""Refunds: asked for by API or on the dashboard, and refused by banks later."""

from typing import Final

from simulator.stripe_books import Asked, Books, Routes, new_id
from simulator.stripe_cards import CARDS
from simulator.stripe_errors import Thing, invalid, refused
from simulator.stripe_params import Params
from simulator.stripe_shapes import refund

_CREATED: Final = ("amount", "charge", "metadata", "payment_intent", "reason")
_REASONS: Final = ("duplicate", "fraudulent", "requested_by_customer")
STATUSES: Final = ("pending", "requires_action", "succeeded")
FAILURES: Final = (
    "charge_for_pending_refund_disputed",
    "declined",
    "expired_or_canceled_card",
    "insufficient_funds",
    "lost_or_stolen_card",
    "unknown",
)


class Refunds:
    """The endpoints below `/v1/refunds`."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def routes(self) -> Routes:
        """Give what is answered here."""
        yield "POST", "/v1/refunds", self.create
        yield "GET", "/v1/refunds", self.browse
        yield "GET", "/v1/refunds/{id}", self.retrieve
        yield "POST", "/v1/refunds/{id}", self.update
        yield "POST", "/v1/refunds/{id}/cancel", self.cancel

    def create(self, asked: Asked) -> Thing:
        """Give money back: what is left, or *amount* of it."""
        params = Params(asked.form, _CREATED)
        charged = self._charge(params)
        reason = params.text("reason")
        if reason is not None and reason not in _REASONS:
            raise invalid(f"Invalid reason: must be one of {', '.join(_REASONS)}", "reason")
        amount = params.integer("amount")
        made = give_back(self._books, charged, amount, reason, params.metadata())
        answer = self._books.answered(made, asked)
        end_refund(self._books, made)
        return answer

    def browse(self, asked: Asked) -> Thing:
        """Show a page of refunds."""
        return self._books.page(
            "refund",
            asked,
            ("charge", "payment_intent"),
            lambda params, each: all(
                params.text(name) in {None, each[name]} for name in ("charge", "payment_intent")
            ),
        )

    def retrieve(self, asked: Asked) -> Thing:
        """Show a refund."""
        Params(asked.form, ())
        return self._books.answered(self._books.find("refund", asked.id), asked)

    def update(self, asked: Asked) -> Thing:
        """Change a refund's metadata; nothing else of it can be changed."""
        made = self._books.find("refund", asked.id)
        metadata = Params(asked.form, ("metadata",)).metadata(made["metadata"])
        if previous := self._books.change(made, {"metadata": metadata}):
            _tell(self._books, "refund.updated", made, previous)
        return self._books.answered(made, asked)

    def cancel(self, asked: Asked) -> Thing:
        """Cancel a refund that waits for the customer."""
        Params(asked.form, ())
        made = self._books.find("refund", asked.id)
        if made["status"] != "requires_action":
            raise refused(
                f"Refund {made['id']} has a status of {made['status']} and cannot be canceled."
            )
        _undo(self._books, made, {"status": "canceled"})
        _tell(self._books, "refund.updated", made, {"status": "requires_action"})
        return self._books.answered(made, asked)

    def _charge(self, params: Params) -> Thing:
        if (charge_id := params.text("charge")) is not None:
            return self._books.find("charge", charge_id, "charge")
        intent_id = params.text("payment_intent")
        if intent_id is None:
            raise invalid(
                "One of the following params should be provided for this request: payment_intent "
                "or charge."
            )
        intent = self._books.find("payment_intent", intent_id, "payment_intent")
        if intent["status"] != "succeeded":
            raise refused(
                f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.",
                "payment_intent_unexpected_state",
                "payment_intent",
            )
        return self._books.find("charge", intent["latest_charge"])


def give_back(
    books: Books,
    charged: Thing,
    amount: int | None,
    reason: str | None,
    metadata: dict[str, str] | None = None,
    status: str | None = None,
) -> Thing:
    """Refund a charge; its card decides the *status* where none is given."""
    if not charged["paid"]:
        raise refused(f"Charge {charged['id']} was not successful.", "charge_not_refundable")
    if charged["disputed"] and not _is_refundable(books, charged):
        raise refused(
            f"Charge {charged['id']} has been charged back; cannot issue a refund.",
            "charge_disputed",
        )
    left = charged["amount"] - charged["amount_refunded"]
    if left == 0:
        message = f"Charge {charged['id']} has already been refunded."
        raise refused(message, "charge_already_refunded")
    if amount is None:
        amount = left
    if amount < 1:
        raise invalid("Invalid positive integer", "amount", "parameter_invalid_integer")
    if amount > left:
        raise refused(
            f"Refund amount ({_money(amount)}) is greater than unrefunded amount on charge "
            f"({_money(left)})",
            param="amount",
        )
    method = books.find("payment_method", charged["payment_method"])
    by_card = CARDS[method["_card"]].refund
    made = refund(books, charged, amount)
    made |= {
        "balance_transaction": new_id("txn_"),
        "metadata": metadata or {},
        "reason": reason,
        "status": status or ("pending" if by_card == "pending" else "succeeded"),
    }
    books.add(made)
    _count(books, charged, amount)
    books.emit("refund.created", made)
    books.emit("charge.refunded", charged, {"amount_refunded": charged["amount_refunded"] - amount})
    return made


def end_refund(books: Books, made: Thing) -> None:
    """Let a refund fail if it goes to a card of which refunds do; its request was answered."""
    method = books.find("payment_method", books.find("charge", made["charge"])["payment_method"])
    if made["status"] == "succeeded" and CARDS[method["_card"]].refund == "fails":
        fail_refund(books, made, "expired_or_canceled_card")


def finish_refund(books: Books, made: Thing) -> None:
    """Let a refund that was pending arrive."""
    if made["status"] not in {"pending", "requires_action"}:
        raise refused(f"Refund {made['id']} has a status of {made['status']}.")
    previous = books.change(made, {"status": "succeeded"})
    _tell(books, "refund.updated", made, previous)


def fail_refund(books: Books, made: Thing, reason: str) -> None:
    """Let the bank send a refund back: the money is the account's again."""
    if made["status"] in {"failed", "canceled"}:
        raise refused(f"Refund {made['id']} has a status of {made['status']}.")
    previous = {"status": made["status"]}
    changes = {
        "failure_balance_transaction": new_id("txn_"),
        "failure_reason": reason,
        "status": "failed",
    }
    _undo(books, made, changes)
    _tell(books, "refund.updated", made, previous)
    books.emit("refund.failed", made)


def _undo(books: Books, made: Thing, changes: Thing) -> None:
    books.change(made, changes)
    charged = books.find("charge", made["charge"])
    previous = _count(books, charged, -made["amount"])
    books.emit("charge.updated", charged, previous)


def _count(books: Books, charged: Thing, amount: int) -> Thing:
    total = charged["amount_refunded"] + amount
    changes = {"amount_refunded": total, "refunded": total == charged["amount"]}
    return books.change(charged, changes)


def _tell(books: Books, kind: str, made: Thing, previous: Thing) -> None:
    """Emit a refund's event, and the older one that says the same."""
    books.emit(kind, made, previous)
    books.emit("charge.refund.updated", made, previous)


def _is_refundable(books: Books, charged: Thing) -> bool:
    return all(
        each["is_charge_refundable"] or each["status"] == "won"
        for each in books.all("dispute")
        if each["charge"] == charged["id"]
    )


def _money(cents: int) -> str:
    return f"${cents // 100}.{cents % 100:02d}"
