"""A process that mirrors one hosted video into a bucket, and says when it begins and what it kept.

Told on standard input: a JSON line with the bucket, and the video's URL. On standard output: a line
once everything is open, and after a line more on standard input, a line with the result.
"""

import asyncio
import json
import sys
from uuid import UUID

from core.body import Body, Secret
from core.engine.mirroring import JOB_PATIENCE, Mirror
from core.fetch.result import ResultFetch
from core.model import Channel, Hosted, Kind
from storage.s3 import Bucket, S3Store


async def main() -> None:
    asked = json.loads(sys.stdin.readline())
    channel = Channel(
        "hosting",
        "ark_videos",
        "model",
        asked["base_url"],
        Secret("sk"),
        media_hosts=("127.0.0.1",),
    )
    async with S3Store(Bucket(**asked["bucket"])) as store, ResultFetch() as fetch:
        assert await store.find("tasks/none") is None  # the first call loads what it needs
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        hosted = Hosted(0, Body(asked["url"]))
        (kept,) = await Mirror(store, fetch).keep(
            UUID(int=1), [hosted], channel, Kind.VIDEO, patience=JOB_PATIENCE
        )
        record = kept.record
        found = {
            "name": kept.asset.name,
            "sha256": record.sha256.hex(),
            "size_bytes": record.size_bytes,
            "width": record.width,
            "seconds": kept.seconds,
        }
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
