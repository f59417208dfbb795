"""Submits whose answers get lost, many at once: whatever becomes of them, one job and one charge."""

import asyncio
import random
from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest

from tests import books
from tests.fix_gateway import eventually
from tests.fix_postgres import scratch_folder
from tests.job_fleet import (
    PRICE,
    TASKS,
    VideoModel,
    reason_of,
    running_job_fleet,
    videos_of,
)

pytestmark = pytest.mark.prove

SLA_SECONDS = 20
MODELS = [
    VideoModel("video-lossy"),
    VideoModel("video-silent"),
    VideoModel("video-blind", sla_seconds=SLA_SECONDS),
    VideoModel("video-listless"),
    VideoModel("video-mixed"),
]
LOST = {"kind": "lost", "on": "submit"}
"""The job is made, and the connection closed without a word."""
HALF = {"kind": "hang", "after": 1, "on": "submit"}
"""The job is made, and the answer stops after a byte."""
SILENT = {"kind": "hang", "on": "submit"}
"""The bytes left, and no job is made."""
PATIENCE_SECONDS = 90
AT_ONCE = 32


@pytest.fixture
def fleet(database_url):
    with scratch_folder() as folder, running_job_fleet(folder, database_url, MODELS) as fleet:
        yield fleet


@pytest.fixture
async def videos(fleet):
    """A caller with an account of its own; afterwards the books are right."""
    member = fleet.start()
    account_id, key = fleet.account(member)
    async with videos_of(member, key) as videos:
        yield videos
    with fleet.database() as connection:
        books.assert_right(connection)
        books.charged(connection, account_id)
    assert "Traceback" not in member.role.log


async def all_ended(videos, ids):
    return await asyncio.gather(*(videos.ended(id_, PATIENCE_SECONDS) for id_ in ids))


async def all_made(fleet, model, count):
    """Wait until the provider has so many jobs."""
    await eventually(lambda: fleet.made(*model.channels) == count, PATIENCE_SECONDS)


def assert_one_job_each(fleet, model, count):
    """No generation has two jobs, on whatever channels."""
    marks = [job.mark for job in fleet.jobs(*model.channels)]
    assert len(set(marks)) == len(marks)
    sql = "SELECT generation_id, mark FROM attempt"
    with fleet.database() as connection:
        owners: dict[UUID, UUID] = {mark: id_ for id_, mark in books.rows(connection, sql)}
    jobs = Counter(owners[mark] for mark in marks)
    assert max(jobs.values()) == 1
    assert len(jobs) == count


@pytest.mark.parametrize("fault", [LOST, HALF], ids=["lost", "half"])
async def test_jobs_whose_answers_got_lost_are_all_found_and_none_is_made_again(
    fleet, videos, fault, counts
):
    model, count = MODELS[0], counts.reduced(200, 40)
    fleet.upstreams.fault(model.channels[0], **fault)
    ids = await replace(videos, only=model.channels[0]).many(count, AT_ONCE, model.name)
    await all_made(fleet, model, count)
    fleet.upstreams.heal()
    ended = await all_ended(videos, ids)

    assert Counter(found["state"] for found in ended) == {"succeeded": count}
    assert fleet.made(model.channels[0]) == count
    assert_one_job_each(fleet, model, count)
    assert await videos.spent() == count * PRICE


async def test_submits_that_made_nothing_are_made_once_after_the_list_has_said_so(
    fleet, videos, counts
):
    model, count = MODELS[1], counts.reduced(50, 10)
    fleet.upstreams.fault(model.channels[0], **SILENT, times=count)
    ids = await videos.many(count, AT_ONCE, model.name)
    ended = await all_ended(videos, ids)

    assert Counter(found["state"] for found in ended) == {"succeeded": count}
    assert fleet.asked(model.channels[0], f"GET {TASKS}") > 0
    assert_one_job_each(fleet, model, count)
    assert await videos.spent() == count * PRICE


async def test_without_a_list_they_end_at_the_deadline_and_are_not_made_again(
    fleet, videos, counts
):
    model, count = MODELS[2], counts.reduced(50, 10)
    channel = model.channels[0]
    fleet.upstreams.fault(channel, **HALF)
    ids = await replace(videos, only=channel).many(count, AT_ONCE, model.name)
    await all_made(fleet, model, count)
    fleet.upstreams.fault(channel, kind="status", status=500)
    sent = fleet.made(channel)
    ended = await all_ended(videos, ids)
    fleet.upstreams.heal()
    later = await all_ended(videos, ids)

    assert fleet.made(*model.channels) == count
    lost = [found for found in ended if found["state"] != "succeeded"]
    assert len(lost) == sent
    assert {reason_of(found) for found in lost} <= {"UPSTREAM_TIMEOUT"}
    assert [found["state"] for found in later] == [found["state"] for found in ended]
    assert await videos.spent() == (count - sent) * PRICE


async def test_a_list_that_comes_back_finds_them_all(fleet, videos, counts):
    model, count = MODELS[3], counts.reduced(50, 10)
    channel = model.channels[0]
    fleet.upstreams.fault(channel, **HALF)
    ids = await replace(videos, only=channel).many(count, AT_ONCE, model.name)
    await all_made(fleet, model, count)
    fleet.upstreams.fault(channel, kind="garbage", on="list", times=count // 2)
    ended = await all_ended(videos, ids)

    assert Counter(found["state"] for found in ended) == {"succeeded": count}
    assert_one_job_each(fleet, model, count)
    assert await videos.spent() == count * PRICE


async def test_a_provider_that_breaks_in_every_way_at_once_makes_and_bills_one_each(
    fleet, videos, counts
):
    model, count = MODELS[4], counts.reduced(200, 40)
    chance = random.Random(3)
    faults = [
        LOST,
        HALF,
        {"kind": "status", "status": 500, "on": "submit"},
        {"kind": "reset", "on": "submit"},
        {"kind": "reset", "after": 1, "on": "submit"},
        {"kind": "garbage", "on": "submit"},
        {"kind": "empty", "on": "submit"},
        {"kind": "status", "status": 502, "on": "poll"},
        {"kind": "garbage", "on": "poll"},
        {"kind": "cut", "after": 1_000, "on": "file"},
        {"kind": "status", "status": 503, "on": "list"},
        {"kind": "refuse"},
    ]
    creating = asyncio.create_task(videos.many(count, 4, model.name))
    while not creating.done():
        fault = chance.choice(faults)
        fleet.upstreams.fault(chance.choice(model.channels), **fault)
        await asyncio.sleep(chance.uniform(0.05, 0.3))  # creates go on meanwhile
        if chance.random() < 0.5:
            fleet.upstreams.heal()
    ids = await creating
    fleet.upstreams.heal()
    ended = await all_ended(videos, ids)

    states = Counter(found["state"] for found in ended)
    assert set(states) <= {"succeeded", "failed"}
    assert states["succeeded"] > count // 2
    marks = [job.mark for job in fleet.jobs(*model.channels)]
    assert len(set(marks)) == len(marks)
    with fleet.database() as connection:
        for id_, known in jobs_of(connection).items():
            made = known.intersection(marks)
            assert len(made) <= 1, f"{id_} has {len(made)} jobs"
    assert await videos.spent() == states["succeeded"] * PRICE


def jobs_of(connection):
    """The marks of each generation's attempts."""
    found: dict[UUID, set[UUID]] = {}
    for id_, mark in books.rows(connection, "SELECT generation_id, mark FROM attempt"):
        found.setdefault(id_, set()).add(mark)
    return found
