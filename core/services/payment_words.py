"""Buying credits: our records as protobuf messages and back; errors name the field."""

import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from billing.checkout import MAXIMUM_OPEN, Checkout, CheckoutState
from billing.packs import CURRENCY, CUSTOM, CreditPack, NotOnOffer, Offer, Sale
from billing.payments import PaymentState
from billing.payments_read import PaymentEntry
from billing.stripe_objects import Origin
from core.errors import GatewayError, Reason
from core.services.convert import timestamp
from reapi.v1 import billing_pb2 as resource
from reapi.v1 import billing_service_pb2 as pb

_CHECKOUT = re.compile(r"checkout_sessions/([0-9a-f]{32})\Z")
_PAYMENT = re.compile(r"payments/([0-9a-f]{32})\Z")
_PACK = re.compile(r"credit_packs/([a-z0-9_]{1,64})\Z")
_LONGEST_URI: Final = 2048
"""Characters; what every browser opens."""
_URI = re.compile(r"[\x21-\x7e]+\Z")
_STATES: Mapping[PaymentState, resource.Payment.State] = {
    PaymentState.PENDING: resource.Payment.STATE_PENDING,
    PaymentState.SUCCEEDED: resource.Payment.STATE_SUCCEEDED,
    PaymentState.FAILED: resource.Payment.STATE_FAILED,
    PaymentState.PARTIALLY_REFUNDED: resource.Payment.STATE_PARTIALLY_REFUNDED,
    PaymentState.REFUNDED: resource.Payment.STATE_REFUNDED,
    PaymentState.DISPUTED: resource.Payment.STATE_DISPUTED,
    PaymentState.DISPUTE_LOST: resource.Payment.STATE_DISPUTE_LOST,
}
_STATE_OF = {int(number): state for state, number in _STATES.items()}
_ORIGINS: Mapping[Origin, resource.Payment.Origin] = {
    Origin.CHECKOUT: resource.Payment.ORIGIN_CHECKOUT,
    Origin.AUTO_TOP_UP: resource.Payment.ORIGIN_AUTO_TOP_UP,
}
_CHECKOUT_STATES: Mapping[CheckoutState, resource.CheckoutSession.State] = {
    CheckoutState.CREATING: resource.CheckoutSession.STATE_OPEN,
    CheckoutState.OPEN: resource.CheckoutSession.STATE_OPEN,
    CheckoutState.PAID: resource.CheckoutSession.STATE_PAID,
    CheckoutState.EXPIRED: resource.CheckoutSession.STATE_EXPIRED,
}


def pack_message(pack: CreditPack) -> resource.CreditPack:
    """The resource."""
    return resource.CreditPack(
        name=f"credit_packs/{pack.id}",
        display_name=pack.display_name,
        price_micros=pack.price_micros,
        currency_code=CURRENCY,
        credited_micros=pack.credited_micros,
    )


def checkout_message(
    checkout: Checkout, uri: str = "", payment: PaymentEntry | None = None
) -> resource.CheckoutSession:
    """The resource; *uri* is its page, as long as it can be paid."""
    return resource.CheckoutSession(
        name=f"checkout_sessions/{checkout.id.hex}",
        uri=uri if checkout.state is CheckoutState.OPEN else "",
        state=_CHECKOUT_STATES[checkout.state],
        price_micros=checkout.price_micros,
        currency_code=CURRENCY,
        credited_micros=checkout.credited_micros,
        payment=f"payments/{payment.id.hex}" if payment is not None else "",
        expire_time=timestamp(checkout.expires_at),
    )


def payment_message(entry: PaymentEntry, offer: Offer) -> resource.Payment:
    """The resource; what was bought is called as the catalogue calls it today."""
    pack = offer.packs.get(entry.product)
    return resource.Payment(
        name=f"payments/{entry.id.hex}",
        state=_STATES[entry.state],
        origin=_ORIGINS[entry.origin],
        product=pack.display_name if pack is not None else _product(entry.product),
        paid_micros=entry.paid_micros,
        tax_micros=entry.tax_micros,
        refunded_micros=entry.refunded_micros,
        currency_code=entry.currency.upper(),
        credited_micros=entry.credited_micros,
        clawed_back_micros=entry.clawed_back_micros,
        stripe_customer=entry.customer,
        stripe_invoice=entry.invoice,
        invoice_uri=entry.invoice_url,
        receipt_uri=entry.receipt_url,
        create_time=timestamp(entry.created_at),
        failure_code=entry.failure_code,
    )


