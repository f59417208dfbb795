"""What a card makes of a payment: a charge, a decline, or a question of its bank."""

from dataclasses import replace

from simulator.stripe_books import Books, new_id
from simulator.stripe_cards import CARDS, FAILED_AUTHENTICATION, UNAUTHENTICATED, Decline, TestCard
from simulator.stripe_customers import attach
from simulator.stripe_disputes import open_dispute
from simulator.stripe_errors import Thing
from simulator.stripe_shapes import charge


def attempt(books: Books, intent: Thing, *, is_off_session: bool) -> Decline | None:
    """Charge the payment method of an intent; gives why not.

    An intent whose customer must first authenticate is left with a `next_action`.
    """
    method = books.find("payment_method", intent["payment_method"])
    card = CARDS[method["_card"]]
    if _must_authenticate(card, method) and not intent.get("_is_authenticated", False):
        if is_off_session:
            return _fail(books, intent, method, UNAUTHENTICATED)
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
        if intent.get("_return_url"):
            url = f"{books.base_url}/authenticate/{intent['id']}"
            action = {
                "type": "redirect_to_url",
                "redirect_to_url": {"return_url": intent["_return_url"], "url": url},
            }
        books.change(intent, {"status": "requires_action", "next_action": action})
        books.emit("payment_intent.requires_action", intent)
        return None
    if card.decline is not None:
        return _fail(books, intent, method, card.decline)
    _succeed(books, intent, method, card)
    return None


def authenticate(books: Books, intent: Thing, *, is_genuine: bool) -> Decline | None:
    """End a customer's authentication; gives why the payment failed, if it did."""
    method = books.find("payment_method", intent["payment_method"])
    intent["next_action"] = None
    if not is_genuine:
        return _fail(books, intent, method, FAILED_AUTHENTICATION, is_charged=False)
    intent["_is_authenticated"] = True
    return attempt(books, intent, is_off_session=False)


def _must_authenticate(card: TestCard, method: Thing) -> bool:
    if card.authentication == "unless_set_up":
        return not method["_is_set_up"]
    return card.authentication == "always"


def _fail(
    books: Books, intent: Thing, method: Thing, no: Decline, *, is_charged: bool = True
) -> Decline:
    error: Thing = {
        "code": no.code,
        "doc_url": f"https://docs.stripe.com/error-codes#{no.code.replace('_', '-')}",
        "message": no.message,
        "payment_method": books.shown(method),
        "type": "card_error",
    }
    if no.decline_code:
        error["decline_code"] = no.decline_code
    if is_charged:
        charged = charge(books, intent, method)
        outcome = {
            "advice_code": "try_again_later",
            "network_advice_code": None,
            "network_decline_code": "01",
            "network_status": "declined_by_network",
            "reason": no.decline_code,
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        }
        charged |= {
            "failure_code": no.code,
            "failure_message": no.message,
            "outcome": outcome,
            "status": "failed",
        }
        books.add(charged)
        error["charge"] = intent["latest_charge"] = charged["id"]
        books.emit("charge.failed", charged)
    changes = {
        "last_payment_error": error,
        "payment_method": None,
        "next_action": None,
        "status": "requires_payment_method",
        "_is_authenticated": False,
    }
    books.change(intent, changes)
    books.emit("payment_intent.payment_failed", intent)
    return replace(no)


def _succeed(books: Books, intent: Thing, method: Thing, card: TestCard) -> None:
    charged = charge(books, intent, method)
    outcome = {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
    charged |= {
        "amount_captured": intent["amount"],
        "captured": True,
        "outcome": outcome,
        "paid": True,
        "receipt_url": f"{books.base_url}/r/{charged['id']}",
        "status": "succeeded",
    }
    books.add(charged)
    if intent["setup_future_usage"] and intent["customer"]:
        attach(books, method, intent["customer"])
        method["_is_set_up"] |= intent["setup_future_usage"] == "off_session"
    changes = {
        "amount_received": intent["amount"],
        "last_payment_error": None,
        "latest_charge": charged["id"],
        "next_action": None,
        "status": "succeeded",
    }
    books.change(intent, changes)
    books.emit("charge.succeeded", charged)
    books.emit("payment_intent.succeeded", intent)
    # The money reaches the balance a moment after the payment, and the charge then says so.
    previous = books.change(charged, {"balance_transaction": new_id("txn_")})
    books.emit("charge.updated", charged, previous)
    if card.dispute is not None:
        open_dispute(books, charged, charged["amount"], card.dispute)
