"""What Stripe's objects look like when they are new, field for field as its API returns them."""

from typing import Final

from simulator.stripe_books import Books, new_id
from simulator.stripe_cards import TestCard
from simulator.stripe_errors import Thing

NO_ADDRESS: Final = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def nulls(*names: str) -> Thing:
    """Give an object whose members are all null."""
    return dict.fromkeys(names)


def head(books: Books, kind: str, identity: str) -> Thing:
    """Give what begins every object."""
    return {"id": identity, "object": kind, "created": books.now(), "livemode": False}


def billing_details(email: str | None = None) -> Thing:
    """Give the billing details of a card."""
    return {
        "address": dict(NO_ADDRESS),
        "email": email,
        "name": None,
        "phone": None,
        "tax_id": None,
    }


def customer(books: Books) -> Thing:
    """Give a customer without anything."""
    return {
        **head(books, "customer", new_id("cus_", 14)),
        **nulls("address", "currency", "customer_account", "default_source", "description"),
        **nulls("discount", "email", "name", "phone", "shipping", "test_clock"),
        "balance": 0,
        "delinquent": False,
        "invoice_prefix": new_id("", 8).upper(),
        "invoice_settings": nulls(
            "custom_fields", "default_payment_method", "footer", "rendering_options"
        ),
        "metadata": {},
        "next_invoice_sequence": 1,
        "preferred_locales": [],
        "tax_exempt": "none",
    }


def payment_method(books: Books, card: TestCard, email: str | None = None) -> Thing:
    """Give a card as a payment method."""
    return {
        **head(books, "payment_method", new_id("pm_")),
        "allow_redisplay": "unspecified",
        "billing_details": billing_details(email),
        "card": {
            "brand": card.brand,
            "checks": {
                "address_line1_check": None,
                "address_postal_code_check": None,
                "cvc_check": "pass",
            },
            "country": "US",
            "display_brand": card.brand,
            "exp_month": 12,
            "exp_year": 2034,
            "fingerprint": f"fake{card.last4}{card.brand}",
            "funding": "credit",
            "generated_from": None,
            "last4": card.last4,
            "networks": {"available": [card.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "customer": None,
        "customer_account": None,
        "metadata": {},
        "type": "card",
        "_card": card.name,
        "_is_set_up": False,
    }


def payment_intent(books: Books, amount: int, currency: str) -> Thing:
    """Give a payment intent that waits for a payment method."""
    identity = new_id("pi_")
    return {
        **head(books, "payment_intent", identity),
        **nulls("allowed_payment_method_types", "application", "application_fee_amount"),
        **nulls("automatic_payment_methods"),
        **nulls("canceled_at", "cancellation_reason", "customer", "customer_account"),
        **nulls("description", "excluded_payment_method_types", "last_payment_error"),
        **nulls("latest_charge", "next_action", "on_behalf_of", "payment_method"),
        **nulls("payment_method_configuration_details", "processing", "receipt_email", "review"),
        **nulls("setup_future_usage", "shipping", "source", "statement_descriptor"),
        **nulls("statement_descriptor_suffix", "transfer_data", "transfer_group"),
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "capture_method": "automatic_async",
        "client_secret": new_id(f"{identity}_secret_", 25),
        "confirmation_method": "automatic",
        "currency": currency,
        "metadata": {},
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
    }


def charge(books: Books, intent: Thing, method: Thing) -> Thing:
    """Give a charge of a payment intent, not yet decided."""
    identity = new_id("ch_")
    return {
        **head(books, "charge", identity),
        **nulls("application", "application_fee", "application_fee_amount"),
        **nulls("balance_transaction", "failure_balance_transaction", "failure_code"),
        **nulls("failure_message", "on_behalf_of", "outcome", "receipt_number", "review"),
        **nulls("shipping", "source", "source_transfer", "transfer_data", "transfer_group"),
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "SIMULATED",
        "captured": False,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "fraud_details": {},
        "metadata": dict(intent["metadata"]),
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {
            "card": _charged_card(method["card"]),
            "type": "card",
        },
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_url": None,
        "refunded": False,
        "refunds": lambda: refunds_of(books, identity),
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "pending",
    }


def _charged_card(card: Thing) -> Thing:
    return {
        **nulls("amount_authorized", "extended_authorization", "installments"),
        **nulls("mandate", "network_token", "three_d_secure", "wallet"),
        "authorization_code": None,
        "brand": card["brand"],
        "checks": card["checks"],
        "country": card["country"],
        "exp_month": card["exp_month"],
        "exp_year": card["exp_year"],
        "fingerprint": card["fingerprint"],
        "funding": card["funding"],
        "last4": card["last4"],
        "network": card["brand"],
        "network_transaction_id": new_id("", 15),
        "regulated_status": "unregulated",
    }


def refunds_of(books: Books, charge_id: str) -> Thing:
    """Give the list of a charge's refunds, newest first."""
    found = [each for each in reversed(books.all("refund")) if each["charge"] == charge_id]
    url = f"/v1/charges/{charge_id}/refunds"
    return {"object": "list", "data": found, "has_more": False, "url": url}


def refund(books: Books, charged: Thing, amount: int) -> Thing:
    """Give a refund of a charge, not yet decided."""
    head_of = head(books, "refund", new_id("re_"))
    del head_of["livemode"]
    return {
        **head_of,
        **nulls("balance_transaction", "reason", "receipt_number"),
        **nulls("source_transfer_reversal", "transfer_reversal"),
        "amount": amount,
        "charge": charged["id"],
        "currency": charged["currency"],
        "destination_details": {
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        },
        "metadata": {},
        "payment_intent": charged["payment_intent"],
        "status": "pending",
    }


def dispute(books: Books, charged: Thing, amount: int, reason: str) -> Thing:
    """Give a dispute of a charge that waits for evidence."""
    card = charged["payment_method_details"]["card"]
    return {
        **head(books, "dispute", new_id("du_")),
        "amount": amount,
        "balance_transactions": [],
        "charge": charged["id"],
        "currency": charged["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {"enhanced_evidence": {}, **nulls("product_description", "uncategorized_text")},
        "evidence_details": {
            "due_by": books.now() + 7 * 86_400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": False,
        "metadata": {},
        "payment_intent": charged["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": card["brand"],
                "case_type": "chargeback",
                "network": card["network"],
                "network_reason_code": "10",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "needs_response",
    }


def balance_transaction(books: Books, source: Thing, amount: int, fee: int = 0) -> Thing:
    """Give a movement of the account's own balance, in cents; what leaves it is negative."""
    now = books.now()
    return {
        "id": new_id("txn_"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": now,
        "balance_type": "payments",
        "created": now,
        "currency": source["currency"],
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [],
        "net": amount - fee,
        "reporting_category": "dispute" if amount < 0 else "dispute_reversal",
        "source": source["id"],
        "status": "available",
        "type": "adjustment",
    }