def payment_states(numbers: Sequence[int]) -> Sequence[PaymentState]:
    """Which states are asked for; raises INVALID_PARAMETER."""
    found = [_STATE_OF.get(number) for number in numbers]
    known = [state for state in found if state is not None]
    if len(known) < len(found):
        raise invalid("states", "names a state that there is not")
    return sorted(set(known))


def sale(request: pb.CreateCheckoutSessionRequest, offer: Offer) -> Sale:
    """What is to be bought; raises GatewayError naming the field."""
    match request.WhichOneof("purchase"):
        case "credit_pack":
            found = _PACK.match(request.credit_pack)
            sold = offer.of_pack(found[1]) if found else None
            if sold is None:
                raise not_found("credit_pack", "There is no such pack: list them.")
            return sold
        case "amount_micros":
            amount = offer.of_amount(request.amount_micros)
            if isinstance(amount, NotOnOffer):
                raise invalid("amount_micros", _bounds(amount))
            return amount
        case _:
            raise GatewayError(
                Reason.MISSING_PARAMETER,
                "Say what to buy: a credit_pack, or amount_micros.",
                parameter="credit_pack",
            )


def page_uri(name: str, uri: str, origins: Sequence[str], default: str) -> str:
    """Where a payment page goes: to one of *origins*; raises INVALID_PARAMETER naming *name*."""
    if not uri:
        return default
    if len(uri) <= _LONGEST_URI and _URI.match(uri) and origin_of(uri) in origins:
        return uri
    raise invalid(name, "must be a page of this deployment, or of one that its operator allows")


def origin_of(uri: str) -> str | None:
    """Scheme, host and port of a page, as browsers compare them; None: it is no page's URL."""
    try:
        parts = urlsplit(uri)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    if port is None or not parts.hostname or "@" in parts.netloc or "\\" in uri:
        return None
    return f"{parts.scheme}://{parts.hostname}:{port}"


def checkout_id(name: str) -> UUID:
    """The id in a name; raises NOT_FOUND."""
    found = _CHECKOUT.match(name)
    if found is None:
        raise no_checkout()
    return UUID(hex=found[1])


def payment_id(name: str) -> UUID:
    """The id in a name; raises NOT_FOUND."""
    found = _PAYMENT.match(name)
    if found is None:
        raise no_payment()
    return UUID(hex=found[1])


def no_checkout() -> GatewayError:
    """The one answer for a checkout that is unknown, forgotten or another account's."""
    return not_found("checkout_session", "No such checkout.")


def too_many_open() -> GatewayError:
    """The answer to who opens page after page."""
    return GatewayError(
        Reason.CONFLICT,
        f"The account has {MAXIMUM_OPEN} checkouts open. Pay one, or wait until one expires; "
        "a repeat with the same request_id gives the page that it opened.",
        metadata={"resource": "checkout_session"},
    )


def no_payment() -> GatewayError:
    """The one answer for a payment that is unknown or another account's."""
    return not_found("payment", "No such payment.")


def not_found(kind: str, what: str) -> GatewayError:
    return GatewayError(Reason.NOT_FOUND, what, metadata={"resource": kind})


def invalid(name: str, what: str) -> GatewayError:
    return GatewayError(Reason.INVALID_PARAMETER, f"`{name}` {what}.", parameter=name)


def no_stripe(endpoint: str) -> GatewayError:
    """The answer of a deployment that sells nothing."""
    return GatewayError(
        Reason.ENDPOINT_NOT_AVAILABLE,
        "This deployment sells no credits: no payment service is configured.",
        metadata={"endpoint": f"BillingService.{endpoint}"},
    )


def _product(word: str) -> str:
    return "Credits" if word == CUSTOM else word


def _bounds(why: NotOnOffer) -> str:
    if why.minimum_micros is None:
        return "is not sold here: choose a credit pack"
    return f"must be from {why.minimum_micros} to {why.maximum_micros}, in whole cents"
