"""Checkout sessions: made, paid on their page, expired; and the invoices that paying makes."""

from dataclasses import dataclass
from typing import Final

from simulator.stripe_attempts import attempt, authenticate
from simulator.stripe_books import Asked, Books, Routes
from simulator.stripe_cards import Decline, TestCard
from simulator.stripe_checkout_shapes import (
    customer_details,
    invoice,
    invoice_payment,
    line_item,
    session,
)
from simulator.stripe_customers import holder
from simulator.stripe_errors import Thing, invalid, missing, refused
from simulator.stripe_params import LISTED, Params
from simulator.stripe_payments import allow_cards, cancel, check_amount
from simulator.stripe_shapes import customer, payment_intent, payment_method

LIVES_SECONDS: Final = 24 * 3_600
SHORTEST_SECONDS: Final = 30 * 60
ITEMS_MAX: Final = 100
PLACEHOLDER: Final = "{CHECKOUT_SESSION_ID}"
_TEXTS: Final = ("cancel_url", "client_reference_id", "customer_email", "locale", "submit_type")
_CREATED: Final = frozenset(
    {
        *_TEXTS,
        "allow_promotion_codes",
        "automatic_tax",
        "billing_address_collection",
        "currency",
        "customer",
        "customer_creation",
        "customer_update",
        "expires_at",
        "invoice_creation",
        "line_items",
        "metadata",
        "mode",
        "payment_intent_data",
        "allowed_payment_method_types",
        "saved_payment_method_options",
        "success_url",
        "tax_id_collection",
        "ui_mode",
    }
)
# What is taken to its payment intent.
_PASSED_ON: Final = (
    "description",
    "receipt_email",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)


@dataclass(frozen=True, slots=True)
class Paid:
    """What a try to pay came to: done, waiting for authentication, or declined."""

    status: str
    decline: Decline | None = None


