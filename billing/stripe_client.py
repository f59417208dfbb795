"""Stripe, spoken to by its own client against any base URL; answers are records of ours.

The `stripe` package takes half a second and 34 MB to import: this is done where Stripe is
configured, when it is first asked. No text of Stripe's errors leaves this file.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

from billing.stripe_objects import (
    ACCOUNT_KEY,
    ORIGIN_KEY,
    CardSnapshot,
    CheckoutOrder,
    CheckoutSnapshot,
    EventHint,
    Json,
    Origin,
    PaymentSnapshot,
    Purchase,
    card_of,
    checkout_of,
    failure_of,
    hint_of,
    id_of,
    payment_of,
    refund_of,
)

if TYPE_CHECKING:
    from stripe import StripeClient, StripeError, StripeObject

STRIPE_URL: Final = "https://api.stripe.com"
_SECONDS: Final = 10.0
"""Of one try: Stripe answers within two seconds nearly always; its client would wait for 80."""
_CALL_SECONDS: Final = 25.0
"""Of one call with its retries. A caller waits for it; Stripe waits 30 s for a webhook's answer."""
_RETRIES: Final = 2
"""By Stripe's client, with the same idempotency key; it honours `Stripe-Should-Retry`."""
_REFUSALS: Final = frozenset((400, 402, 404))
"""Statuses of a no that stays. A refused key (401, 403) is the operator's to mend, and counts as
away, as 409 (the same key is under way), 429 and 5xx do."""
_REUSED: Final = "idempotency_error"
"""Stripe's word where a key was used with other parameters: no word on what that came to."""
GONE: Final = "resource_missing"
"""Stripe's code for what it does not have."""
_PAGE: Final = 100
"""Stripe's largest page."""
TOLERANCE_SECONDS: Final = 300
"""How old a webhook's signature may be: Stripe's own default. It signs each try anew."""

_Read = TypeVar("_Read")


class PaymentServiceUnavailable(Exception):
    """Stripe did not answer, or could not: what was asked for may have happened. Ask again."""


class PaymentRefused(Exception):
    """Stripe said no, and would say it again."""

    def __init__(self, code: str, payment_intent: str = "") -> None:
        super().__init__(code)
        self.code = code
        """Stripe's word: `card_declined`, `authentication_required`, `resource_missing`; never a
        text, and never empty."""
        self.payment_intent = payment_intent
        """The payment that was made and not paid, if one was."""


class BadSignature(Exception):
    """The webhook is not Stripe's, or too old, or not an event."""


@dataclass(frozen=True, slots=True)
class StripeSettings:
    """Where Stripe is, and what we know each other by."""

    secret_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    """Any of them may have signed: while one is replaced, two do."""
    api_base: str = STRIPE_URL
    seconds: float = _SECONDS
    """For one try."""


