"""Tells one endpoint of every event, signed, at least once, and as badly as wished."""

import asyncio
import contextlib
import hmac
import itertools
import json
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from heapq import heapify, heappop, heappush
from typing import Final

import aiohttp

from simulator.stripe_books import Books
from simulator.stripe_errors import Thing

ATTEMPTS: Final = 16
"""Stripe tries for three days, ever more rarely: about so many times."""
ANSWER_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 1.0
RETRY_SECONDS_MAX: Final = 60.0
AT_ONCE: Final = 16
STALE_SECONDS: Final = 3_600
"""How old a stale signature is: receivers tolerate five minutes."""
RECORDED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where events are posted. Several secrets sign at once, as while a secret is rolled."""

    url: str
    secrets: tuple[str, ...] = field(repr=False)
    kinds: tuple[str, ...] = ("*",)
    # Nothing is posted until it is asked for.
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Chaos:
    """How badly events are delivered: probabilities from 0 to 1, drawn from a seed.

    lose       The event is never posted.
    duplicate  It is posted twice.
    reorder    It comes up to a second late.
    delay      It comes up to `delay_seconds` late.
    stale      It is posted besides with a signature an hour old.
    forge      It is posted besides with a signature of another secret.
    """

    seed: int = 0
    lose: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    delay_seconds: int = 30
    stale: float = 0.0
    forge: float = 0.0


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    event: Thing = field(compare=False)
    manner: str = field(compare=False, default="genuine")
    attempt: int = field(compare=False, default=1)


def signature(body: bytes, secrets: tuple[str, ...], moment: int) -> str:
    """Give the `Stripe-Signature` of a body at a moment (Unix seconds)."""
    signed = f"{moment}.".encode() + body
    marks = (hmac.new(secret.encode(), signed, sha256).hexdigest() for secret in secrets)
    return ",".join([f"t={moment}", *(f"v1={mark}" for mark in marks)])


class Webhooks:
    """The queue of deliveries. Stale and forged ones are tried once, and should be refused."""

    def __init__(self, books: Books, clock: Callable[[], float] = time.time) -> None:
        self.endpoint: Endpoint | None = None
        self.counts: Counter[str] = Counter()
        self.record: deque[Thing] = deque(maxlen=RECORDED)
        self._books = books
        self._clock = clock
        self._chaos = Chaos()
        self._random = random.Random(0)
        self._queue: list[_Due] = []
        self._numbers = itertools.count()
        self._wake = asyncio.Event()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._runner: asyncio.Task[None] | None = None
        self._posting: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        books.told.append(self._enqueue)

    @property
    def chaos(self) -> Chaos:
        """How badly events are delivered; setting it begins its random numbers anew."""
        return self._chaos

    @chaos.setter
    def chaos(self, chaos: Chaos) -> None:
        self._chaos = chaos
        self._random = random.Random(chaos.seed)

    @property
    def waiting(self) -> int:
        """How many deliveries are queued."""
        return len(self._queue)

    def configure(self, endpoint: Endpoint | None) -> None:
        """Post to another endpoint from now on, or nowhere; what is queued goes there, too."""
        self.endpoint = endpoint
        self._wake.set()
        if endpoint is not None and not endpoint.is_held and self._runner is None:
            self._runner = asyncio.create_task(self._run())

    async def drain(self, attempts: int = ATTEMPTS, at_once: int = 1) -> dict[str, int]:
        """Post everything that is queued now, at once, however late it is due; then count.

        What is refused is tried again right away, *attempts* times in all; what is then still
        refused stays queued. With *at_once* so many are posted side by side.
        """
        before = Counter(self.counts)
        await asyncio.gather(*self._posting, return_exceptions=True)
        tried: Counter[int] = Counter()
        kept: list[_Due] = []
        while self._queue:
            batch = [heappop(self._queue) for _ in range(min(at_once, len(self._queue)))]
            await asyncio.gather(*(self._post(due) for due in batch))
            for due in batch:
                tried[due.number] += 1
            again = [due for due in self._queue if tried[due.number] >= attempts]
            kept += again
            self._queue = [due for due in self._queue if tried[due.number] < attempts]
            heapify(self._queue)
        self._queue = kept
        heapify(self._queue)
        self._wake.set()
        return dict(self.counts - before)

    async def deliver(self, event: Thing, manner: str = "genuine") -> int:
        """Post an event once, now, beside whatever is queued; gives the HTTP status, 0 if none."""
        return await self._send(event, manner, attempt=1)

    def forget(self) -> int:
        """Lose everything that is queued; gives how many deliveries."""
        lost = len(self._queue)
        self._queue.clear()
        self.counts["lost"] += lost
        return lost

    async def close(self) -> None:
        """Stop posting."""
        running = [*self._posting]
        if self._runner is not None:
            running.append(self._runner)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._runner = None
        if self._session is not None:
            await self._session.close()

    def _enqueue(self, event: Thing) -> None:
        endpoint = self.endpoint
        if endpoint is None or not {"*", event["type"]}.intersection(endpoint.kinds):
            return
        chaos = self._chaos
        event["pending_webhooks"] = 1
        if self._hits(chaos.lose):
            self.counts["lost"] += 1
            return
        self._push(event, "genuine")
        if self._hits(chaos.duplicate):
            self.counts["duplicated"] += 1
            self._push(event, "genuine")
        if self._hits(chaos.stale):
            self._push(event, "stale")
        if self._hits(chaos.forge):
            self._push(event, "forged")

    def _push(self, event: Thing, manner: str) -> None:
        at = time.monotonic()
        if self._hits(self._chaos.reorder):
            at += self._random.random()
        if self._hits(self._chaos.delay):
            at += self._random.random() * self._chaos.delay_seconds
        heappush(self._queue, _Due(at, next(self._numbers), event, manner))
        self._wake.set()

    def _hits(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            is_open = self.endpoint is not None and not self.endpoint.is_held
            wait = self._queue[0].at - time.monotonic() if self._queue and is_open else None
            if wait is None or wait > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), wait)
                continue
            await self._places.acquire()
            if not self._queue:
                self._places.release()
                continue
            task = asyncio.create_task(self._post(heappop(self._queue)))
            self._posting.add(task)
            task.add_done_callback(self._posted)

    def _posted(self, task: asyncio.Task[None]) -> None:
        self._posting.discard(task)
        self._places.release()

    async def _post(self, due: _Due) -> None:
        status = await self._send(due.event, due.manner, due.attempt)
        if 200 <= status < 300 or due.manner != "genuine":
            return
        if due.attempt >= ATTEMPTS:
            self.counts["given_up"] += 1
            return
        wait = min(RETRY_SECONDS * 2 ** (due.attempt - 1), RETRY_SECONDS_MAX)
        due.attempt += 1
        due.at = time.monotonic() + wait
        heappush(self._queue, due)
        self._wake.set()

    async def _send(self, event: Thing, manner: str, attempt: int) -> int:
        endpoint = self.endpoint
        if endpoint is None:
            return 0
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS), trust_env=False
            )
        body = json.dumps(self._books.shown(event), indent=2).encode()
        moment = int(self._clock())
        secrets = endpoint.secrets
        if manner == "stale":
            moment -= STALE_SECONDS
        if manner == "forged":
            secrets = ("whsec_of_somebody_else",)
        headers = {
            "content-type": "application/json; charset=utf-8",
            "stripe-signature": signature(body, secrets, moment),
            "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            async with self._session.post(
                endpoint.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            # What went wrong is the receiver's business; it is tried again.
            status = 0
        self._note(event, manner, attempt, status)
        return status

    def _note(self, event: Thing, manner: str, attempt: int, status: int) -> None:
        took = 200 <= status < 300
        if manner == "genuine":
            self.counts["delivered" if took else "refused"] += 1
            if took:
                event["pending_webhooks"] = 0
        else:
            self.counts[f"{manner}_{'taken' if took else 'refused'}"] += 1
        said = {"event": event["id"], "type": event["type"], "manner": manner}
        self.record.append({**said, "attempt": attempt, "status": status})
