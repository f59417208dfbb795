"""After an erasure the files of the database, its log of changes and the bucket know nobody."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from accounts.data_map import PERMITTED, TABLES
from accounts.erasure import Wish, begin_erasure
from core.engine.ids import new_id
from core.rights.erasing import Erasures
from core.rights.exporting import Exports
from storage.embedded import EmbeddedPostgres
from storage.folder import FolderStore
from storage.migrate import migrate
from storage.pool import Pool, open_pool
from tests.fix_postgres import MIGRATIONS, scratch_folder
from tests.rights.full_account import VAULT, Full, fill, sign_up

pytestmark = pytest.mark.prove

EMAIL, NAME = "marie.curie@radium.example", "Marie Skłodowska"
_FILES = """
SELECT c.oid::regclass::text, pg_relation_filepath(c.oid), coalesce(i.indrelid, t.oid, c.oid)
  FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
  LEFT JOIN pg_class t ON t.reltoastrelid = coalesce(i.indrelid, c.oid)
 WHERE pg_relation_filepath(c.oid) IS NOT NULL
"""


def forms(full: Full) -> dict[str, tuple[bytes, ...]]:
    """How each looks in files: as text, as hex, as the bytes that PostgreSQL stores."""
    return {
        "account": (full.account.bytes, full.account.hex.encode(), str(full.account).encode()),
        "user": (full.user.bytes, full.user.hex.encode(), str(full.user).encode()),
        "email": (EMAIL.encode(), EMAIL.encode().hex().encode()),
        "name": (NAME.encode(), NAME.encode().hex().encode()),
        "network": (bytes([192, 0, 2, 77]), b"192.0.2.77"),
    }


def found(folder: Path, full: Full, what: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Where any of *what* is, under *folder*."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".pid":
            data = path.read_bytes()
            for name in what:
                if any(form in data for form in forms(full)[name]):
                    yield str(path.relative_to(folder)), name


async def erase(pool: Pool, store: FolderStore, full: Full) -> None:
    exports = Exports(pool, store, VAULT)
    erasures = Erasures(pool, store, exports.remove_all, lambda _event: None)
    async with pool.connection() as connection, connection.transaction():
        await begin_erasure(connection, VAULT, Wish(full.account, full.user), new_id)
    while await erasures.work():
        pass
    await erasures.look_again(datetime.now(UTC))  # as every hour


def superuser(server: EmbeddedPostgres) -> str:
    """Who may vacuum the catalogue too, in the application's database."""
    return f"{server.admin_url.rpartition('/')[0]}/reapi"


def clean(url: str) -> None:
    """What time does to a database: dead rows go, statistics are made anew, old log is removed."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (FULL, ANALYZE)")
        for _ in range(3):
            connection.execute("CHECKPOINT")
            connection.execute("SELECT pg_switch_wal()")


async def test_the_disk_holds_nobody_who_was_erased(tmp_path: Path) -> None:
    # Old segments of the log are removed instead of written over one day: the test need not wait.
    settings = {"fsync": "off", "wal_recycle": "off", "autovacuum": "off"}
    with scratch_folder() as folder:
        async with EmbeddedPostgres(folder / "postgres", settings=settings) as server:
            await migrate(server.url, MIGRATIONS)
            data = folder / "postgres"
            async with open_pool(server.url, name="test") as pool:
                user, account = await sign_up(pool, EMAIL, NAME)
                full = await fill(pool, account, user, EMAIL, NAME)
                # Others are there too, as in every deployment.
                others = await sign_up(pool, "pierre@radium.example", "Pierre")
                store = FolderStore(tmp_path / "outputs")
                await store.put(full.output, b"png")
                clean(superuser(server))
                before = set(found(data, full, ("account", "user", "network")))
                await erase(pool, store, full)
            clean(superuser(server))
            permitted = allowed_files(superuser(server))
            after = set(found(data, full, tuple(forms(full))))

    assert {what for _, what in before} == {"account", "user", "network"}
    assert {(path, what) for path, what in after if what != "account"} == set()
    strange = {path for path, _ in after if not path.endswith(tuple(permitted))}
    assert {path for path in strange if "pg_wal" not in path} == set()
    assert list(found(tmp_path / "outputs", full, tuple(forms(full)))) == []
    assert [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()] == []
    assert others[1] != account


def allowed_files(url: str) -> set[str]:
    """The files of the tables that may know the account, of their indexes and of statistics."""
    names = {*PERMITTED}
    with psycopg.connect(url) as connection:
        rows = connection.execute(_FILES).fetchall()
        oids = {
            row[0]
            for name in names
            for row in connection.execute(
                sql.SQL("SELECT {}::regclass::oid").format(sql.Literal(name))
            ).fetchall()
        }
    # Samples of the columns of permitted tables.
    return {
        path
        for name, path, owner in rows
        if owner in oids or name.removeprefix("pg_catalog.").startswith("pg_statistic")
    }


def test_the_permitted_tables_are_those_of_the_books() -> None:
    assert PERMITTED - {"account"} == {
        "balance", "ledger_chain", "ledger_seal", "ledger_sealing", "payment",
        "payment_adjustment", "payment_refund", "promo_redemption", "stripe_customer", "transfer",
    }  # fmt: skip
    assert {table.name for table in TABLES} >= PERMITTED
