"""What accounts read of their ledger is what was written: sealed or not, in pages or at once."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from uuid import UUID, uuid4

import pytest

from billing.history import Month, Movement
from billing.history_sql import History, Wanted
from billing.ledger import Clawback, Credit, OperatorBook, Reinstatement
from billing.sealing import Sealer
from core.engine.retention import drop_days
from core.services.history import transaction
from storage.commits import Commit
from tests.fix_commit import Customer, PostgresHouse
from tests.ledgers import SIGNER

ALL = 1_000
EVENTS = 40


async def sealed(house: PostgresHouse) -> int:
    return await Sealer(house.pool, SIGNER, timedelta(0)).run()


async def some_life(house: PostgresHouse, customer: Customer, seals: bool) -> None:
    """Generations, payments, clawbacks, in a batch or alone, sealed now and then."""
    chance, account = Random(7), customer.account_id
    for number in range(EVENTS):
        new = customer.new(1_000)
        match chance.randrange(6):
            case 0:
                payment = Credit(uuid4(), account, 5_000, OperatorBook.CASH)
                await house.batch(Commit((payment,)), customer.credit(10))
            case 1:
                await house.commit(Commit((Clawback(uuid4(), account, 7_000),)))
            case 2:
                await house.commit(Commit((Reinstatement(uuid4(), account, 100),)))
            case 3:
                await house.commit(customer.open(new))
                await house.commit(customer.void(new))
            case _:
                await house.commit(customer.open(new))
                await house.commit(customer.settle(new, 700))
        if seals and number % 7 == 0:
            await sealed(house)


def facts(items: list[Movement]) -> list[tuple[int, UUID, int]]:
    return [(item.sequence, item.entry.transfer.id, item.balance_micros) for item in items]


@pytest.mark.parametrize("seals", [False, True])
async def test_page_by_page_is_all_at_once_and_ends_in_the_balance(
    postgres_house: PostgresHouse, seals: bool
) -> None:
    customer = await postgres_house.customer(credit=20_000)
    stranger = await postgres_house.customer(credit=5)
    await some_life(postgres_house, customer, seals)
    history, account = History(postgres_house.pool), customer.account_id

    whole = await history.movements(account, Wanted(), ALL)
    paged: list[Movement] = []
    while page := await history.movements(
        account, Wanted(), 3, paged[-1].sequence if paged else None
    ):
        paged += page

    assert paged == whole
    assert [item.sequence for item in whole] == list(range(len(whole), 0, -1))
    balance = await postgres_house.balance(customer)
    assert balance is not None
    assert whole[0].balance_micros == balance.posted_micros
    assert min(item.balance_micros for item in whole) >= 0
    assert len(await history.movements(stranger.account_id, Wanted(), ALL)) == 1
    # Sealing changes nothing of what was told.
    await sealed(postgres_house)
    assert await history.movements(account, Wanted(), ALL) == whole


@pytest.mark.parametrize("seals", [False, True])
async def test_kinds_and_times_choose_the_same_rows_as_a_filter_over_all(
    postgres_house: PostgresHouse, seals: bool
) -> None:
    customer = await postgres_house.customer(credit=20_000)
    await some_life(postgres_house, customer, seals)
    history, account = History(postgres_house.pool), customer.account_id
    whole = await history.movements(account, Wanted(), ALL)
    for kinds in ({"payment", "grant"}, {"settle"}, {"hold", "refund"}, {"promotion"}):
        expected = [item for item in whole if item.entry.transfer.kind in kinds]

        assert await history.movements(account, Wanted(kinds=frozenset(kinds)), ALL) == expected
    middle = whole[len(whole) // 2].entry.created_us
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=middle)
    older = await history.movements(account, Wanted(end=at), ALL)
    newer = await history.movements(account, Wanted(start=at), ALL)

    assert facts(newer) + facts(older) == facts(whole)
    assert all(item.entry.created_us < middle for item in older)


async def test_a_statement_is_the_month_that_its_lines_make(
    postgres_house: PostgresHouse,
) -> None:
    customer = await postgres_house.customer(credit=20_000)
    await some_life(postgres_house, customer, seals=True)
    history, account = History(postgres_house.pool), customer.account_id
    await backdate(postgres_house, months=6)
    balance = await postgres_house.balance(customer)
    assert balance is not None

    listed = await history.statements(account, ALL)

    assert len(listed) >= 3
    assert [item.month for item in listed] == sorted({i.month for i in listed}, reverse=True)
    assert listed[0].closing_micros == balance.posted_micros
    assert listed[-1].opening_micros == 0
    for newer, older in pairwise(listed):
        assert newer.opening_micros == older.closing_micros
    for item in listed:
        found = await history.statement(account, item.month)
        assert found is not None
        assert found[0] == item
        changes = sum(line.amount_micros for line in found[1])
        assert item.opening_micros + changes == item.closing_micros
    paged = [await history.statements(account, 1, item.month) for item in listed]
    assert [page[0] for page in paged[:-1]] == listed[1:]
    assert paged[-1] == []


async def test_a_month_is_final_when_it_is_over_and_sealed(postgres_house: PostgresHouse) -> None:
    customer = await postgres_house.customer(credit=20_000)
    history, account = History(postgres_house.pool), customer.account_id
    await backdate(postgres_house, months=2)
    (open_month,) = await history.statements(account, ALL)
    await sealed(postgres_house)

    (month,) = await history.statements(account, ALL)
    now = Month.of(datetime.now(UTC))
    running = await history.statement(account, now)

    assert (open_month.is_final, month.is_final) == (False, True)
    assert running is not None
    assert not running[0].is_final
    assert running[0].opening_micros == running[0].closing_micros == 20_000
    assert await history.statement(account, now.next) is None
    before = Month.of(month.month.start - timedelta(days=1))
    assert await history.statement(account, before) is None


@pytest.mark.parametrize("seals", [False, True])
async def test_the_generation_and_the_model_are_told_while_their_rows_live(
    postgres_house: PostgresHouse, seals: bool
) -> None:
    customer = await postgres_house.customer(credit=20_000)
    new = customer.new(1_000)
    await postgres_house.commit(customer.open(new))
    await postgres_house.commit(customer.settle(new, 700))
    if seals:
        await sealed(postgres_house)
    history, account = History(postgres_house.pool), customer.account_id
    month = Month.of(datetime.now(UTC))

    settle, hold, grant = await history.movements(account, Wanted(), ALL)
    found = await history.statement(account, month)

    assert (settle.generation_id, hold.generation_id, grant.generation_id) == (new.id, new.id, None)
    assert found is not None
    assert {(line.kind, line.model) for line in found[1]} == {
        ("grant", ""),
        ("settle", "gpt-image-2"),
    }
    await postgres_house.query("UPDATE asset SET removed_at = now() RETURNING 1")
    await drop_days(postgres_house.pool, datetime.now(UTC) + timedelta(days=40))
    postgres_house.has_dropped_days = True

    settle, *_ = await history.movements(account, Wanted(), ALL)
    after = await history.statement(account, month)

    assert (settle.generation_id, settle.balance_micros) == (None, 19_300)
    assert after is not None
    assert (after[0], [line.model for line in after[1]]) == (found[0], ["", ""])


async def test_a_payment_is_named_by_all_that_it_moved(postgres_house: PostgresHouse) -> None:
    customer = await postgres_house.customer()
    account, payment, clawback = customer.account_id, UUID(int=4 << 64), UUID(int=8 << 64)
    await postgres_house.commit(Commit((Credit(payment, account, 5_000, OperatorBook.CASH),)))
    new = customer.new(2_000)
    await postgres_house.commit(customer.open(new))
    await postgres_house.commit(Commit((Clawback(clawback, account, 5_000),)))
    await postgres_house.query(PAYMENT, account, payment, uuid4(), uuid4())
    await postgres_house.query(ADJUSTMENT, account, payment, clawback)
    history = History(postgres_house.pool)

    debt, refund, hold, paid, _ = await history.movements(account, Wanted(), ALL)

    kinds = [item.entry.transfer.kind for item in (debt, refund, hold, paid)]
    assert kinds == ["debt", "refund", "hold", "payment"]
    assert {item.payment_id for item in (debt, refund, paid)} == {payment}
    assert hold.payment_id is None
    assert [item.balance_micros for item in (debt, refund, paid)] == [2_000, 2_000, 5_000]
    told = [transaction(item) for item in (debt, refund)]
    assert [(item.posted_micros, item.debt_micros) for item in told] == [(0, 2_000), (-3_000, 0)]
    assert {item.payment for item in told} == {f"payments/{payment.hex}"}


PAYMENT = """
INSERT INTO payment (account_id, id, reference, booking_id, created_at, booked_at, paid_micros,
                     tax_micros, refunded_micros, credited_micros, clawed_back_micros, version,
                     state, origin, product, currency, payment_intent, customer_id, invoice_id,
                     failure_code)
