"""What we read of Stripe's objects, as frozen records: ids, amounts and states, no card, no name.

Amounts are in minor units of their currency (cents), as Stripe has them. Field names follow
Stripe's API 2026-10-28; each `*_of` reads one object as plain JSON. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

ACCOUNT_KEY: Final = "reapi_account"
"""Metadata of customers, payments and checkouts: whose it is, as 32 hexadecimal digits."""
CREDITS_KEY: Final = "reapi_credited_micros"
"""Metadata: what the payment adds to the balance once it has succeeded, in micro-dollars."""
PRICE_KEY: Final = "reapi_price"
"""Metadata: the price without tax, in minor units; less was paid: less is credited."""
CURRENCY_KEY: Final = "reapi_currency"
"""Metadata: the currency of that price, as Stripe writes it: `usd`."""
ORIGIN_KEY: Final = "reapi_origin"
PRODUCT_KEY: Final = "reapi_product"
"""Metadata: what was bought, a word of ours: `pack_25`, `custom`."""
OURS_KEY: Final = "reapi_reference"
"""Metadata: the id of our own row that asked for it, as 32 hexadecimal digits."""


_WORD: Final = re.compile(r"[a-z0-9_.-]{1,64}")
"""Products and failure codes: the tables take nothing else."""
_UNNAMED: Final = "refused"
"""The failure code where Stripe's is no such word."""
_RETURNED: Final = frozenset(("failed", "canceled"))
"""States of refunds whose money is the operator's again."""


_TELLING: Final = frozenset(
    (
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "charge.refunded",
        "refund.created",
        "refund.updated",
        "refund.failed",
        "charge.refund.updated",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "checkout.session.completed",
    )
)
"""Events after which our books may be behind. The last one brings the invoice."""


class Origin(StrEnum):
    """What caused a payment."""

    CHECKOUT = "checkout"
    AUTO_TOP_UP = "auto_top_up"


@dataclass(frozen=True, slots=True)
class Purchase:
    """What is bought; it travels as metadata of the payment, and comes back with it."""

    account_id: UUID
    reference: UUID
    """Of our own row, which was there before Stripe was asked."""
    origin: Origin
    product: str
    price: int
    """Without tax, in minor units."""
    currency: str
    credited_micros: int

    def metadata(self) -> dict[str, str]:
        return {
            ACCOUNT_KEY: self.account_id.hex,
            OURS_KEY: self.reference.hex,
            ORIGIN_KEY: self.origin.value,
            PRODUCT_KEY: self.product,
            PRICE_KEY: str(self.price),
            CURRENCY_KEY: self.currency,
            CREDITS_KEY: str(self.credited_micros),
        }


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """A page to open, on which *purchase* is paid."""

    purchase: Purchase
    customer: str
    display_name: str
    """What the page and the invoice call it."""
    success_url: str = field(repr=False)
    cancel_url: str = field(repr=False)
    expires_at: int
    """Seconds since 1970; Stripe wants it half an hour to a day from now."""
    saves_card: bool = False
    """The card may be charged later while its owner is not there."""
    adds_tax: bool = False
    """Stripe computes it and adds it to the price."""


@dataclass(frozen=True, slots=True)
class RefundSnapshot:
    """Money that went back, or was to go. Amounts are in minor units."""

    id: str
    amount: int
    currency: str
    status: str
    """`pending`, `requires_action`, `succeeded`, `failed` or `canceled`."""

    @property
    def is_gone(self) -> bool:
        """Whether the money is no longer the operator's: at once, not when it has arrived."""
        return self.status not in _RETURNED


@dataclass(frozen=True, slots=True)
class DisputeSnapshot:
    """A payment that the card's holder contests."""

    id: str
    amount: int
    currency: str
    status: str
    """`warning_*`, `needs_response`, `under_review`, `won`, `lost`, `prevented`."""
    movements: tuple[int, ...]
    """What it moved on the operator's balance at Stripe, oldest first, in that balance's currency:
    negative is a withdrawal, positive a reinstatement. Only the sign of the last one says something
    here: each has the rate of its day, and fees may stand among them."""

    @property
    def is_withdrawn(self) -> bool:
        """Whether the money is gone, for now or for good."""
        return bool(self.movements) and self.movements[-1] < 0


