"""A video of half a gigabyte goes through a process that never holds more than a few parts of it."""

import asyncio
import hashlib
import json
import sys
from contextlib import asynccontextmanager
from dataclasses import asdict

import pytest
from aiohttp import web

from bench.processes import cpu_seconds, pss_bytes
from storage.s3 import S3Store
from tests.films import INDEX_FIRST
from tests.fix_gateway import ROOT

pytestmark = [pytest.mark.prove, pytest.mark.alone]

MEBIBYTE = 1 << 20
MAXIMUM_GROWTH = 64 * MEBIBYTE
WATCH_SECONDS = 0.01
PATIENCE_SECONDS = 120
PATTERN = bytes(range(256)) * (MEBIBYTE // 256)


def index():
    """The boxes `ftyp` and `moov` of a film: what stands before its pictures."""
    return INDEX_FIRST[: INDEX_FIRST.index(b"mdat") - 4]


class Host:
    """Where the video lies: valid, *size* bytes long, made while it is sent."""

    def __init__(self, size):
        self.head = index() + (1).to_bytes(4, "big") + b"mdat"
        self.head += (size - len(self.head) + 8).to_bytes(8, "big")
        self.size = size
        self.digest = hashlib.sha256()

    async def send(self, request):
        answer = web.StreamResponse(headers={"content-type": "video/mp4"})
        answer.content_length = self.size
        await answer.prepare(request)
        left, piece = self.size, self.head
        while left:
            self.digest.update(piece)
            await answer.write(piece)
            left -= len(piece)
            piece = PATTERN[: min(left, len(PATTERN))]
        return answer


@asynccontextmanager
async def serving(host):
    app = web.Application()
    app.router.add_get("/film.mp4", host.send)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def mirroring(asked):
    """A process of its own that is ready to mirror."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.mirror_process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        assert await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS) == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Watch:
    """The memory of a process, until it is stopped."""

    def __init__(self, pid):
        self.pid = pid
        self.before = self.peak = pss_bytes({pid})

    async def run(self):
        while True:
            self.peak = max(self.peak, pss_bytes({self.pid}) or 0)
            await asyncio.sleep(WATCH_SECONDS)


async def test_a_video_of_half_a_gigabyte_needs_little_memory(bucket, counts, figure):
    size = counts.reduced(500, 200) * 1_000_000
    host = Host(size)
    loop = asyncio.get_running_loop()
    async with serving(host) as base_url:
        asked = {"bucket": asdict(bucket), "base_url": base_url, "url": f"{base_url}/film.mp4"}
        async with mirroring(asked) as process:
            watch = Watch(process.pid)
            watching = asyncio.create_task(watch.run())
            begun, cpu = loop.time(), cpu_seconds({process.pid}) or 0.0
            process.stdin.write(b"go\n")
            line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)
            seconds = loop.time() - begun
            cpu = (cpu_seconds({process.pid}) or cpu) - cpu
            watching.cancel()
    kept = json.loads(line)
    figure(
        f"{size // 1_000_000} MB: MB of memory (PSS) it grew by",
        [(watch.peak - watch.before) / MEBIBYTE],
    )
    figure(f"{size // 1_000_000} MB: MB of memory (PSS) before", [watch.before / MEBIBYTE])
    figure(f"{size // 1_000_000} MB: s", [seconds])
    figure(f"{size // 1_000_000} MB: s of CPU", [cpu])
    async with S3Store(bucket) as store:
        found = await store.find(kept["name"])
        stored = hashlib.sha256()
        async for piece in store.read(kept["name"]):
            stored.update(piece)

    assert kept["size_bytes"] == found.size == size
    assert kept["sha256"] == stored.hexdigest() == host.digest.hexdigest()
    assert (kept["width"], round(kept["seconds"])) == (64, 1)
    assert watch.peak - watch.before <= MAXIMUM_GROWTH
