"""Jobs whose process is killed, frozen or stopped while callers wish something of them."""

import asyncio
import json
import signal
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
    UNREACHABLE,
    VideoModel,
    reason_of,
    running_job_fleet,
    videos_of,
)

pytestmark = pytest.mark.prove

SUBMIT = f"POST {TASKS}"
MODEL = VideoModel("video-handed", sla_seconds=300, job_seconds=300)
SHORT = VideoModel("video-short", sla_seconds=20)
FIRST, SECOND = MODEL.channels
HANDED_SECONDS = 40
"""Lease, adoption, a search that must be certain, and the job itself."""
FROZEN_SECONDS = 14
"""Longer than a lease and the pass that adopts."""
STOP_SECONDS = 10
REQUESTS = 60


@pytest.fixture
def fleet(database_url):
    models = [MODEL, SHORT]
    with scratch_folder() as folder, running_job_fleet(folder, database_url, models) as fleet:
        yield fleet


@pytest.fixture
async def pair(fleet):
    """Two members; what is left of them has logged no traceback, and the books are right."""
    members = [fleet.start(REAPI_PUBLIC_URL=UNREACHABLE) for _ in range(2)]
    yield members
    with fleet.database() as connection:
        # What a frozen member had in its sockets is accepted when it wakes.
        await eventually(lambda: books.is_settled(connection), HANDED_SECONDS)
        books.assert_right(connection)
    assert not [member for member in members if "Traceback" in member.role.log]


@pytest.fixture
async def callers(fleet, pair):
    """One customer at both members."""
    _, key = fleet.account(pair[0])
    async with videos_of(pair[0], key) as one, videos_of(pair[1], key) as other:
        yield one, other


async def begun(fleet, videos, count=1, status="running"):
    """So many jobs that the provider has, in that status; their ids."""
    before = fleet.made(FIRST)
    ids = [await videos.create(MODEL.name) for _ in range(count)]
    await eventually(lambda: fleet.made(FIRST) == before + count)
    await eventually(lambda: all(job.status == status for job in fleet.jobs(FIRST)[before:]))
    await recorded(fleet, ids)
    return ids


async def recorded(fleet, ids):
    """Wait until the rows know the jobs of these generations."""
    sql = (
        "SELECT count(*) FROM attempt WHERE upstream_job_id IS NOT NULL AND generation_id = ANY(%s)"
    )
    wanted = [UUID(hex=id_) for id_ in ids]
    with fleet.database() as connection:
        await eventually(lambda: books.number(connection, sql, wanted) == len(ids))


async def test_a_wish_to_cancel_reaches_the_owner_through_any_member(fleet, callers):
    one, other = callers
    fleet.settings_of(FIRST, queue_ms=60_000)
    (id_,) = await begun(fleet, one, status="queued")
    await other.cancel(id_)
    found = await other.ended(id_)

    assert found["state"] == "cancelled"
    assert [job.status for job in fleet.jobs(FIRST)] == ["cancelled"]
    assert await other.spent() == 0


async def test_a_wish_to_cancel_outlives_the_owner(fleet, pair, callers):
    one, other = callers
    fleet.settings_of(FIRST, queue_ms=60_000)
    ids = await begun(fleet, one, 5, status="queued")
    pair[0].kill()
    for id_ in ids:
        await other.cancel(id_)
    found = [await other.ended(id_, HANDED_SECONDS) for id_ in ids]

    assert {each["state"] for each in found} == {"cancelled"}
    assert {job.status for job in fleet.jobs(FIRST)} == {"cancelled"}
    assert await other.spent() == 0


async def test_outputs_of_what_was_deleted_meanwhile_are_deleted_on_arrival(fleet, pair, callers):
    one, other = callers
    fleet.settings_of(FIRST, queue_ms=0, run_ms=3_000)
    ids = await begun(fleet, one, 5)
    pair[0].kill()
    for id_ in ids:
        await other.delete(id_)
    with fleet.database() as connection:
        await eventually(lambda: not books.unfinished(connection), HANDED_SECONDS)

    def files():
        return [path for path in fleet.bucket.rglob("*") if path.is_file()]

    await eventually(lambda: not files())
    assert await other.spent() == 5 * PRICE


