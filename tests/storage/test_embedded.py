import asyncio
import os
import signal
import socket
import stat
from pathlib import Path
from typing import Literal

import psycopg
import pytest

from storage import embedded, embedded_guard
from storage.embedded import EmbeddedPostgres, FolderInUseError, PostgresError
from tests.embedded_database import place_of
from tests.fix_embedded import QUICK, application, connected, everything_gone, rows_kept, told


async def test_a_first_start_makes_a_durable_database_for_a_role_that_is_no_superuser(
    passable_folder: Path,
) -> None:
    home = passable_folder / "not there yet"
    left_by_a_start_cut_short = home / "draft" / "data"
    left_by_a_start_cut_short.mkdir(parents=True)

    async with (
        asyncio.timeout(20),
        EmbeddedPostgres(home) as server,
        await connected(server.url) as connection,
    ):
        found = await connection.execute(
            "SELECT usesuper, current_user, current_database(), current_setting('fsync'),"
            " current_setting('timezone'), current_setting('server_encoding')"
            " FROM pg_user WHERE usename = current_user"
        )
        assert await found.fetchone() == (False, "reapi", "reapi", "on", "UTC", "UTF8")

    await everything_gone(server.folder)


async def test_a_restart_keeps_the_data(home: Path) -> None:
    server = EmbeddedPostgres(home, settings=QUICK)
    for expected in (1, 2):
        async with server, await connected(server.url) as connection:
            assert await rows_kept(server.url) == expected
            await connection.execute("INSERT INTO kept VALUES (2)")
    async with server, await connected(server.url) as connection:
        await connection.execute("DELETE FROM kept WHERE row = 2")


async def test_a_killed_server_comes_back_on_its_port_with_its_data(home: Path) -> None:
    crashed = asyncio.Queue[int]()

    async with EmbeddedPostgres(home, settings=QUICK, on_crash=crashed.put_nowait) as server:
        for _ in range(3):
            before, url = server.pid, server.url
            os.kill(before, signal.SIGKILL)

            async with asyncio.timeout(5):
                assert await crashed.get() == -signal.SIGKILL
                assert await rows_kept(url) == 1
            assert server.url == url
            assert server.pid != before


async def test_a_server_comes_back_although_a_statement_of_its_predecessor_still_runs(
    home: Path,
) -> None:
    async with (
        EmbeddedPostgres(home, settings=QUICK) as server,
        await connected(server.url) as connection,
    ):
        busy = asyncio.create_task(
            connection.execute("SELECT count(*) FROM generate_series(1, 100000000)")
        )
        async with await connected(server.url) as other:
            await until_running(other, "generate_series")
            os.kill(server.pid, signal.SIGKILL)
        async with asyncio.timeout(5):
            assert await rows_kept(server.url) == 1
            with pytest.raises(psycopg.OperationalError):
                await busy


async def until_running(connection: psycopg.AsyncConnection, text: str) -> None:
    async with asyncio.timeout(5):
        while True:
            found = await connection.execute(
                "SELECT FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
                " AND query LIKE %s",
                [f"%{text}%"],
            )
            if await found.fetchone() is not None:
                return


@pytest.mark.parametrize("death", ["signal", "pipe"])
async def test_no_server_outlives_a_killed_application(
    home: Path, death: Literal["signal", "pipe"]
) -> None:
    async with application(home, {"death": death}) as process:
        assert await told(process)
        process.kill()

    await everything_gone(home)

    async with EmbeddedPostgres(home, settings=QUICK) as server:
        assert await rows_kept(server.url) == 1


async def test_a_second_supervisor_is_refused_and_leaves_the_first_alone(home: Path) -> None:
    async with EmbeddedPostgres(home, settings=QUICK) as server:
        before = server.pid

        with pytest.raises(FolderInUseError, match="a folder"):
            await EmbeddedPostgres(home, settings=QUICK).start()

        assert server.pid == before
        assert await rows_kept(server.url) == 1


