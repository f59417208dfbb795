"""A till: a simulated Stripe account, and what of the gateway hears of payments, over real HTTP."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from billing.ledger import Balance, Hold, Settle
from billing.ledger_sql import Balances, LedgerSql
from billing.stripe_client import StripeSettings
from billing.stripe_objects import CheckoutOrder, Origin, Purchase
from core.caller import Caller
from core.engine.payment_room import PaymentRoom, open_payment_room, payment_rows
from core.interceptors import Boundary
from core.keyring import Keyring
from core.local.channel import LocalChannel
from core.local.server import LocalServer
from core.log import Event, PaymentOdd
from core.services.register import Services
from core.services.stripe_events import StripeEvents
from rest_bridge.app import create_app
from rest_bridge.server import HttpLimits, HttpServer
from rest_bridge.settings import BridgeSettings
from simulator.stripe import FakeStripe
from simulator.stripe_cards import CARDS
from simulator.stripe_webhooks import Endpoint
from storage.commits import Commit, Committed
from storage.committer import Committer
from storage.pool import Pool, open_pool
from storage.transaction import Participant

SECRET_KEY = "sk_test_till"
WEBHOOK_SECRET = "whsec_till"


class _Nobody:
    """Lets nobody in: what is tested needs no credential."""

    async def authenticate(self, token: str) -> Caller:
        raise AssertionError("nobody is asked for a credential")


@dataclass
class Till:
    """Stripe, the gateway's half, and levers of both."""

    stripe: FakeStripe
    settings: StripeSettings
    room: PaymentRoom
    pool: Pool
    committer: Committer
    url: str
    """Of the bridge."""
    told: list[Event] = field(default_factory=list)

    @property
    def oddities(self) -> list[str]:
        return [event.oddity for event in self.told if isinstance(event, PaymentOdd)]

    async def account(self) -> UUID:
        """An account that is a customer of Stripe."""
        made = uuid4()
        await self.execute("INSERT INTO account (account_id, name) VALUES (%s, 'test')", made)
        customer = await self.room.stripe.create_customer(made, f"customer-{made}")
        await self.execute(
            "INSERT INTO stripe_customer (account_id, customer_id) VALUES (%s, %s)", made, customer
        )
        return made

    async def customer(self, account_id: UUID) -> str:
        ((found,),) = await self.query(
            "SELECT customer_id FROM stripe_customer WHERE account_id = %s", account_id
        )
        return str(found)

    async def checkout(
        self, account_id: UUID, cents: int = 1_000, micros: int = 10_000_000, card: str = "visa"
    ) -> str:
        """Buy on a page; gives the payment intent, or nothing where the card says no."""
        purchase = Purchase(account_id, uuid4(), Origin.CHECKOUT, "custom", cents, "usd", micros)
        order = CheckoutOrder(
            purchase,
            await self.customer(account_id),
            "Credits",
            "https://example.com/ok",
            "https://example.com/no",
            int(datetime.now(UTC).timestamp()) + 3_600,
            saves_card=True,
        )
        made = await self.room.stripe.create_checkout(order, f"checkout-{purchase.reference}")
        self.stripe.dashboard.pay(made.id, CARDS[card], is_genuine=True)
        return (await self.room.stripe.checkout(made.id)).payment_intent

    async def balance(self, account_id: UUID) -> Balance:
        found = await Balances(self.pool).balance(account_id)
        assert found is not None
        return found

    async def spend(self, account_id: UUID, micros: int) -> None:
        hold = Hold(uuid4(), account_id, micros)
        for part in (hold, Settle(uuid4(), account_id, hold.transfer_id, micros)):
            assert isinstance(await self.committer.commit(Commit((part,))), Committed)

    async def row(self, payment_intent: str) -> tuple[Any, ...]:
        """State, credited and clawed back."""
        (found,) = await self.query(
            "SELECT state, credited_micros, clawed_back_micros FROM payment"
            " WHERE payment_intent = %s",
            payment_intent,
        )
        return tuple(found)

    async def discrepancies(self) -> list[Any]:
        """Of the ledger in itself, and between it and the payments."""
        return [
            *await self.query("SELECT what, off_by FROM ledger_discrepancy"),
            *await self.query("SELECT what, off_by FROM payment_discrepancy"),
        ]

    async def query(self, statement: str, *values: Any) -> list[Any]:
        async with self.pool.connection() as connection:
            return await (await connection.execute(statement, values)).fetchall()

    async def execute(self, statement: str, *values: Any) -> None:
        async with self.pool.connection() as connection:
            await connection.execute(statement, values)


@asynccontextmanager
async def open_till(database_url: str, seconds: float = 10.0) -> AsyncIterator[Till]:
    """Everything open, events held until they are drained; Stripe has *seconds* for an answer."""
    keyring, told = Keyring([bytes(32)]), list[Event]()
    async with AsyncExitStack() as stack:
        stripe = await stack.enter_async_context(FakeStripe(SECRET_KEY))
        pool = await stack.enter_async_context(open_pool(database_url, name="till"))
        participants: list[Participant] = [LedgerSql(), payment_rows(keyring)]
        committer = await stack.enter_async_context(Committer(database_url, participants))
        settings = StripeSettings(SECRET_KEY, ("whsec_old", WEBHOOK_SECRET), stripe.url, seconds)
        room = await stack.enter_async_context(
            open_payment_room(settings, pool, committer, told.append)
        )
        server = LocalServer([Boundary(_Nobody(), told.append, "ra_nobody")])
        events = StripeEvents(room.stripe, room.payments, room.looks)
        Services(BillingService=events).register(server)
        stack.push_async_callback(server.stop, None)
        channel = await stack.enter_async_context(LocalChannel(server))
        app = create_app(channel, BridgeSettings())
        http = HttpServer(app, "127.0.0.1", 0, HttpLimits(drain_idle_seconds=0.0), early=app.early)
        await http.start()
        stack.push_async_callback(http.stop, 1.0)
        url = f"http://127.0.0.1:{http.port}"
        endpoint = Endpoint(f"{url}/webhooks/stripe", (WEBHOOK_SECRET,), is_held=True)
        stripe.webhooks.configure(endpoint)
        yield Till(stripe, settings, room, pool, committer, url, told)