class Checkout:
    """The endpoints below `/v1/checkout/sessions` and `/v1/invoices`, and paying."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def routes(self) -> Routes:
        """Give what is answered here."""
        yield "POST", "/v1/checkout/sessions", self.create
        yield "GET", "/v1/checkout/sessions", self.browse
        yield "GET", "/v1/checkout/sessions/{id}", self.retrieve
        yield "POST", "/v1/checkout/sessions/{id}", self.update
        yield "POST", "/v1/checkout/sessions/{id}/expire", self.expire
        yield "GET", "/v1/checkout/sessions/{id}/line_items", self.list_items
        yield "GET", "/v1/invoices", self.list_invoices
        yield "GET", "/v1/invoices/{id}", self.retrieve_invoice
        yield "GET", "/v1/invoice_payments", self.list_invoice_payments

    def create(self, asked: Asked) -> Thing:
        """Make a session to be paid on its page."""
        params = Params(asked.form, _CREATED)
        if params.needed("mode") != "payment":
            raise invalid("The simulator does checkout sessions of mode `payment` only.", "mode")
        params.choice("ui_mode", ("hosted_page",), "hosted_page")
        items = self._items(params)
        made = session(self._books, items[0]["currency"], self._expiry(params))
        made["success_url"] = params.needed("success_url")
        made |= {name: params.text(name) for name in _TEXTS}
        made["metadata"] = params.metadata()
        self._add_holder(made, params)
        self._add_items(made, items, params)
        self._add_options(made, params)
        allow_cards(made, params)
        check_amount(made["amount_total"], "line_items")
        return self._books.answered(self._books.add(made), asked)

    def retrieve(self, asked: Asked) -> Thing:
        """Show a session."""
        Params(asked.form, ())
        return self._books.answered(self._books.find("checkout.session", asked.id), asked)

    def update(self, asked: Asked) -> Thing:
        """Change a session's metadata."""
        found = self._books.find("checkout.session", asked.id)
        found["metadata"] = Params(asked.form, ("metadata",)).metadata(found["metadata"])
        return self._books.answered(found, asked)

    def expire(self, asked: Asked) -> Thing:
        """End a session that was not paid."""
        Params(asked.form, ())
        found = self._books.find("checkout.session", asked.id)
        if found["status"] != "open":
            raise refused(
                f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
                f"Session has a status of `{found['status']}`."
            )
        self._expire(found)
        return self._books.answered(found, asked)

    def browse(self, asked: Asked) -> Thing:
        """Show a page of sessions."""
        names = ("customer", "payment_intent", "status")
        return self._books.page(
            "checkout.session",
            asked,
            names,
            lambda params, each: all(params.text(name) in {None, each[name]} for name in names),
        )

    def list_items(self, asked: Asked) -> Thing:
        """Show what a session sells."""
        params = Params(asked.form, LISTED)
        items = self._books.find("checkout.session", asked.id)["_items"]
        return self._books.paged(items, params, f"/v1/checkout/sessions/{asked.id}/line_items")

    def retrieve_invoice(self, asked: Asked) -> Thing:
        """Show an invoice."""
        Params(asked.form, ())
        return self._books.answered(self._books.find("invoice", asked.id), asked)

    def list_invoices(self, asked: Asked) -> Thing:
        """Show a page of invoices."""
        names = ("customer", "status", "collection_method")
        return self._books.page(
            "invoice",
            asked,
            names,
            lambda params, each: all(params.text(name) in {None, each[name]} for name in names),
        )

    def list_invoice_payments(self, asked: Asked) -> Thing:
        """Show a page of payments of invoices; of one payment intent, if it is named."""

        def keep(params: Params, each: Thing) -> bool:
            payment = params.child("payment", ("type", "payment_intent"))
            wanted = payment and payment.text("payment_intent")
            return params.text("invoice") in {None, each["invoice"]} and wanted in {
                None,
                each["payment"]["payment_intent"],
            }

        return self._books.page("invoice_payment", asked, ("invoice", "payment", "status"), keep)

    def lapse(self) -> None:
        """Expire the sessions whose time is over."""
        now = self._books.now()
        for each in self._books.all("checkout.session"):
            if each["status"] == "open" and each["expires_at"] <= now:
                self._expire(each)

    def pay(self, found: Thing, card: TestCard, email: str | None = None) -> Paid:
        """Pay a session with a card, as its page does."""
        self._expect_open(found)
        given = found["customer_email"] or email or "payer@example.com"
        if found["customer"] is not None:
            held = holder(self._books, found["customer"])
            given = held["email"] or given
        found["customer_details"] = customer_details(given)
        intent = self._intent(found)
        method = self._books.add(payment_method(self._books, card, given))
        intent["payment_method"] = method["id"]
        return self._settle(found, attempt(self._books, intent, is_off_session=False))

    def authenticate(self, found: Thing, *, is_genuine: bool) -> Paid:
        """End the authentication that a session's payment waits for."""
        self._expect_open(found)
        intent_id = found["payment_intent"]
        intent = intent_id and self._books.find("payment_intent", intent_id)
        if not intent or intent["status"] != "requires_action":
            raise refused("This Checkout Session waits for no authentication.")
        return self._settle(found, authenticate(self._books, intent, is_genuine=is_genuine))

    def success_url(self, found: Thing) -> str:
        """Where a payer is sent after paying."""
        return str(found["success_url"]).replace(PLACEHOLDER, found["id"])

    def _settle(self, found: Thing, no: Decline | None) -> Paid:
        intent = self._books.find("payment_intent", found["payment_intent"])
        if no is not None:
            return Paid("declined", no)
        if intent["status"] == "requires_action":
            return Paid("requires_action")
        if found["invoice_creation"] and found["invoice_creation"]["enabled"]:
            self._bill(found, intent)
        changes = {"payment_status": "paid", "status": "complete", "url": None}
        self._books.change(found, changes)
        self._books.emit("checkout.session.completed", found)
        return Paid("complete")

    def _intent(self, found: Thing) -> Thing:
        """The session's payment intent, which is made when it is first paid."""
        if found["payment_intent"] is not None:
            return self._books.find("payment_intent", found["payment_intent"])
        if found["customer"] is None and found["customer_creation"] == "always":
            held = customer(self._books)
            held["email"] = found["customer_details"]["email"]
            self._books.add(held)
            self._books.emit("customer.created", held)
            found["customer"] = held["id"]
        intent = payment_intent(self._books, found["amount_total"], found["currency"])
        intent |= {**found["_intent_data"], "customer": found["customer"]}
        self._books.add(intent)
        self._books.emit("payment_intent.created", intent)
        found["payment_intent"] = intent["id"]
        return intent

    def _bill(self, found: Thing, intent: Thing) -> None:
        held = holder(self._books, found["customer"])
        made = invoice(self._books, found, held)
        made |= found["_invoice_data"]
        held["next_invoice_sequence"] += 1
        self._books.add(made)
        self._books.add(invoice_payment(self._books, made, intent))
        found["invoice"] = made["id"]
        for kind in ("created", "finalized", "paid", "payment_succeeded"):
            self._books.emit(f"invoice.{kind}", made)

    def _expire(self, found: Thing) -> None:
        self._books.change(found, {"status": "expired", "url": None})
        if found["payment_intent"] is not None:
            intent = self._books.find("payment_intent", found["payment_intent"])
            cancel(self._books, intent, "expired")
        self._books.emit("checkout.session.expired", found)

    def _expect_open(self, found: Thing) -> None:
        self.lapse()
        if found["status"] != "open":
            raise refused(f"This Checkout Session has a status of `{found['status']}`.")

    def _expiry(self, params: Params) -> int:
        now = self._books.now()
        moment = params.integer("expires_at")
        if moment is None:
            return now + LIVES_SECONDS
        if not now + SHORTEST_SECONDS - 60 <= moment <= now + LIVES_SECONDS:
            raise invalid(
                "The `expires_at` timestamp must be at least 30 minutes and less than 24 hours "
                "from Checkout Session creation.",
                "expires_at",
            )
        return moment

    def _items(self, params: Params) -> list[Thing]:
        items = []
        for each in params.children("line_items", ("price", "price_data", "quantity")):
            if (price := each.text("price")) is not None:
                raise missing("price", price, each.named("price"), in_path=False)
            data = each.child(
                "price_data", ("currency", "product_data", "tax_behavior", "unit_amount")
            )
            if data is None:
                raise invalid(
                    f"You must specify either `price` or `price_data`: {each.named('price_data')}.",
                    each.named("price_data"),
                    "parameter_missing",
                )
            product = data.child(
                "product_data", ("description", "images", "metadata", "name", "tax_code")
            )
            name = data.needed("product_data") if product is None else product.needed("name")
            quantity = each.needed_integer("quantity")
            unit_amount = data.needed_integer("unit_amount")
            if unit_amount < 0 or quantity < 1:
                raise invalid("Invalid positive integer", each.named("quantity"))
            items.append(line_item(self._books, name, unit_amount, quantity, data.currency()))
        if not items:
            raise invalid(
                "You must provide `line_items` in payment mode.", "line_items", "parameter_missing"
            )
        if len(items) > ITEMS_MAX or len({item["currency"] for item in items}) > 1:
            raise invalid("All line items must have one currency, up to 100.", "line_items")
        return items

    def _add_items(self, made: Thing, items: list[Thing], params: Params) -> None:
        tax = params.child("automatic_tax", ("enabled", "liability"))
        percent = 0
        if tax is not None and tax.flag("enabled"):
            percent = self._books.tax_percent
            made["automatic_tax"] = {
                "enabled": True,
                "liability": {"type": "self"},
                "provider": "stripe",
                "status": "complete",
            }
        for item in items:
            item["amount_tax"] = (item["amount_subtotal"] * percent + 50) // 100
            item["amount_total"] = item["amount_subtotal"] + item["amount_tax"]
        made["amount_subtotal"] = sum(item["amount_subtotal"] for item in items)
        made["amount_total"] = sum(item["amount_total"] for item in items)
        made["total_details"]["amount_tax"] = made["amount_total"] - made["amount_subtotal"]
        url = f"/v1/checkout/sessions/{made['id']}/line_items"
        listed = {"object": "list", "data": items, "has_more": False, "url": url}
        made |= {"_items": items, "line_items": lambda: listed}

    def _add_holder(self, made: Thing, params: Params) -> None:
        if (customer_id := params.text("customer")) is not None:
            if made["customer_email"] is not None or params.has("customer_creation"):
                raise invalid(
                    "You may only specify one of these parameters: customer, customer_email, "
                    "customer_creation.",
                    "customer",
                )
            held = holder(self._books, customer_id, "customer")
            made["customer"] = held["id"]
            made["customer_details"] = customer_details(held["email"], held["name"])
            params.child("customer_update", ("address", "name", "shipping"))
            return
        if params.has("customer_update"):
            raise invalid("`customer_update` can only be used with `customer`.", "customer_update")
        made["customer_creation"] = params.choice(
            "customer_creation", ("always", "if_required"), "if_required"
        )

    def _add_options(self, made: Thing, params: Params) -> None:
        data = params.child(
            "payment_intent_data",
            (*_PASSED_ON, "capture_method", "metadata", "setup_future_usage"),
        )
        passed_on: Thing = {}
        if data is not None:
            passed_on = {name: data.text(name) for name in _PASSED_ON if data.has(name)}
            passed_on["metadata"] = data.metadata()
            if data.has("setup_future_usage"):
                usage = data.choice("setup_future_usage", ("off_session", "on_session"), "")
                passed_on["setup_future_usage"] = usage
        made["_intent_data"] = passed_on
        billed = params.child("invoice_creation", ("enabled", "invoice_data"))
        invoice_data: Thing = {}
        if billed is not None:
            given = billed.child("invoice_data", ("description", "footer", "metadata"))
            if given is not None:
                invoice_data = {
                    "description": given.text("description"),
                    "footer": given.text("footer"),
                    "metadata": given.metadata(),
                }
        made["_invoice_data"] = invoice_data
        made["invoice_creation"] = {
            "enabled": billed is not None and billed.flag("enabled"),
            "invoice_data": {
                **dict.fromkeys(("account_tax_ids", "custom_fields", "issuer")),
                **{name: invoice_data.get(name) for name in ("description", "footer")},
                "metadata": invoice_data.get("metadata", {}),
                "rendering_options": None,
            },
        }
        needs_customer = made["invoice_creation"]["enabled"] or "setup_future_usage" in passed_on
        if made["customer"] is None and needs_customer:
            made["customer_creation"] = "always"
