"""PostgreSQL for tests: one server per session, one fresh copy of the migrated schema per test."""

import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from storage.embedded import EmbeddedPostgres
from storage.migrate import migrate
from storage.pool import Pool, open_pool
from tests.embedded_database import forget_databases

MIGRATIONS = Path(__file__).parents[1] / "storage" / "migrations"

MEMORY = Path("/dev/shm")
ROOM = 2 << 30  # bytes

_TEMPLATE = "reapi"
_numbers = itertools.count(1)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder, in memory where there is room: a clone is hundreds of files, and ext4 takes
    thirty times as long to make them after many were deleted. Every user may pass through it."""
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    with tempfile.TemporaryDirectory(prefix="reapi-tests-", dir=MEMORY if roomy else None) as name:
        folder = Path(name)
        folder.chmod(0o711)
        try:
            yield folder
        finally:
            forget_databases(folder)


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove what servers of `tmp_path` folders keep elsewhere, once no test needs it."""
    yield
    forget_databases(tmp_path_factory.getbasetemp())


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_server() -> AsyncIterator[EmbeddedPostgres]:
    """A running server whose database `reapi` holds the migrated schema: clone it, do not use it.

    Not durable against power loss, which no test can cause, and without autovacuum, whose
    workers only a superuser can end when a clone is dropped; otherwise as in production.
    """
    settings = {
        "fsync": "off",
        "full_page_writes": "off",
        "autovacuum": "off",
        "max_connections": "200",
    }
    with scratch_folder() as folder:
        async with EmbeddedPostgres(folder / "postgres", settings=settings) as server:
            if MIGRATIONS.is_dir():
                await migrate(server.url, MIGRATIONS)
            yield server


@pytest.fixture
def empty_database_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """A database without any table, gone after the test."""
    yield from database(postgres_server, "template0")


@pytest.fixture
def database_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """A database with the migrated schema and no rows of other tests, gone after the test."""
    yield from database(postgres_server, _TEMPLATE)


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool on `database_url`."""
    async with open_pool(database_url, name="test") as opened:
        yield opened


def database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """Clone *template* and yield the clone's URL; drop it, whoever is still connected."""
    base, _, _ = server.url.rpartition("/")
    name = f"test_{next(_numbers)}"
    with psycopg.connect(f"{base}/postgres", autocommit=True) as admin:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        admin.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield f"{base}/{name}"
        finally:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            admin.execute(drop.format(sql.Identifier(name)))
