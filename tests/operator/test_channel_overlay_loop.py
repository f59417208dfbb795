"""What operators said goes on to hold: without a database, and over another catalogue."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from core.catalog.entries import Catalogue
from core.engine.channel_controls import Edit, change, etag_of, read
from core.engine.channel_overlay import ChannelOverlay
from core.errors import GatewayError, Reason
from core.log import ChannelControlled, ControlsUnheard, Event
from core.policy.health import HealthBook
from core.policy.overlay import AS_WRITTEN, Admission, Rule
from storage.pool import Pool, StorageUnavailable
from tests.fix_core import catalogue

MODEL = "gpt-image-2"


def drain(channel: str = "openai-a", **more: Any) -> Edit:
    return Edit(channel, uuid4(), admission=Admission.DRAINING, **more)


@dataclass
class Process:
    """The overlay of one process, and what it told."""

    overlay: ChannelOverlay
    book: HealthBook
    used: list[Catalogue] = field(default_factory=list)
    emitted: list[Event] = field(default_factory=list)

    def weight(self, channel: str = "openai-a") -> int:
        """What the engine goes by."""
        routes = self.used[-1].routes[MODEL]
        return next(item.weight for item in routes if item.name == channel)


def process(pool: Pool) -> Process:
    book, used, emitted = HealthBook(), list[Catalogue](), list[Event]()
    overlay = ChannelOverlay(pool, book, catalogue(), [used.append], emitted.append)
    return Process(overlay, book, used, emitted)


@asynccontextmanager
async def listening(
    made: Process, connect: Callable[[], Any]
) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(made.overlay.keep(connect))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(check: Callable[[], object], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.01)


async def test_a_notice_is_heard_at_once(pool: Pool, database_url: str) -> None:
    made = process(pool)
    connect = lambda: psycopg.AsyncConnection.connect(database_url, autocommit=True)  # noqa: E731
    async with listening(made, connect):
        await change(pool, drain())
        await until(lambda: made.book.closed)
    assert made.book.closed == {"openai-a"}


async def test_without_a_database_what_was_heard_last_goes_on_to_hold(
    pool: Pool, database_url: str
) -> None:
    made = process(pool)
    is_away = True

    async def connect() -> psycopg.AsyncConnection[Any]:
        if is_away:
            raise psycopg.OperationalError("gone")
        return await psycopg.AsyncConnection.connect(database_url, autocommit=True)

    await made.overlay.change(drain())
    async with listening(made, connect):
        await until(lambda: ControlsUnheard() in made.emitted)
        assert made.book.closed == {"openai-a"}
        await change(pool, drain("openai-b"))
        is_away = False
        await until(lambda: made.book.closed == {"openai-a", "openai-b"})
    assert made.emitted.count(ControlsUnheard()) == 1, "once for each time that it is lost"


async def test_a_connection_that_is_cut_is_replaced(pool: Pool, database_url: str) -> None:
    made = process(pool)
    opened: list[psycopg.AsyncConnection[Any]] = []

    async def connect() -> psycopg.AsyncConnection[Any]:
        opened.append(await psycopg.AsyncConnection.connect(database_url, autocommit=True))
        return opened[-1]

    async with listening(made, connect):
        await until(lambda: opened)
        async with pool.connection() as connection:
            pid = opened[0].info.backend_pid
            await connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        await until(lambda: len(opened) > 1)
        await change(pool, drain())
        await until(lambda: made.book.closed)


async def test_a_weight_holds_over_another_catalogue(pool: Pool) -> None:
    made = process(pool)
    await made.overlay.change(Edit("openai-a", uuid4(), weight=7))
    assert made.weight() == 7

    written = made.overlay.catalogue
    others = {id_: tuple(reversed(channels)) for id_, channels in written.routes.items()}
    made.overlay.use(replace(written, routes=others))
    assert made.weight() == 7
    assert made.weight("openai-b") == 100

    await made.overlay.change(Edit("openai-a", uuid4(), weight=0))
    assert made.weight() == 100
    assert made.overlay.overlay.rule("openai-a") == AS_WRITTEN


async def test_what_has_not_changed_is_not_told_again(pool: Pool) -> None:
    made = process(pool)
    await made.overlay.change(drain())
    await made.overlay.load()
    await made.overlay.change(drain())
    assert made.emitted == [ChannelControlled("openai-a", "draining", 0)]
    assert made.used == [], "no weight changed"


async def test_a_look_that_began_earlier_does_not_undo_a_later_one(pool: Pool) -> None:
    made = process(pool)
    began = asyncio.Event()
    goes_on = asyncio.Event()

    class Slow:
        """A connection whose answer is from before the change, and comes after it."""

        async def execute(self, _query: str) -> "Slow":
            began.set()
            await goes_on.wait()
            return self

        async def fetchall(self) -> list[Any]:
            return []

    slow: Any = Slow()
    late = asyncio.create_task(made.overlay._look(slow))
    await began.wait()
    await made.overlay.change(drain())
    goes_on.set()
    await late
    assert made.book.closed == {"openai-a"}


async def test_a_change_that_is_not_committed_does_not_hold(database_url: str) -> None:
    made = process(Pool(database_url, open=False))  # never opened: there is no database
    with pytest.raises(StorageUnavailable):
        await made.overlay.change(drain())
    assert made.book.closed == frozenset()


async def test_an_etag_changes_with_admission_weight_and_the_catalogues_weight(pool: Pool) -> None:
    rules = [Rule(admission, weight) for admission in Admission for weight in (None, 1, 100)]
    assert len({etag_of(rule, written) for rule in rules for written in (1, 100)}) == 18

    seen = etag_of(AS_WRITTEN, 100)
    await change(pool, drain(catalogue_weight=100, etag=seen))
    with pytest.raises(GatewayError) as refused:
        await change(pool, drain(catalogue_weight=100, etag=seen))
    assert refused.value.reason is Reason.INVALID_PARAMETER
    async with pool.connection() as connection:
        assert (await read(connection)).rules == {"openai-a": Rule(Admission.DRAINING)}
