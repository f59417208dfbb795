"""Tells callers' callback URLs about jobs: one heap and one task for every job of a channel.

Only loopback is ever called: the simulator would otherwise send requests wherever a caller says.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

import aiohttp

from simulator.jobs import Job
from simulator.listener import is_loopback_url

ATTEMPTS: Final = 4
ANSWER_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 1.0
AT_ONCE: Final = 16


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    # The moment whose status is told, however late the telling.
    moment: float = field(compare=False)
    job: Job = field(compare=False)
    url: str = field(compare=False, repr=False)
    attempt: int = field(compare=False, default=1)


Sign = Callable[[str, bytes], Mapping[str, str]]


def unsigned(_url: str, _body: bytes) -> Mapping[str, str]:
    """Give no headers: nothing shows who posts."""
    return {}


class Callbacks:
    """Posts a job's body, as *render* gives it for a moment, on each change of its status.

    Nothing is posted where *render* gives nothing. *sign* gives the headers that show a URL who
    posts a body. An answer other than 2xx, or none within five seconds, is followed by up to three
    more tries.
    """

    def __init__(self, render: Callable[[Job, float], bytes | None], sign: Sign = unsigned) -> None:
        self._render = render
        self._sign = sign
        self._heap: list[_Due] = []
        self._numbers = itertools.count()
        self._wake = asyncio.Event()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._runner: asyncio.Task[None] | None = None
        self._posting: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def watch(self, job: Job, url: str) -> None:
        """Tell *url* from now on how *job* stands, if it is on loopback."""
        if not is_loopback_url(url):
            return
        self._push(job.submitted, job.submitted, job, url)
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop telling."""
        running = [*self._posting]
        if self._runner is not None:
            running.append(self._runner)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _push(self, at: float, moment: float, job: Job, url: str, attempt: int = 1) -> None:
        heappush(self._heap, _Due(at, next(self._numbers), moment, job, url, attempt))
        self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            wait = self._heap[0].at - time.monotonic() if self._heap else None
            if wait is not None and wait <= 0:
                await self._start(heappop(self._heap))
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)

    async def _start(self, due: _Due) -> None:
        """Post one, and plan what comes after it; a cancelled or deleted job is silent."""
        if due.attempt == 1 and (after := due.job.next_change(due.moment)) is not None:
            self._push(after, after, due.job, due.url)
        if due.job.deleted or due.job.status(due.moment) == "cancelled":
            return
        body = self._render(due.job, due.moment)
        if body is None:
            return
        await self._places.acquire()
        task = asyncio.create_task(self._post(due, body))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def _post(self, due: _Due, body: bytes) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS), trust_env=False
            )
        told = False
        try:
            async with self._session.post(
                due.url,
                data=body,
                headers={"content-type": "application/json", **self._sign(due.url, body)},
                allow_redirects=False,
            ) as response:
                told = 200 <= response.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError):
            # What went wrong is the receiver's business; it is tried again.
            told = False
        finally:
            self._places.release()
        if told:
            due.job.notified += 1
        elif due.attempt < ATTEMPTS:
            at = time.monotonic() + RETRY_SECONDS
            self._push(at, due.moment, due.job, due.url, due.attempt + 1)
