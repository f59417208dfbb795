"""What a sweep finds after an outage, after weeks, and when Stripe's answers make no whole."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from billing.ledger import Balance
from billing.stripe_client import PaymentServiceUnavailable
from billing.stripe_objects import hint_of
from core.engine.payment_looks import Outcome
from core.engine.payment_sweep import PaymentSweep
from simulator.stripe_faults import StripeFault
from tests.paying import Till, open_till

# Stripe's client hands httpx bytes under a name that httpx is about to drop.
pytestmark = [
    pytest.mark.prove,
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]


@pytest.fixture
async def till(database_url: str) -> AsyncIterator[Till]:
    async with open_till(database_url) as opened:
        yield opened
        assert await opened.discrepancies() == []


@pytest.fixture
async def account(till: Till) -> UUID:
    return await till.account()


def sweep_in(till: Till, days: int) -> PaymentSweep:
    """The till's sweep, so many days from now."""
    room = till.room
    return PaymentSweep(
        *(room.stripe, room.payments, room.looks, till.told.append),
        lambda: datetime.now(UTC) + timedelta(days=days),
    )


async def completed(till: Till) -> bool:
    ((found,),) = await till.query("SELECT completed_at > 'epoch' FROM payment_sweep")
    return bool(found)


async def test_a_sweep_looks_back_to_the_last_one_that_completed(till: Till, account: UUID) -> None:
    assert await sweep_in(till, 0).turn(0) is not None
    intent = await till.checkout(account)
    till.stripe.webhooks.forget()

    report = await sweep_in(till, 5).turn(0)

    assert report is not None
    assert report.mended == 1
    assert await till.row(intent) == ("succeeded", 10_000_000, 0)


async def test_a_sweep_looks_back_no_more_than_ninety_days(till: Till, account: UUID) -> None:
    await till.checkout(account)

    report = await sweep_in(till, 91).turn(0)

    assert report is not None
    assert report.seen == 0


async def test_the_first_sweep_looks_back_ninety_days(till: Till, account: UUID) -> None:
    await till.checkout(account)

    report = await sweep_in(till, 89).turn(0)

    assert report is not None
    assert report.mended == 1


async def test_a_sweep_that_did_not_end_has_not_completed(till: Till, account: UUID) -> None:
    await till.checkout(account)
    till.stripe.faults.put(StripeFault("status", "/v1/checkout", "GET", status=401))

    with pytest.raises(PaymentServiceUnavailable):
        await sweep_in(till, 0).turn(0)

    assert not await completed(till)
    await sweep_in(till, 0).turn(0)
    assert await completed(till)


async def test_a_refund_that_fails_weeks_later_unheard_gives_its_credits_back(
    till: Till, account: UUID
) -> None:
    intent = await till.checkout(account)
    made = till.stripe.dashboard.refund(intent, None, "pending")
    await till.stripe.webhooks.drain()
    await sweep_in(till, 0).turn(0)
    assert await till.row(intent) == ("refunded", 10_000_000, 10_000_000)
    till.stripe.dashboard.fail_refund(made["id"], "expired_or_canceled_card")
    till.stripe.webhooks.forget()
    await till.execute("UPDATE payment_sweep SET completed_at = now() + interval '29 days'")

    await sweep_in(till, 30).turn(0)
    assert await till.balance(account) == Balance(0, 0)  # looked at today already
    await till.execute("UPDATE payment_sweep SET reviewed_at = now() - interval '1 day'")
    await till.execute("UPDATE payment_sweep SET completed_at = now() + interval '29 days'")
    await sweep_in(till, 30).turn(0)

    assert await till.balance(account) == Balance(10_000_000, 0)
    assert till.oddities == ["adjusted"]


@pytest.mark.parametrize("kind", ["charge.refund.updated", "refund.updated", "refund.failed"])
def test_an_event_of_a_refund_tells_of_its_payment(kind: str) -> None:
    refund = {"object": "refund", "id": "re_1", "payment_intent": "pi_1"}

    hint = hint_of({"id": "evt_1", "type": kind, "data": {"object": refund}})

    assert hint.payment_intent == "pi_1"


@pytest.mark.parametrize("path", ["/v1/refunds", "/v1/disputes", "/v1/checkout/sessions"])
async def test_only_the_payment_itself_can_be_gone(till: Till, account: UUID, path: str) -> None:
    intent = await till.checkout(account)
    await till.room.looks.look(intent)
    till.stripe.faults.put(StripeFault("status", path, "GET", status=404))

    with pytest.raises(PaymentServiceUnavailable):
        await till.room.looks.look(intent)

    assert await till.balance(account) == Balance(10_000_000, 0)
    till.stripe.faults.put(StripeFault("status", "/v1/payment_intents", "GET", status=404))
    assert (await till.room.looks.look(intent)).outcome is Outcome.BOOKED
    assert (await till.row(intent))[0] == "failed"


async def test_refunds_that_are_booked_are_not_looked_at_again(till: Till, account: UUID) -> None:
    room, intent = till.room, await till.checkout(account)
    made = till.stripe.dashboard.refund(intent, 500, None)
    assert await room.stripe.refunded_since(0, await room.payments.taking_since(0)) == (intent,)
    await room.looks.look(intent)

    booked = await room.payments.taking_since(0)

    assert booked == {made["id"]}
    assert await room.stripe.refunded_since(0, booked) == ()
    till.stripe.dashboard.fail_refund(made["id"], "expired_or_canceled_card")
    assert await room.stripe.refunded_since(0, booked) == (intent,)
    await room.looks.look(intent)
    assert await room.payments.taking_since(0) == set()


async def test_lists_are_read_to_their_last_page(
    till: Till, account: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    intents = {await till.checkout(account) for _ in range(4)}
    *refunded, contested = sorted(intents)
    for intent in refunded:
        till.stripe.dashboard.refund(intent, 500, None)
    till.stripe.dashboard.open_dispute(contested, None, "fraudulent", is_inquiry=False)
    monkeypatch.setattr("billing.stripe_client._PAGE", 1)

    listed = [found.payment_intent async for found in till.room.stripe.payments_since(0)]

    assert (len(listed), set(listed)) == (4, intents)
    assert set(await till.room.stripe.refunded_since(0)) == intents
