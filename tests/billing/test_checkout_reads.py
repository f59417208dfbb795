"""GetCheckoutSession: Stripe is asked now and then, and the reader hears the same in between."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from billing.checkout import Checkout, CheckoutState
from billing.stripe_client import PaymentServiceUnavailable
from billing.stripe_objects import CheckoutSnapshot
from core.caller import Caller, enter_call
from core.engine.repeats import Repeats
from core.errors import GatewayError
from core.keyring import Keyring
from core.services.payments import LOOK_SECONDS, PaymentCalls, Till
from reapi.v1 import billing_pb2 as resource
from reapi.v1 import billing_service_pb2 as pb
from tests.fix_core import catalogue

NOON = datetime(2031, 5, 17, 12, tzinfo=UTC)
PAGE = CheckoutSnapshot("cs_1", "https://pay.test/cs_1", "open", "unpaid", "", 0)
MONEY = (5_000_000, 5_000_000)


@dataclass
class Shop:
    """Checkouts that are all open, over a Stripe that counts what it is asked."""

    away: bool = False
    asked: list[UUID] = field(default_factory=list)

    async def get(self, account_id: UUID, id_: UUID) -> Checkout:
        words = (False, CheckoutState.OPEN, "starter", "5,000 credits", "cs_1")
        return Checkout(account_id, id_, uuid4(), NOON, NOON, *MONEY, *words)

    async def page(self, checkout: Checkout) -> CheckoutSnapshot:
        self.asked.append(checkout.id)
        if self.away:
            raise PaymentServiceUnavailable
        return PAGE

    async def of_reference(self, account_id: UUID, reference: UUID) -> None:
        """Nothing was paid yet."""


async def test_stripe_is_asked_about_an_open_checkout_once_in_two_seconds() -> None:
    enter_call(Caller(uuid4(), uuid4()), "")
    shop, now = Shop(), [100.0]
    double: Any = shop
    till = Till(double, double, "https://gateway.test", ())
    calls = PaymentCalls(catalogue(), double, Repeats(Keyring((bytes(32),))), till, lambda: now[0])
    one, other = uuid4(), uuid4()

    async def read(id_: UUID) -> tuple[str, int]:
        request = pb.GetCheckoutSessionRequest(name=f"checkout_sessions/{id_.hex}")
        context: Any = None
        found = (await calls.GetCheckoutSession(request, context)).checkout_session
        return found.uri, found.state

    told = {await read(one) for _ in range(5)}
    assert told == {(PAGE.url, resource.CheckoutSession.STATE_OPEN)}
    assert shop.asked == [one]
    await read(other)
    now[0] += LOOK_SECONDS
    shop.away = True
    with pytest.raises(GatewayError):
        await read(one)
    assert await read(one) in told, "as it was, while it is not asked again"
    assert shop.asked == [one, other, one]