@dataclass(frozen=True, slots=True)
class PaymentSnapshot:
    """A payment intent as Stripe has it now, with what became of its money since."""

    payment_intent: str
    customer: str
    """Empty: it has none."""
    amount: int
    amount_received: int
    currency: str
    status: str
    """`requires_payment_method`, `processing`, `succeeded`, `canceled` and others."""
    created: int
    """Seconds since 1970."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    tax: int = 0
    charge: str = ""
    failure_code: str = ""
    """Stripe's word: `card_declined`. The decline code beside it may say `stolen_card`, which is
    not for whoever holds the card (Stripe's own advice)."""
    invoice: str = ""
    invoice_url: str = field(default="", repr=False)
    receipt_url: str = field(default="", repr=False)
    refunds: tuple[RefundSnapshot, ...] = ()
    disputes: tuple[DisputeSnapshot, ...] = ()
    amount_refunded: int = 0
    """As the charge says; in a list, where the refunds are not read, it tells that there are."""
    is_disputed: bool = False
    """As the charge says; likewise."""

    @property
    def has_succeeded(self) -> bool:
        return self.status == "succeeded"


@dataclass(frozen=True, slots=True)
class CheckoutSnapshot:
    """A page on which somebody can pay."""

    id: str
    url: str = field(repr=False)
    status: str
    """`open`, `complete` or `expired`."""
    payment_status: str
    """`paid`, `unpaid` or `no_payment_required`."""
    payment_intent: str
    """Empty until somebody tries to pay."""
    expires_at: int
    customer: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    tax: int = 0
    invoice: str = ""
    invoice_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CardSnapshot:
    """A saved card: what its owner knows it by."""

    id: str
    brand: str
    last_four: str = field(repr=False)
    expire_month: int = field(repr=False)
    expire_year: int = field(repr=False)
    customer: str = ""


@dataclass(frozen=True, slots=True)
class EventHint:
    """What a verified event says: which payment to look at. The rest of it is not read."""

    id: str
    kind: str
    """`payment_intent.succeeded`."""
    payment_intent: str
    """Empty: there is nothing to look at."""


Json = Mapping[str, Any]


def payment_of(
    intent: Json,
    refunds: Sequence[Json] = (),
    disputes: Sequence[Json] = (),
    checkout: CheckoutSnapshot | None = None,
) -> PaymentSnapshot:
    """Read a payment intent whose `latest_charge` is expanded, with what belongs to it."""
    charge = intent.get("latest_charge")
    charge = charge if isinstance(charge, Mapping) else {}
    error = intent.get("last_payment_error") or {}
    return PaymentSnapshot(
        payment_intent=intent["id"],
        customer=id_of(intent.get("customer")),
        amount=intent["amount"],
        amount_received=intent.get("amount_received") or 0,
        currency=intent["currency"],
        status=intent["status"],
        created=intent["created"],
        metadata=dict(intent.get("metadata") or {}),
        tax=checkout.tax if checkout is not None else 0,
        charge=charge.get("id") or "",
        failure_code=failure_of(error.get("code") or ""),
        invoice=checkout.invoice if checkout is not None else "",
        invoice_url=checkout.invoice_url if checkout is not None else "",
        receipt_url=charge.get("receipt_url") or "",
        refunds=tuple(refund_of(refund) for refund in refunds),
        disputes=tuple(dispute_of(dispute) for dispute in disputes),
        amount_refunded=charge.get("amount_refunded") or 0,
        is_disputed=bool(charge.get("disputed")),
    )


def refund_of(refund: Json) -> RefundSnapshot:
    return RefundSnapshot(
        refund["id"], refund["amount"], refund["currency"], refund.get("status") or "pending"
    )


def dispute_of(dispute: Json) -> DisputeSnapshot:
    moved = sorted(dispute.get("balance_transactions") or (), key=lambda entry: entry["created"])
    movements = tuple(entry["amount"] for entry in moved if entry["amount"])
    return DisputeSnapshot(
        dispute["id"], dispute["amount"], dispute["currency"], dispute["status"], movements
    )


def checkout_of(session: Json) -> CheckoutSnapshot:
    """Read a checkout session; its `invoice` may be expanded."""
    invoice = session.get("invoice")
    return CheckoutSnapshot(
        id=session["id"],
        url=session.get("url") or "",
        status=session.get("status") or "",
        payment_status=session.get("payment_status") or "",
        payment_intent=id_of(session.get("payment_intent")),
        expires_at=session["expires_at"],
        customer=id_of(session.get("customer")),
        metadata=dict(session.get("metadata") or {}),
        tax=(session.get("total_details") or {}).get("amount_tax") or 0,
        invoice=id_of(invoice),
        invoice_url=(invoice.get("hosted_invoice_url") or "")
        if isinstance(invoice, Mapping)
        else "",
    )


def card_of(method: Json) -> CardSnapshot:
    """Read a payment method of the type `card`."""
    card = method["card"]
    return CardSnapshot(
        id=method["id"],
        brand=card["brand"],
        last_four=card["last4"],
        expire_month=card["exp_month"],
        expire_year=card["exp_year"],
        customer=id_of(method.get("customer")),
    )


def hint_of(event: Json) -> EventHint:
    """Read an event: its object is a payment intent, or names one."""
    subject = (event.get("data") or {}).get("object") or {}
    if event["type"] not in _TELLING:
        return EventHint(event["id"], event["type"], "")
    is_payment = subject.get("object") == "payment_intent"
    intent = subject.get("id") if is_payment else id_of(subject.get("payment_intent"))
    return EventHint(event["id"], event["type"], intent or "")


def word(text: str) -> str:
    """What Stripe names, if it is a word that may stand in a row; else nothing."""
    return text if _WORD.fullmatch(text) else ""


def failure_of(code: str) -> str:
    """Stripe's failure code as a word: it says why, or only that; empty stays empty."""
    return code and (word(code) or _UNNAMED)


def id_of(reference: object) -> str:
    """The id that a field holds: as text, as the object itself, or none."""
    if isinstance(reference, Mapping):
        return str(reference["id"])
    return str(reference) if reference else ""
