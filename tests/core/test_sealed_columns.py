"""No column that depends on a server key is forgotten when keys are exchanged."""

from core.sealed_columns import FIXED, NEEDLESS, SEALED
from storage.pool import Pool

COLUMNS = """
SELECT c.table_name || '.' || c.column_name
  FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
 WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.data_type = 'bytea'
   AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.table_name::regclass)
"""
KEYS = """
SELECT array_agg(a.attname::text ORDER BY array_position(i.indkey::int[], a.attnum::int))
  FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
 WHERE i.indrelid = %s::regclass AND i.indisprimary
"""


async def test_every_column_of_bytes_is_in_the_table(pool: Pool) -> None:
    async with pool.connection() as connection:
        rows = await (await connection.execute(COLUMNS)).fetchall()
    found = {name for (name,) in rows if not name.startswith("procrastinate")}
    told = {each.name for each in (*SEALED, *FIXED)} | set(NEEDLESS)

    assert found - told == set(), "say in core/sealed_columns.py what becomes of it"
    assert told - found == set()


async def test_what_is_named_as_sealed_is_sealed_again(pool: Pool) -> None:
    async with pool.connection() as connection:
        rows = await (await connection.execute(COLUMNS)).fetchall()
    named = {
        name
        for (name,) in rows
        if name.endswith(("sealed", "_url", ".url", "secret", "link")) and name not in NEEDLESS
    }

    assert named <= {each.name for each in SEALED}


def test_nothing_is_in_the_table_twice() -> None:
    names = [each.name for each in (*SEALED, *FIXED)] + list(NEEDLESS)

    assert len(names) == len(set(names))


async def test_rows_are_found_by_their_primary_keys_and_conditions_are_sql(pool: Pool) -> None:
    async with pool.connection() as connection:
        for each in SEALED:
            ((key,),) = await (await connection.execute(KEYS, (each.table,))).fetchall()
            assert tuple(key) == each.key, each.name
            for follower in each.digest.followers if each.digest else ():
                await connection.execute(f"SELECT email_hmac FROM {follower}")
        for column in FIXED:
            await connection.execute(
                f"SELECT {column.made} FROM {column.table} WHERE {column.used}"
            )
