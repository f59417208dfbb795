"""Thousands of jobs in flight in one process, and what that takes of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

from bench.processes import cpu_seconds, pss_bytes
from tests import books
from tests.job_fleet import JobFleet, Member, VideoModel, Videos, videos_of

PER_ACCOUNT = 1_000
"""A key of a new account may have 2,000 in flight."""
AT_ONCE = 16
TRIES = 30
WATCH_SECONDS = 0.5


class Meter:
    """Looks at a process for as long as it is entered."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.peak = 0
        """Bytes of memory (PSS), the most."""
        self.descriptors = 0
        """Open at once, the most."""

    async def _watch(self) -> None:
        while True:
            self.peak = max(self.peak, pss_bytes({self.pid}) or 0)
            self.descriptors = max(self.descriptors, descriptors(self.pid))
            await asyncio.sleep(WATCH_SECONDS)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Note the highest memory."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        return cpu_seconds({self.pid}) or 0.0


def descriptors(pid: int) -> int:
    """How many a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


async def create(fleet: JobFleet, member: Member, model: str, count: int) -> None:
    """So many jobs, of as many accounts as their keys' concurrency asks for.

    As SDKs do, a refusal for now is taken for what it is: the machine is a busy one.
    """
    left = count
    while left:
        _, key = await asyncio.to_thread(fleet.account, member)
        gate = asyncio.Semaphore(AT_ONCE)
        async with videos_of(member, key) as videos:

            async def one(videos: Videos = videos, gate: asyncio.Semaphore = gate) -> str:
                async with gate:
                    return await videos.create(model, TRIES)

            ids = await asyncio.gather(*(one() for _ in range(min(left, PER_ACCOUNT))))
        assert all(ids)
        left -= len(ids)


async def all_ended(connection: books.Connection, seconds: float) -> None:
    """Wait until no generation is open."""
    async with asyncio.timeout(seconds):
        while books.unfinished(connection):
            await asyncio.sleep(WATCH_SECONDS)


def lags(fleet: JobFleet, connection: books.Connection, model: VideoModel) -> list[float]:
    """Seconds from the end of each job, by the simulator, to the end of its generation."""
    offset = time.time() - time.monotonic()
    sql = (
        "SELECT a.mark, extract(epoch FROM g.finished_at)::float8 FROM attempt a"
        " JOIN generation g ON g.account_id = a.account_id AND g.id = a.generation_id"
        " WHERE g.model = %s"
    )
    finished: dict[UUID, float] = dict(books.rows(connection, sql, model.name))
    jobs = fleet.jobs(*model.channels)
    return [
        finished[job.mark] - (job.ended + offset)
        for job in jobs
        if job.ended is not None and job.mark in finished
    ]
