"""kill -9 of one of two processes with jobs in flight: the other one finishes them, each once."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass
from uuid import UUID

import pytest

from tests import books
from tests.fix_postgres import scratch_folder
from tests.job_fleet import PRICE, PRICE_MICROS, Member, VideoModel, running_job_fleet, videos_of

pytestmark = [pytest.mark.prove, pytest.mark.alone]

MODEL = VideoModel("video-adopted", poll_seconds=1, job_seconds=300, sla_seconds=600)
AT_ONCE = 32
ADOPTION_SECONDS = 10
SETTLED_SECONDS = 60
LATENCY_MS = 200
"""Of a submit: so many are sent and not recorded when the process dies."""
UNMADE = {"kind": "hang", "on": "submit", "times": 5}
"""The first submits of a round are never answered, and make nothing."""
RUN_MS = 6_000
"""Longer than the creates take: no job has ended when the process dies."""
DOWNLOADS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """A generation as the database has it."""

    state: str
    owner: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Point:
    """When to kill: once so many requests were accepted, and then seconds later."""

    accepted: int
    seconds: float


@pytest.fixture
def fleet(database_url):
    """Upstreams, and nothing running before them yet."""
    with scratch_folder() as folder, running_job_fleet(folder, database_url, [MODEL]) as fleet:
        fleet.settings_of(MODEL.channels[0], latency_ms=LATENCY_MS, queue_ms=500, run_ms=RUN_MS)
        yield fleet


async def test_jobs_of_a_killed_process_are_finished_by_another_and_each_once(
    fleet, counts, figure
):
    chance = random.Random(7)
    count = counts.reduced(200, 60)
    members = [fleet.start(), fleet.start()]
    totals: Counter[str] = Counter()
    for number in range(counts.rounds):
        chance.shuffle(members)
        victim, survivor = members
        # Every other time while requests are still arriving.
        point = Point(chance.randint(1, count), 0) if number % 2 else Point(count, chance.random())
        totals += await one_round(fleet, victim, survivor, count, point, figure)
        members = [survivor, fleet.start()]
        assert "Traceback" not in survivor.role.log
    figure("sent and recorded when the process died", [totals["recorded"]])
    figure("sent and not recorded when the process died", [totals["unrecorded"]])
    figure("not made when the process died", [totals["unmade"]])
    assert totals["recorded"] > 0
    assert totals["unrecorded"] > 0
    assert totals["unmade"] > 0


async def one_round(fleet, victim, survivor, count, point, figure):
    """Kill *victim* at *point*; what became of its generations."""
    made_before = fleet.made(*MODEL.channels)
    account_id, key = fleet.account(victim)
    account = UUID(account_id)
    killed = asyncio.Event()
    async with videos_of(victim, key) as videos:
        fleet.upstreams.fault(MODEL.channels[0], **UNMADE)
        creating = asyncio.create_task(videos.many(count, AT_ONCE, MODEL.name, killed.is_set))
        sql = "SELECT count(*) FROM generation WHERE account_id = %s"
        with fleet.database() as connection:
            while books.number(connection, sql, account) < point.accepted:
                await asyncio.sleep(0)
        await asyncio.sleep(point.seconds)  # the random point: no event to await
        victim.kill()
        killed_at = time.monotonic()
        killed.set()
        accepted = {id_ for id_ in await creating if id_}
    fleet.upstreams.heal()
    with fleet.database() as connection:
        before = rows_of(connection, account)
        marks, recorded = attempts_of(connection, account)
        (epoch,) = {row.owner for row in before.values()}
        adopted = await until_adopted(connection, account, epoch, killed_at)
        settled = await until_settled(connection, account, killed_at)
    figure("s until every job was another's after kill -9", [adopted])
    figure("s until every generation had ended after kill -9", [settled])

    totals = assert_each_ended_as_it_must(fleet, account, marks, recorded)
    assert accepted <= {id_.hex for id_ in before}
    assert fleet.made(*MODEL.channels) - made_before == totals["recorded"] + totals["unrecorded"]
    assert adopted < ADOPTION_SECONDS
    await assert_paid_and_readable(fleet, survivor, account_id, key, totals)
    return totals


async def until_adopted(connection, account, epoch, since):
    """Seconds from *since* until nothing that is open belongs to *epoch*."""
    sql = (
        "SELECT count(*) FROM generation"
        " WHERE account_id = %s AND owner_epoch = %s AND finished_at IS NULL"
    )
    async with asyncio.timeout(SETTLED_SECONDS):
        while books.number(connection, sql, account, epoch):
            await asyncio.sleep(0.05)
    return time.monotonic() - since


async def until_settled(connection, account, since):
    """Seconds from *since* until everything has ended."""
    sql = "SELECT count(*) FROM generation WHERE account_id = %s AND finished_at IS NULL"
    async with asyncio.timeout(SETTLED_SECONDS):
        while books.number(connection, sql, account):
            await asyncio.sleep(0.1)
    return time.monotonic() - since


def rows_of(connection, account):
    """The generations of an account by id."""
    sql = "SELECT id, state, owner_epoch, reason FROM generation WHERE account_id = %s"
    return {id_: Row(*rest) for id_, *rest in books.rows(connection, sql, account)}


def attempts_of(connection, account):
    """The marks of each generation, and those generations of which a job's id is known."""
    sql = "SELECT generation_id, mark, upstream_job_id FROM attempt WHERE account_id = %s"
    marks: dict[UUID, set[UUID]] = {}
    recorded = set()
    for id_, mark, job_id in books.rows(connection, sql, account):
        marks.setdefault(id_, set()).add(mark)
        if job_id is not None:
            recorded.add(id_)
    return marks, recorded


def assert_each_ended_as_it_must(fleet, account, marks, recorded):
    """What was made succeeded, what was not failed; no generation has two jobs.

    *marks* and *recorded* are from the moment of the death: afterwards nobody may submit.
    """
    jobs = [job.mark for job in fleet.jobs(*MODEL.channels)]
    assert len(set(jobs)) == len(jobs), "two jobs have one mark"
    with fleet.database() as connection:
        ended = rows_of(connection, account)
        marks_after, _ = attempts_of(connection, account)
    assert marks_after == marks, "an attempt was begun after the request was lost"
    totals: Counter[str] = Counter()
    for id_, row in ended.items():
        sent = marks[id_].intersection(jobs)
        assert len(sent) <= 1, "a generation has two jobs"
        if sent:
            assert row.state == "succeeded", f"{id_}: a job that was sent ended {row}"
            totals["recorded" if id_ in recorded else "unrecorded"] += 1
        else:
            assert id_ not in recorded
            assert (row.state, row.reason) == ("failed", "REQUEST_NOT_RETAINED")
            totals["unmade"] += 1
    return totals


async def assert_paid_and_readable(fleet, survivor: Member, account_id, key, totals):
    """Every video was charged once, and can be fetched from the process that is left."""
    made = totals["recorded"] + totals["unrecorded"]
    with fleet.database() as connection:
        books.assert_right(connection)
        charged = books.charged(connection, account_id)
        assets = books.number(
            connection, "SELECT count(*) FROM asset WHERE account_id = %s", UUID(account_id)
        )
    assert len(charged) == made
    assert set(charged.values()) <= {PRICE_MICROS}
    assert assets == made
    async with videos_of(survivor, key) as videos:
        assert await videos.spent() == PRICE * made
        for id_ in list(charged)[:DOWNLOADS]:
            found = await videos.get(id_)
            path = "/media/" + found["assets"][0]["uri"].split("/media/")[1]
            status, film = await videos.send("GET", path)
            assert (status, film[4:8]) == (200, b"ftyp")
