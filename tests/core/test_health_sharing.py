"""Processes tell each other about channels through PostgreSQL, and need nothing of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from core.body import Secret
from core.catalog.entries import Catalogue
from core.engine.health_sharing import HealthSharing
from core.errors import Fault, UpstreamError
from core.keyring import Keyring
from core.log import Event, SignalHeard
from core.model import Channel
from core.policy.health import HealthBook, Standing
from storage.pool import Connection, connection_string
from tests.fix_proxy import Proxy

OPERATION = "image.generate"
PATIENCE = 10.0
"""Seconds; that it takes one at most, `tests/prove/test_shared_health.py` shows."""
KEYRING = Keyring((b"k" * 32,))


def catalogue(secret: str = "sk-canary") -> Catalogue:
    one = Channel(
        "c",
        "d",
        "m",
        "https://x.example",
        Secret(secret),
        credential_name="env:A",
        credentials={"env:A": Secret(secret), "env:B": Secret("sk-other")},
    )
    return Catalogue("v", {}, {"c": one}, {}, {})


@dataclass
class Process:
    """One process's book, and how it is shared."""

    url: str
    known: Catalogue = field(default_factory=catalogue)
    book: HealthBook = field(default_factory=HealthBook)
    emitted: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sharing = HealthSharing(
            self.book, KEYRING, self.known, self.emitted.append, lambda: 0.5
        )

    @asynccontextmanager
    async def run(self) -> AsyncIterator["Process"]:
        conninfo = connection_string(self.url, "test-signals")

        async def connect() -> psycopg.AsyncConnection[Any]:
            return await Connection.connect(conninfo, autocommit=True)

        task = asyncio.create_task(self.sharing.keep(connect))
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def fail(self, fault: Fault, times: int = 1, credential: str = "env:A") -> None:
        now, health = time.monotonic(), self.book.of("c", OPERATION)
        for _ in range(times):
            health.failed(health.admit(now, 60, credential), UpstreamError(fault), now, 0.5)

    def succeed(self) -> None:
        now, health = time.monotonic(), self.book.of("c", OPERATION)
        health.succeeded(health.admit(now, 60, "env:A"), now)

    def standing(self) -> Standing:
        return self.book.of("c", OPERATION).standing(time.monotonic())


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not check():
            await asyncio.sleep(0.005)


@pytest_asyncio.fixture
async def two(database_url: str) -> AsyncIterator[tuple[Process, Process]]:
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(Process(database_url).run()) for _ in range(2)
        ]
        yield one, other


