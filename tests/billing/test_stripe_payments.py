"""Payments at a simulated Stripe become credits, once, whatever is told of them and when."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
import pytest

from billing.ledger import Balance
from billing.payments import missing, purchase_of
from billing.payments_sql import BookPayment
from billing.stripe_client import PaymentRefused, PaymentServiceUnavailable, StripePayments
from billing.stripe_objects import EventHint, Origin, PaymentSnapshot, Purchase
from core.engine.payment_looks import Outcome, PaymentLooks
from core.engine.payment_sweep import PaymentSweep
from core.engine.rules import apply_rules
from simulator.stripe_faults import StripeFault
from storage.commits import Commit, Committed
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


async def test_a_checkout_that_was_paid_is_credited(till: Till, account: UUID) -> None:
    intent = await till.checkout(account)

    counts = await till.stripe.webhooks.drain()

    assert counts.keys() == {"delivered"}
    assert await till.balance(account) == Balance(10_000_000, 0)
    assert await till.row(intent) == ("succeeded", 10_000_000, 0)
    ((url, receipt, invoice, events),) = await till.query(
        "SELECT invoice_url, receipt_url, invoice_id, (SELECT count(*) FROM stripe_event)"
        " FROM payment"
    )
    assert b"http" not in bytes(url) + bytes(receipt)
    assert invoice.startswith("in_")
    assert events > 1


async def test_a_card_that_is_declined_credits_nothing(till: Till, account: UUID) -> None:
    intent = await till.checkout(account, card="insufficient_funds")
    await till.stripe.webhooks.drain()

    assert await till.balance(account) == Balance(0, 0)
    if intent:
        assert await till.row(intent) == ("failed", 0, 0)


async def test_events_sent_again_credit_nothing_more(till: Till, account: UUID) -> None:
    await till.checkout(account)
    await till.stripe.webhooks.drain()
    for event in till.stripe.books.all("event"):
        assert await till.stripe.webhooks.deliver(event) == 200

    assert await till.balance(account) == Balance(10_000_000, 0)


async def test_all_events_at_once_credit_once(till: Till, account: UUID) -> None:
    intent = await till.checkout(account)
    till.stripe.dashboard.refund(intent, 333, None)

    await asyncio.gather(*(till.room.looks.look(intent) for _ in range(8)))

    assert await till.balance(account) == Balance(6_670_000, 0)
    assert (await till.row(intent))[0] == "partially_refunded"


async def test_a_spent_payment_that_is_refunded_leaves_a_debt(till: Till, account: UUID) -> None:
    intent = await till.checkout(account)
    await till.stripe.webhooks.drain()
    await till.spend(account, 9_000_000)
    made = till.stripe.dashboard.refund(intent, None, "pending")
    await till.stripe.webhooks.drain()

    assert await till.balance(account) == Balance(0, 0, 9_000_000)
    till.stripe.dashboard.fail_refund(made["id"], "expired_or_canceled_card")
    await till.stripe.webhooks.drain()
    assert await till.balance(account) == Balance(1_000_000, 0)
    assert (await till.row(intent))[0] == "succeeded"


async def test_a_dispute_takes_and_gives_back(till: Till, account: UUID) -> None:
    intent = await till.checkout(account)
    dispute = till.stripe.dashboard.open_dispute(intent, None, "fraudulent", is_inquiry=False)
    await till.stripe.webhooks.drain()

    assert await till.balance(account) == Balance(0, 0)
    assert await till.row(intent) == ("disputed", 10_000_000, 10_000_000)
    till.stripe.dashboard.end_dispute(dispute["id"], "won")
    await till.stripe.webhooks.drain()
    assert await till.balance(account) == Balance(10_000_000, 0)
    assert await till.row(intent) == ("succeeded", 10_000_000, 0)


async def test_a_saved_card_is_charged_once_under_one_key(till: Till, account: UUID) -> None:
    await till.checkout(account)
    customer, stripe = await till.customer(account), till.room.stripe
    (card,) = await stripe.cards(customer)
    purchase = Purchase(account, uuid4(), Origin.AUTO_TOP_UP, "custom", 500, "usd", 5_000_000)
    till.stripe.faults.put(StripeFault("reset", "/v1/payment_intents", "POST", done=True))

    first = await stripe.charge_card(purchase, customer, card.id, "one")
    again = await stripe.charge_card(purchase, customer, card.id, "one")

    assert first.payment_intent == again.payment_intent
    await till.stripe.webhooks.drain()
    assert await till.balance(account) == Balance(15_000_000, 0)
    await stripe.detach_card(card.id)
    assert await stripe.cards(customer) == ()


async def test_a_key_that_was_used_for_another_card_tells_nothing_of_its_charge(
    till: Till, account: UUID
) -> None:
    await till.checkout(account)
    customer, stripe = await till.customer(account), till.room.stripe
    (card,) = await stripe.cards(customer)
    purchase = Purchase(account, uuid4(), Origin.AUTO_TOP_UP, "custom", 500, "usd", 5_000_000)
    await stripe.charge_card(purchase, customer, card.id, "one")

    with pytest.raises(PaymentServiceUnavailable):
        await stripe.charge_card(purchase, customer, "pm_another", "one")


async def test_a_saved_card_that_is_declined_says_why(till: Till, account: UUID) -> None:
    await till.checkout(account, card="authentication_always")
    customer, stripe = await till.customer(account), till.room.stripe
    (card,) = await stripe.cards(customer)
    purchase = Purchase(account, uuid4(), Origin.AUTO_TOP_UP, "custom", 500, "usd", 5_000_000)

    with pytest.raises(PaymentRefused) as refused:
        await stripe.charge_card(purchase, customer, card.id, "one")

    assert refused.value.code == "authentication_required"
    assert refused.value.__cause__ is None
    assert str(refused.value) == "authentication_required"


async def test_a_payment_of_another_customer_is_reported_and_not_booked(
    till: Till, account: UUID
) -> None:
    other = await till.account()
    await till.execute("DELETE FROM stripe_customer WHERE account_id = %s", account)
    customer = await till.customer(other)
    await till.execute("DELETE FROM stripe_customer WHERE account_id = %s", other)
    await till.execute(
        "INSERT INTO stripe_customer (account_id, customer_id) VALUES (%s, %s)", account, customer
    )
    intent = await till.checkout(account)
    await till.execute("UPDATE stripe_customer SET account_id = %s", other)

    look = await till.room.looks.look(intent)

    assert look.outcome is Outcome.PROBLEM
    assert till.oddities == ["customer_mismatch"]
    assert await till.balance(account) == await till.balance(other) == Balance(0, 0)


async def test_a_sweep_credits_what_no_event_told(till: Till, account: UUID) -> None:
    intent = await till.checkout(account)
    till.stripe.webhooks.forget()

    report = await till.room.sweep.run(3)
    again = await till.room.sweep.run(3)

    assert (report.seen, report.mended, report.problems) == (1, 1, 0)
    assert again.mended == 0
    assert till.oddities == ["charged_not_credited"]
    assert await till.row(intent) == ("succeeded", 10_000_000, 0)


async def test_a_sweep_takes_back_what_was_refunded_unheard(till: Till, account: UUID) -> None:
    intent = await till.checkout(account)
    await till.room.sweep.run(3)
    till.stripe.dashboard.refund(intent, 500, None)

    await till.room.sweep.run(3)

    assert till.oddities == ["charged_not_credited", "adjusted"]
    assert await till.row(intent) == ("partially_refunded", 10_000_000, 5_000_000)


class Refusing(StripePayments):
    """Will not tell of one payment."""

    refused = ""

    async def payment(self, payment_intent: str) -> PaymentSnapshot:
        if payment_intent == self.refused:
            raise PaymentRefused("lock_timeout")
        return await super().payment(payment_intent)


async def test_a_payment_that_cannot_be_read_keeps_a_sweep_from_no_other(
    till: Till, account: UUID
) -> None:
    first, second = sorted([await till.checkout(account), await till.checkout(account)])
    stripe = Refusing(till.settings)
    stripe.refused = first
    looks = PaymentLooks(stripe, till.room.payments, till.committer, till.told.append)
    sweep = PaymentSweep(
        stripe, till.room.payments, looks, till.told.append, lambda: datetime.now(UTC)
    )

    report = await sweep.run(3)
    await stripe.close()

    assert (report.mended, report.problems) == (1, 1)
    assert till.oddities == ["not_readable", "charged_not_credited"]
    assert await till.row(second) == ("succeeded", 10_000_000, 0)


async def book(till: Till, account: UUID, customer: str) -> str:
    """Credits for a payment that Stripe knows nothing of, as a forger or a defect would book it."""
    purchase = Purchase(account, uuid4(), Origin.CHECKOUT, "custom", 1_000, "usd", 10_000_000)
    forged = PaymentSnapshot(
        "pi_forged", customer, 1_000, 1_000, "usd", "succeeded", int(time.time())
    )
    decision = missing(forged, purchase, None)
    booking = BookPayment(uuid4(), decision, 0)
    verdict = await till.committer.commit(Commit((booking, *decision.parts())))
    assert isinstance(verdict, Committed)
    return forged.payment_intent


async def test_a_sweep_takes_back_credits_that_nobody_paid_for(till: Till, account: UUID) -> None:
    intent = await book(till, account, await till.customer(account))
    await till.spend(account, 4_000_000)

    await till.room.sweep.run(3)
    await till.room.sweep.run(3)

    assert till.oddities == ["credited_not_charged"]
    assert await till.balance(account) == Balance(0, 0, 4_000_000)
    assert await till.row(intent) == ("failed", 10_000_000, 10_000_000)


async def test_nothing_is_taken_when_another_stripe_account_is_configured(
    till: Till, account: UUID
) -> None:
    await book(till, account, "cus_at_another_stripe")

    report = await till.room.sweep.run(3)

    assert report.problems == 1
    assert till.oddities == ["other_stripe"]
    assert await till.balance(account) == Balance(10_000_000, 0)


class Overtaken(StripePayments):
    """Reads a payment at Stripe, and lets something happen before the reader goes on, once."""

    def __init__(self, till: Till, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__(till.settings)
        self._meanwhile: Callable[[], Awaitable[object]] | None = meanwhile

    async def payment(self, payment_intent: str) -> PaymentSnapshot:
        found = await super().payment(payment_intent)
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return found


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("seen_later", ["more", "less", "the same"])
async def test_a_look_that_was_overtaken_looks_again(
    till: Till, account: UUID, seen_later: str, *, known: bool
) -> None:
    intent = await till.checkout(account)
    if known:
        await till.room.looks.look(intent)
    less = await till.room.stripe.payment(intent)

    async def meanwhile() -> None:
        if seen_later == "more":
            till.stripe.dashboard.refund(intent, 500, None)
            await till.room.looks.look(intent)
        elif seen_later == "the same":
            await till.room.looks.look(intent)
        else:  # its answer from Stripe is older than ours, and it is booked first
            booked, purchase = await till.room.payments.booked(intent), purchase_of(less)
            assert isinstance(purchase, Purchase)
            decision = missing(less, purchase, booked)
            part = BookPayment(uuid4(), decision, 0 if booked is None else booked.version)
            await till.committer.commit(Commit((part, *decision.parts())))

    if seen_later == "less":
        till.stripe.dashboard.refund(intent, 500, None)
    stripe = Overtaken(till, meanwhile)
    event = EventHint("evt_1", "charge.refunded", intent)
    looks = PaymentLooks(stripe, till.room.payments, till.committer, till.told.append)

    assert (await looks.look(intent, event)).outcome is Outcome.BOOKED
    await stripe.close()

    left = 10_000_000 if seen_later == "the same" else 5_000_000
    assert await till.balance(account) == Balance(left, 0)
    assert await till.room.payments.has_applied("evt_1")


async def test_a_booking_that_is_sent_again_is_recognised(till: Till, account: UUID) -> None:
    intent = await till.checkout(account)
    snapshot = await till.room.stripe.payment(intent)
    purchase = purchase_of(snapshot)
    assert isinstance(purchase, Purchase)
    decision = missing(snapshot, purchase, None)
    commit = Commit((BookPayment(uuid4(), decision, 0), *decision.parts()))

    first, again = await till.committer.commit(commit), await till.committer.commit(commit)

    assert isinstance(first, Committed)
    assert isinstance(again, Committed)
    assert again.resent
    assert await till.balance(account) == Balance(10_000_000, 0)


async def test_one_process_sweeps_at_a_time(till: Till) -> None:
    payments = till.room.payments

    claimed = await asyncio.gather(*(payments.claim_sweep(600) for _ in range(4)))

    assert sorted(turn is not None for turn in claimed) == [False, False, False, True]
    assert not await payments.claim_sweep(600)
    assert await payments.claim_sweep(0)


async def test_payments_cannot_be_removed_for_seven_years(till: Till, account: UUID) -> None:
    intent = await till.checkout(account)
    till.stripe.dashboard.refund(intent, 300, None)
    await till.stripe.webhooks.drain()

    for statement in (
        "DELETE FROM payment",
        "TRUNCATE payment CASCADE",
        "DELETE FROM payment_adjustment",
        "UPDATE payment_adjustment SET credits_micros = 0",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            await till.execute(statement)
    for change in ("clawed_back_micros = credited_micros + 1", "refunded_micros = paid_micros"):
        with pytest.raises(psycopg.errors.CheckViolation):
            await till.execute(f"UPDATE payment SET {change}")


async def test_what_is_old_enough_is_forgotten(till: Till, account: UUID) -> None:
    intent = await till.checkout(account)
    till.stripe.dashboard.refund(intent, None, None)
    await till.stripe.webhooks.drain()
    now = datetime.now(UTC)

    await apply_rules(till.pool, now)
    assert (await till.row(intent))[0] == "refunded"
    await till.execute("UPDATE payment SET created_at = created_at - interval '8 years'")
    await till.execute("UPDATE stripe_event SET applied_at = applied_at - interval '31 days'")
    await apply_rules(till.pool, now)

    left = "SELECT 1 FROM payment, payment_adjustment UNION ALL SELECT 1 FROM stripe_event"
    assert await till.query(left) == []
    found = [what for what, _ in await till.discrepancies()]
    assert found == ["credit without payment", "clawback without adjustment"]
    await till.execute("DROP VIEW payment_discrepancy")  # the ledger is as young as it was
    await till.execute("CREATE VIEW payment_discrepancy AS SELECT '' AS what, 0 AS off_by LIMIT 0")


@pytest.mark.parametrize("status", [401, 409, 429, 500])
async def test_stripe_that_cannot_answer_is_away(till: Till, account: UUID, status: int) -> None:
    till.stripe.faults.put(StripeFault("status", status=status, times=None))

    with pytest.raises(PaymentServiceUnavailable) as away:
        await till.room.stripe.knows_customer("cus_1")

    assert str(away.value) == ""
