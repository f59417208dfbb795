"""Stripe's own client at a simulated account, and a check of objects against its typed classes."""

import inspect
import types
import typing
from typing import Any

import stripe

from simulator.stripe import FakeStripe
from simulator.stripe_cards import CARDS

SECRET_KEY = "sk_test_0123456789abcdef"
WEBHOOK_SECRET = "whsec_0123456789abcdef"
# httpx deprecates how Stripe's client hands it a body.
WARNED = "ignore:Use 'content=:DeprecationWarning"
UNTYPED = {"StripeObject", "UntypedStripeObject", "ListObject"}


class Shop:
    """A gateway's view of Stripe (`v1`), and the hand that pays, refunds and disputes there."""

    def __init__(self, fake: FakeStripe) -> None:
        self.fake = fake
        self.http = stripe.HTTPXClient(timeout=5)
        self.client = stripe.StripeClient(
            SECRET_KEY,
            base_addresses={"api": fake.url},
            http_client=self.http,
            max_network_retries=0,
        )
        self.v1 = self.client.v1

    async def customer(self, **more: Any) -> stripe.Customer:
        asked: Any = {"email": "a@example.com", **more}
        return await self.v1.customers.create_async(asked)

    async def session(self, cents: int = 1_000, **more: Any) -> stripe.checkout.Session:
        price = {"currency": "usd", "unit_amount": cents, "product_data": {"name": "Credits"}}
        asked: Any = {
            "mode": "payment",
            "success_url": "http://127.0.0.1/done?session={CHECKOUT_SESSION_ID}&ok=1",
            "cancel_url": "http://127.0.0.1/cancelled",
            "line_items": [{"price_data": price, "quantity": 1}],
            **more,
        }
        return await self.v1.checkout.sessions.create_async(asked)

    async def saved(self, card: str = "visa") -> tuple[stripe.Customer, stripe.PaymentMethod]:
        """A customer with a saved card."""
        customer = await self.customer()
        method = await self.v1.payment_methods.attach_async(
            CARDS[card].token, {"customer": customer.id}
        )
        return customer, method

    async def paid(self, cents: int = 1_000, card: str = "visa", **more: Any) -> Any:
        """A payment intent that succeeded through checkout."""
        session = await self.session(cents, **more)
        assert self.fake.dashboard.pay(session.id, CARDS[card]).status == "complete"
        session = await self.v1.checkout.sessions.retrieve_async(
            session.id, {"expand": ["payment_intent.latest_charge"]}
        )
        return session.payment_intent

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        found = self.fake.books.all("event")
        return [each for each in found if not kinds or each["type"] in kinds]

    def kinds(self) -> list[str]:
        return [each["type"] for each in self.events()]


def misshapen(thing: Any, path: str = "") -> list[str]:
    """What is wrong with an object's members by its class in the `stripe` package."""
    cls = type(thing)
    if isinstance(thing, stripe.ListObject):
        return [
            one for at, each in enumerate(thing.data) for one in misshapen(each, f"{path}[{at}]")
        ]
    path = path or cls.__name__
    known = {
        name: kind
        for name, kind in _annotations(cls).items()
        if not name.isupper() and name[0] != "_"
    }
    if cls.__name__ in UNTYPED or not known:
        return []
    given = set(thing._data)
    wrong = [f"{path}.{name} is not Stripe's" for name in given - known.keys()]
    wrong += [
        f"{path}.{name} is missing"
        for name, kind in known.items()
        if name not in given and not _is_optional(kind)
    ]
    for name in given & known.keys():
        value = thing[name]
        if value is None and not _is_optional(known[name]):
            wrong.append(f"{path}.{name} is null")
        for at, each in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(each, stripe.StripeObject):
                wrong += misshapen(each, f"{path}.{name}{at or ''}")
            elif isinstance(each, dict):
                wrong.append(f"{path}.{name} has no class")
    return wrong


def _annotations(cls: type) -> dict[str, Any]:
    return {
        k: v for each in reversed(cls.__mro__) for k, v in inspect.get_annotations(each).items()
    }


def _is_optional(kind: Any) -> bool:
    is_union = typing.get_origin(kind) in {typing.Union, types.UnionType}
    return is_union and type(None) in typing.get_args(kind)