def rows(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT * FROM channel_signal").fetchall()


async def test_an_ejection_and_its_end_are_known_elsewhere(
    two: tuple[Process, Process],
) -> None:
    one, other = two
    one.fail(Fault.SERVER_ERROR, 3)
    await until(lambda: other.standing() is Standing.EJECTED)
    left = (other.book.of("c", OPERATION).ejected_until or 0) - time.monotonic()
    assert 20 < left <= 33, "as long, and up to a tenth more"
    assert SignalHeard("c", "ejected") in other.emitted
    one.succeed()  # asked because all were ejected

    await until(lambda: other.standing() is Standing.HEALTHY)
    assert other.book.drain() == [], "what is heard is not told again"
    assert one.emitted == []


async def test_a_credential_that_cools_cools_everywhere(
    two: tuple[Process, Process], database_url: str
) -> None:
    one, other = two
    for process in two:
        process.book.load_of("c").of("env:B")
    one.fail(Fault.AUTH)

    def is_cool() -> bool:
        return other.book.load_of("c").of("env:A").circuit.ejected_until is not None

    await until(is_cool)
    assert other.standing() is Standing.HEALTHY, "there is another credential"
    assert b"canary" not in b"".join(repr(row).encode() for row in rows(database_url))


async def test_another_credential_of_the_same_name_does_not_cool(database_url: str) -> None:
    async with (
        Process(database_url).run() as one,
        Process(database_url, catalogue("sk-rotated")).run() as other,
    ):
        one.fail(Fault.AUTH)
        one.fail(Fault.SERVER_ERROR, 3)
        await until(lambda: other.emitted)
        await until(lambda: other.standing() is Standing.EJECTED)

        assert other.book.load_of("c").of("env:A").circuit.ejected_until is None


async def test_a_process_that_starts_knows_what_the_others_know(
    two: tuple[Process, Process], database_url: str
) -> None:
    one, other = two
    one.fail(Fault.SERVER_ERROR, 3)
    await until(lambda: other.standing() is Standing.EJECTED)
    async with Process(database_url).run() as late:
        await until(lambda: late.standing() is Standing.EJECTED)


async def test_channels_that_this_process_does_not_have_leave_nothing(database_url: str) -> None:
    strange = Catalogue("v", {}, {}, {}, {})
    async with (
        Process(database_url).run() as one,
        Process(database_url, strange).run() as other,
        Process(database_url).run() as third,
    ):
        one.fail(Fault.SERVER_ERROR, 3)
        await until(lambda: third.standing() is Standing.EJECTED)
        await until(lambda: other.sharing._heard)

        assert not list(other.book)


async def test_without_a_database_nothing_changes_and_what_still_matters_is_told_later(
    two: tuple[Process, Process], proxy: Proxy, proxied_url: str
) -> None:
    other = two[0]
    async with Process(proxied_url).run() as one:
        one.fail(Fault.SERVER_ERROR, 3)
        await until(lambda: other.standing() is Standing.EJECTED)
        proxy.trouble = "freeze"
        one.succeed()
        one.fail(Fault.AUTH)
        assert one.standing() is Standing.EJECTED
        await asyncio.sleep(1.2)  # longer than an answer may take
        assert other.standing() is Standing.EJECTED, "it has not heard"
        proxy.trouble = "none"

        await until(lambda: other.book.load_of("c").of("env:A").circuit.ejected_until is not None)


async def test_rows_that_mean_nothing_any_more_are_removed(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO channel_signal (until, id, origin, ejections, channel, operation,"
            " credential, seal, fault) VALUES (clock_timestamp() - interval '2 minutes',"
            " gen_random_uuid(), gen_random_uuid(), 1, 'c', %s, '', '', 'server_error')",
            (OPERATION,),
        )
    async with Process(database_url).run() as one:
        await until(lambda: not rows(database_url))

        assert one.standing() is Standing.HEALTHY


@pytest.mark.parametrize("fault", ["not_a_fault", "server_error"])
async def test_a_word_of_a_newer_version_is_left_out(database_url: str, fault: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO channel_signal (until, id, origin, ejections, channel, operation,"
            " credential, seal, fault) VALUES (clock_timestamp() + interval '20 seconds',"
            " gen_random_uuid(), gen_random_uuid(), 1, 'c', %s, '', '', %s)",
            (OPERATION, fault),
        )
    async with Process(database_url).run() as one, Process(database_url).run() as other:
        other.fail(Fault.AUTH)
        await until(lambda: SignalHeard("c", "credential") in one.emitted)
        health = one.book.of("c", OPERATION)

        assert (health.ejections == 1) is (fault == "server_error")


async def test_what_was_heard_is_not_kept_by_the_connection(database_url: str) -> None:
    conninfo, opened = connection_string(database_url, "test-signals"), list[Connection]()

    async def connect() -> psycopg.AsyncConnection[Any]:
        opened.append(await Connection.connect(conninfo, autocommit=True))
        return opened[-1]

    other = Process(database_url)
    task = asyncio.create_task(other.sharing.keep(connect))
    async with Process(database_url).run() as one:
        for number in range(1, 4):
            one.fail(Fault.SERVER_ERROR, 3)
            await until(lambda number=number: len(other.emitted) == number)
            one.book.of("c", OPERATION).hear_recovery()
    kept = list(opened[-1]._notifies_backlog or ())
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert len(opened) == 1
    assert kept == []
