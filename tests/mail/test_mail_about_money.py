"""Notices and receipts: to those whom an account's money concerns, once each."""

import asyncio
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from accounts.mail_queue import Kind
from accounts.roles import Role
from core.engine.payment_room import PURPOSE
from core.mail.telling import Telling
from core.sealing import Sealer
from tests.mailing import FACTS, fake, rows, sending
from tests.members_of import KEYRING, VAULT, joins, run, somebody

INVOICE = "https://invoice.example.com/i/1"


def telling(pool):
    return Telling(pool, VAULT, KEYRING)


async def notice(pool, account_id, kind="budget_alert", **facts):
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO notice (account_id, id, kind, subject, facts) VALUES (%s, %s, %s, %s, %s)",
            (account_id, uuid4(), kind, uuid4().hex, Jsonb({**FACTS[Kind(kind)], **facts})),
        )


async def payment(pool, account_id, credited=5_000_000, invoice=INVOICE):
    id_ = uuid4()
    sealed = Sealer(KEYRING, PURPOSE).seal(invoice, b"invoice_url", id_.bytes) if invoice else None
    async with pool.connection() as connection:
        await connection.execute(
            """
            INSERT INTO payment (account_id, id, reference, booking_id, created_at, booked_at,
                   paid_micros, tax_micros, refunded_micros, credited_micros, clawed_back_micros,
                   version, state, origin, product, currency, payment_intent, customer_id,
                   invoice_id, failure_code, invoice_url)
            VALUES (%s, %s, %s, %s, now(), now(), 5950000, 950000, 0, %s, 0, 1, 'succeeded',
                    'checkout', 'pack', 'usd', %s, '', '', '', %s)
            """,
            (account_id, id_, uuid4(), uuid4(), credited, f"pi_{id_.hex}", sealed),
        )
    return id_


async def team(pool):
    """An owner and one of each other role, in the owner's account."""
    owner = await somebody(pool)
    people = {Role.OWNER: owner}
    for role in (Role.ADMIN, Role.DEVELOPER, Role.BILLING):
        people[role] = await somebody(pool)
        await joins(pool, people[role], owner.account_id, role)
    return people


async def arrived(pool):
    async with fake() as mail, sending(pool, mail) as office:
        await office.run()
        return mail.inbox.all()


@pytest.mark.parametrize("kind", ["budget_alert", "balance_low", "price_increase"])
async def test_a_notice_goes_to_those_who_have_to_do_with_money(pool, kind):
    people = await team(pool)
    await notice(pool, people[Role.OWNER].account_id, kind)

    assert await telling(pool).run() == 3
    got = {address for mail in await arrived(pool) for address in mail.to}
    assert got == {people[role].email for role in (Role.OWNER, Role.ADMIN, Role.BILLING)}


async def test_a_notice_is_mailed_once_whoever_looks(pool):
    owner = await somebody(pool)
    for _ in range(5):
        await notice(pool, owner.account_id)
    await asyncio.gather(*(telling(pool).run() for _ in range(4)))

    assert len(await rows(pool, "kind")) == 5
    assert await telling(pool).run() == 0
    assert await run(pool, "SELECT count(*) FROM notice WHERE mailed_at IS NULL") == [(0,)]


async def test_billing_notices_are_a_wish_and_prices_are_not(pool):
    owner = await somebody(pool)
    await run(pool, "UPDATE app_user SET billing_notices = false")
    await notice(pool, owner.account_id, "budget_alert")
    await notice(pool, owner.account_id, "price_increase")
    await payment(pool, owner.account_id)

    assert await telling(pool).run() == 1
    assert await rows(pool, "kind") == [("price_increase",)]


async def test_nobody_is_told_at_an_address_that_was_not_verified(pool):
    owner = await somebody(pool, verified=False)
    await notice(pool, owner.account_id)

    assert await telling(pool).run() == 0
    assert await run(pool, "SELECT mailed_at IS NOT NULL FROM notice") == [(True,)]


async def test_a_receipt_says_what_was_paid_and_where_the_invoice_is(pool):
    owner = await somebody(pool)
    id_ = await payment(pool, owner.account_id)
    await telling(pool).run()
    [mail] = await arrived(pool)

    assert mail.to == [owner.email]
    for part in ("5.95 USD", "5,000", f"payments/{id_.hex}", INVOICE):
        assert part in mail.text


async def test_a_receipt_is_mailed_once_however_often_the_payment_is_looked_at(pool):
    owner = await somebody(pool)
    await payment(pool, owner.account_id)
    await telling(pool).run()
    await run(
        pool, "UPDATE payment SET version = version + 1, booked_at = now(), state = 'refunded'"
    )
    await run(pool, "DELETE FROM mail")  # as retention does

    assert await telling(pool).run() == 0


async def test_a_payment_without_credits_has_no_receipt_until_it_has(pool):
    owner = await somebody(pool)
    await payment(pool, owner.account_id, credited=0)
    assert await telling(pool).run() == 0

    await run(pool, "UPDATE payment SET credited_micros = 5000000")
    assert await telling(pool).run() == 1


async def test_an_account_without_people_is_told_nothing(pool):
    account = uuid4()
    await run(pool, f"INSERT INTO account (account_id, name) VALUES ('{account}', 'x')")
    await payment(pool, account)

    assert await telling(pool).run() == 0
    assert await run(pool, "SELECT receipt_mailed_at IS NOT NULL FROM payment") == [(True,)]
