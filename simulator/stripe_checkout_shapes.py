"""Checkout sessions, their items, and invoices, as Stripe's API returns them when they are new."""

from collections.abc import Mapping
from typing import Final

from simulator.stripe_books import Books, new_id
from simulator.stripe_errors import Thing
from simulator.stripe_shapes import NO_ADDRESS, head, nulls

# What every invoice of a checkout says.
_ALWAYS: Final[Mapping[str, object]] = {
    "account_country": "US",
    "account_name": "Simulated",
    "attempt_count": 1,
    "attempted": True,
    "auto_advance": False,
    "billing_reason": "manual",
    "collection_method": "charge_automatically",
    "customer_tax_exempt": "none",
    "customer_tax_ids": (),
    "default_tax_rates": (),
    "discounts": (),
    "status": "paid",
}


def session(books: Books, currency: str, expires_at: int) -> Thing:
    """Give an open checkout session without items or customer."""
    identity = new_id("cs_test_a1", 56)
    return {
        **head(books, "checkout.session", identity),
        **nulls("after_expiration", "allow_promotion_codes", "allowed_payment_method_types"),
        **nulls("billing_address_collection"),
        **nulls("branding_settings", "cancel_url", "client_reference_id", "client_secret"),
        **nulls("collected_information", "consent", "consent_collection", "currency_conversion"),
        **nulls("customer", "customer_account", "customer_creation", "customer_details"),
        **nulls("customer_email", "invoice", "invoice_creation", "locale", "origin_context"),
        **nulls("payment_intent", "payment_link", "payment_method_configuration_details"),
        **nulls("permissions", "recovered_from", "saved_payment_method_options"),
        **nulls("setup_intent", "shipping_address_collection", "shipping_cost", "submit_type"),
        **nulls("subscription", "success_url", "wallet_options"),
        "adaptive_pricing": {"enabled": False},
        "amount_subtotal": 0,
        "amount_total": 0,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "currency": currency,
        "custom_fields": [],
        "custom_text": nulls(
            "after_submit", "shipping_address", "submit", "terms_of_service_acceptance"
        ),
        "discounts": [],
        "expires_at": expires_at,
        "metadata": {},
        "mode": "payment",
        "payment_method_collection": "if_required",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "phone_number_collection": {"enabled": False},
        "shipping_options": [],
        "status": "open",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{books.base_url}/c/pay/{identity}",
    }


def line_item(books: Books, name: str, unit_amount: int, quantity: int, currency: str) -> Thing:
    """Give an item of a session, before tax."""
    amount = unit_amount * quantity
    return {
        "id": new_id("li_"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": currency,
        "description": name,
        "metadata": {},
        "price": {
            "id": new_id("price_"),
            "object": "price",
            "active": False,
            "billing_scheme": "per_unit",
            "created": books.now(),
            "currency": currency,
            "custom_unit_amount": None,
            "livemode": False,
            "lookup_key": None,
            "metadata": {},
            "nickname": None,
            "product": new_id("prod_", 14),
            "recurring": None,
            "tax_behavior": "unspecified",
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "one_time",
            "unit_amount": unit_amount,
            "unit_amount_decimal": str(unit_amount),
        },
        "quantity": quantity,
    }


def customer_details(email: str | None, name: str | None = None) -> Thing:
    """Give what the payer typed."""
    return {
        "address": {**NO_ADDRESS, "country": "US"},
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": name,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }


def invoice(books: Books, paid: Thing, holder: Thing) -> Thing:
    """Give the paid invoice of a session that was *paid*, for the customer *holder*."""
    now, identity = books.now(), new_id("in_")
    number = f"{holder['invoice_prefix']}-{holder['next_invoice_sequence']:04d}"
    page = f"{books.base_url}/i/{identity}"
    return {
        **head(books, "invoice", identity),
        **nulls("account_tax_ids", "application", "automatically_finalizes_at", "custom_fields"),
        **nulls("customer_account", "customer_address", "customer_phone", "customer_shipping"),
        **nulls("default_payment_method", "default_source", "description", "due_date", "footer"),
        **nulls("from_invoice", "last_finalization_error", "latest_revision", "on_behalf_of"),
        **nulls("next_payment_attempt", "parent", "receipt_number", "rendering", "shipping_cost"),
        **nulls("shipping_details", "statement_descriptor", "test_clock", "webhooks_delivered_at"),
        **_amounts(paid),
        **_ALWAYS,
        "automatic_tax": {
            **nulls("disabled_reason", "liability", "provider"),
            "enabled": paid["automatic_tax"]["enabled"],
            "status": paid["automatic_tax"]["status"],
        },
        "currency": paid["currency"],
        "customer": holder["id"],
        "customer_email": holder["email"],
        "customer_name": holder["name"],
        "effective_at": now,
        "hosted_invoice_url": page,
        "invoice_pdf": f"{page}/pdf",
        "issuer": {"type": "self"},
        "lines": _lines(books, paid, identity),
        "metadata": {},
        "number": number,
        "payment_settings": nulls(
            "default_mandate", "payment_method_options", "payment_method_types"
        ),
        "payments": lambda: payments_of(books, identity),
        "period_end": now,
        "period_start": now,
        "status_transitions": {
            **nulls("marked_uncollectible_at", "voided_at"),
            "finalized_at": now,
            "paid_at": now,
        },
    }


def _amounts(paid: Thing) -> Thing:
    subtotal, total = paid["amount_subtotal"], paid["amount_total"]
    return {
        "amount_due": total,
        "amount_overpaid": 0,
        "amount_paid": total,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "ending_balance": 0,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_discount_amounts": [],
        "total_excluding_tax": total - paid["total_details"]["amount_tax"],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
    }


def _lines(books: Books, paid: Thing, identity: str) -> Thing:
    now = books.now()
    lines = [
        {
            "id": new_id("il_"),
            "object": "line_item",
            "amount": item["amount_subtotal"],
            "currency": item["currency"],
            "description": item["description"],
            "discount_amounts": [],
            "discountable": True,
            "discounts": [],
            "invoice": identity,
            "livemode": False,
            "metadata": {},
            "parent": None,
            "period": {"end": now, "start": now},
            "pretax_credit_amounts": [],
            "pricing": {
                "price_details": {
                    "price": item["price"]["id"],
                    "product": item["price"]["product"],
                },
                "type": "price_details",
                "unit_amount_decimal": item["price"]["unit_amount_decimal"],
            },
            "quantity": item["quantity"],
            "subtotal": item["amount_subtotal"],
            "taxes": [],
        }
        for item in paid["_items"]
    ]
    url = f"/v1/invoices/{identity}/lines"
    return {"object": "list", "data": lines, "has_more": False, "url": url}


def invoice_payment(books: Books, issued: Thing, intent: Thing) -> Thing:
    """Give the payment of an invoice by a payment intent."""
    now = books.now()
    return {
        **head(books, "invoice_payment", new_id("inpay_")),
        "amount_paid": intent["amount_received"],
        "amount_requested": intent["amount"],
        "currency": intent["currency"],
        "invoice": issued["id"],
        "is_default": True,
        "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": now},
    }


def payments_of(books: Books, invoice_id: str) -> Thing:
    """Give the list of an invoice's payments."""
    found = [each for each in books.all("invoice_payment") if each["invoice"] == invoice_id]
    return {"object": "list", "data": found, "has_more": False, "url": "/v1/invoice_payments"}
