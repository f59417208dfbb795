"""An upstream that stops answering for its jobs delays nobody else's, and fills no process."""

import asyncio
import time

import pytest

from tests import books
from tests.fix_fleet import Spec, running_upstreams
from tests.fix_postgres import scratch_folder
from tests.job_crowds import Meter, all_ended, create, lags
from tests.job_fleet import UNREACHABLE, VideoModel, running_job_fleet
from tests.prove_options import percentile
from tests.traffic import traffic

pytestmark = [pytest.mark.prove, pytest.mark.alone]

POLL_SECONDS = 2
STUCK = VideoModel(
    "video-stuck", poll_seconds=1, job_seconds=600, sla_seconds=1_200, maximum_in_flight=20_000
)
WELL = VideoModel("video-well", poll_seconds=POLL_SECONDS, job_seconds=600, sla_seconds=1_200)
PICTURES = Spec("pictures", ("pictures",))
RUN_MS = 5_000
LONG = "deadlines = { connect = 1, acknowledge = 5, first_byte = 60, idle = 60, total = 300 }"
SHORT = "deadlines = { connect = 1, acknowledge = 5, first_byte = 1, idle = 1, total = 30 }"
LAG_SECONDS = POLL_SECONDS + 2
"""Anything that waits here for what hangs waits fifteen seconds and more."""
IMAGE_SECONDS = 3.0
"""Far less than anything here hangs."""
IMAGES, AT_ONCE = 100, 4
MAXIMUM_DESCRIPTORS = 512 + 256 + 200
"""Looks and downloads that hang, and everything else."""
PATIENCE_SECONDS = 240


@pytest.fixture
def crowded(database_url):
    """A gateway with two models whose jobs have upstreams of their own, and one that draws."""
    with scratch_folder() as folder:
        for others in running_upstreams(PICTURES.upstreams):
            overlay = folder / "pictures.toml"
            overlay.write_text(PICTURES.toml(others.base_urls), encoding="utf-8")
            catalogues = f"{folder / 'fleet.toml'}:{overlay}"
            models = [STUCK, WELL]
            with running_job_fleet(
                folder, database_url, models, REAPI_CATALOGUE=catalogues
            ) as fleet:
                patient = folder / "fleet.toml"
                # As long as shipped channels wait: hung calls pile up.
                patient.write_text(patient.read_text().replace(SHORT, LONG))
                yield fleet


@pytest.mark.parametrize("operation", ["poll", "file"])
async def test_a_stuck_upstream_delays_no_other(crowded, counts, figure, operation):
    stuck, well = counts.reduced(2_000, 1_000), counts.reduced(300, 60)
    for model in (STUCK, WELL):
        for channel in model.channels:
            crowded.settings_of(channel, queue_ms=0, run_ms=RUN_MS, max_unfinished=20_000)
    for channel in STUCK.channels:
        crowded.upstreams.fault(channel, kind="hang", on=operation)
    member = await asyncio.to_thread(crowded.start, REAPI_PUBLIC_URL=UNREACHABLE)
    meter = Meter(member.pid)
    async with meter.watching():
        await create(crowded, member, STUCK.name, stuck)
        await asyncio.sleep(RUN_MS / 1_000 + 2)  # every job of theirs has something to wait for
        await create(crowded, member, WELL.name, well)
        _, key = await asyncio.to_thread(crowded.account, member)
        async with traffic(member.url, key) as caller:
            images = await caller.many(IMAGES, AT_ONCE, PICTURES.name)
        with crowded.database() as connection:
            begun = time.monotonic()
            open_of = "SELECT count(*) FROM generation WHERE finished_at IS NULL AND model = "
            while books.number(connection, open_of + f"'{WELL.name}'"):
                assert time.monotonic() < begun + PATIENCE_SECONDS
                await asyncio.sleep(0.25)
            still = books.number(connection, open_of + f"'{STUCK.name}'")
            late = lags(crowded, connection, WELL)
            crowded.upstreams.heal()
            healed = time.monotonic()
            await all_ended(connection, PATIENCE_SECONDS)
            recovered = time.monotonic() - healed
            books.assert_right(connection)
            states = dict(
                books.rows(connection, "SELECT state, count(*) FROM generation GROUP BY 1")
            )
    name = f"stuck {operation}s"
    figure(f"{name}: s from a job's end to its generation's, others", late)
    figure(f"{name}: s to an image meanwhile", [image.seconds for image in images])
    figure(f"{name}: descriptors, the highest", [meter.descriptors])
    figure(f"{name}: MB of memory (PSS), the highest", [meter.peak / (1 << 20)])
    figure(f"{name}: s until those that were stuck had ended", [recovered])
    assert still == stuck, "they are all stuck"
    assert len(late) == well
    assert percentile(late, 99) <= LAG_SECONDS
    assert {image.status for image in images} == {200}
    assert percentile([image.seconds for image in images], 99) <= IMAGE_SECONDS
    assert meter.descriptors <= MAXIMUM_DESCRIPTORS
    assert states == {"succeeded": stuck + well + IMAGES}
    assert "Traceback" not in member.role.log
