"""BillingService: saved cards, and auto-top-up, which charges one of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeAlias

from google.protobuf.field_mask_pb2 import FieldMask
from grpc import aio
from psycopg import AsyncConnection

from billing.auto_top_up import NO_CARD, AutoTopUp, Changes, Unfit, card_to_charge, changed, unfit
from billing.auto_top_up_sql import AutoTopUps
from billing.customers import Customers
from billing.packs import Offer
from billing.stripe_client import StripePayments
from billing.stripe_objects import CardSnapshot
from core.caller import current_caller
from core.catalog.entries import Catalogue
from core.engine.repeats import Repeats
from core.errors import GatewayError, Reason
from core.services import cursors
from core.services import payment_words as words
from core.services.etags import etag, version_of
from core.services.managing import may_manage_billing
from core.services.repeatable import repeatable
from core.services.stripe_answers import stripe_answers
from reapi.v1 import billing_pb2 as resource
from reapi.v1 import billing_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"
Connection: TypeAlias = AsyncConnection[Any]

_CARD = re.compile(r"payment_methods/([A-Za-z0-9_]{1,64})\Z")
_AMOUNTS: Final = ("threshold_micros", "amount_micros", "monthly_limit_micros")
_MUTABLE: Final = ("enabled", *_AMOUNTS, "payment_method")


@dataclass(frozen=True, slots=True)
class Wallet:
    """Who keeps the cards: the payment service."""

    stripe: StripePayments
    customers: Customers


class CardCalls:
    """Serves saved cards and auto-top-up of `reapi.v1.BillingService`.

    Without a *wallet* there are no cards, and auto-top-up cannot be turned on.
    """

    def __init__(
        self, catalogue: Catalogue, top_ups: AutoTopUps, repeats: Repeats, wallet: Wallet | None
    ) -> None:
        self._offer: Offer = catalogue.offer
        self._top_ups = top_ups
        self._repeats = repeats
        self._wallet = wallet

    def use(self, catalogue: Catalogue) -> None:
        """Hold amounts to the bounds of another catalogue from now on."""
        self._offer = catalogue.offer

    async def ListPaymentMethods(
        self, request: pb.ListPaymentMethodsRequest, context: Context
    ) -> pb.ListPaymentMethodsResponse:
        """Read one page, newest first."""
        size = cursors.size_of(request.page_size)
        last = cursors.name_after(request.page_token, "payment_methods")
        cards = await self._cards("ListPaymentMethods")
        settings, _ = await self._top_ups.settings(current_caller().account_id)
        preferred = card_to_charge(settings, cards)
        start = next((number for number, card in enumerate(cards, 1) if card.id == last), 0)
        items = cards[start : start + size]
        more = len(cards) > start + size
        return pb.ListPaymentMethodsResponse(
            payment_methods=[_card_message(card, preferred) for card in items],
            next_page_token=cursors.name_token(items[-1].id, "payment_methods") if more else "",
        )

    async def DeletePaymentMethod(
        self, request: pb.DeletePaymentMethodRequest, context: Context
    ) -> pb.DeletePaymentMethodResponse:
        """Forget one; auto-top-up that charges it is turned off.

        It is off before the card is gone, with the request remembered: wherever that breaks off,
        the repeat does what is left.
        """
        account_id, known = current_caller().account_id, self._repeats.of(repeatable(request))
        id_ = _card_id(request.name)
        was_begun = await self._top_ups.peek(account_id, may_manage_billing, known)
        cards = await self._cards("DeletePaymentMethod")
        if id_ not in [card.id for card in cards]:
            if was_begun:
                return pb.DeletePaymentMethodResponse()
            raise words.not_found("payment_method", "No such payment method.")
        left = [card for card in cards if card.id != id_]

        async def decide(
            connection: Connection, settings: AutoTopUp, _: datetime
        ) -> AutoTopUp | None:
            await known(connection, account_id)
            if settings.enabled_at is None or card_to_charge(settings, left) is not None:
                return None
            return replace(settings, enabled_at=None, failure_code=NO_CARD)

        await self._top_ups.change(account_id, decide)
        assert self._wallet is not None
        with stripe_answers():
            await self._wallet.stripe.detach_card(id_)
        return pb.DeletePaymentMethodResponse()

    async def GetAutoTopUp(
        self, request: pb.GetAutoTopUpRequest, context: Context
    ) -> pb.GetAutoTopUpResponse:
        """Read the settings; those that were never set are off."""
        return pb.GetAutoTopUpResponse(auto_top_up=await self._message())

    async def UpdateAutoTopUp(
        self, request: pb.UpdateAutoTopUpRequest, context: Context
    ) -> pb.UpdateAutoTopUpResponse:
        """Change the settings; enabling it needs a saved card."""
        wanted = request.auto_top_up
        changes = _changes(wanted, request.update_mask if request.HasField("update_mask") else None)
        known = self._repeats.of(repeatable(request))
        account_id, version = current_caller().account_id, version_of(wanted.etag)
        needs_card = changes.is_enabled or changes.payment_method
        cards = await self._cards("UpdateAutoTopUp") if needs_card else ()

        async def decide(
            connection: Connection, settings: AutoTopUp, now: datetime
        ) -> AutoTopUp | None:
            await may_manage_billing(connection)
            if await known(connection, account_id) is not None:
                return None
            if version not in (None, settings.version):
                raise GatewayError(
                    Reason.CONFLICT,
                    "Auto-top-up was changed meanwhile: read it again and use its etag.",
                    parameter="auto_top_up.etag",
                    metadata={"resource": "auto_top_up"},
                )
            new = changed(settings, changes, now)
            wrong = unfit(new, self._offer.custom) or _without_card(new, changes, cards)
            if wrong is not None:
                raise words.invalid(f"auto_top_up.{wrong.name}", wrong.what)
            return new

        await self._top_ups.change(account_id, decide)
        return pb.UpdateAutoTopUpResponse(auto_top_up=await self._message())

    async def _cards(self, endpoint: str) -> Sequence[CardSnapshot]:
        if self._wallet is None:
            raise words.no_stripe(endpoint)
        customer = await self._wallet.customers.find(current_caller().account_id)
        if customer is None:
            return ()
        with stripe_answers():
            return await self._wallet.stripe.cards(customer)

    async def _message(self) -> resource.AutoTopUp:
        settings, month_micros = await self._top_ups.settings(current_caller().account_id)
        method = settings.payment_method
        return resource.AutoTopUp(
            enabled=settings.enabled_at is not None,
            threshold_micros=settings.threshold_micros,
            amount_micros=settings.amount_micros,
            monthly_limit_micros=settings.monthly_limit_micros,
            payment_method=f"payment_methods/{method}" if method else "",
            month_micros=month_micros,
            failure_code=settings.failure_code,
            etag=etag(settings.version),
        )


def _card_message(card: CardSnapshot, preferred: CardSnapshot | None) -> resource.PaymentMethod:
    return resource.PaymentMethod(
        name=f"payment_methods/{card.id}",
        brand=card.brand,
        last_four=card.last_four,
        expire_month=card.expire_month,
        expire_year=card.expire_year,
        preferred=preferred is not None and card.id == preferred.id,
    )


def _card_id(name: str) -> str:
    """The payment service's id in a name; raises NOT_FOUND."""
    found = _CARD.match(name)
    if found is None:
        raise words.not_found("payment_method", "No such payment method.")
    return found[1]


