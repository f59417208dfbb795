"""A message outlives whoever wrote it and whoever was sending it."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.webhooks import feeding, queue
from storage import job_tables
from storage.pool import Pool
from tests.fix_commit import PostgresHouse
from tests.fix_gateway import ROOT
from tests.webhooks.posting_office import Desk, open_desk, working
from tests.webhooks.receiving import Receiver, hangs, says

pytestmark = pytest.mark.prove


@asynccontextmanager
async def dying(url: str, receiver: str, how: str) -> AsyncIterator[str]:
    """A process that has ended a generation, killed at the end; the generation's id."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.webhooks.dying_office", url, receiver, how),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        yield line.decode().split()[1]
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_what_was_settled_is_told_by_the_next_process(
    postgres_house: PostgresHouse, receiver: Receiver
) -> None:
    async with dying(postgres_house.url, receiver.url + "/hook", "settles") as id_:
        assert receiver.received == []
    async with open_desk(postgres_house) as desk, working(desk):
        (message,) = await receiver.wait("/hook")

    assert f'"task_{id_}"'.encode() in message.body


async def test_what_was_being_sent_is_sent_again_under_its_id(
    postgres_house: PostgresHouse, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(queue, "STALLED_SECONDS", 1.0)
    monkeypatch.setattr(feeding, "RESCUE_SECONDS", 0.2)
    url = receiver.plays("/hook", hangs(asyncio.Event()), says(200))
    async with dying(postgres_house.url, url, "sends"):
        await receiver.wait("/hook")
    async with open_desk(postgres_house) as desk, working(desk):
        first, second = await receiver.wait("/hook", 2)

    assert (first.id, first.body) == (second.id, second.body)


async def test_a_process_that_stops_does_not_wait_for_receivers_and_leaves_the_rest_to_the_next(
    postgres_house: PostgresHouse, receiver: Receiver
) -> None:
    url = receiver.plays("/hook", hangs(asyncio.Event()), says(200))
    async with open_desk(postgres_house) as desk:
        async with working(desk):
            await desk.endpoint(url)
            await desk.end()
            await receiver.wait("/hook")
            begun = time.monotonic()
        assert time.monotonic() - begun < 5
    async with open_desk(postgres_house) as other, working(other):
        first, second = await receiver.wait("/hook", 2)

    assert first.id == second.id


async def test_messages_are_sent_once_the_database_is_back(desk: Desk, receiver: Receiver) -> None:
    await desk.endpoint(receiver.url + "/hook")
    async with working(desk):
        await desk.house.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name IN ('reapi-jobs', 'reapi-webhooks')"
            " AND datname = current_database()"
        )
        await desk.end()
        await receiver.wait("/hook")


async def test_two_processes_share_the_work_and_send_each_message_once(
    desk: Desk, receiver: Receiver
) -> None:
    await desk.endpoint(receiver.url + "/hook")
    async with open_desk(desk.house) as other, working(desk), working(other):
        for _ in range(20):
            await desk.end()
        messages = await receiver.wait("/hook", 20)

    assert len({message.id for message in messages}) == 20
    assert len(receiver.received) == 20


async def test_the_tables_of_jobs_are_made_once_and_brought_up_to_date(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.gather(*(job_tables.make_job_tables(pool) for _ in range(3)))
    later = {"99.00.00_01_pre_later.sql": "CREATE TABLE later (number integer)"}
    monkeypatch.setattr(job_tables, "_shipped", lambda: later)
    await asyncio.gather(*(job_tables.make_job_tables(pool) for _ in range(3)))

    async with pool.connection() as connection:
        rows = await connection.execute("SELECT to_regclass('later') IS NOT NULL")
        assert await rows.fetchone() == (True,)
