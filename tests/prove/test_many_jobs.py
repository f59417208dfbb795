"""Thousands of jobs in flight in one process: each end is noticed in time, and cheaply."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from storage.embedded import EmbeddedPostgres
from tests import books
from tests.database_load import SETTINGS, DatabaseLoad
from tests.fix_postgres import scratch_folder
from tests.job_crowds import Meter, all_ended, create, lags
from tests.job_fleet import TASK, UNREACHABLE, VideoModel, running_job_fleet
from tests.prove_options import percentile

pytestmark = [pytest.mark.prove, pytest.mark.alone]

POLL_SECONDS = 5
MODEL = VideoModel("video-many", poll_seconds=POLL_SECONDS, job_seconds=600, sla_seconds=1_200)
RUN_MS = 45_000
RUN_MS_IN_CI = 12_000
LAG_SECONDS = POLL_SECONDS + 1
MAXIMUM_PSS = 250 << 20
PATIENCE_SECONDS = 180

CROWD = VideoModel(
    "video-crowd", poll_seconds=10, job_seconds=900, sla_seconds=1_800, maximum_in_flight=20_000
)
CROWD_RUN_MS = 150_000
"""Longer than it takes to create them all."""
CROWD_RUN_MS_IN_CI = 25_000
CROWD_LAG_SECONDS = CROWD.poll_seconds + 1
CROWD_PSS = 600 << 20
CROWD_PATIENCE_SECONDS = 600
SLACK_SECONDS = 2


def slack(counts) -> int:
    """Seconds that others on the machine may cost, where speed is not judged."""
    return 0 if counts.judges_speed else SLACK_SECONDS


@pytest.fixture
def fleet(database_url):
    with scratch_folder() as folder, running_job_fleet(folder, database_url, [MODEL]) as fleet:
        yield fleet


@pytest.mark.parametrize("way", ["polls", "callbacks"])
async def test_every_end_is_noticed_in_time_in_little_memory(fleet, counts, figure, way):
    count = counts.reduced(2_000, 300)
    run_ms = RUN_MS_IN_CI if counts.ci else RUN_MS
    fleet.settings_of(MODEL.channels[0], queue_ms=0, run_ms=run_ms)
    member = fleet.start(**({"REAPI_PUBLIC_URL": UNREACHABLE} if way == "polls" else {}))
    meter = Meter(member.pid)
    async with meter.watching():
        found = await crowd(fleet, member, meter, MODEL, count, run_ms)
    report(lambda name, values: figure(f"{way}: {name}", values), found, count)
    assert found["states"] == {"succeeded": count}
    assert fleet.made(*MODEL.channels) == count
    assert found["in flight"] == count
    assert "Traceback" not in member.role.log
    assert percentile(found["lags"], 99) <= LAG_SECONDS + slack(counts)
    assert meter.peak <= MAXIMUM_PSS


async def test_ten_thousand_jobs_are_in_flight_at_once(counts, figure):
    count = counts.reduced(10_000, 1_000)
    run_ms = CROWD_RUN_MS_IN_CI if counts.ci else CROWD_RUN_MS
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        server = await stack.enter_async_context(
            EmbeddedPostgres(folder / "postgres", settings=SETTINGS)
        )
        fleet = stack.enter_context(running_job_fleet(folder, server.url, [CROWD]))
        fleet.settings_of(CROWD.channels[0], queue_ms=0, run_ms=run_ms, max_unfinished=20_000)
        member = await asyncio.to_thread(fleet.start, REAPI_PUBLIC_URL=UNREACHABLE)
        load = DatabaseLoad(server)
        stack.callback(load.close)
        meter = Meter(member.pid)
        async with meter.watching():
            found = await crowd(fleet, member, meter, CROWD, count, run_ms, load)
        report(lambda name, values: figure(f"crowd: {name}", values), found, count)
        report_load(figure, found["loads"], count)
        print("\nstatements:", *load.costliest(), sep="\n  ")
        assert found["states"] == {"succeeded": count}
        assert found["in flight"] == count
        assert "Traceback" not in member.role.log
        assert member.role.events("Defect") == []
        assert percentile(found["lags"], 99) <= CROWD_LAG_SECONDS + slack(counts)
        assert meter.peak <= CROWD_PSS


async def crowd(fleet, member, meter, model, count, run_ms, load=None):
    """Create *count* jobs that run for so long, and see them all end."""
    loads = []

    def look():
        nonlocal before
        if load is not None:
            loads.append(load.since(before))
            before = load.look()
        return time.monotonic(), meter.cpu()

    with fleet.database() as connection:
        before = load.look() if load is not None else None
        begun, cpu = time.monotonic(), meter.cpu()
        await create(fleet, member, model.name, count)
        created, cpu_created = look()
        in_flight = books.unfinished(connection)
        first_end = min(job.submitted for job in fleet.jobs(model.channels[0])) + run_ms / 1_000
        await asyncio.sleep(max(0.0, first_end - time.monotonic() - 1))
        waited, cpu_waited = look()
        await all_ended(connection, CROWD_PATIENCE_SECONDS if load else PATIENCE_SECONDS)
        ended, cpu_ended = look()
        books.assert_right(connection)
        return {
            "states": dict(
                books.rows(connection, "SELECT state, count(*) FROM generation GROUP BY 1")
            ),
            "in flight": in_flight,
            "lags": lags(fleet, connection, model),
            "looks": fleet.asked(model.channels[0], f"GET {TASK}"),
            "peak": meter.peak,
            "seconds": (created - begun, waited - created, ended - waited),
            "cpu": (cpu_created - cpu, cpu_waited - cpu_created, cpu_ended - cpu_waited),
            "loads": loads,
        }


def report(figure, found, count):
    """What was seen of the gateway."""
    creating, waiting, ending = found["seconds"]
    cpu_creating, cpu_waiting, cpu_ending = found["cpu"]
    figure("looks per job", [found["looks"] / count])
    figure("s from a job's end to its generation's", found["lags"])
    figure("MB of memory (PSS), the highest", [found["peak"] / (1 << 20)])
    figure("ms of CPU per job, to create it", [cpu_creating / count * 1e3])
    figure("ms of CPU per job, to finish it", [cpu_ending / count * 1e3])
    figure("ms of CPU per job, in all", [sum(found["cpu"]) / count * 1e3])
    if waiting > 1:
        figure("% of a core while all run", [cpu_waiting / waiting * 100])
    figure("jobs created a second", [count / creating])
    figure("s from the first end to the last", [ending])
    figure("jobs in flight at once", [found["in flight"]])


def report_load(figure, loads, count):
    """What was seen of PostgreSQL."""
    for name, load in zip(("created", "all run", "end"), loads, strict=True):
        figure(
            f"PostgreSQL, % of a core while they {name}", [load.cpu_seconds / load.seconds * 100]
        )
        figure(f"PostgreSQL, transactions/s while they {name}", [load.transactions / load.seconds])
        figure(f"PostgreSQL, statements/s while they {name}", [load.statements / load.seconds])
        figure(f"PostgreSQL, KB/s of WAL while they {name}", [load.wal_bytes / load.seconds / 1024])
    figure("PostgreSQL, transactions per job", [sum(x.transactions for x in loads) / count])
    figure("PostgreSQL, statements per job", [sum(x.statements for x in loads) / count])
    figure("PostgreSQL, bytes of WAL per job", [sum(x.wal_bytes for x in loads) / count])
    figure("PostgreSQL, ms of CPU per job", [sum(x.cpu_seconds for x in loads) / count * 1e3])
