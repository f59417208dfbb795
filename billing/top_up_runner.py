"""What auto-top-up does: finds what is due, charges the saved cards, and learns their fate.

Nothing of it is on the path of a request. A charge is a row before Stripe is asked, and stays
pending until it is known what became of it: a timeout is repeated under the same key, and what
was paid counts as ended only when its credits are booked.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from billing.auto_top_up import (
    CALLED_OFF,
    NO_CARD,
    NOT_PAID,
    Fate,
    card_to_charge,
    fate,
    pause_seconds,
)
from billing.auto_top_up_sql import AutoTopUps, TopUp
from billing.customers import Customers
from billing.packs import CURRENCY, CUSTOM, cents
from billing.stripe_client import PaymentRefused, PaymentServiceUnavailable, StripePayments
from billing.stripe_objects import OURS_KEY, Origin, PaymentSnapshot, Purchase

AT_ONCE: Final = 4
"""Charges that one process has under way: a card takes Stripe one or two seconds."""
KEY_SECONDS: Final = 600
"""How long Stripe is asked under one key without an answer. It repeats an answer of 500 under the
same key for a day; by then its list of payments tells whether there is one."""
_CALM_SECONDS: Final = 120
"""After that long of doubling pauses nothing that was asked is still under way at Stripe."""
_SLACK_SECONDS: Final = 300
"""By how much Stripe's clock may differ from ours where its list is searched."""

Book = Callable[[str], Awaitable[bool]]
"""Read a payment at Stripe and book what is missing; whether its credits are on the balance. It
raises as Stripe's client does."""


class TopUpRunner:
    """Charges saved cards. Raises what the pool raises."""

    def __init__(
        self,
        rows: AutoTopUps,
        stripe: StripePayments,
        customers: Customers,
        book: Book,
    ) -> None:
        self._rows = rows
        self._stripe = stripe
        self._customers = customers
        self._book = book

    async def run(self) -> int:
        """Begin what is due and try everything whose turn it is; how many were tried."""
        await self._rows.begin_due()
        tried = 0
        while found := await self._rows.claim(AT_ONCE):
            ends = await asyncio.gather(*map(self._try, found), return_exceptions=True)
            for end in ends:
                if end is not None:
                    raise end
            tried += len(found)
        return tried

    async def _try(self, item: TopUp) -> None:
        """Bring one charge nearer to its end."""
        try:
            snapshot = await self._asked(item)
        except PaymentServiceUnavailable:
            await self._rows.later(item, pause_seconds(item.try_count))
        except PaymentRefused as refused:
            intent = refused.payment_intent or item.payment_intent
            await self._rows.failed(item, refused.code, intent)
        else:
            if snapshot is not None:
                await self._learn(item, snapshot)

    async def _asked(self, item: TopUp) -> PaymentSnapshot | None:
        """The payment as Stripe has it now, charged if need be; None: that is settled already."""
        if item.payment_intent:
            return await self._stripe.payment(item.payment_intent)
        if not await self._rows.is_wanted(item):
            return await self._called_off(item)
        if item.asked_seconds > KEY_SECONDS:
            found = await self._searched(item)
            if found is None:
                await self._rows.renew(item)
            return found
        customer = await self._customers.find(item.account_id)
        card = item.payment_method or (await self._card(item, customer) if customer else "")
        if not customer or not card:
            await self._rows.failed(item, NO_CARD, "")
            return None
        return await self._stripe.charge_card(
            _purchase(item), customer, card, f"top-up-{item.stripe_key.hex}"
        )

    async def _called_off(self, item: TopUp) -> PaymentSnapshot | None:
        """What was paid before it was turned off, if anything was; nothing more is charged."""
        if item.try_count > 1 and item.asked_seconds <= _CALM_SECONDS:
            await self._rows.later(item, pause_seconds(item.try_count))
            return None
        found = await self._searched(item) if item.try_count > 1 else None
        if found is None:
            await self._rows.failed(item, CALLED_OFF, "")
        return found

    async def _card(self, item: TopUp, customer: str) -> str:
        """Which card to charge, written down; empty: there is none."""
        settings, _ = await self._rows.settings(item.account_id)
        card = card_to_charge(settings, await self._stripe.cards(customer))
        if card is None:
            return ""
        return await self._rows.choose(item, card.id)

    async def _searched(self, item: TopUp) -> PaymentSnapshot | None:
        """The payment among those that Stripe lists."""
        since = int(item.created_at.timestamp()) - _SLACK_SECONDS
        async for snapshot in self._stripe.payments_since(since):
            if snapshot.metadata.get(OURS_KEY) == item.id.hex:
                return snapshot
        return None

    async def _learn(self, item: TopUp, snapshot: PaymentSnapshot) -> None:
        """End the charge if its fate is known, and its credits are booked if it was paid."""
        intent = snapshot.payment_intent
        match fate(snapshot):
            case Fate.FAILED:
                await self._rows.failed(item, snapshot.failure_code or NOT_PAID, intent)
            case Fate.PAID if await self._is_booked(intent):
                await self._rows.credited(item, intent)
            case _:
                await self._rows.later(item, pause_seconds(item.try_count), intent)

    async def _is_booked(self, intent: str) -> bool:
        try:
            return await self._book(intent)
        except (PaymentServiceUnavailable, PaymentRefused):
            return False


def _purchase(item: TopUp) -> Purchase:
    """What Stripe is told; the same every time, or it would refuse the key."""
    return Purchase(
        account_id=item.account_id,
        reference=item.id,
        origin=Origin.AUTO_TOP_UP,
        product=CUSTOM,
        price=cents(item.amount_micros),
        currency=CURRENCY.lower(),
        credited_micros=item.amount_micros,
    )
