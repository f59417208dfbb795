"""The tables of procrastinate, which carries background jobs: made once, brought up to date after.

They are the library's, not ours, so they are no numbered file of ours: the schema and the
migrations that it ships are applied, and which of them were is written down.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from procrastinate.schema import SchemaManager
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from storage.pool import Pool

_LOCK: Final = 0x7265_4150_4A00
_NOTED = """
CREATE TABLE IF NOT EXISTS job_schema_migration (
    file       text        NOT NULL PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
_NOTE = "INSERT INTO job_schema_migration (file) SELECT unnest(%s::text[])"


async def make_job_tables(pool: Pool) -> None:
    """Apply what is missing. Safe to call from several processes at once."""
    shipped = await asyncio.to_thread(_shipped)
    async with pool.connection() as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        try:
            await _apply(connection, shipped)
        finally:
            await connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


async def _apply(connection: AsyncConnection[TupleRow], shipped: Mapping[str, str]) -> None:
    await connection.execute(_NOTED)
    rows = await connection.execute("SELECT file FROM job_schema_migration")
    applied = {file for (file,) in await rows.fetchall()}
    if not applied:
        async with connection.transaction():
            await connection.execute(SchemaManager.get_schema())  # what all of them lead to
            await connection.execute(_NOTE, (list(shipped),))
        return
    # Each by itself: some make what only a later transaction may use.
    for name in [name for name in shipped if name not in applied]:
        async with connection.transaction():
            await connection.execute(shipped[name].encode())
            await connection.execute(_NOTE, ([name],))


def _shipped() -> dict[str, str]:
    """The library's migrations in order, by the names of their files."""
    files = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    return {file.name: file.read_text(encoding="utf-8") for file in files}
