"""Migrations: numbered SQL files, applied once, in order, each in one transaction.

`NNNN_name.sql`, numbered from 0001 without gaps. What was applied is recorded with its SHA-256, and
anything that does not add up (a changed, missing or misnumbered file) stops everything: a schema we
do not know is not one to serve from.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from storage.pool import storage_errors, unavailable_reason

_LOCK = 0x7265_4150_4900  # "reAPI": any number, the same in every version
_WAIT_SECONDS = 60  # for a migrator in another process
_OLDEST_SERVER = 150_000
_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
# A file that ends its own transaction could stop half-way. plpgsql's BEGIN has no semicolon.
_TRANSACTION = re.compile(
    rb"^[ \t]*(BEGIN|COMMIT|ROLLBACK|ABORT|START[ \t]+TRANSACTION)"
    rb"([ \t]+(WORK|TRANSACTION|ISOLATION|READ|AND)\b[^;\n]*)?[ \t]*;",
    re.IGNORECASE | re.MULTILINE,
)
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationError(Exception):
    """The schema cannot be brought up to date; the message names the file."""

    def __init__(self, file: str, why: str) -> None:
        super().__init__(f"{file}: {why}")
        self.file = file


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its name, what it does, and the digest of that."""

    number: int
    name: str
    statements: bytes
    sha256: str


async def migrate(url: str, folder: Path) -> list[str]:
    """Apply what is missing and return the names of the files applied, oldest first.

    Safe to call from several processes at once. Raises MigrationError, and StorageUnavailable when
    PostgreSQL cannot be reached.
    """
    migrations = await asyncio.to_thread(read_migrations, folder)
    conninfo = make_conninfo(
        url,
        connect_timeout=5,
        application_name="reapi-migrate",
        options=f"-c lock_timeout={_WAIT_SECONDS}s -c statement_timeout=0 -c timezone=UTC",
    )
    with storage_errors():
        connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
        async with connection:
            if connection.info.server_version < _OLDEST_SERVER:
                raise MigrationError(str(folder), "needs PostgreSQL 15 or newer")
            try:
                await connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            except psycopg.errors.LockNotAvailable:
                raise MigrationError(str(folder), "another migrator does not finish") from None
            await connection.execute(_TABLE)
            rows = await connection.execute("SELECT number, name, sha256 FROM schema_migration")
            applied = {number: (name, digest) for number, name, digest in await rows.fetchall()}
            missing = not_applied(migrations, applied)
            for migration in missing:
                await apply(connection, migration)
    return [migration.name for migration in missing]


def read_migrations(folder: Path) -> list[Migration]:
    """The migrations in *folder*, by number. Line ends do not count for the digest."""
    migrations = []
    for number, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(path.name, "is not named NNNN_name.sql")
        if int(match[1]) != number:
            raise MigrationError(path.name, f"stands where number {number:04} belongs")
        statements = path.read_bytes().replace(b"\r\n", b"\n")
        if _TRANSACTION.search(statements):
            raise MigrationError(path.name, "must not begin or end a transaction")
        digest = hashlib.sha256(statements).hexdigest()
        migrations.append(Migration(number, path.name, statements, digest))
    return migrations


def not_applied(
    migrations: Sequence[Migration], applied: Mapping[int, tuple[str, str]]
) -> list[Migration]:
    """What is still to be applied; *applied* is name and digest by number."""
    known = {migration.number: migration for migration in migrations}
    for number, (name, digest) in sorted(applied.items()):
        migration = known.get(number)
        if migration is None or migration.name != name:
            raise MigrationError(name, "was applied to this database, but there is no such file")
        if migration.sha256 != digest:
            raise MigrationError(
                name,
                "was changed after it was applied: start the release that applied it, or a new "
                "database",
            )
    missing = [migration for migration in migrations if migration.number not in applied]
    if missing and applied and missing[0].number < max(applied):
        raise MigrationError(missing[0].name, "was left out when later files were applied")
    return missing


async def apply(connection: psycopg.AsyncConnection[TupleRow], migration: Migration) -> None:
    """Run *migration* and record it, both or neither."""
    try:
        async with connection.transaction():
            # First, for the file may set another search path.
            await connection.execute(
                "INSERT INTO schema_migration (number, name, sha256) VALUES (%s, %s, %s)",
                [migration.number, migration.name, migration.sha256],
            )
            await connection.execute(migration.statements)
    except psycopg.Error as error:
        if unavailable_reason(error) is not None:
            raise
        # Not the server's message: it may quote rows.
        raise MigrationError(migration.name, explain(error, migration.statements)) from None
    await connection.execute("RESET ALL")  # what the file SET is not for the next one


def explain(error: psycopg.Error, statements: bytes) -> str:
    """What went wrong and on which line, without the words of the server."""
    name = f"{type(error).__name__} ({error.sqlstate})"
    position = error.diag.statement_position
    if position is None:
        return name
    before = statements.decode(errors="replace")[: int(position) - 1]
    return f"{name} on line {before.count(chr(10)) + 1}"
