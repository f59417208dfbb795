"""The map of data names every table and every column that could hold something of a person."""

import re
from pathlib import Path

from accounts.data_map import BY_NAME, TABLES, markdown
from accounts.data_words import Erase
from accounts.retention import RULES, Age
from storage.job_tables import make_job_tables
from storage.pool import Pool

ROOT = Path(__file__).parents[2]

COLUMNS = """
SELECT c.relname, a.attname, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL)
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""
TELLING = {"text", "text[]", "bytea", "json", "jsonb", "inet", "inet[]", "cidr", "cidr[]",
           "character varying", "xml", "bpchar", "character"}  # fmt: skip


async def columns(pool: Pool) -> list[tuple[str, str, str]]:
    await make_job_tables(pool)
    async with pool.connection() as connection:
        cursor = await connection.execute(COLUMNS)
        return [(table, column, kind) for table, column, kind in await cursor.fetchall()]


async def test_every_table_and_every_telling_column_is_on_the_map(pool: Pool) -> None:
    found: dict[str, set[str]] = {}
    for table, column, kind in await columns(pool):
        telling = found.setdefault(table, set())
        if kind in TELLING or column == "user_id":
            telling.add(column)

    listed = {table.name: set(table.columns.split()) for table in TABLES}
    assert listed == found
    assert len(listed) == len(TABLES)


async def test_what_erasure_and_rules_go_by_is_there(pool: Pool) -> None:
    found = {(table, column) for table, column, _ in await columns(pool)}
    kinds = {(table, column): kind for table, column, kind in await columns(pool)}

    for table in TABLES:
        if table.account is Erase.DELETE:
            assert (table.name, "account_id") in found
        if table.person is Erase.DELETE:
            assert (table.name, "user_id") in found
        # Whatever has the id of an account or a person is erased, or says why not.
        if (table.name, "account_id") in found:
            assert table.account is not Erase.NOTHING, table.name
        if (table.name, "user_id") in found:
            assert table.person is not Erase.NOTHING, table.name
    by_age = {Age.TIME: "timestamp with time zone", Age.DATE: "date", Age.ID: "uuid"}
    for rule in RULES:
        assert kinds[rule.table, rule.column] == by_age[rule.age]
        assert not rule.emptied or (rule.table, rule.emptied) in found
        assert rule.table in BY_NAME


def test_whatever_expires_has_a_rule() -> None:
    text = "\n".join(
        file.read_text() for file in sorted((ROOT / "storage/migrations").glob("*.sql"))
    )
    tables = re.findall(r"CREATE (?:UNLOGGED )?TABLE (\w+) \((.*?)\n\)", text, re.DOTALL)
    expiring = {name for name, body in tables if re.search(r"^    expires_at ", body, re.MULTILINE)}
    renamed = {"webhook_repeat": "call_repeat"}
    # A key or a promotional code that has expired is shown as such until its owner removes it;
    # leases and checkouts go by other columns.
    others = {"api_key", "promo_code", "process_lease"}

    assert {renamed.get(name, name) for name in expiring} - others <= {rule.table for rule in RULES}


def test_the_privacy_page_shows_the_map() -> None:
    assert markdown() in (ROOT / "docs/privacy.md").read_text()
