"""Promotional codes and checkouts over PostgreSQL: exact, whatever happens at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from billing.checkout import MAXIMUM_OPEN, OPEN_TIME, Checkouts, CheckoutState, Pages, TooManyOpen
from billing.customers import Customers
from billing.ledger import Balance, Clawback
from billing.ledger_sql import Balances, LedgerSql
from billing.packs import Sale
from billing.promo_codes_sql import TRIES, PromoSql
from billing.stripe_client import PaymentServiceUnavailable
from core.body import Body, Secret
from core.engine.promotions import Promotions, Wanted
from core.engine.repeats import Repeats, Request
from core.errors import GatewayError, Reason
from core.keyring import Keyring
from storage.commits import Commit
from storage.committer import Committer
from storage.pool import Pool, open_pool
from tests.billing.scripted_stripe import ScriptedStripe

KEYRING = Keyring((bytes(32),))
SALE = Sale("starter", "5,000 credits", 5_000_000, 5_000_000)
PAGES = Pages("https://app.test/paid", "https://app.test/not")
AMOUNT = 3_000_000


@dataclass
class House:
    """Codes and checkouts of some accounts."""

    pool: Pool
    committers: list[Committer]
    stripe: Any
    now: datetime

    def promotions(self, process: int = 0) -> Promotions:
        return Promotions(self.pool, self.committers[process % 2], KEYRING)

    def checkouts(self) -> Checkouts:
        customers = Customers(self.pool, self.stripe, lambda: self.now)
        return Checkouts(self.pool, self.stripe, customers, lambda: self.now)

    async def account(self) -> UUID:
        made = uuid4()
        await self.query(
            "INSERT INTO account (account_id, name) VALUES (%s, 'test') RETURNING 1", made
        )
        return made

    async def code(self, limit: int = 0, expires_at: datetime | None = None) -> tuple[UUID, str]:
        wanted = Wanted(AMOUNT, limit, expires_at, Secret("spring"))
        made, code = await self.promotions().create(request(uuid4()), wanted)
        return made.row.id, code.reveal()

    async def redeem(self, account: UUID, code: str, process: int = 0) -> str:
        """`given`, or the cause of the refusal."""
        try:
            await self.promotions(process).redeem(account, Secret(code), uuid4())
        except GatewayError as error:
            return error.metadata.get("cause", error.reason)
        return "given"

    async def balance(self, account: UUID) -> Balance:
        found = await Balances(self.pool).balance(account)
        assert found is not None
        return found

    async def query(self, text: str, *values: Any) -> list[Any]:
        async with self.pool.connection() as connection:
            return await (await connection.execute(text, values)).fetchall()


def request(account: UUID, key: str = "", contents: bytes = b"") -> Request:
    return Request(account, "Test", contents, Body(key) if key else None)


async def nothing(_connection: Any) -> None:
    """Everybody may."""


@pytest_asyncio.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(database_url, name="test"))
        rooms = [PromoSql(), LedgerSql()]
        committers = [
            await stack.enter_async_context(Committer(database_url, rooms)) for _ in range(2)
        ]
        made = House(pool, committers, ScriptedStripe(), datetime.now(UTC))
        yield made
        assert await made.query("SELECT * FROM ledger_discrepancy") == []
        assert (
            await made.query(
                "SELECT p.id FROM promo_code p WHERE redemption_count <> "
                "(SELECT count(*) FROM promo_redemption r WHERE r.promo_id = p.id)"
            )
            == []
        )


async def test_of_forty_accounts_at_once_exactly_the_limit_redeems_a_code(house) -> None:
    _, code = await house.code(limit=15)
    accounts = [await house.account() for _ in range(40)]

    ends = await asyncio.gather(
        *(house.redeem(account, code, number) for number, account in enumerate(accounts))
    )

    assert Counter(ends) == {"given": 15, "used_up": 25}
    held = [(await house.balance(account)).posted_micros for account in accounts]
    assert sorted(held) == [0] * 25 + [AMOUNT] * 15


async def test_one_account_redeems_a_code_once_however_often_it_asks_at_once(house) -> None:
    _, code = await house.code()
    account = await house.account()

    ends = await asyncio.gather(*(house.redeem(account, code, number) for number in range(TRIES)))

    assert Counter(ends) == {"given": 1, "redeemed": TRIES - 1}
    assert (await house.balance(account)).posted_micros == AMOUNT


async def test_a_repeat_of_the_request_gives_what_the_first_gave(house) -> None:
    _, code = await house.code()
    account, call = await house.account(), request(uuid4(), "r1")

    first, second = [await house.promotions().begin(call) for _ in range(2)]
    given = [await house.promotions().redeem(account, Secret(code), first) for _ in range(2)]

    assert first == second == given[0].transfer_id
    assert given[0] == given[1]
    assert (await house.balance(account)).posted_micros == AMOUNT
    with pytest.raises(GatewayError) as refused:
        await house.promotions().begin(request(call.account_id, "r1", b"other"))
    assert refused.value.reason is Reason.IDEMPOTENCY_MISMATCH


async def test_guessing_is_stopped_after_ten_tries_a_minute(house) -> None:
    _, code = await house.code()
    account = await house.account()

    ends = [await house.redeem(account, "AAAA-AAAA-AAAA-AAAA") for _ in range(TRIES)]

    assert ends == [Reason.NOT_FOUND] * TRIES
    assert await house.redeem(account, code) == Reason.RATE_LIMIT_EXCEEDED
    assert await house.redeem(await house.account(), code) == "given"
    await house.query("UPDATE promo_tries SET since = since - interval '61 s' RETURNING 1")
    assert await house.redeem(account, code) == "given"


async def test_a_code_pays_a_debt_first(house) -> None:
    _, code = await house.code()
    account = await house.account()
    await house.committers[0].commit(Commit((Clawback(uuid4(), account, 1_000_000),)))

    assert await house.redeem(account, code) == "given"

    assert await house.balance(account) == Balance(AMOUNT - 1_000_000, 0, 0)


async def test_expired_and_stopped_codes_give_nothing_and_no_row_has_the_code(house) -> None:
    account, past = await house.account(), datetime.now(UTC) - timedelta(seconds=1)
    _, expired = await house.code(expires_at=past)
    id_, stopped = await house.code()
    await house.promotions().disable(request(uuid4()), id_)

    assert await house.redeem(account, expired) == "expired"
    assert await house.redeem(account, stopped) == Reason.NOT_FOUND
    dump = str(await house.query("SELECT * FROM promo_code"))
    assert stopped not in dump
    assert stopped.replace("-", "") not in dump
    assert "spring" not in dump


async def begin(house: House, account: UUID, key: str = "r1") -> Any:
    known = Repeats(KEYRING).of(request(account, key))
    return await house.checkouts().begin(account, lambda: SALE, known, nothing, saves_card=True)


async def test_a_request_sent_many_times_at_once_makes_one_page(house) -> None:
    account = await house.account()

    async def buy() -> str:
        begun = await begin(house, account)
        _, page = await house.checkouts().open(begun, PAGES)
        return page.url

    urls = await asyncio.gather(*(buy() for _ in range(8)))

    assert len(set(urls)) == 1
    assert len(house.stripe.pages) == len(house.stripe.customers) == 1
    assert await house.query("SELECT state FROM checkout_session") == [("open",)]


async def test_a_page_whose_answer_was_lost_is_found_again_after_stripe_is_back(house) -> None:
    account = await house.account()
    await house.checkouts().open(await begin(house, account, "before"), PAGES)
    house.stripe.lose = 2
    for _ in range(2):
        with pytest.raises(PaymentServiceUnavailable):
            await house.checkouts().open(await begin(house, account), PAGES)

    checkout, page = await house.checkouts().open(await begin(house, account), PAGES)

    assert (checkout.state, checkout.stripe_session) == (CheckoutState.OPEN, page.id)
    assert len(house.stripe.pages) == 2
    assert len(house.stripe.customers) == 1


async def test_an_hour_later_stripe_is_asked_under_another_key(house) -> None:
    account = await house.account()
    house.stripe.away = 1
    with pytest.raises(PaymentServiceUnavailable):
        await house.checkouts().open(await begin(house, account), PAGES)
    house.now += timedelta(hours=2)

    begun = await begin(house, account)
    checkout, _ = await house.checkouts().open(begun, PAGES)

    assert checkout.id == begun.id
    assert checkout.stripe_key != begun.stripe_key
    assert checkout.expires_at > begun.expires_at


async def test_what_is_bought_stays_as_it_was_when_the_page_was_made(house) -> None:
    account = await house.account()
    begun = await begin(house, account)

    known = Repeats(KEYRING).of(request(account, "r1"))
    dearer = Sale("starter", "other", 9_000_000, 1_000_000)
    again = await house.checkouts().begin(account, lambda: dearer, known, nothing, saves_card=False)

    assert again == begun
    assert await house.checkouts().get(await house.account(), begun.id) is None


async def test_a_repeat_finds_its_page_when_what_it_bought_is_no_longer_sold(house) -> None:
    account = await house.account()
    begun = await begin(house, account)

    def gone() -> Sale:
        raise GatewayError(Reason.NOT_FOUND, "There is no such pack: list them.")

    async def buy(key: str) -> Any:
        known = Repeats(KEYRING).of(request(account, key))
        return await house.checkouts().begin(account, gone, known, nothing, saves_card=False)

    assert await buy("r1") == begun
    for _ in range(2):
        with pytest.raises(GatewayError):
            await buy("r2")


async def test_an_account_has_so_many_checkouts_open_and_no_more_at_once(house) -> None:
    account = await house.account()
    tries = (begin(house, account, f"r{number}") for number in range(MAXIMUM_OPEN + 5))

    ends = await asyncio.gather(*tries, return_exceptions=True)

    assert [type(end) for end in ends].count(TooManyOpen) == 5
    made = [end for end in ends if not isinstance(end, TooManyOpen)]
    assert await begin(house, account, "r0") in made, "a repeat is no new one"
    assert await begin(house, await house.account())
    await house.checkouts().open(made[0], PAGES)
    await house.checkouts().end(made[0], CheckoutState.EXPIRED)
    assert await begin(house, account, "another")
    with pytest.raises(TooManyOpen):
        await begin(house, account, "one more")
    house.now += OPEN_TIME
    assert await begin(house, account, "one more")
