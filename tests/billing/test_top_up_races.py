"""Auto-top-up over PostgreSQL: whatever happens at once, one charge at a time, and its credits once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio

from billing.auto_top_up import CALLED_OFF, RETURNED, AutoTopUp
from billing.auto_top_up_sql import AutoTopUps
from billing.customers import Customers
from billing.ledger import Clawback
from billing.ledger_sql import Balances, LedgerSql
from billing.payments_sql import Payments, PaymentsSql
from billing.stripe_objects import Origin, Purchase
from billing.top_up_runner import TopUpRunner
from core.engine.payment_looks import PaymentLooks
from core.keyring import Keyring
from core.sealing import Sealer
from storage.commits import Commit
from storage.committer import Committer
from storage.pool import Pool, open_pool
from tests.billing.scripted_stripe import ScriptedStripe

AMOUNT = 5_000_000
SEALER = Sealer(Keyring((bytes(32),)), "payment")


@dataclass
class Shop:
    """An account with a saved card, and processes that look after it."""

    pool: Pool
    committer: Committer
    stripe: Any
    account_id: UUID
    now: datetime
    has_payments: bool = True
    """Whether all that came and went was paid."""

    def runner(self) -> TopUpRunner:
        looks = PaymentLooks(self.stripe, Payments(self.pool), self.committer, lambda _: None)

        async def book(intent: str) -> bool:
            look = await looks.look(intent)
            return look.decision is not None and look.decision.row.credited_micros > 0

        customers = Customers(self.pool, self.stripe, lambda: self.now)
        return TopUpRunner(AutoTopUps(self.pool), self.stripe, customers, book)

    async def run(self, processes: int = 1) -> None:
        await asyncio.gather(*(self.runner().run() for _ in range(processes)))

    async def set(self, **settings: Any) -> None:
        on = AutoTopUp(
            enabled_at=datetime.now(UTC),
            threshold_micros=1_000_000,
            amount_micros=AMOUNT,
            monthly_limit_micros=100 * AMOUNT,
        )

        async def decide(_connection: Any, _old: AutoTopUp, now: datetime) -> AutoTopUp:
            return replace(on, **{"enabled_at": now, **settings})

        await AutoTopUps(self.pool).change(self.account_id, decide)

    async def settings(self) -> AutoTopUp:
        return (await AutoTopUps(self.pool).settings(self.account_id))[0]

    async def posted(self) -> int:
        found = await Balances(self.pool).balance(self.account_id)
        assert found is not None
        return found.posted_micros

    async def query(self, text: str, *values: Any) -> list[Any]:
        async with self.pool.connection() as connection:
            return await (await connection.execute(text, values)).fetchall()

    async def states(self) -> list[str]:
        return [row[0] for row in await self.query("SELECT state FROM top_up ORDER BY created_at")]

    async def hurry(self) -> None:
        """Every pause is over."""
        await self.query(
            "UPDATE top_up SET next_try_at = now() WHERE state = 'pending' RETURNING 1"
        )

    async def eleven_minutes_pass(self) -> None:
        await self.query("UPDATE top_up SET asked_at = asked_at - interval '11 min' RETURNING 1")
        await self.hurry()

    async def a_minute_passes(self) -> None:
        await self.query("UPDATE top_up SET minute = minute - 1 RETURNING 1")


@pytest_asyncio.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(database_url, name="test"))
        committer = await stack.enter_async_context(
            Committer(database_url, [LedgerSql(), PaymentsSql(SEALER)])
        )
        account_id, stripe = uuid4(), ScriptedStripe()
        made = Shop(pool, committer, stripe, account_id, datetime.now(UTC))
        await made.query(
            "INSERT INTO account (account_id, name) VALUES (%s, 'test') RETURNING 1", account_id
        )
        await Customers(pool, stripe, lambda: made.now).made(account_id)
        yield made
        assert await made.query("SELECT * FROM ledger_discrepancy") == []
        if made.has_payments:
            assert await made.query("SELECT * FROM payment_discrepancy") == []


async def test_many_processes_that_find_an_account_low_charge_its_card_once(shop) -> None:
    await shop.set(threshold_micros=100 * AMOUNT)  # it stays low, whatever is bought

    for _ in range(4):
        await shop.run(processes=6)

    minutes = len(await shop.query("SELECT DISTINCT minute FROM top_up"))
    assert minutes in {1, 2}, "one charge in a minute of the clock, which may have turned meanwhile"
    assert len(shop.stripe.charges) == minutes
    assert await shop.states() == ["credited"] * minutes
    assert await shop.posted() == AMOUNT * minutes


async def test_the_next_minute_may_buy_again_and_the_month_ends_it(shop) -> None:
    await shop.set(threshold_micros=100 * AMOUNT, monthly_limit_micros=3 * AMOUNT + 10_000)

    for _ in range(6):
        await shop.run(processes=2)
        await shop.a_minute_passes()

    assert await shop.posted() == 3 * AMOUNT
    _, month = await AutoTopUps(shop.pool).settings(shop.account_id)
    assert month == 3 * AMOUNT


async def test_a_lost_answer_is_asked_for_again_under_the_same_key_and_paid_once(shop) -> None:
    await shop.set()
    shop.stripe.lose = 3

    for _ in range(5):
        await shop.run(processes=2)
        await shop.hurry()

    assert len(set(shop.stripe.asked)) == 1 < len(shop.stripe.asked)
    assert len(shop.stripe.charges) == 1
    assert (await shop.states(), await shop.posted()) == (["credited"], AMOUNT)


async def test_while_its_fate_is_unknown_no_other_charge_begins(shop) -> None:
    await shop.set()
    shop.stripe.away = 2

    await shop.run()
    await shop.a_minute_passes()
    await shop.hurry()
    await shop.run()

    assert (await shop.states(), shop.stripe.charges) == (["pending"], [])
    await shop.hurry()
    await shop.run()
    assert (await shop.states(), await shop.posted()) == (["credited"], AMOUNT)


async def test_a_declined_card_turns_it_off_until_it_is_turned_on_again(shop) -> None:
    await shop.set()
    shop.stripe.decline = "insufficient_funds"

    for _ in range(3):
        await shop.run(processes=3)
        await shop.a_minute_passes()

    off = await shop.settings()
    assert (off.enabled_at, off.failure_code) == (None, "insufficient_funds")
    assert len(shop.stripe.asked) == 1
    shop.stripe.decline = ""
    await shop.set()
    await shop.run()
    assert (await shop.states(), await shop.posted()) == (["failed", "credited"], AMOUNT)


async def test_an_old_failure_does_not_turn_off_what_was_turned_on_since(shop) -> None:
    await shop.set()
    shop.stripe.away = 1
    await shop.run()
    shop.stripe.decline = "card_declined"
    await shop.set()
    await shop.hurry()
    await shop.run()

    assert await shop.states() == ["failed"]
    assert (await shop.settings()).enabled_at is not None


async def test_what_the_bank_takes_time_for_is_waited_for(shop) -> None:
    await shop.set()
    shop.stripe.outcome = "processing"
    for _ in range(3):
        await shop.run()
        await shop.hurry()
    assert (await shop.states(), await shop.posted()) == (["pending"], 0)

    shop.stripe.settle(0)
    await shop.run()

    assert (await shop.states(), await shop.posted()) == (["credited"], AMOUNT)
    assert len(shop.stripe.asked) == 1


async def test_an_answer_that_repeats_is_given_up_for_another_key_if_nothing_was_paid(shop) -> None:
    await shop.set()
    shop.stripe.stuck = True
    await shop.run()
    await shop.eleven_minutes_pass()
    await shop.run()
    shop.stripe.stuck = False
    await shop.hurry()
    await shop.run()

    assert len(set(shop.stripe.asked)) == 2
    assert (await shop.states(), await shop.posted()) == (["credited"], AMOUNT)


async def test_a_payment_that_stripe_lists_is_taken_for_ours_instead_of_paying_again(shop) -> None:
    await shop.set()
    shop.stripe.stuck = True
    await shop.run()
    ((id_,),) = await shop.query("SELECT id FROM top_up")
    bought = Purchase(shop.account_id, id_, Origin.AUTO_TOP_UP, "custom", 500, "usd", AMOUNT)
    shop.stripe.charge(bought, shop.stripe.customers[0])
    await shop.eleven_minutes_pass()
    await shop.run()

    assert len(shop.stripe.charges) == 1 == len(set(shop.stripe.asked))
    assert (await shop.states(), await shop.posted()) == (["credited"], AMOUNT)


async def test_without_a_card_it_is_turned_off(shop) -> None:
    await shop.set()
    shop.stripe.cards_of[shop.stripe.customers[0]] = []

    await shop.run()

    assert (await shop.settings()).failure_code == "no_payment_method"
    assert await shop.states() == ["failed"]


async def test_an_account_in_debt_is_never_charged_by_itself(shop) -> None:
    await shop.committer.commit(Commit((Clawback(uuid4(), shop.account_id, 7),)))
    await shop.set()

    await shop.run()

    assert await shop.states() == []
    shop.has_payments = False


async def test_a_suspended_account_is_never_charged(shop) -> None:
    await shop.query("UPDATE account SET suspended_at = now() RETURNING 1")
    await shop.set()

    await shop.run()

    assert (await shop.states(), shop.stripe.asked) == ([], [])


OVER = [
    "UPDATE auto_top_up SET enabled_at = NULL RETURNING 1",
    "UPDATE account SET suspended_at = now() RETURNING 1",
]
"""Why nothing may be charged any more."""


@pytest.mark.parametrize("over", OVER)
async def test_a_charge_that_waits_for_stripe_is_called_off_with_its_reason(shop, over) -> None:
    await shop.set()
    shop.stripe.away = 1
    await shop.run()
    await shop.query(over)
    for _ in range(3):
        await shop.hurry()
        await shop.run()
    await shop.eleven_minutes_pass()
    await shop.run()

    assert shop.stripe.charges == []
    assert await shop.states() == ["failed"]
    assert await shop.query("SELECT failure_code FROM top_up") == [(CALLED_OFF,)]


async def test_a_charge_that_was_never_asked_for_is_called_off_at_once(shop) -> None:
    await shop.set()
    await AutoTopUps(shop.pool).begin_due()
    await shop.query(OVER[0])

    await shop.run()

    assert (shop.stripe.asked, await shop.states()) == ([], ["failed"])


async def test_a_charge_that_was_paid_before_it_was_turned_off_is_credited(shop) -> None:
    await shop.set()
    shop.stripe.lose = 1
    await shop.run()
    await shop.query(OVER[0])
    for _ in range(2):
        await shop.hurry()
        await shop.run()
    assert len(shop.stripe.asked) == 1
    await shop.eleven_minutes_pass()
    await shop.run()

    assert (await shop.states(), await shop.posted()) == (["credited"], AMOUNT)


async def test_of_two_that_choose_a_card_the_second_charges_the_first_ones(shop) -> None:
    await shop.set()
    rows = AutoTopUps(shop.pool)
    await rows.begin_due()
    (item,) = await rows.claim(1)

    assert await rows.choose(item, "pm_1") == "pm_1"
    assert await rows.choose(item, "pm_2") == "pm_1"


async def test_a_payment_that_went_back_since_turns_it_off(shop) -> None:
    await shop.set()
    await shop.run()
    ((payment,),) = await shop.query("SELECT id FROM payment")
    await shop.query(
        "INSERT INTO payment_adjustment (account_id, payment_id, transfer_id, created_at,"
        " money_micros, credits_micros, step, source_id) VALUES (%s, %s, %s, now(), 1, 0, 1, 're_1')"
        " RETURNING 1",
        *(shop.account_id, payment, uuid4()),
    )
    await shop.set(threshold_micros=100 * AMOUNT, enabled_at=datetime(2026, 1, 1, tzinfo=UTC))
    await shop.a_minute_passes()

    await shop.run()

    off = await shop.settings()
    assert (off.enabled_at, off.failure_code) == (None, RETURNED)
    assert len(shop.stripe.charges) == 1


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"minute": 2}, "top_up_one_at_a_time"),
        ({"state": "credited", "next": None}, "top_up_once_a_minute"),
        ({"minute": 2, "state": "credited", "next": None, "month": 21}, "top_up_within_month"),
    ],
)
async def test_the_database_refuses_what_no_code_may_do(shop, changes, constraint) -> None:
    async def insert(minute=1, state="pending", next="now", month=20) -> None:  # noqa: A002
        await shop.query(
            "INSERT INTO top_up (account_id, id, stripe_key, minute, created_at, next_try_at,"
            " amount_micros, month_micros, monthly_limit_micros, month, state)"
            " VALUES (%s, %s, %s, %s, now(), %s, 10000, %s, 200000, now(), %s) RETURNING 1",
            *(shop.account_id, uuid4(), uuid4(), minute, next, month * 10_000, state),
        )

    await insert()
    with pytest.raises(psycopg.IntegrityError) as refused:
        await insert(**changes)
    assert refused.value.diag.constraint_name == constraint


async def test_of_many_customers_made_at_once_one_is_kept(shop) -> None:
    account_id = uuid4()
    await shop.query(
        "INSERT INTO account (account_id, name) VALUES (%s, 'test') RETURNING 1", account_id
    )
    hours = [shop.now + timedelta(hours=number) for number in range(8)]  # different keys, even

    made = await asyncio.gather(
        *(Customers(shop.pool, shop.stripe, lambda at=at: at).made(account_id) for at in hours)
    )

    assert len(set(made)) == 1
