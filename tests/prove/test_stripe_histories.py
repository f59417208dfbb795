"""Whatever happens at Stripe, on the way from it and on the way to it, the ledger ends the same."""

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import stripe

from billing.stripe_client import PaymentRefused, PaymentServiceUnavailable
from billing.stripe_objects import CheckoutOrder, Origin, Purchase
from simulator.stripe_cards import CARDS
from simulator.stripe_errors import StripeError
from simulator.stripe_faults import StripeFault
from simulator.stripe_webhooks import Chaos
from storage.embedded import EmbeddedPostgres
from tests.fix_postgres import database
from tests.paying import Till, open_till
from tests.prove_options import Counts

pytestmark = [
    pytest.mark.prove,
    # Stripe's client hands httpx bytes under a name that httpx is about to drop.
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]

HISTORIES = 500
HISTORIES_IN_CI = 60
GROUP = 10
"""Histories of one account of Stripe and one database."""
TRIES = 40
MICROS = 10_000
"""Of a cent."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripe's client waits hundredths of a second before it tries again, not seconds."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0.02)


@dataclass
class History:
    """What happens to one account, drawn from a seed."""

    till: Till
    account: UUID
    customer: str
    chance: random.Random
    spent: int = 0
    asked: dict[str, Purchase] = field(default_factory=dict)
    """Purchases by their reference: each is paid once at most."""
    happened: list[str] = field(default_factory=list)

    async def run(self) -> None:
        steps = [
            self.check_out,
            self.check_out,
            self.charge,
            self.refund,
            self.end_refund,
            self.dispute,
            self.end_dispute,
            self.spend,
            self.deliver,
            self.sweep,
            self.break_stripe,
        ]
        for step in [self.check_out, *self.chance.choices(steps, k=self.chance.randint(4, 14))]:
            self.happened.append(step.__name__)
            with contextlib.suppress(StripeError):  # it cannot be done now: not refundable
                await step()

    def purchase(self, origin: Origin) -> Purchase:
        cents = self.chance.choice([50, 99, 500, 1_000, 2_499, 9_999])
        micros = cents * MICROS + self.chance.choice([0, 0, 1, 333_333])
        made = Purchase(self.account, uuid4(), origin, "custom", cents, "usd", micros)
        self.asked[made.reference.hex] = made
        return made

    async def check_out(self) -> None:
        """Open a page, as often as it takes, and pay there or not."""
        purchase = self.purchase(Origin.CHECKOUT)
        expires = int(datetime.now(UTC).timestamp()) + 3_600
        page = "https://example.com/"
        order = CheckoutOrder(purchase, self.customer, "Credits", page, page, expires, True)
        self.break_creation("/v1/checkout/sessions")
        key = f"checkout-{purchase.reference}"
        for _ in range(TRIES):
            with contextlib.suppress(PaymentServiceUnavailable):
                made = await self.till.room.stripe.create_checkout(order, key)
                break
            key = f"{key[:45]}-{uuid4()}"  # an answer of 500 is repeated under its key for ever
        card = self.chance.choice(["visa", "visa", "disputed", "declined", "refund_fails", ""])
        if card:
            self.till.stripe.dashboard.pay(made.id, CARDS[card], is_genuine=True)

    async def charge(self) -> None:
        """Charge a saved card while its owner is away; ask again under the same key."""
        self.till.stripe.faults.clear()
        cards = await self.till.room.stripe.cards(self.customer)
        if not cards:
            return
        purchase = self.purchase(Origin.AUTO_TOP_UP)
        self.break_creation("/v1/payment_intents")
        for _ in range(self.chance.choice([1, 5])):
            try:
                await self.till.room.stripe.charge_card(
                    purchase, self.customer, cards[0].id, f"charge-{purchase.reference}"
                )
            except PaymentServiceUnavailable:
                continue
            except PaymentRefused:
                pass
            return

    def break_creation(self, path: str) -> None:
        kind = self.chance.choice(["", "", "", "reset", "reset", "hang", "status", "status"])
        if kind:
            self.till.stripe.faults.put(
                StripeFault(
                    kind,
                    path,
                    "POST",
                    status=self.chance.choice([409, 429, 500]),
                    done=self.chance.random() < 0.5,
                    times=self.chance.randint(1, 4),
                )
            )

    async def refund(self) -> None:
        paid = self.mine("payment_intent")
        if paid:
            one = self.chance.choice(paid)
            share = self.chance.choice([None, 1, 3, 7])
            amount = None if share is None else max(1, one["amount"] // share - 1)
            status = self.chance.choice([None, None, "pending"])
            self.till.stripe.dashboard.refund(one["id"], amount, status)

    async def end_refund(self) -> None:
        made = [
            each
            for each in self.till.stripe.books.all("refund")
            if each["payment_intent"] in {one["id"] for one in self.mine("payment_intent")}
        ]
        if made:
            one = self.chance.choice(made)
            if self.chance.random() < 0.5:
                self.till.stripe.dashboard.finish_refund(one["id"])
            else:
                self.till.stripe.dashboard.fail_refund(one["id"], "expired_or_canceled_card")

    async def dispute(self) -> None:
        if paid := self.mine("payment_intent"):
            one = self.chance.choice(paid)
            amount = self.chance.choice([None, None, 50])
            inquiry = self.chance.random() < 0.3
            self.till.stripe.dashboard.open_dispute(
                one["id"], amount, "fraudulent", is_inquiry=inquiry
            )

    async def end_dispute(self) -> None:
        mine = {one["id"] for one in self.mine("payment_intent")}
        made = [d for d in self.till.stripe.books.all("dispute") if d["payment_intent"] in mine]
        if made:
            one = self.chance.choice(made)["id"]
            self.till.stripe.dashboard.end_dispute(
                one, "won" if self.chance.random() < 0.5 else "lost"
            )

    async def spend(self) -> None:
        available = (await self.till.balance(self.account)).available_micros
        amount = self.chance.randint(0, available)
        if amount:
            await self.till.spend(self.account, amount)
            self.spent += amount

    async def deliver(self) -> None:
        await self.till.stripe.webhooks.drain(attempts=2, at_once=self.chance.choice([1, 4]))

    async def sweep(self) -> None:
        """While events come in."""
        with contextlib.suppress(PaymentServiceUnavailable, PaymentRefused):
            await asyncio.gather(self.till.room.sweep.run(3), self.deliver())

    async def break_stripe(self) -> None:
        """Stripe cannot be read for a while; or it is well again."""
        if self.chance.random() < 0.5:
            self.till.stripe.faults.clear()
        else:
            status = self.chance.choice([429, 500])
            self.till.stripe.faults.put(StripeFault("status", method="GET", status=status, times=9))

    def mine(self, kind: str) -> list[dict[str, Any]]:
        everything = self.till.stripe.books.all(kind)
        return [one for one in everything if one["customer"] == self.customer]

    async def check(self) -> None:
        """The balance is what Stripe has, less what was spent; no purchase was paid twice."""
        left = 0
        times = Counter[str]()
        for one in self.till.stripe.dashboard.ledger():
            if one["customer"] != self.customer or not one["paid"]:
                continue
            purchase = self.asked[one["metadata"]["reapi_reference"]]
            times[purchase.reference.hex] += 1
            assert one["paid"] == purchase.price
            back = min(one["refunded"] + one["withdrawn"], one["paid"])
            left += purchase.credited_micros - purchase.credited_micros * back // one["paid"]
        found = await self.till.balance(self.account)
        assert found.posted_micros - found.debt_micros == left - self.spent, self.happened
        assert found.available_micros >= 0
        assert found.debt_micros == 0 or found.available_micros == 0
        charged_twice = [
            reference
            for reference, count in times.items()
            if count > 1 and self.asked[reference].origin is Origin.AUTO_TOP_UP
        ]
        assert charged_twice == []


async def live(till: Till, seed: int) -> History:
    """One history, from its first checkout to a last sweep."""
    chance = random.Random(seed)
    account = await till.account()
    history = History(till, account, await till.customer(account), chance)
    till.stripe.webhooks.chaos = Chaos(
        seed=seed,
        lose=chance.choice([0, 0.2, 1]),
        duplicate=chance.choice([0, 0.5]),
        reorder=chance.choice([0, 0.8]),
        stale=0.1,
        forge=0.1,
    )
    await history.run()
    till.stripe.faults.clear()
    if chance.random() < 0.3:
        till.stripe.webhooks.forget()
    await till.stripe.webhooks.drain(at_once=4)
    await till.room.sweep.run(3)
    await history.check()
    return history


async def test_every_history_ends_with_the_ledger_that_stripe_has(
    postgres_server: EmbeddedPostgres, counts: Counts
) -> None:
    seeds = range(counts.reduced(HISTORIES, HISTORIES_IN_CI))
    for first in seeds[::GROUP]:
        with contextlib.contextmanager(database)(postgres_server, "reapi") as url:
            async with open_till(url, seconds=0.3) as till:
                lived = [await live(till, seed) for seed in seeds[first : first + GROUP]]
                assert await till.discrepancies() == []
                for history in lived:  # what came later changed nothing of it
                    await history.check()
                counted = till.stripe.webhooks.counts
                assert counted["stale_taken"] == counted["forged_taken"] == 0
                problems = {"customer_mismatch", "unreadable", "ledger_mismatch", "other_stripe"}
                assert problems.isdisjoint(till.oddities)
