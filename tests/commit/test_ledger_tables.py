"""What the tables refuse by themselves, whoever asks."""

from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from billing.budgets import Budget, Period
from billing.ledger import BOOKS
from tests.fix_commit import Customer, PostgresHouse

ENDS = {"settle", "void"}


@pytest_asyncio.fixture
async def customer(postgres_house: PostgresHouse) -> Customer:
    return await postgres_house.customer(credit=100_000)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE transfer SET amount_micros = 0",
        "DELETE FROM transfer",
        "TRUNCATE transfer",
    ],
)
async def test_the_ledger_is_append_only(
    postgres_house: PostgresHouse, customer: Customer, statement: str
) -> None:
    with pytest.raises((psycopg.errors.RestrictViolation, psycopg.errors.InsufficientPrivilege)):
        await postgres_house.query(statement)
    async with postgres_house.pool.connection() as connection:
        await connection.execute("GRANT UPDATE, DELETE, TRUNCATE ON transfer TO CURRENT_USER")
    with pytest.raises(psycopg.errors.RestrictViolation):
        await postgres_house.query(statement)


async def test_the_database_itself_refuses_an_overdraft(
    postgres_house: PostgresHouse, customer: Customer
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="balance_never_overdrawn"):
        await postgres_house.query("UPDATE balance SET pending = posted + 1")


async def test_the_database_itself_refuses_to_resolve_a_hold_twice(
    postgres_house: PostgresHouse, customer: Customer
) -> None:
    new = customer.new(10)
    await postgres_house.commit(customer.open(new))
    await postgres_house.commit(customer.void(new))
    again = (
        "INSERT INTO transfer (account_id, id, kind, amount_micros, resolves, releases_micros,"
        " created_at) SELECT account_id, gen_random_uuid(), kind, amount_micros, resolves,"
        " releases_micros, now() FROM transfer WHERE kind = 'void'"
    )

    with pytest.raises(psycopg.errors.UniqueViolation, match="transfer_hold_resolved_once"):
        await postgres_house.query(again)


async def test_the_kinds_of_transfer_move_the_same_books_here_and_there(
    postgres_house: PostgresHouse, customer: Customer
) -> None:
    async with (
        postgres_house.pool.connection() as connection,
        connection.transaction(force_rollback=True),
    ):
        for kind in BOOKS:
            await connection.execute(
                "INSERT INTO transfer (account_id, id, kind, amount_micros, resolves,"
                " releases_micros, created_at) VALUES (%s, %s, %s, 0, %s, 0, now())",
                (customer.account_id, uuid4(), kind, uuid4() if kind in ENDS else None),
            )
    found = await postgres_house.query("SELECT kind, debit, credit FROM transfer_books")

    assert {kind: (debit, credit) for kind, debit, credit in found} == dict(BOOKS)


@pytest.mark.parametrize(
    ("statement", "law"),
    [
        ("INSERT INTO transfer VALUES (%s, %s, NULL, 0, 0, now(), 'gift')", "transfer_kind_known"),
        ("UPDATE generation SET state = 'lost'", "generation_state_known"),
        ("UPDATE attempt SET state = 'succeeded'", "attempt_state_known"),
    ],
)
async def test_the_database_itself_refuses_words_that_it_does_not_know(
    postgres_house: PostgresHouse, customer: Customer, statement: str, law: str
) -> None:
    await postgres_house.commit(customer.open(customer.new(10)))
    values = (customer.account_id, uuid4())[: statement.count("%s")]

    with pytest.raises(psycopg.errors.CheckViolation, match=law):
        await postgres_house.query(statement, *values)


# ---- debt and budgets


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ("posted = 0, debt = -1", "balance_debt_not_negative"),
        ("debt = 1", "balance_debt_is_paid_first"),
    ],
)
async def test_the_database_itself_refuses_a_debt_beside_credits(
    postgres_house: PostgresHouse, customer: Customer, change: str, law: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=law):
        await postgres_house.query(f"UPDATE balance SET {change}")


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ("spent_micros = 60, held_micros = 41", "budget exceeded"),
        ("spent_micros = 101, period_start = '2027-02-01Z'", "budget exceeded"),
        ("held_micros = -1", "budget_sums_not_negative"),
        ("period_start = '2027-02-02Z'", "budget_period_begins"),
        ("alert_percents = '{0}'", "budget_alerts_sane"),
        ("alert_percents = '{50, 101}'", "budget_alerts_sane"),
        ("alert_percents = '{50, NULL}'", "budget_alerts_sane"),
    ],
)
async def test_the_database_itself_refuses_what_no_budget_can_be(
    postgres_house: PostgresHouse, customer: Customer, change: str, law: str
) -> None:
    budget = Budget(customer.account_id, uuid4(), None, Period.MONTH, 100)
    await postgres_house.limit(budget)

    with pytest.raises(psycopg.errors.CheckViolation, match=law):
        await postgres_house.query(f"UPDATE budget SET {change}")


async def test_a_limit_may_be_lowered_below_what_is_spent_and_then_only_less_is_held(
    postgres_house: PostgresHouse, customer: Customer
) -> None:
    budget = Budget(customer.account_id, uuid4(), None, Period.TOTAL, 100)
    await postgres_house.limit(budget)
    await postgres_house.query("UPDATE budget SET spent_micros = 40, held_micros = 60 RETURNING 1")
    await postgres_house.query("UPDATE budget SET limit_micros = 50 RETURNING 1")
    await postgres_house.query("UPDATE budget SET spent_micros = 90, held_micros = 0 RETURNING 1")

    with pytest.raises(psycopg.errors.CheckViolation, match="budget exceeded"):
        await postgres_house.query("UPDATE budget SET held_micros = 1")
