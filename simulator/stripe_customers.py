"""Customers and their payment methods."""

from typing import Final

from simulator.stripe_books import Asked, Books, Routes
from simulator.stripe_cards import card_of
from simulator.stripe_errors import StripeError, Thing, invalid, missing, refused
from simulator.stripe_params import LISTED, Params
from simulator.stripe_shapes import customer, payment_method

_PLAIN: Final = ("description", "email", "name", "phone", "tax_exempt")
_FIELDS: Final = frozenset(
    {*_PLAIN, "address", "invoice_settings", "metadata", "preferred_locales"}
)
_ADDRESS: Final = ("city", "country", "line1", "line2", "postal_code", "state")


class Customers:
    """The endpoints below `/v1/customers` and `/v1/payment_methods`."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def routes(self) -> Routes:
        """Give what is answered here."""
        yield "POST", "/v1/customers", self.create
        yield "GET", "/v1/customers", self.browse
        yield "GET", "/v1/customers/{id}", self.retrieve
        yield "POST", "/v1/customers/{id}", self.update
        yield "DELETE", "/v1/customers/{id}", self.delete
        yield "GET", "/v1/customers/{id}/payment_methods", self.list_methods_of
        yield "GET", "/v1/customers/{id}/payment_methods/{id}", self.retrieve_method_of
        yield "POST", "/v1/payment_methods", self.create_method
        yield "GET", "/v1/payment_methods", self.list_methods
        yield "GET", "/v1/payment_methods/{id}", self.retrieve_method
        yield "POST", "/v1/payment_methods/{id}", self.update_method
        yield "POST", "/v1/payment_methods/{id}/attach", self.attach
        yield "POST", "/v1/payment_methods/{id}/detach", self.detach

    def create(self, asked: Asked) -> Thing:
        """Make a customer."""
        made = customer(self._books)
        made.update(self._changes(Params(asked.form, _FIELDS), made))
        self._books.add(made)
        self._books.emit("customer.created", made)
        return self._books.answered(made, asked)

    def retrieve(self, asked: Asked) -> Thing:
        """Show a customer; of a deleted one little is left."""
        Params(asked.form, ())
        return self._books.answered(self._books.find("customer", asked.id), asked)

    def update(self, asked: Asked) -> Thing:
        """Change a customer."""
        held = holder(self._books, asked.id)
        changes = self._changes(Params(asked.form, _FIELDS), held)
        if previous := self._books.change(held, changes):
            self._books.emit("customer.updated", held, previous)
        return self._books.answered(held, asked)

    def delete(self, asked: Asked) -> Thing:
        """Delete a customer; its payments stay, its payment methods are detached."""
        held = holder(self._books, asked.id)
        for method in _methods(self._books, asked.id):
            self._detach(method)
        self._books.emit("customer.deleted", held)
        rest: Thing = {"id": held["id"], "object": "customer", "deleted": True}
        rest["_created"] = held["created"]
        return self._books.shown(self._books.add(rest))

    def browse(self, asked: Asked) -> Thing:
        """Show a page of customers."""
        return self._books.page(
            "customer",
            asked,
            ("email",),
            lambda params, each: (
                "deleted" not in each and params.text("email") in {None, each.get("email")}
            ),
        )

    def create_method(self, asked: Asked) -> Thing:
        """Make a payment method of a test card."""
        params = Params(asked.form, ("type", "card", "billing_details", "metadata"))
        params.choice("type", ("card",), "")
        card = params.child("card", ("number", "token", "exp_month", "exp_year", "cvc"))
        given = "" if card is None else card.text("number") or card.text("token") or ""
        known = card_of(given.replace("tok_", "pm_card_", 1))
        if known is None:
            raise StripeError(
                402,
                "Your card number is incorrect.",
                "incorrect_number",
                "card[number]",
                "card_error",
            )
        made = payment_method(self._books, known)
        made["metadata"] = params.metadata()
        return self._books.answered(self._books.add(made), asked)

    def list_methods(self, asked: Asked) -> Thing:
        """Show a page of a customer's payment methods."""
        params = Params(asked.form, {*LISTED, "customer", "type", "allow_redisplay"})
        return self._page_of(params, params.needed("customer"), "/v1/payment_methods", "customer")

    def list_methods_of(self, asked: Asked) -> Thing:
        """Show the same below the customer."""
        params = Params(asked.form, {*LISTED, "type", "allow_redisplay"})
        return self._page_of(params, asked.id, f"/v1/customers/{asked.id}/payment_methods", None)

    def retrieve_method_of(self, asked: Asked) -> Thing:
        """Show a payment method of a customer."""
        customer_id, method_id = asked.ids
        method = self._books.find("payment_method", method_id)
        if method["customer"] != customer_id:
            raise missing("PaymentMethod", method_id, "payment_method", in_path=True)
        return self._books.answered(method, asked)

    def retrieve_method(self, asked: Asked) -> Thing:
        """Show a payment method."""
        Params(asked.form, ())
        return self._books.answered(find_method(self._books, asked.id), asked)

    def update_method(self, asked: Asked) -> Thing:
        """Change a payment method's metadata."""
        method = self._books.find("payment_method", asked.id)
        params = Params(asked.form, ("metadata", "allow_redisplay"))
        method["metadata"] = params.metadata(method["metadata"])
        method["allow_redisplay"] = params.choice(
            "allow_redisplay", ("always", "limited", "unspecified"), method["allow_redisplay"]
        )
        return self._books.answered(method, asked)

    def attach(self, asked: Asked) -> Thing:
        """Save a payment method for a customer."""
        params = Params(asked.form, ("customer",))
        held = holder(self._books, params.needed("customer"), "customer")
        method = find_method(self._books, asked.id)
        card = card_of(method["_card"])
        assert card is not None
        if card.decline is not None and not card.attaches:
            more = {"decline_code": card.decline.decline_code}
            raise StripeError(
                402, card.decline.message, card.decline.code, None, "card_error", more
            )
        attach(self._books, method, held["id"])
        return self._books.answered(method, asked)

    def detach(self, asked: Asked) -> Thing:
        """Take a payment method from its customer, for good."""
        Params(asked.form, ())
        method = self._books.find("payment_method", asked.id)
        if method["customer"] is None:
            raise refused(
                "The payment method you provided is not attached to a customer so detachment is "
                "impossible."
            )
        self._detach(method)
        return self._books.answered(method, asked)

    def _detach(self, method: Thing) -> None:
        held = self._books.find("customer", method["customer"])
        settings = held.get("invoice_settings", {})
        if settings.get("default_payment_method") == method["id"]:
            settings["default_payment_method"] = None
        previous = self._books.change(method, {"customer": None, "_is_detached": True})
        self._books.emit("payment_method.detached", method, {"customer": previous["customer"]})

    def _page_of(self, params: Params, customer_id: str, url: str, param: str | None) -> Thing:
        holder(self._books, customer_id, param)
        params.choice("type", ("card",), "card")
        return self._books.paged(_methods(self._books, customer_id)[::-1], params, url)

    def _changes(self, params: Params, held: Thing) -> Thing:
        changes: Thing = {
            name: params.text(name) if name != "tax_exempt" else params.text(name) or "none"
            for name in _PLAIN
            if params.has(name)
        }
        if params.has("metadata"):
            changes["metadata"] = params.metadata(held["metadata"])
        if params.has("preferred_locales"):
            changes["preferred_locales"] = params.texts("preferred_locales")
        if params.has("address"):
            address = params.child("address", _ADDRESS)
            changes["address"] = address and {name: address.text(name) for name in _ADDRESS}
        settings = params.child("invoice_settings", ("default_payment_method", "footer"))
        if settings is not None:
            method = settings.text("default_payment_method")
            named = settings.named("default_payment_method")
            if method is not None:
                found = self._books.find("payment_method", method, named)
                if found["customer"] != held["id"]:
                    raise invalid(
                        f"The customer does not have a payment method with the ID {method}. The "
                        f"payment method must be attached to the customer.",
                        named,
                        "resource_missing",
                    )
            changes["invoice_settings"] = {
                **held["invoice_settings"],
                "default_payment_method": method,
            }
        return changes


def holder(books: Books, customer_id: str, param: str | None = None) -> Thing:
    """Give a customer that is not deleted."""
    held = books.find("customer", customer_id, param)
    if "deleted" in held:
        raise missing("customer", customer_id, param or "id", in_path=param is None)
    return held


def find_method(books: Books, given: str, param: str | None = None) -> Thing:
    """Give a payment method; one of the test ids (`pm_card_visa`) makes a new one."""
    if given.startswith("pm_card_") and (card := card_of(given)) is not None:
        return books.add(payment_method(books, card))
    return books.find("payment_method", given, param)


def attach(books: Books, method: Thing, customer_id: str) -> None:
    """Save a payment method for a customer, unless it is already."""
    if method["customer"] == customer_id:
        return
    if method["customer"] is not None or "_is_detached" in method:
        raise refused(
            "The payment method you provided has already been attached to a customer.",
            "payment_method_unexpected_state",
        )
    books.change(method, {"customer": customer_id})
    books.emit("payment_method.attached", method)


def _methods(books: Books, customer_id: str) -> list[Thing]:
    return [each for each in books.all("payment_method") if each["customer"] == customer_id]