def _changes(message: resource.AutoTopUp, mask: FieldMask | None) -> Changes:
    """What is to change: the fields of *mask*, or those that are set. Raises GatewayError."""
    names: Sequence[str] = [name for name in _MUTABLE if getattr(message, name)]
    if mask is not None:
        names = mask.paths
    if any(name not in _MUTABLE for name in names):
        raise words.invalid("update_mask", f"may name {', '.join(_MUTABLE)}")
    method = message.payment_method
    return Changes(
        is_enabled=message.enabled if "enabled" in names else None,
        threshold_micros=message.threshold_micros if "threshold_micros" in names else None,
        amount_micros=message.amount_micros if "amount_micros" in names else None,
        monthly_limit_micros=message.monthly_limit_micros
        if "monthly_limit_micros" in names
        else None,
        payment_method=(_card_id(method) if method else "") if "payment_method" in names else None,
    )


def _without_card(
    settings: AutoTopUp, changes: Changes, cards: Sequence[CardSnapshot]
) -> Unfit | None:
    """Whether there is no card that could be charged."""
    is_asked = changes.is_enabled or changes.payment_method
    if not is_asked or card_to_charge(settings, cards) is not None:
        return None
    if changes.payment_method:
        return Unfit("payment_method", "is not one of the saved cards")
    return Unfit("enabled", "needs a saved card: buy credits once with save_payment_method")
