import asyncio
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest

from storage.migrate import MigrationError, migrate
from storage.pool import StorageUnavailable
from tests.fix_embedded import connected

ONE = "CREATE TABLE one (value integer);\nINSERT INTO one VALUES (1);\n"
TWO = "CREATE TABLE two (value text);\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, {"0001_one.sql": ONE, "0002_two.sql": TWO})
    return tmp_path


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)


async def tables(url: str) -> set[str]:
    async with await connected(url) as connection:
        found = await connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        return {str(name) for (name,) in await found.fetchall()} - {"schema_migration"}


async def test_what_is_missing_is_applied_once_and_in_order(
    empty_database_url: str, folder: Path
) -> None:
    assert await migrate(empty_database_url, folder) == ["0001_one.sql", "0002_two.sql"]
    assert await migrate(empty_database_url, folder) == []

    write(folder, {"0003_three.sql": "ALTER TABLE two RENAME TO three;"})
    assert await migrate(empty_database_url, folder) == ["0003_three.sql"]
    assert await tables(empty_database_url) == {"one", "three"}


async def test_an_empty_folder_is_up_to_date(empty_database_url: str, tmp_path: Path) -> None:
    assert await migrate(empty_database_url, tmp_path) == []


async def test_concurrent_migrators_apply_every_file_once(
    empty_database_url: str, folder: Path
) -> None:
    write(folder, {"0003_slow.sql": "SELECT pg_sleep(0.1); INSERT INTO one VALUES (2);"})

    applied = await asyncio.gather(*(migrate(empty_database_url, folder) for _ in range(5)))

    assert sorted(map(len, applied)) == [0, 0, 0, 0, 3]
    async with await connected(empty_database_url) as connection:
        found = await connection.execute("SELECT value FROM one ORDER BY value")
        assert await found.fetchall() == [(1,), (2,)]


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("CREATE TABLE three ();\nCREATE TABLE one ();", r"DuplicateTable \(42P07\)"),
        ("CREATE TABLE three ();\n\nSELEC 1;", r"SyntaxError \(42601\) on line 3"),
        ("CREATE TABLE three ();\nCOMMIT;\nSELECT 1/0;", "must not begin or end a transaction"),
        ("  begin transaction ;", "must not begin or end a transaction"),
        (
            "CREATE TABLE three ();\nSELECT 'canary'::integer;",
            r"InvalidText\w+ \(22P02\) on line 2",
        ),
        ("CREATE TABLE three ();\nSET LOCAL statement_timeout = 1; SELECT pg_sleep(9)", "57014"),
    ],
)
async def test_a_file_that_fails_leaves_nothing_of_itself(
    empty_database_url: str, folder: Path, broken: str, why: str
) -> None:
    await migrate(empty_database_url, folder)
    write(folder, {"0003_broken.sql": broken})

    with pytest.raises((MigrationError, StorageUnavailable), match=why) as caught:
        await migrate(empty_database_url, folder)

    assert "canary" not in str(caught.value)
    assert await tables(empty_database_url) == {"one", "two"}
    write(folder, {"0003_broken.sql": "CREATE TABLE mended ();"})
    assert await migrate(empty_database_url, folder) == ["0003_broken.sql"]


async def test_files_before_the_one_that_fails_stay_applied(
    empty_database_url: str, folder: Path
) -> None:
    write(folder, {"0003_broken.sql": "SELECT FROM missing"})

    with pytest.raises(MigrationError, match=r"0003_broken\.sql: UndefinedTable"):
        await migrate(empty_database_url, folder)

    assert await tables(empty_database_url) == {"one", "two"}


@pytest.mark.parametrize(
    ("files", "without", "why"),
    [
        (
            {"0001_one.sql": ONE + "-- more"},
            [],
            "0001_one.sql: was changed after it was applied: start the release that applied it, or a new database",
        ),
        ({}, ["0002_two.sql"], "0002_two.sql: was applied to this database, but"),
        ({"0002_renamed.sql": TWO}, ["0002_two.sql"], "0002_two.sql: was applied to this"),
        ({"0004_four.sql": ""}, [], "0004_four.sql: stands where number 0003 belongs"),
        ({"0002_again.sql": ""}, [], "0002_two.sql: stands where number 0003 belongs"),
        ({"third.sql": ""}, [], "third.sql: is not named"),
        ({"0003-three.sql": ""}, [], "0003-three.sql: is not named"),
    ],
)
async def test_history_that_does_not_add_up_stops_everything(
    empty_database_url: str,
    folder: Path,
    files: Mapping[str, str],
    without: list[str],
    why: str,
) -> None:
    await migrate(empty_database_url, folder)
    write(folder, files)
    for name in without:
        (folder / name).unlink()

    with pytest.raises(MigrationError, match=why):
        await migrate(empty_database_url, folder)

    assert await tables(empty_database_url) == {"one", "two"}


async def test_a_file_that_appears_below_applied_ones_is_refused(
    empty_database_url: str, folder: Path
) -> None:
    await migrate(empty_database_url, folder)
    async with await connected(empty_database_url) as connection:
        await connection.execute("DELETE FROM schema_migration WHERE number = 1")

    with pytest.raises(MigrationError, match=r"0001_one\.sql: was left out"):
        await migrate(empty_database_url, folder)


async def test_line_ends_of_a_checkout_do_not_change_a_file(
    empty_database_url: str, folder: Path
) -> None:
    await migrate(empty_database_url, folder)
    (folder / "0001_one.sql").write_bytes(ONE.replace("\n", "\r\n").encode())

    assert await migrate(empty_database_url, folder) == []


async def test_settings_of_a_file_end_with_it(empty_database_url: str, folder: Path) -> None:
    write(folder, {"0003_set.sql": "CREATE SCHEMA other; SET search_path = other;"})
    write(folder, {"0004_next.sql": "CREATE TABLE public_again ();"})

    await migrate(empty_database_url, folder)

    assert "public_again" in await tables(empty_database_url)


async def test_a_plpgsql_body_is_no_transaction(empty_database_url: str, folder: Path) -> None:
    function = (
        "CREATE FUNCTION no() RETURNS integer LANGUAGE plpgsql AS $$\nBEGIN\n"
        "  RETURN 100 % 7;\nEND;\n$$;\n"
    )
    write(folder, {"0003_function.sql": function})

    assert "0003_function.sql" in await migrate(empty_database_url, folder)


async def test_no_server_is_storage_unavailable(folder: Path) -> None:
    with pytest.raises(StorageUnavailable) as caught:
        await migrate("postgresql://reapi:secret@127.0.0.1:1/reapi", folder)
    assert "secret" not in str(caught.value)
    assert not isinstance(caught.value, psycopg.Error)