class StripePayments:
    """What we ask of Stripe. Every method raises PaymentServiceUnavailable and PaymentRefused.

    Whatever is made takes an idempotency key: asked again under it, Stripe answers the same.
    """

    def __init__(self, settings: StripeSettings) -> None:
        self._settings = settings
        self._client: StripeClient | None = None
        self._connections: Any = None

    async def payment(self, payment_intent: str) -> PaymentSnapshot:
        """The payment as it is now, with its refunds, disputes, and the checkout's invoice.

        A refusal with the code GONE says that there is no such payment, and nothing else.
        """
        paid: Json | None = None
        try:
            async with self._asking() as client:
                found = await client.v1.payment_intents.retrieve_async(
                    payment_intent, {"expand": ["latest_charge"]}
                )
                paid = _json(found)
                return await _whole(client, payment_intent, paid)
        except PaymentRefused as refused:
            if paid is not None and refused.code == GONE:
                raise PaymentServiceUnavailable from None
            raise

    async def payments_since(self, since: int) -> AsyncIterator[PaymentSnapshot]:
        """Payments begun since (seconds since 1970), newest first, without refunds and disputes.

        Their `amount_refunded` and `is_disputed` tell whether there are any.
        """
        asked = {"created": {"gte": since}, "limit": _PAGE, "expand": ["data.latest_charge"]}
        intents = (await self._opened()).v1.payment_intents
        async for snapshot in self._pages(intents.list_async, asked, payment_of):
            yield snapshot

    async def refunded_since(
        self, since: int, taking: Collection[str] = frozenset()
    ) -> tuple[str, ...]:
        """The payments of which money went back, or was disputed, since (seconds since 1970).

        Left out are refunds of which *taking* has the id, unless their money came back.
        """

        def told(item: Json) -> str:
            is_refund = item.get("object") == "refund"
            is_known = is_refund and item["id"] in taking and refund_of(item).is_gone
            return "" if is_known else id_of(item.get("payment_intent"))

        asked = {"created": {"gte": since}, "limit": _PAGE}
        v1 = (await self._opened()).v1
        found = {name async for name in self._pages(v1.refunds.list_async, asked, told)}
        found |= {name async for name in self._pages(v1.disputes.list_async, asked, told)}
        return tuple(found - {""})

    async def knows_customer(self, customer: str) -> bool:
        """Whether this Stripe account has that customer; one that was deleted counts."""
        try:
            async with self._asking() as client:
                await client.v1.customers.retrieve_async(customer)
        except PaymentRefused as refused:
            if refused.code == GONE:
                return False
            raise
        return True

    async def create_customer(self, account_id: UUID, idempotency_key: str) -> str:
        """Make a customer that carries the account's id and nothing else. Gives its id."""
        async with self._asking() as client:
            customer = await client.v1.customers.create_async(
                {"metadata": {ACCOUNT_KEY: account_id.hex}},
                {"idempotency_key": idempotency_key},
            )
            return customer.id

    async def create_checkout(self, order: CheckoutOrder, idempotency_key: str) -> CheckoutSnapshot:
        """Open a page on which *order* can be paid."""
        purchase = order.purchase
        metadata = purchase.metadata()
        intent: dict[str, Any] = {"metadata": metadata}
        if order.saves_card:
            intent["setup_future_usage"] = "off_session"
        parameters: dict[str, Any] = {
            "mode": "payment",
            "customer": order.customer,
            "client_reference_id": purchase.reference.hex,
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": purchase.currency,
                        "unit_amount": purchase.price,
                        "product_data": {"name": order.display_name},
                    },
                }
            ],
            "metadata": metadata,
            "payment_intent_data": intent,
            "invoice_creation": {"enabled": True, "invoice_data": {"metadata": metadata}},
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
            "expires_at": order.expires_at,
        }
        if order.adds_tax:
            parameters["automatic_tax"] = {"enabled": True}
            parameters["customer_update"] = {"address": "auto"}
        async with self._asking() as client:
            session = await client.v1.checkout.sessions.create_async(
                parameters,  # type: ignore[arg-type]  # a TypedDict of 60 keys
                {"idempotency_key": idempotency_key},
            )
            return checkout_of(_json(session))

    async def checkout(self, session: str) -> CheckoutSnapshot:
        """A page as it is now."""
        async with self._asking() as client:
            found = await client.v1.checkout.sessions.retrieve_async(
                session, {"expand": ["invoice"]}
            )
            return checkout_of(_json(found))

    async def expire_checkout(self, session: str) -> None:
        """Have a page paid by nobody; PaymentRefused: it was paid, has expired, or is not there."""
        async with self._asking() as client:
            await client.v1.checkout.sessions.expire_async(session)

    async def cards(self, customer: str) -> tuple[CardSnapshot, ...]:
        """The saved cards, newest first."""
        async with self._asking() as client:
            page = await client.v1.customers.payment_methods.list_async(
                customer, {"type": "card", "limit": _PAGE}
            )
            return tuple(card_of(_json(method)) for method in page.data)

    async def detach_card(self, payment_method: str) -> None:
        """Forget a saved card."""
        async with self._asking() as client:
            await client.v1.payment_methods.detach_async(payment_method)

    async def charge_card(
        self, purchase: Purchase, customer: str, payment_method: str, idempotency_key: str
    ) -> PaymentSnapshot:
        """Charge a saved card while nobody is there; PaymentRefused says why it was not paid."""
        async with self._asking() as client:
            intent = await client.v1.payment_intents.create_async(
                {
                    "amount": purchase.price,
                    "currency": purchase.currency,
                    "customer": customer,
                    "payment_method": payment_method,
                    "allowed_payment_method_types": ["card"],
                    "confirm": True,
                    "off_session": True,
                    "error_on_requires_action": True,
                    "metadata": purchase.metadata(),
                    "expand": ["latest_charge"],
                },
                {"idempotency_key": idempotency_key},
            )
            return payment_of(_json(intent))

    async def refund(self, payment_intent: str, amount: int, idempotency_key: str) -> str:
        """Pay *amount* minor units of a payment back. Gives the refund's id."""
        async with self._asking() as client:
            made = await client.v1.refunds.create_async(
                {
                    "payment_intent": payment_intent,
                    "amount": amount,
                    "reason": "requested_by_customer",
                },
                {"idempotency_key": idempotency_key},
            )
            return made.id

    async def event(self, payload: bytes, signature: str) -> EventHint:
        """Verify a webhook's signature and age, and read which payment it is about.

        Raises BadSignature. The rest of the event is not used: it may be older than what is.
        """
        stripe = await _library()
        for secret in self._settings.webhook_secrets:
            try:
                stripe.WebhookSignature.verify_header(
                    payload.decode(), signature, secret, TOLERANCE_SECONDS
                )
                return hint_of(json.loads(payload))
            except stripe.SignatureVerificationError:
                continue
            except (UnicodeDecodeError, ValueError, LookupError, TypeError, AttributeError):
                raise BadSignature from None
        raise BadSignature

    async def close(self) -> None:
        """Let go of the connections."""
        connections, self._client, self._connections = self._connections, None, None
        if connections is not None:
            await connections.close_async()

    async def _pages(
        self,
        ask: Callable[[Any], Awaitable[Any]],
        asked: Mapping[str, object],
        read: Callable[[Json], _Read],
    ) -> AsyncIterator[_Read]:
        """All that Stripe lists; each page is a call that has its own time."""
        while True:
            async with self._asking():
                page = await ask(asked)
                found = [read(_json(item)) for item in page.data]
                asked = {**asked, "starting_after": page.data[-1].id} if page.has_more else {}
            for item in found:
                yield item
            if not asked:
                return

    async def _opened(self) -> "StripeClient":
        stripe = await _library()
        if self._client is None:
            stripe.enable_telemetry = False  # an id in a file at home, and the name of the system
            self._connections = stripe.HTTPXClient(timeout=self._settings.seconds)
            self._client = stripe.StripeClient(
                self._settings.secret_key,
                base_addresses={"api": self._settings.api_base},
                http_client=self._connections,
                max_network_retries=_RETRIES,
            )
        return self._client

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator["StripeClient"]:
        """Stripe's errors and a timeout become one of ours, without their text.

        So does what is not an answer of Stripe's at all, in which its client, or whoever reads
        the answer in here, does not find what is always there.
        """
        client = await self._opened()
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                try:
                    yield client
                except (await _library()).StripeError as error:
                    raise _ours(error) from None
        except (TimeoutError, AttributeError, LookupError, TypeError, ValueError):
            raise PaymentServiceUnavailable from None


