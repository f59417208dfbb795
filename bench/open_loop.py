"""An open loop: requests leave by the clock, whether or not earlier ones were answered.

A closed loop slows down with its target, which hides what an overload does to it. One
process can send thousands of small requests a second: raw connections, no task for each.
`python -m bench.open_loop` is such a process: a job of JSON on its standard input, the counts by
status on its output.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import httptools
import orjson
import uvloop

TICK_SECONDS = 0.002
"""How often what is due is sent."""
MOST_CONNECTIONS = 3_000
"""Below the gateway's own limit (4,096); what finds none is counted as not sent."""


@dataclass(slots=True)
class Outcome:
    """What came back. Latencies in seconds, from when a request was sent to its whole answer."""

    sent: int = 0
    unsent: int = 0
    broken: int = 0
    """Connections that ended without an answer."""
    by_status: dict[int, list[float]] = field(default_factory=dict)
    ends: list[float] = field(default_factory=list)
    """When each good answer was there, in seconds since the start."""

    @property
    def good(self) -> list[float]:
        """Latencies of what was served."""
        return self.by_status.get(200, [])

    @property
    def refused(self) -> list[float]:
        """Latencies of what was turned away."""
        return [found for status in (429, 503) for found in self.by_status.get(status, [])]

    def counts(self) -> Counter[int]:
        """How many answers had each status."""
        return Counter({status: len(found) for status, found in self.by_status.items()})


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, loop: "OpenLoop") -> None:
        self._owner = loop
        self._transport: asyncio.Transport | None = None
        self._waiting: bytes | None = None
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)
        if self._waiting is not None:
            self._transport.write(self._waiting)

    def ask(self, message: bytes) -> None:
        """Send *message*, at once or as soon as there is a connection."""
        self._waiting, self._sent = message, perf_counter()
        if self._transport is not None:
            self._transport.write(message)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """The answer is whole (the parser calls this)."""
        self._waiting = None
        self._owner.answered(self, self._parser.get_status_code(), self._sent)
        if not self._parser.should_keep_alive():
            self._owner.drop(self)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._owner.drop(self, broken=self._waiting is not None)

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.abort()


class OpenLoop:
    """Sends *messages* in turn to *url*, so many a second."""

    def __init__(self, url: str, messages: Sequence[bytes], per_second: float) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname or "", parts.port or 80
        self._messages = messages
        self._per_second = per_second
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()
        self._dialling: set[asyncio.Task[object]] = set()
        self._begun = 0.0
        self.outcome = Outcome()

    async def run(self, seconds: float, grace: float = 5.0) -> Outcome:
        """Send for *seconds*, then wait *grace* at most for what is on its way."""
        self._begun = begun = perf_counter()
        number = 0
        while (elapsed := perf_counter() - begun) < seconds:
            while number < elapsed * self._per_second:
                self._send(number)
                number += 1
            await asyncio.sleep(TICK_SECONDS)
        waits = round(grace / TICK_SECONDS)
        for _ in range(waits if len(self._idle) < len(self._open) else 0):
            await asyncio.sleep(TICK_SECONDS)
            if len(self._idle) == len(self._open):
                break
        for connection in list(self._open):
            connection.close()
        await asyncio.sleep(0)
        return self.outcome

    def answered(self, connection: _Connection, status: int, sent: float) -> None:
        """Note one answer; the connection is free again."""
        now = perf_counter()
        self.outcome.by_status.setdefault(status, []).append(now - sent)
        if status == 200:
            self.outcome.ends.append(now - self._begun)
        self._idle.append(connection)

    def drop(self, connection: _Connection, *, broken: bool = False) -> None:
        """Forget a connection that is gone."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self.outcome.broken += broken

    def _send(self, number: int) -> None:
        message = self._messages[number % len(self._messages)]
        if self._idle:
            self._idle.pop().ask(message)
        elif len(self._open) < MOST_CONNECTIONS:
            connection = _Connection(self)
            connection.ask(message)
            self._open.add(connection)
            loop = asyncio.get_running_loop()
            host, port = self._address
            task = loop.create_task(loop.create_connection(lambda: connection, host, port))
            self._dialling.add(task)
            task.add_done_callback(self._dialling.discard)
        else:
            self.outcome.unsent += 1
            return
        self.outcome.sent += 1


async def _job(job: dict[str, str | float]) -> dict[str, int]:
    messages = [str(job["message"]).encode()]
    loop = OpenLoop(str(job["url"]), messages, float(job["per_second"]))
    outcome = await loop.run(float(job["seconds"]))
    return {str(status): count for status, count in outcome.counts().items()}


def main() -> None:
    """Do one job."""
    job = orjson.loads(sys.stdin.buffer.read())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.write(orjson.dumps(runner.run(_job(job))).decode())


if __name__ == "__main__":
    main()
