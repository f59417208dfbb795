"""Payment intents and charges, as they are asked for."""

from typing import Final

from simulator.stripe_attempts import attempt
from simulator.stripe_books import Asked, Books, Routes
from simulator.stripe_cards import Decline
from simulator.stripe_customers import find_method, holder
from simulator.stripe_errors import StripeError, Thing, invalid, refused
from simulator.stripe_params import Params
from simulator.stripe_shapes import payment_intent

AMOUNT_MIN: Final = 50
"""Stripe's least amount, in cents of US dollars; here of every currency."""
AMOUNT_MAX: Final = 99_999_999
_TEXTS: Final = (
    "description",
    "receipt_email",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
_CONFIRMING: Final = ("payment_method", "off_session", "return_url", "error_on_requires_action")
_CREATED: Final = frozenset(
    {
        *_TEXTS,
        *_CONFIRMING,
        "amount",
        "automatic_payment_methods",
        "capture_method",
        "confirm",
        "confirmation_method",
        "currency",
        "customer",
        "metadata",
        "allowed_payment_method_types",
        "setup_future_usage",
    }
)
_OPEN: Final = ("requires_payment_method", "requires_confirmation", "requires_action")
_REASONS: Final = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")


class Payments:
    """The endpoints below `/v1/payment_intents` and `/v1/charges`."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def routes(self) -> Routes:
        """Give what is answered here."""
        yield "POST", "/v1/payment_intents", self.create
        yield "GET", "/v1/payment_intents", self.browse
        yield "GET", "/v1/payment_intents/{id}", self.retrieve
        yield "POST", "/v1/payment_intents/{id}", self.update
        yield "POST", "/v1/payment_intents/{id}/confirm", self.confirm
        yield "POST", "/v1/payment_intents/{id}/cancel", self.cancel
        yield "GET", "/v1/charges", self.list_charges
        yield "GET", "/v1/charges/{id}", self.retrieve_charge
        yield "POST", "/v1/charges/{id}", self.update_charge

    def create(self, asked: Asked) -> Thing:
        """Make a payment intent, and confirm it at once if told so."""
        params = Params(asked.form, _CREATED)
        amount = params.needed_integer("amount")
        check_amount(amount)
        intent = payment_intent(self._books, amount, params.currency())
        if (customer_id := params.text("customer")) is not None:
            intent["customer"] = holder(self._books, customer_id, "customer")["id"]
        self._describe(intent, params)
        confirm = params.flag("confirm")
        for name in ("off_session", "error_on_requires_action", "return_url"):
            if params.has(name) and not confirm:
                raise invalid(f"`{name}` can only be used with `confirm=true`.", name)
        params.choice("capture_method", ("automatic", "automatic_async"), "automatic_async")
        params.choice("confirmation_method", ("automatic",), "automatic")
        allow_cards(intent, params)
        methods = params.child("automatic_payment_methods", ("enabled", "allow_redirects"))
        if methods is not None:
            redirects = methods.choice("allow_redirects", ("always", "never"), "always")
            enabled = methods.flag("enabled")
            intent["automatic_payment_methods"] = {
                "allow_redirects": redirects,
                "enabled": enabled,
            }
        self._choose(intent, params)
        if confirm and intent["payment_method"] is None:
            raise invalid(
                "You cannot confirm this PaymentIntent because it's missing a payment method. You "
                "can either update the PaymentIntent with a payment method and then confirm it "
                "again, or confirm it again directly with a payment method.",
                code="payment_intent_unexpected_state",
            )
        self._books.add(intent)
        self._books.emit("payment_intent.created", intent)
        if confirm:
            self._confirm(intent, params)
        return self._books.answered(intent, asked)

    def confirm(self, asked: Asked) -> Thing:
        """Try to be paid."""
        intent = self._books.find("payment_intent", asked.id)
        params = Params(asked.form, (*_CONFIRMING, "setup_future_usage", "receipt_email"))
        self._expect_open(intent, "confirm")
        self._describe(intent, params)
        self._choose(intent, params)
        if intent["payment_method"] is None:
            raise refused(
                "You cannot confirm this PaymentIntent because it's missing a payment method.",
                "payment_intent_unexpected_state",
            )
        self._confirm(intent, params)
        return self._books.answered(intent, asked)

    def retrieve(self, asked: Asked) -> Thing:
        """Show a payment intent."""
        Params(asked.form, ("client_secret",))
        return self._books.answered(self._books.find("payment_intent", asked.id), asked)

    def update(self, asked: Asked) -> Thing:
        """Change what a payment intent says."""
        intent = self._books.find("payment_intent", asked.id)
        params = Params(asked.form, (*_TEXTS, "metadata", "payment_method", "setup_future_usage"))
        if params.has("payment_method") or params.has("setup_future_usage"):
            self._expect_open(intent, "update")
        self._describe(intent, params)
        self._choose(intent, params)
        return self._books.answered(intent, asked)

    def cancel(self, asked: Asked) -> Thing:
        """Give a payment up."""
        intent = self._books.find("payment_intent", asked.id)
        reason = Params(asked.form, ("cancellation_reason",)).text("cancellation_reason")
        if reason is not None and reason not in _REASONS:
            raise invalid("Invalid cancellation_reason", "cancellation_reason")
        self._expect_open(intent, "cancel")
        if any(each["payment_intent"] == asked.id for each in self._books.all("checkout.session")):
            raise refused(
                "You cannot cancel this PaymentIntent because it belongs to a Checkout Session, "
                "which can be expired.",
                "payment_intent_unexpected_state",
            )
        cancel(self._books, intent, reason)
        return self._books.answered(intent, asked)

    def browse(self, asked: Asked) -> Thing:
        """Show a page of payment intents."""
        return self._books.page(
            "payment_intent",
            asked,
            ("customer",),
            lambda params, each: params.text("customer") in {None, each["customer"]},
        )

    def list_charges(self, asked: Asked) -> Thing:
        """Show a page of charges."""
        return self._books.page(
            "charge",
            asked,
            ("customer", "payment_intent"),
            lambda params, each: all(
                params.text(name) in {None, each[name]} for name in ("customer", "payment_intent")
            ),
        )

    def retrieve_charge(self, asked: Asked) -> Thing:
        """Show a charge."""
        Params(asked.form, ())
        return self._books.answered(self._books.find("charge", asked.id), asked)

    def update_charge(self, asked: Asked) -> Thing:
        """Change what a charge says."""
        charged = self._books.find("charge", asked.id)
        params = Params(asked.form, ("description", "metadata", "receipt_email"))
        changes: Thing = {
            name: params.text(name) for name in ("description", "receipt_email") if params.has(name)
        }
        if params.has("metadata"):
            changes["metadata"] = params.metadata(charged["metadata"])
        if previous := self._books.change(charged, changes):
            self._books.emit("charge.updated", charged, previous)
        return self._books.answered(charged, asked)

    def _describe(self, intent: Thing, params: Params) -> None:
        for name in _TEXTS:
            if params.has(name):
                intent[name] = params.text(name)
        if params.has("metadata"):
            intent["metadata"] = params.metadata(intent["metadata"])
        if params.has("setup_future_usage"):
            intent["setup_future_usage"] = params.choice(
                "setup_future_usage", ("off_session", "on_session"), ""
            )

    def _choose(self, intent: Thing, params: Params) -> None:
        """Set the payment method that was given; it must be nobody else's."""
        given = params.text("payment_method")
        if given is None:
            return
        method = find_method(self._books, given, "payment_method")
        if "_is_detached" in method or method["customer"] not in {None, intent["customer"]}:
            raise invalid(
                f"The provided PaymentMethod ({given[:64]}) was attached to another Customer, or "
                f"was detached, and cannot be used.",
                "payment_method",
                "payment_method_unexpected_state",
            )
        intent["payment_method"] = method["id"]
        if intent["status"] == "requires_payment_method":
            intent["status"] = "requires_confirmation"

    def _confirm(self, intent: Thing, params: Params) -> None:
        is_off_session = params.text("off_session") not in {None, "false"}
        intent["_return_url"] = params.text("return_url")
        strict = params.flag("error_on_requires_action")
        if (no := attempt(self._books, intent, is_off_session=is_off_session or strict)) is None:
            return
        raise declined(self._books, intent, no)

    def _expect_open(self, intent: Thing, verb: str) -> None:
        if intent["status"] in _OPEN:
            return
        raise StripeError(
            400,
            f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
            "payment_intent_unexpected_state",
            more={"payment_intent": self._books.shown(intent)},
        )


def check_amount(amount: int, param: str = "amount") -> None:
    """Refuse what no card can be charged."""
    if amount < AMOUNT_MIN:
        raise invalid(
            "Amount must be at least $0.50 usd" if amount > 0 else "Invalid positive integer",
            param,
            "amount_too_small" if amount > 0 else "parameter_invalid_integer",
        )
    if amount > AMOUNT_MAX:
        raise invalid("Amount must be no more than $999,999.99", param, "amount_too_large")


def allow_cards(thing: Thing, params: Params) -> None:
    """Take the kinds of payment methods that are allowed; cards must be among them."""
    name = "allowed_payment_method_types"
    allowed = params.texts(name)
    if allowed and "card" not in allowed:
        raise invalid("The simulator takes cards only.", name)
    thing[name] = allowed or None


def declined(books: Books, intent: Thing, no: Decline) -> StripeError:
    """Give the 402 that says why a card said no."""
    error = intent["last_payment_error"]
    more: Thing = {"payment_intent": books.shown(intent)}
    more |= {
        name: error[name] for name in ("charge", "decline_code", "payment_method") if name in error
    }
    return StripeError(402, no.message, no.code, None, "card_error", more)


def cancel(books: Books, intent: Thing, reason: str | None) -> None:
    """Cancel a payment intent that nothing has paid."""
    changes = {
        "canceled_at": books.now(),
        "cancellation_reason": reason,
        "next_action": None,
        "status": "canceled",
    }
    books.change(intent, changes)
    books.emit("payment_intent.canceled", intent)
