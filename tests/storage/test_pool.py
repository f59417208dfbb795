import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from storage.embedded import EmbeddedPostgres
from storage.pool import (
    Pool,
    PoolLimits,
    StorageUnavailable,
    connection_string,
    open_pool,
    unavailable_reason,
)
from tests.fix_embedded import QUICK, connected
from tests.fix_proxy import Proxy


async def test_a_pool_has_our_defaults_and_a_url_may_say_otherwise(empty_database_url: str) -> None:
    settings = (
        "SELECT current_setting('statement_timeout'), current_setting('timezone'),"
        " current_setting('application_name')"
    )
    url = f"{empty_database_url}?options=-c%20statement_timeout%3D7s&application_name=theirs"

    async with open_pool(empty_database_url, name="ours") as pool, pool.connection() as connection:
        assert connection.autocommit
        found = await connection.execute(settings)
        assert await found.fetchone() == ("10s", "UTC", "ours")
    async with open_pool(url) as pool, pool.connection() as connection:
        found = await connection.execute(settings)
        assert await found.fetchone() == ("7s", "UTC", "theirs")


async def test_no_server_is_storage_unavailable_within_the_limit() -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        port = nobody_listens.getsockname()[1]
        url = f"postgresql://reapi:secret@127.0.0.1:{port}/reapi"

        async with asyncio.timeout(3):
            with pytest.raises(StorageUnavailable) as caught:
                async with open_pool(url, limits=PoolLimits(acquire=0.2)):
                    pytest.fail("opened")

    assert "secret" not in repr(caught.value)
    assert caught.value.reason == "PoolTimeout"


async def test_a_pool_survives_the_death_of_its_server(home: Path) -> None:
    limits = PoolLimits(min_size=4, max_size=4)
    async with (
        EmbeddedPostgres(home, settings=QUICK) as server,
        open_pool(server.url, limits=limits) as pool,
    ):
        await all_used(pool)
        os.kill(server.pid, signal.SIGKILL)
        await (await connected(server.url)).close()

        async with asyncio.timeout(5):
            await all_used(pool)


async def all_used(pool: Pool) -> None:
    """Use every connection of *pool* at the same time."""
    together = asyncio.Barrier(pool.max_size)

    async def use() -> None:
        async with pool.connection() as connection:
            await together.wait()
            await connection.execute("SELECT 1")

    async with asyncio.TaskGroup() as group:
        for _ in range(pool.max_size):
            group.create_task(use())


async def test_a_connection_lost_while_it_is_used_is_storage_unavailable(
    empty_database_url: str,
) -> None:
    async with open_pool(empty_database_url) as pool:
        with pytest.raises(StorageUnavailable) as caught:
            async with pool.connection() as connection, connection.transaction():
                await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        assert caught.value.reason == "57P01"

        async with pool.connection() as connection:
            await connection.execute("SELECT 1")


async def test_a_slow_statement_is_storage_unavailable(empty_database_url: str) -> None:
    async with open_pool(empty_database_url, limits=PoolLimits(statement=0.05)) as pool:
        with pytest.raises(StorageUnavailable, match="57014"):
            async with pool.connection() as connection:
                await connection.execute("SELECT pg_sleep(10)")


async def test_waiting_too_long_for_a_connection_is_storage_unavailable(
    empty_database_url: str,
) -> None:
    limits = PoolLimits(min_size=1, max_size=1, acquire=0.1)
    async with open_pool(empty_database_url, limits=limits) as pool, pool.connection():
        with pytest.raises(StorageUnavailable, match="PoolTimeout"):
            async with pool.connection():
                pytest.fail("there were two")


async def test_what_a_statement_did_wrong_is_not_storage_unavailable(
    empty_database_url: str,
) -> None:
    async with open_pool(empty_database_url) as pool:
        with pytest.raises(psycopg.errors.UndefinedTable):
            async with pool.connection() as connection:
                await connection.execute("SELECT FROM missing")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.errors.CannotConnectNow(), "57P03"),
        (psycopg.errors.TooManyConnections(), "53300"),
        (psycopg.errors.DiskFull(), "53100"),
        (psycopg.errors.ReadOnlySqlTransaction(), "25006"),
        (psycopg.OperationalError("server closed the connection"), "OperationalError"),
        (psycopg.errors.SerializationFailure(), None),
        (psycopg.errors.DeadlockDetected(), None),
        (psycopg.errors.CheckViolation(), None),
        (psycopg.InterfaceError("programmer's error"), None),
    ],
)
def test_only_the_loss_of_the_server_is_its_unavailability(
    error: psycopg.Error, expected: str | None
) -> None:
    assert unavailable_reason(error) == expected


def test_connection_strings_may_be_of_either_kind() -> None:
    for given in ("postgresql://me@host:1/there", "host=host port=1 user=me dbname=there"):
        made = psycopg.conninfo.conninfo_to_dict(connection_string(given, "name"))
        assert made["dbname"] == "there"
        assert made["connect_timeout"] == "2"
        assert "timezone=UTC" in str(made["options"])


async def test_a_statement_whose_caller_leaves_is_not_waited_for(
    empty_database_url: str, silent: Proxy
) -> None:
    url = through(silent, empty_database_url)
    async with open_pool(url) as pool, pool.connection() as connection:
        silent.trouble = "freeze"
        begun = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await connection.execute("SELECT 1")
        assert asyncio.get_running_loop().time() - begun < 1
        assert connection.closed


async def test_both_ends_give_a_silent_connection_up_in_seconds(empty_database_url: str) -> None:
    names = ("tcp_user_timeout", "tcp_keepalives_idle", "tcp_keepalives_interval")
    async with open_pool(empty_database_url) as pool, pool.connection() as connection:
        at_server = [
            await (await connection.execute(f"SHOW {name}".encode())).fetchone() for name in names
        ]
        ours = socket.socket(fileno=os.dup(connection.fileno()))
        with ours:
            at_client = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)

    assert at_server == [("5000",), ("2",), ("1",)]
    assert at_client == 3_000


@pytest.fixture
async def silent(empty_database_url: str) -> AsyncIterator[Proxy]:
    """A proxy that can stop forwarding without a word."""
    parts = urlsplit(empty_database_url)
    assert parts.hostname is not None
    assert parts.port is not None
    made = Proxy((parts.hostname, parts.port))
    await made.start()
    yield made
    made.trouble = "none"
    await made.stop()


def through(proxy: Proxy, url: str) -> str:
    """The same database, through *proxy*."""
    parts = urlsplit(url)
    login, _, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{proxy.port}"))
