"""Loops of one process: feeds the workers with what is due, and clears up."""

import asyncio
from contextlib import suppress
from typing import Final

from procrastinate.exceptions import ConnectorException

from core.engine.supervisor import Supervisor
from core.webhooks.deliveries import Deliveries
from core.webhooks.fairness import choose
from core.webhooks.queue import Queue
from storage.pool import StorageUnavailable

FEED_SECONDS: Final = 0.5
RESCUE_SECONDS: Final = 10.0


class Feeder:
    """Moves messages from their table to the queue, fairly."""

    def __init__(self, deliveries: Deliveries, queue: Queue) -> None:
        self._deliveries = deliveries
        self._queue = queue

    def start(self, supervisor: Supervisor) -> None:
        """Run all loops, and a worker."""
        supervisor.run("webhook-feed", self._feed)
        supervisor.run("webhook-worker", self._queue.work)
        supervisor.run("webhook-rescue", self._rescue)

    async def feed(self) -> int:
        """Queue what may be sent now; how many. One process at a time does it."""
        deliveries = self._deliveries
        async with deliveries.feeding() as connection, connection.transaction():
            if not await deliveries.is_mine(connection):
                return 0
            await deliveries.announce(connection)
            due, under_way = await deliveries.due(connection)
            chosen = choose(due, under_way)
            if chosen:
                await deliveries.queue(connection, chosen)
                await self._queue.put(chosen, connection)
        return len(chosen)

    async def _feed(self) -> None:
        while True:
            with suppress(StorageUnavailable, ConnectorException):
                await self.feed()
            await asyncio.sleep(FEED_SECONDS)

    async def _rescue(self) -> None:
        while True:
            with suppress(StorageUnavailable):
                await self._queue.rescue()
                await self._deliveries.requeue()
            await asyncio.sleep(RESCUE_SECONDS)