async def test_an_adopted_job_that_fails_is_made_nowhere_else_and_costs_nothing(
    fleet, pair, callers
):
    one, other = callers
    fleet.settings_of(FIRST, queue_ms=0, run_ms=3_000)
    fleet.upstreams.fault(FIRST, kind="job_fails")
    ids = await begun(fleet, one, 5)
    pair[0].kill()
    found = [await other.ended(id_, HANDED_SECONDS) for id_ in ids]

    assert {(each["state"], reason_of(each)) for each in found} == {
        ("failed", "REQUEST_NOT_RETAINED")
    }
    assert fleet.asked(SECOND, SUBMIT) == 0
    assert await other.spent() == 0


async def test_what_a_stopped_member_leaves_is_taken_over_at_once(fleet, pair, callers):
    one, other = callers
    fleet.settings_of(FIRST, queue_ms=0, run_ms=15_000)
    ids = await begun(fleet, one, 20)
    pair[0].role.ask_to_stop()
    code = await asyncio.to_thread(pair[0].role.process.wait, STOP_SECONDS)
    found = [await other.ended(id_, HANDED_SECONDS) for id_ in ids]

    assert code == 0
    assert Counter(each["state"] for each in found) == {"succeeded": 20}
    assert fleet.made(FIRST, SECOND) == 20
    assert await other.spent() == 20 * PRICE


async def test_a_member_that_starts_after_all_have_died_finishes_their_jobs(fleet, pair, callers):
    one, other = callers
    fleet.settings_of(FIRST, queue_ms=0, run_ms=2_000)
    ids = [*await begun(fleet, one, 10), *await begun(fleet, other, 10)]
    for member in pair:
        member.kill()
    third = fleet.start(REAPI_PUBLIC_URL=UNREACHABLE)
    async with videos_of(third, one.key) as videos:
        found = [await videos.ended(id_, HANDED_SECONDS) for id_ in ids]
        spent = await videos.spent()

    assert Counter(each["state"] for each in found) == {"succeeded": 20}
    assert fleet.made(FIRST, SECOND) == 20
    assert spent == 20 * PRICE


async def test_a_watch_through_another_member_survives_the_owner(fleet, pair, callers):
    one, other = callers
    fleet.settings_of(FIRST, queue_ms=0, run_ms=3_000)
    (id_,) = await begun(fleet, one)
    watching = asyncio.create_task(other.send("GET", f"/api/v1/generations/{id_}:watch"))
    await asyncio.sleep(0.5)  # so that the watch stands when the owner dies
    pair[0].kill()
    async with asyncio.timeout(HANDED_SECONDS):
        status, text = await watching

    events = [
        dict(line.split(": ", 1) for line in frame.split("\n"))
        for frame in text.decode().strip().split("\n\n")
        if not frame.startswith(":")
    ]
    numbers = [int(event["id"]) for event in events]
    assert status == 200
    assert [event["event"] for event in events].count("completed") == 1
    assert events[-1]["event"] == "completed"
    assert numbers == sorted(set(numbers))
    assert json.loads(events[-1]["data"])["completed"]["generation"]["assets"]


@pytest.mark.parametrize("run_ms", [3_000, 20_000], ids=["ended-meanwhile", "ends-later"])
async def test_a_frozen_owner_finds_its_jobs_taken_over_and_leaves_them(
    fleet, pair, callers, counts, run_ms
):
    """It wakes with jobs to poll, searches that are due and requests that are half accepted."""
    if counts.ci and run_ms > 3_000:
        pytest.skip("in full runs")
    one, other = replace(callers[0], only=FIRST), callers[1]
    fleet.settings_of(FIRST, queue_ms=0, run_ms=run_ms)
    ids = await begun(fleet, one, 20)
    fleet.upstreams.fault(FIRST, kind="lost", on="submit", times=10)
    lost = await asyncio.gather(*(one.create(MODEL.name) for _ in range(10)))
    await eventually(lambda: fleet.made(FIRST) == 30)
    asked = fleet.asked(FIRST, SUBMIT)
    fleet.upstreams.fault(FIRST, kind="hang", on="submit", times=10)
    unmade = await asyncio.gather(*(one.create(MODEL.name) for _ in range(10)))
    await eventually(lambda: fleet.asked(FIRST, SUBMIT) == asked + 10)
    late = [asyncio.create_task(one.create(MODEL.name)) for _ in range(10)]
    await asyncio.sleep(0)
    pair[0].role.process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(FROZEN_SECONDS)  # the time that it takes is what is tested
    finally:
        pair[0].role.process.send_signal(signal.SIGCONT)
    accepted = await asyncio.gather(*late, return_exceptions=True)
    with fleet.database() as connection:
        await eventually(lambda: not books.unfinished(connection), HANDED_SECONDS + 20)
        states = dict(books.rows(connection, "SELECT state, count(*) FROM generation GROUP BY 1"))
        marks: dict[UUID, set[UUID]] = {}
        for id_, mark in books.rows(connection, "SELECT generation_id, mark FROM attempt"):
            marks.setdefault(id_, set()).add(mark)
    made = {job.mark for job in fleet.jobs(FIRST, SECOND)}
    for id_, known in marks.items():
        assert len(known & made) <= 1, f"{id_} has two jobs"
    found = [await other.ended(id_) for id_ in [*ids, *lost]]
    assert Counter(each["state"] for each in found) == {"succeeded": 30}
    assert {(await other.ended(id_))["state"] for id_ in unmade} <= {"succeeded", "failed"}
    assert len(accepted) == 10
    assert set(states) <= {"succeeded", "failed"}
    assert await other.spent() == states["succeeded"] * PRICE
    assert fleet.made(FIRST, SECOND) == len(made) == states["succeeded"]