async def _library() -> Any:
    """Half a second of work the first time, which the event loop shall not wait for."""
    return await asyncio.to_thread(import_module, "stripe")


def _json(found: "StripeObject") -> Json:
    return found.to_dict()


async def _whole(client: "StripeClient", name: str, paid: Json) -> PaymentSnapshot:
    """A payment with what belongs to it."""
    v1 = client.v1
    refunds = await v1.refunds.list_async({"payment_intent": name, "limit": _PAGE})
    disputes = await v1.disputes.list_async({"payment_intent": name, "limit": _PAGE})
    checkouts = []
    if paid["metadata"].get(ORIGIN_KEY) == Origin.CHECKOUT:  # another has no invoice
        sessions = await v1.checkout.sessions.list_async(
            {"payment_intent": name, "limit": 1, "expand": ["data.invoice"]}
        )
        checkouts = [checkout_of(_json(session)) for session in sessions.data]
    return payment_of(
        paid,
        [_json(refund) async for refund in refunds.auto_paging_iter()],
        [_json(dispute) async for dispute in disputes.auto_paging_iter()],
        checkouts[0] if checkouts else None,
    )


def _ours(error: "StripeError") -> PaymentServiceUnavailable | PaymentRefused:
    if error.http_status not in _REFUSALS:
        return PaymentServiceUnavailable()
    body = error.json_body if isinstance(error.json_body, Mapping) else {}
    said = body.get("error")
    said = said if isinstance(said, Mapping) else {}
    code = said.get("code") or said.get("type")
    if not isinstance(code, str) or code == _REUSED:  # not Stripe's answer, or not on this
        return PaymentServiceUnavailable()
    return PaymentRefused(failure_of(code), id_of(said.get("payment_intent")))
