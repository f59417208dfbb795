"""What can be paid when an account is deleted, and what is told of money that comes all the same."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from accounts.erasure import Wish, begin_erasure
from billing.checkout import Checkout, Checkouts, Pages
from billing.customers import Customers
from billing.packs import Sale
from billing.stripe_client import PaymentRefused
from core.engine.ids import new_id
from core.engine.rules import apply_rules
from core.keyring import Keyring
from core.mail.telling import Telling
from core.rights.erasing import Erasures
from simulator.stripe_cards import CARDS
from simulator.stripe_faults import StripeFault
from storage.folder import FolderStore
from tests.members_of import VAULT, run, somebody
from tests.paying import Till, open_till

# Stripe's client hands httpx bytes under a name that httpx is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

SALE = Sale("starter", "5,000 credits", 5_000_000, 5_000_000)
PAGES = Pages("https://example.com/ok", "https://example.com/no")


class Shop:
    """A till, its payment pages, and what erases accounts."""

    def __init__(self, till: Till, folder: Path) -> None:
        self.till = till
        self.store = FolderStore(folder)
        stripe, pool = till.room.stripe, till.pool
        now = lambda: datetime.now(UTC)  # noqa: E731 (two lines for nothing)
        self.pages = Checkouts(pool, stripe, Customers(pool, stripe, now), now)

    async def begin(self, account_id: UUID) -> Checkout:
        async def new(_connection: Any, _id: UUID) -> None:
            """It is the first time."""

        async def allowed(_connection: Any) -> None:
            """Whoever asks may buy."""

        return await self.pages.begin(account_id, lambda: SALE, new, allowed, saves_card=False)

    async def page(self, account_id: UUID) -> str:
        _, page = await self.pages.open(await self.begin(account_id), PAGES)
        return page.id

    async def ask_to_erase(self, account_id: UUID) -> None:
        async with self.till.pool.connection() as connection, connection.transaction():
            await begin_erasure(connection, VAULT, Wish(account_id), new_id)

    async def work(self) -> None:
        async def none(_account_id: UUID) -> bool:
            return True

        erasures = Erasures(
            self.till.pool, self.store, none, self.till.told.append, self.pages.close_all
        )
        while await erasures.work():
            pass

    async def status(self, page: str) -> str:
        return (await self.till.room.stripe.checkout(page)).status


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_till(database_url) as till:
        yield Shop(till, tmp_path)
        assert await till.discrepancies() == []


async def test_what_was_open_cannot_be_paid_any_more_once_the_account_is_erased(shop: Shop) -> None:
    account = (await somebody(shop.till.pool)).account_id
    paid, left = await shop.page(account), await shop.page(account)
    shop.till.stripe.dashboard.pay(paid, CARDS["visa"])  # an error to expire: no matter
    await shop.ask_to_erase(account)
    await shop.work()
    assert await run(shop.till.pool, "SELECT 1 FROM checkout_session WHERE state = 'open'") != []
    await shop.till.stripe.webhooks.drain()  # what was paid is booked before the rest goes
    assert shop.till.oddities == ["account_deleted"]
    await run(shop.till.pool, "UPDATE erasure SET lease_until = 'epoch'")
    await shop.work()

    assert [await shop.status(page) for page in (paid, left)] == ["complete", "expired"]
    assert await run(shop.till.pool, "SELECT 1 FROM account WHERE erased_at IS NULL") == []


@pytest.mark.parametrize("is_paid", [True, False])
async def test_who_it_was_at_stripe_is_kept_for_payments_only(shop: Shop, is_paid: bool) -> None:
    account = (await somebody(shop.till.pool)).account_id
    page = await shop.page(account)
    if is_paid:
        shop.till.stripe.dashboard.pay(page, CARDS["visa"])
        await shop.till.stripe.webhooks.drain()
    await shop.ask_to_erase(account)
    await shop.work()
    assert await run(shop.till.pool, "SELECT 1 FROM account WHERE erased_at IS NULL") == []
    customers = "SELECT 1 FROM stripe_customer"
    assert len(await run(shop.till.pool, customers)) == is_paid

    await apply_rules(shop.till.pool, datetime.now(UTC))
    assert len(await run(shop.till.pool, customers)) == is_paid


async def test_an_account_is_not_erased_before_its_pages_are_closed(shop: Shop) -> None:
    account = (await somebody(shop.till.pool)).account_id
    page = await shop.page(account)
    shop.till.stripe.faults.put(StripeFault("status", status=503, times=None))
    await shop.ask_to_erase(account)
    await shop.work()
    assert await run(shop.till.pool, "SELECT state FROM checkout_session") == [("open",)]

    shop.till.stripe.faults.clear()
    await run(shop.till.pool, "UPDATE erasure SET lease_until = 'epoch'")
    await shop.work()

    assert await shop.status(page) == "expired"
    assert await run(shop.till.pool, "SELECT 1 FROM checkout_session") == []


async def test_a_page_that_was_being_made_when_the_account_was_deleted_is_shown_to_nobody(
    shop: Shop,
) -> None:
    account = (await somebody(shop.till.pool)).account_id
    begun = await shop.begin(account)
    await shop.ask_to_erase(account)
    with pytest.raises(PaymentRefused):
        await shop.pages.open(begun, PAGES)

    [(page,)] = await run(shop.till.pool, "SELECT stripe_session FROM checkout_session")
    assert await shop.status(page) == "expired"


async def test_money_for_an_account_that_is_deleted_is_booked_and_told(shop: Shop) -> None:
    account = (await somebody(shop.till.pool)).account_id
    page = await shop.page(account)
    await shop.ask_to_erase(account)
    shop.till.stripe.dashboard.pay(page, CARDS["visa"])
    await shop.till.stripe.webhooks.drain()

    assert shop.till.oddities == ["account_deleted"]
    assert (await shop.till.balance(account)).posted_micros == 5_000_000


async def test_a_paid_checkout_is_credited_and_receipted_once(shop: Shop) -> None:
    owner = await somebody(shop.till.pool)
    page = await shop.page(owner.account_id)
    shop.till.stripe.dashboard.pay(page, CARDS["visa"])
    telling = Telling(shop.till.pool, VAULT, Keyring([bytes(32)]))
    assert await telling.run() == 0
    await shop.till.stripe.webhooks.drain()
    await shop.till.room.sweep.run(1)

    assert [await telling.run() for _ in range(2)] == [1, 0]
    mails = await run(shop.till.pool, "SELECT kind, user_id, account_id FROM mail")
    assert mails == [("receipt", owner.user_id, owner.account_id)]
    assert (await shop.till.balance(owner.account_id)).posted_micros == 5_000_000
    assert shop.till.oddities == []
