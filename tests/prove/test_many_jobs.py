"""Thousands of jobs in flight in one process: each end is noticed in time, and cheaply."""

import asyncio
import time
from uuid import UUID

import pytest

from bench.processes import cpu_seconds, pss_bytes
from tests import books
from tests.fix_postgres import scratch_folder
from tests.job_fleet import TASK, UNREACHABLE, VideoModel, running_job_fleet, videos_of
from tests.prove_options import percentile

pytestmark = pytest.mark.prove

POLL_SECONDS = 5
MODEL = VideoModel("video-many", poll_seconds=POLL_SECONDS, job_seconds=600, sla_seconds=1_200)
RUN_MS = 45_000
RUN_MS_IN_CI = 12_000
PER_ACCOUNT = 1_000
AT_ONCE = 16
LAG_SECONDS = POLL_SECONDS + 1
MAXIMUM_PSS = 250 << 20
WATCH_SECONDS = 0.5
PATIENCE_SECONDS = 180


class Meter:
    """Looks at a process until it is stopped."""

    def __init__(self, pid):
        self.pid = pid
        self.peak = 0

    async def watch(self):
        while True:
            self.peak = max(self.peak, pss_bytes({self.pid}) or 0)
            await asyncio.sleep(WATCH_SECONDS)

    def cpu(self):
        return cpu_seconds({self.pid}) or 0.0


@pytest.fixture
def fleet(database_url):
    with scratch_folder() as folder, running_job_fleet(folder, database_url, [MODEL]) as fleet:
        yield fleet


@pytest.mark.parametrize("way", ["polls", "callbacks"])
async def test_every_end_is_noticed_in_time_in_little_memory(fleet, counts, figure, way):
    count = counts.reduced(2_000, 300)
    fleet.settings_of(MODEL.channels[0], queue_ms=0, run_ms=RUN_MS_IN_CI if counts.ci else RUN_MS)
    member = fleet.start(**({"REAPI_PUBLIC_URL": UNREACHABLE} if way == "polls" else {}))
    meter = Meter(member.pid)
    watching = asyncio.create_task(meter.watch())
    with fleet.database() as connection:
        begun, cpu = time.monotonic(), meter.cpu()
        await create(fleet, member, count)
        created, cpu_created = time.monotonic(), meter.cpu()
        in_flight = books.unfinished(connection)
        first_end = min(job.submitted for job in fleet.jobs(MODEL.channels[0]))
        first_end += (RUN_MS_IN_CI if counts.ci else RUN_MS) / 1_000
        await asyncio.sleep(max(0.0, first_end - time.monotonic() - 1))
        waited, cpu_waited = time.monotonic(), meter.cpu()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while books.unfinished(connection):
                await asyncio.sleep(WATCH_SECONDS)
        ended, cpu_ended = time.monotonic(), meter.cpu()
        watching.cancel()
        books.assert_right(connection)
        states = dict(books.rows(connection, "SELECT state, count(*) FROM generation GROUP BY 1"))
        lags = lags_of(fleet, connection)

    def figure_of(name, values):
        figure(f"{way}: {name}", values)

    looks = fleet.asked(MODEL.channels[0], f"GET {TASK}")
    figure_of("looks per job", [looks / count])
    figure_of("s from a job's end to its generation's", lags)
    figure_of("MB of memory (PSS), the highest", [meter.peak / (1 << 20)])
    figure_of("ms of CPU per job, to create it", [(cpu_created - cpu) / count * 1e3])
    figure_of("ms of CPU per job, to finish it", [(cpu_ended - cpu_waited) / count * 1e3])
    figure_of("ms of CPU per job, in all", [(cpu_ended - cpu) / count * 1e3])
    figure_of("% of a core while all run", [(cpu_waited - cpu_created) / (waited - created) * 100])
    figure_of("jobs created a second", [count / (created - begun)])
    figure_of("s from the first end to the last", [ended - waited])
    figure_of("jobs in flight at once", [in_flight])
    assert states == {"succeeded": count}
    assert fleet.made(*MODEL.channels) == count
    assert in_flight == count
    assert "Traceback" not in member.role.log
    assert percentile(lags, 99) <= LAG_SECONDS
    assert meter.peak <= MAXIMUM_PSS


async def create(fleet, member, count):
    """So many jobs, of as many accounts as their keys' concurrency asks for."""
    left = count
    while left:
        _, key = fleet.account(member)
        async with videos_of(member, key) as videos:
            ids = await videos.many(min(left, PER_ACCOUNT), AT_ONCE, MODEL.name)
        assert all(ids)
        left -= len(ids)


def lags_of(fleet, connection):
    """Seconds from the end of each job, by the simulator, to the end of its generation."""
    offset = time.time() - time.monotonic()
    sql = (
        "SELECT a.mark, extract(epoch FROM g.finished_at)::float8 FROM attempt a"
        " JOIN generation g ON g.account_id = a.account_id AND g.id = a.generation_id"
    )
    finished: dict[UUID, float] = dict(books.rows(connection, sql))
    jobs = fleet.jobs(*MODEL.channels)
    return [finished[job.mark] - (job.ended + offset) for job in jobs]
