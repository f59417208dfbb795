"""Everything about webhooks of one process, wired."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from core.engine.library import Library
from core.engine.records_read import RecordReads
from core.engine.repeats import Repeats
from core.fetch.addresses import Network
from core.fetch.posting import Poster
from core.webhooks.deliveries import Deliveries
from core.webhooks.endpoints import Endpoints
from core.webhooks.feeding import Feeder
from core.webhooks.queue import open_queue
from core.webhooks.sending import Manner, Sender
from storage.job_tables import make_job_tables
from storage.pool import PoolLimits, open_pool

POOL: Final = PoolLimits(min_size=1, max_size=4, acquire=5.0)
"""Apart from everybody else's: a crowd of messages shall not make requests wait."""


@dataclass(frozen=True, slots=True)
class Office:
    """What the service and the supervisor need."""

    endpoints: Endpoints
    deliveries: Deliveries
    sender: Sender
    feeder: Feeder
    networks: tuple[Network, ...]


@asynccontextmanager
async def open_office(
    database_url: str, manner: Manner, poster: Poster | None = None
) -> AsyncIterator[Office]:
    """Open it; nothing is sent before its feeder is started. *poster* is for tests.

    Raises StorageUnavailable.
    """
    async with (
        open_pool(database_url, name="reapi-webhooks", limits=POOL) as pool,
        poster or Poster() as opened,
    ):
        await make_job_tables(pool)
        endpoints = Endpoints(pool, manner.keyring)
        deliveries = Deliveries(pool, Repeats(manner.keyring))
        sender = Sender(deliveries, endpoints, Library(RecordReads(pool)), opened, manner)
        async with open_queue(database_url, sender.send) as queue:
            feeder = Feeder(deliveries, queue)
            yield Office(endpoints, deliveries, sender, feeder, manner.networks)