async def test_a_frozen_owner_submits_nothing_once_it_has_lost_its_lease(fleet, pair, callers):
    """It wakes with requests that were accepted and not sent; meanwhile they were given up."""
    one, other = callers
    rows = "SELECT count(*) FROM generation"
    creating = asyncio.create_task(one.many(REQUESTS, REQUESTS // 2, MODEL.name))
    with fleet.database() as connection:
        while not books.number(connection, rows):
            await asyncio.sleep(0)
        pair[0].role.process.send_signal(signal.SIGSTOP)
        try:
            known = books.number(connection, rows)
            made_before = fleet.made(FIRST, SECOND)
            await eventually(lambda: not books.unfinished(connection), HANDED_SECONDS)
        finally:
            pair[0].role.process.send_signal(signal.SIGCONT)
        await asyncio.gather(creating, return_exceptions=True)
        await eventually(lambda: not books.unfinished(connection), HANDED_SECONDS)
        given_up = {
            mark
            for (mark,) in books.rows(
                connection,
                "SELECT a.mark FROM attempt a JOIN generation g"
                " ON g.account_id = a.account_id AND g.id = a.generation_id"
                " WHERE g.state = 'failed'",
            )
        }
    late = [job for job in fleet.jobs(FIRST, SECOND) if job.mark in given_up]
    assert made_before < known, "all were sent: the point was missed"
    assert late == [], f"{len(late)} jobs were made for generations that had been given up"
    assert await other.spent() == fleet.made(FIRST, SECOND) * PRICE


async def test_a_lost_job_that_is_cancelled_is_found_and_stopped(fleet, callers):
    one, other = callers
    fleet.settings_of(FIRST, queue_ms=60_000)
    fleet.upstreams.fault(FIRST, kind="hang", after=1, on="submit")
    ids = [await one.create(MODEL.name) for _ in range(3)]
    await eventually(lambda: fleet.made(FIRST) == 3)
    await one.cancel(ids[0])
    await other.cancel(ids[1])
    await other.delete(ids[2])

    def stopped():
        return [job.status for job in fleet.jobs(FIRST)] == ["cancelled"] * 3

    await eventually(stopped, HANDED_SECONDS)
    assert {(await one.ended(id_))["state"] for id_ in ids[:2]} == {"cancelled"}
    with fleet.database() as connection:
        await eventually(lambda: not books.unfinished(connection), HANDED_SECONDS)
    assert fleet.made(FIRST, SECOND) == 3
    assert await one.spent() == 0


async def test_an_adopted_job_that_cannot_be_found_out_ends_at_its_deadline(fleet, pair, callers):
    one, other = callers
    channel = SHORT.channels[0]
    fleet.upstreams.fault(channel, kind="hang", after=1, on="submit")
    id_ = await one.create(SHORT.name)
    await eventually(lambda: fleet.made(channel) == 1)
    fleet.upstreams.fault(channel, kind="status", status=500)
    pair[0].kill()
    found = await other.ended(id_, SHORT.sla_seconds + 5)

    assert (found["state"], reason_of(found)) == ("failed", "UPSTREAM_TIMEOUT")
    assert fleet.made(*SHORT.channels) == 1
    assert await other.spent() == 0