VALUES (%s, %s, %s, %s, now(), now(), 5000, 0, 5000, 5000, 5000, 1, 'refunded', 'checkout',
        'credits', 'usd', 'pi_1', 'cus_1', '', '') RETURNING 1
"""
ADJUSTMENT = """
INSERT INTO payment_adjustment (account_id, payment_id, transfer_id, created_at, money_micros,
                                credits_micros, step, source_id)
VALUES (%s, %s, %s, now(), 5000, 5000, 1, 're_1') RETURNING 1
"""


async def backdate(house: PostgresHouse, months: int) -> None:
    """Spread what was written over the last *months*, as a superuser could."""
    async with house.pool.connection() as connection, connection.transaction():
        await connection.execute("GRANT UPDATE ON transfer TO CURRENT_USER")
        await connection.execute("ALTER TABLE transfer DISABLE TRIGGER USER")
        await connection.execute(
            "UPDATE transfer t SET created_at = t.created_at - %s * interval '30 days'"
            " + x.n * %s * interval '30 days' / x.all"
            " FROM (SELECT account_id, id, dense_rank() OVER w - 1 AS n, count(*) OVER () AS all"
            "         FROM transfer WINDOW w AS (ORDER BY created_at)) AS x"
            " WHERE x.account_id = t.account_id AND x.id = t.id",
            (months, months),
        )
        await connection.execute("ALTER TABLE transfer ENABLE TRIGGER USER")
        await connection.execute(
            "UPDATE ledger_sealing SET sealed_until = (SELECT min(created_at) FROM transfer)"
        )