@pytest.mark.parametrize(
    "pid", [1, os.getpid(), os.getppid(), 4_000_000], ids=["init", "own", "parent", "none"]
)
async def test_a_stale_pid_file_never_blocks_a_start(home: Path, pid: int) -> None:
    data = place_of(home) / "data"
    (data / "postmaster.pid").write_text(f"{pid}\n{data}\n1\n5432\n\n127.0.0.1\n")

    async with EmbeddedPostgres(home, settings=QUICK) as server:
        assert await rows_kept(server.url) == 1


async def test_a_taken_port_is_given_up_for_another(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1], embedded.free_port()])
        monkeypatch.setattr(embedded, "free_port", lambda: next(ports))

        async with EmbeddedPostgres(home, settings=QUICK) as server:
            assert await rows_kept(server.url) == 1


async def test_a_failed_start_says_where_to_look_and_leaves_nothing_behind(home: Path) -> None:
    with pytest.raises(PostgresError, match=r"code 1; see .*a folder/server\.log"):
        await EmbeddedPostgres(home, settings={"shared_buffers": "a lot"}).start()

    await everything_gone(home)
    async with EmbeddedPostgres(home, settings=QUICK) as server:
        assert await rows_kept(server.url) == 1


async def test_data_without_their_password_are_not_replaced(home: Path) -> None:
    password = home / "password"
    kept = password.rename(home / "kept")

    with pytest.raises(PostgresError, match="password is missing"):
        await EmbeddedPostgres(home).start()

    kept.rename(password)


async def test_the_password_is_private(home: Path) -> None:
    async with EmbeddedPostgres(home, settings=QUICK) as server:
        password = (home / "password").read_text()

        assert stat.S_IMODE((home / "password").stat().st_mode) == 0o600
        assert password not in repr(server)
        commands = dict(await embedded_guard.commands(Path("/proc")))
        assert "cluster_name" in commands[server.pid]
        assert password not in commands[server.pid]
        for wrong in ("", "wrong"):
            with pytest.raises(psycopg.OperationalError):
                await psycopg.AsyncConnection.connect(server.url.replace(password, wrong))


async def test_the_log_never_holds_a_statement_or_a_value(home: Path) -> None:
    async with EmbeddedPostgres(home, settings=QUICK) as server:
        async with await connected(server.url) as connection:
            await connection.execute("CREATE TEMPORARY TABLE mail (address text PRIMARY KEY)")
            for _ in range(2):
                try:
                    await connection.execute("INSERT INTO mail VALUES (%s)", ["canary-detail"])
                except psycopg.errors.UniqueViolation:
                    continue
            for statement in (
                "SELECT 'canary-message'::integer",
                "SELECT canary_name",
                "DO $$ BEGIN RAISE WARNING 'canary-warning'; END $$",
                "DO $$ BEGIN RAISE LOG 'said by a program, not by data'; END $$",
            ):
                try:
                    await connection.execute(statement)
                except psycopg.Error:
                    continue
            busy = asyncio.create_task(connection.execute("SELECT pg_sleep(60), 'canary-crash'"))
            async with await connected(server.admin_url) as other:
                await until_running(other, "canary-crash")
                os.kill(connection.info.backend_pid, signal.SIGKILL)
                with pytest.raises(psycopg.OperationalError):
                    await busy
        assert await rows_kept(server.url) == 1

    log = (home / "server.log").read_text()
    assert "was terminated by signal 9" in log
    assert "canary" not in log


async def test_a_copied_folder_is_another_server(home: Path, copied_home: Path) -> None:
    async with (
        EmbeddedPostgres(home, settings=QUICK) as server,
        EmbeddedPostgres(copied_home, settings=QUICK) as copy,
    ):
        assert copy.url != server.url
        assert copy.folder != server.folder
        assert await rows_kept(copy.url) == await rows_kept(server.url) == 1
