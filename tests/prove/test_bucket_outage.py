"""A bucket that is away for a minute costs nobody an output, and nothing is made or charged twice."""

import asyncio
import json
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests import books
from tests.fix_fleet import Spec, running_upstreams
from tests.fix_postgres import scratch_folder
from tests.fix_proxy import Proxy
from tests.fix_s3 import bucket_at, environment_of
from tests.job_fleet import PRICE, VideoModel, running_job_fleet, videos_of

pytestmark = pytest.mark.prove

VIDEOS = 50
IMAGES = 20
MODEL = VideoModel("video-outage", sla_seconds=600, job_seconds=300)
PICTURES = Spec("pictures", ("pictures",))
RUN_MS = 3_000
OUTAGE_SECONDS = 60
OUTAGE_SECONDS_IN_CI = 10
PATIENCE_SECONDS = 120
WATCH_SECONDS = 0.25
IMAGE_PATIENCE_SECONDS = 240.0


@pytest.fixture
async def proxy_before_s3(s3_server):
    made = Proxy(("127.0.0.1", s3_server.port))
    await made.start()
    yield made
    made.trouble = "none"
    await made.stop()


@pytest.fixture
def fleet(database_url, proxy_before_s3):
    """Videos and pictures, kept in a bucket behind a proxy."""
    bucket = bucket_at(proxy_before_s3.port, f"outage-{proxy_before_s3.port}/")
    with (
        scratch_folder() as folder,
        contextmanager(running_upstreams)(["pictures"]) as pictures,
    ):
        overlay = folder / "pictures.toml"
        overlay.write_text(PICTURES.toml(pictures.base_urls), encoding="utf-8")
        catalogues = f"{folder / 'fleet.toml'}:{overlay}"
        settings = {"REAPI_CATALOGUE": catalogues, **environment_of(bucket)}
        with running_job_fleet(folder, database_url, [MODEL], **settings) as fleet:
            fleet.settings_of(MODEL.channels[0], queue_ms=100, run_ms=RUN_MS)
            yield fleet


async def image(videos):
    """Where a new picture lies, and how many bytes of it there are."""
    body = {"model": PICTURES.name, "prompt": "a fox", "response_format": "url"}
    async with videos.session.post(
        f"{videos.url}/v1/images/generations",
        json=body,
        headers={"authorization": f"Bearer {videos.key}"},
        timeout=IMAGE_PATIENCE_SECONDS,
    ) as response:
        text = await response.read()
    assert response.status == 200, text[:300]
    return json.loads(text)["data"][0]["url"]


async def read(videos, url):
    """Status, `Retry-After` and bytes behind a link."""
    async with videos.session.get(f"{videos.url}{urlsplit(url).path}") as response:
        return response.status, response.headers.get("retry-after"), await response.read()


async def away(proxy, way, seconds):
    """The bucket is away for so long: it refuses connections, or answers nothing."""
    if way == "refuses":
        await proxy.stop()
    else:
        proxy.trouble = "freeze"
    await asyncio.sleep(seconds)
    if way == "refuses":
        await proxy.start()
    proxy.trouble = "none"


@pytest.mark.parametrize("way", ["refuses", "hangs"])
async def test_a_bucket_that_is_away_loses_nothing(fleet, proxy_before_s3, counts, figure, way):
    seconds = counts.reduced(OUTAGE_SECONDS, OUTAGE_SECONDS_IN_CI)
    member = await asyncio.to_thread(fleet.start)  # the proxy runs in this loop
    account, key = fleet.account(member)
    loop = asyncio.get_running_loop()
    async with videos_of(member, key) as videos:
        earlier = await image(videos)
        ids = await videos.many(VIDEOS, VIDEOS, MODEL.name)
        assert all(ids)
        outage = asyncio.create_task(away(proxy_before_s3, way, seconds))
        await asyncio.sleep(0)
        images = [asyncio.create_task(image(videos)) for _ in range(IMAGES)]
        if way == "refuses":
            assert (await read(videos, earlier))[:2] == (503, "1")
        with fleet.database() as connection:
            await asyncio.sleep(max(0.0, seconds - 1 - RUN_MS / 1_000))
            during = books.unfinished(connection)
            await outage
            back = loop.time()
            links = await asyncio.gather(*images)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while books.unfinished(connection):
                    await asyncio.sleep(WATCH_SECONDS)
            figure(f"{way}: s until all had ended, of a {seconds} s outage", [loop.time() - back])
            books.assert_right(connection)
            states = books.states(connection, account)
            charged = books.charged(connection, account)
        found = [await videos.get(id_) for id_ in ids]
        links += [asset["uri"] for item in found for asset in item["assets"]]
        assert len(set(links)) == VIDEOS + IMAGES
        media = [await read(videos, link) for link in [*links, earlier]]
        figure(f"{way}: generations that waited for the bucket", [during])

    assert during == VIDEOS + IMAGES
    assert states == {"succeeded": VIDEOS + IMAGES + 1}
    assert sum(charged.values()) == (VIDEOS * PRICE + (IMAGES + 1) * PICTURES.credits) * 1_000
    assert fleet.made(*MODEL.channels) == VIDEOS
    assert {status for status, _, _ in media} == {200}
    assert all(data[4:8] == b"ftyp" or data.startswith(b"\x89PNG") for _, _, data in media)
    assert "Traceback" not in member.role.log
    assert member.role.events("Defect") == []
