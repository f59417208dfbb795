"""What the tables refuse by themselves, whoever asks."""

from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

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
    found = {}
    async with (
        postgres_house.pool.connection() as connection,
        connection.transaction(force_rollback=True),
    ):
        for kind in BOOKS:
            cursor = await connection.execute(
                "INSERT INTO transfer (account_id, id, kind, amount_micros, resolves,"
                " releases_micros, created_at) VALUES (%s, %s, %s, 0, %s, 0, now())"
                " RETURNING debit, credit",
                (customer.account_id, uuid4(), kind, uuid4() if kind in ENDS else None),
            )
            found[kind] = await cursor.fetchone()

    assert found == dict(BOOKS)
