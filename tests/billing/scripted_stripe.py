"""Stripe as far as top-ups speak to it, in memory: remembers keys, loses answers, declines cards."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from billing.stripe_client import PaymentRefused, PaymentServiceUnavailable
from billing.stripe_objects import (
    CardSnapshot,
    CheckoutOrder,
    CheckoutSnapshot,
    PaymentSnapshot,
    Purchase,
)


@dataclass
class ScriptedStripe:
    """A double of `StripePayments`."""

    lose: int = 0
    """How many answers are lost from now on; what was asked for happens all the same."""
    away: int = 0
    """How many questions do not arrive."""
    stuck: bool = False
    """Whether charges fail with an answer that is repeated for the same key."""
    decline: str = ""
    outcome: str = "succeeded"
    cards_of: dict[str, list[CardSnapshot]] = field(default_factory=dict)
    customers: list[str] = field(default_factory=list)
    charges: list[PaymentSnapshot] = field(default_factory=list)
    pages: list[CheckoutSnapshot] = field(default_factory=list)
    keys: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def create_customer(self, account_id: UUID, idempotency_key: str) -> str:
        await self._arrive()
        made = self.keys.setdefault(idempotency_key, f"cus_{next(self.numbers)}")
        if made not in self.customers:
            self.customers.append(made)
            self.cards_of[made] = [CardSnapshot("pm_1", "visa", "4242", 12, 2031, made)]
        return await self._answered(made)

    async def cards(self, customer: str) -> tuple[CardSnapshot, ...]:
        return tuple(self.cards_of[customer])

    async def create_checkout(self, order: CheckoutOrder, idempotency_key: str) -> CheckoutSnapshot:
        await self._arrive()
        if idempotency_key not in self.keys:
            id_ = f"cs_{next(self.numbers)}"
            url = f"https://pay.test/{id_}"
            page = CheckoutSnapshot(id_, url, "open", "unpaid", "", order.expires_at)
            self.pages.append(page)
            self.keys[idempotency_key] = page
        return await self._answered(self.keys[idempotency_key])

    async def checkout(self, session: str) -> CheckoutSnapshot:
        return next(page for page in self.pages if page.id == session)

    async def charge_card(
        self, purchase: Purchase, customer: str, payment_method: str, idempotency_key: str
    ) -> PaymentSnapshot:
        self.asked.append(idempotency_key)
        await self._arrive()
        if self.stuck:
            raise PaymentServiceUnavailable
        if self.decline:
            raise PaymentRefused(self.decline, "pi_declined")
        if idempotency_key not in self.keys:
            self.keys[idempotency_key] = self.charge(purchase, customer)
        return await self._answered(self.keys[idempotency_key])

    def charge(self, purchase: Purchase, customer: str) -> PaymentSnapshot:
        """What Stripe does when it charges a card."""
        received = purchase.price if self.outcome == "succeeded" else 0
        made = PaymentSnapshot(
            f"pi_{next(self.numbers)}",
            customer,
            purchase.price,
            received,
            purchase.currency,
            self.outcome,
            int(time.time()),
            purchase.metadata(),
        )
        self.charges.append(made)
        return made

    def settle(self, number: int) -> None:
        """The bank says yes to what was processing."""
        charge = self.charges[number]
        self.charges[number] = replace(charge, status="succeeded", amount_received=charge.amount)

    async def payment(self, payment_intent: str) -> PaymentSnapshot:
        return next(c for c in self.charges if c.payment_intent == payment_intent)

    async def payments_since(self, since: int) -> AsyncIterator[PaymentSnapshot]:
        for charge in self.charges:
            yield charge

    async def _arrive(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise PaymentServiceUnavailable

    async def _answered(self, answer: Any) -> Any:
        await asyncio.sleep(0)
        if self.lose:
            self.lose -= 1
            raise PaymentServiceUnavailable
        return answer
