"""The database goes away while jobs run: they are finished and charged once it is back."""

import asyncio
from collections import Counter

import pytest

from tests import books
from tests.fix_gateway import eventually
from tests.fix_postgres import scratch_folder
from tests.job_fleet import PRICE, UNREACHABLE, VideoModel, running_job_fleet, videos_of

pytestmark = pytest.mark.prove

MODEL = VideoModel("video-cut-off", sla_seconds=300, job_seconds=300)
JOBS = 20
PATIENCE_SECONDS = 150


OUTAGES = [(12, 2_000), (3, 20_000), (45, 2_000)]
"""Seconds without a database, and how long a job runs (ms)."""


async def test_jobs_that_run_without_a_database_are_charged_once_it_is_back(
    database_url, proxy, proxied_url, counts
):
    for outage, run_ms in OUTAGES[: counts.reduced(len(OUTAGES), 1)]:
        await one_outage(database_url, proxy, proxied_url, outage, run_ms)


async def one_outage(database_url, proxy, proxied_url, outage, run_ms):
    """Cut the database off for *outage* seconds while jobs of *run_ms* are in flight."""
    with (
        scratch_folder() as folder,
        running_job_fleet(folder, database_url, [MODEL]) as fleet,
        fleet.database() as connection,
    ):
        fleet.settings_of(MODEL.channels[0], queue_ms=0, run_ms=run_ms)
        environment = {"REAPI_DATABASE_URL": proxied_url, "REAPI_PUBLIC_URL": UNREACHABLE}
        member = await asyncio.to_thread(fleet.start, **environment)
        account_id, key = await asyncio.to_thread(fleet.account, member)
        async with videos_of(member, key) as videos:
            await videos.many(JOBS, JOBS, MODEL.name)
            await eventually(lambda: fleet.made(*MODEL.channels) == JOBS)
            await proxy.stop()
            await asyncio.sleep(outage)  # the time that it takes is what is tested
            await proxy.start()
            await eventually(lambda: not books.unfinished(connection), PATIENCE_SECONDS)
            books.assert_right(connection)
            states = Counter(books.states(connection, account_id))
            charged = books.charged(connection, account_id)

            async with asyncio.timeout(20):
                while (await videos.send("GET", "/readyz"))[0] != 200:
                    await asyncio.sleep(0.1)
            assert states == {"succeeded": JOBS}
            assert len(charged) == JOBS
            assert await videos.spent() == JOBS * PRICE
            assert fleet.made(*MODEL.channels) == JOBS
            assert "Traceback" not in member.role.log
