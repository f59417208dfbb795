"""A batch of one is told to PostgreSQL in plain values."""

from typing import Any

import pytest

from accounts import limits_sql
from billing import budgets_sql, ledger_sql, payments_sql, promo_codes_sql
from core.engine import quote_uses_sql, records_statements
from storage.lone import lone, of_rows
from storage.pool import Pool

UPDATE = """
UPDATE small s SET size = x.size, seen_at = $3::timestamptz
  FROM unnest($1::uuid[], $2::bigint[]) AS x (id, size)
 WHERE s.id = x.id
"""
ROOMS = (
    limits_sql,
    budgets_sql,
    ledger_sql,
    payments_sql,
    promo_codes_sql,
    quote_uses_sql,
    records_statements,
)
STATEMENTS = [
    value
    for room in ROOMS
    for value in vars(room).values()
    if isinstance(value, str) and "$1" in value and not value.lstrip().startswith("FROM")
]


def test_one_row_is_told_in_values() -> None:
    sql, parameters = lone((UPDATE, (["a"], [5], 7)))

    assert "FROM (SELECT $1::uuid, $2::bigint) AS x (id, size)" in sql
    assert parameters == ("a", 5, 7)


def test_one_of_one_value_is_that_value() -> None:
    locking = "SELECT id FROM small WHERE id = ANY ($1::uuid[]) FOR UPDATE"

    assert lone((locking, (["a"],))) == (
        "SELECT id FROM small WHERE id = $1::uuid FOR UPDATE",
        ("a",),
    )


def test_a_null_stays_one() -> None:
    assert lone((UPDATE, (["a"], [None], 7)))[1] == ("a", None, 7)


@pytest.mark.parametrize(
    "parameters", [(["a", "b"], [5, 6], 7), (["a"], [], 7), ([], [], 7), (["a"], [5, 6], 7)]
)
def test_any_other_number_of_rows_is_told_as_it_is(parameters: tuple[Any, ...]) -> None:
    assert lone((UPDATE, parameters)) == (UPDATE, parameters)


def test_rows_are_told_as_their_columns_would_be() -> None:
    assert of_rows(UPDATE, [("a", None)], 7) == lone((UPDATE, (["a"], [None], 7)))
    assert of_rows(UPDATE, [("a", 5), ("b", None)], 7) == (UPDATE, (["a", "b"], [5, None], 7))


def test_what_is_told_for_one_row_is_told_for_good() -> None:
    told = of_rows(UPDATE, [("a", 5)], 7)

    assert lone(told) == told


def test_a_statement_without_columns_stays_as_it_is() -> None:
    assert lone(("SELECT $1::bigint", (5,))) == ("SELECT $1::bigint", (5,))


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_every_statement_of_the_commit_path_can_be_told_for_one_row(
    pool: Pool, statement: str
) -> None:
    count = max(number for number in range(1, 40) if f"${number}::" in statement)
    told, _ = lone((statement, tuple([[None] for _ in range(count)])))

    async with pool.connection() as connection:
        for number, sql in enumerate((statement, told)):
            await connection.execute(f"PREPARE s{number} AS {sql}")
        await connection.execute("DEALLOCATE ALL")

    assert "unnest" not in told
