"""The workers: procrastinate on the same PostgreSQL (design.md 8). A job's arguments are ids.

What is sent and when is decided by the rows of messages (`core.webhooks.deliveries`), which are
written with what they tell about. A job is no more than "try this one now": it carries the try
to a process that has time, and to another one when that dies.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

from procrastinate import App, PsycopgConnector, RetryStrategy
from procrastinate.exceptions import ConnectorException

from core.webhooks.fairness import Due
from storage.pool import connection_string

Send = Callable[[UUID, UUID], Awaitable[None]]

CONCURRENCY: Final = 64
"""Tries of one process at a time: most of them wait for a slow receiver."""
QUEUE: Final = "webhooks"
TASK: Final = "webhooks.send"
POLL_SECONDS: Final = 1.0
"""Between looks for jobs that nobody told about."""
HEARTBEAT_SECONDS: Final = 5.0
STALLED_SECONDS: Final = 20.0
"""Without a heartbeat of a worker, what it had is another one's."""
STOP_SECONDS: Final = 1.0
"""What tries that are under way may still take when the process stops; then they are put back."""
_RETRY = RetryStrategy(max_attempts=8, exponential_wait=2)
"""Of what fails on our side; what receivers do is no failure of the job."""
_POOL: Final[dict[str, Any]] = {"min_size": 1, "max_size": 4, "timeout": 2.0}


class Queue:
    """Takes messages to the workers, and works."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def put(self, chosen: Sequence[Due], connection: object) -> None:
        """Queue tries, in the transaction of *connection*. Retries stand behind first tries."""
        for is_retry in (False, True):
            jobs: list[dict[str, Any]] = [
                {"account_id": item.account_id.hex, "delivery_id": item.id.hex}
                for item in chosen
                if item.is_retry is is_retry
            ]
            if jobs:
                options: dict[str, Any] = {"connection": connection, "priority": -int(is_retry)}
                task = self._app.configure_task(TASK, queue=QUEUE, allow_unknown=False, **options)
                await task.batch_defer_async(*jobs)

    async def work(self) -> None:
        """Send what is queued, until cancelled or until PostgreSQL is lost."""
        try:
            await self._app.run_worker_async(
                queues=[QUEUE],
                concurrency=CONCURRENCY,
                fetch_job_polling_interval=POLL_SECONDS,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS,
                shutdown_graceful_timeout=STOP_SECONDS,
                install_signal_handlers=False,
                delete_jobs="always",
            )
        except ConnectorException:
            # Not raised while we are cancelled: whoever waits for our end would wait on.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from None

    async def rescue(self) -> None:
        """Put back what workers that are gone had taken."""
        manager = self._app.job_manager
        try:
            stalled = await manager.get_stalled_jobs(
                queue=QUEUE, seconds_since_heartbeat=STALLED_SECONDS
            )
            for job in stalled:
                await manager.retry_job(job)
        except ConnectorException:
            return


@asynccontextmanager
async def open_queue(database_url: str, send: Send) -> AsyncIterator[Queue]:
    """A queue whose jobs call *send* with an account and a message. Raises ConnectorException."""
    conninfo = connection_string(database_url, "reapi-jobs")
    app = App(connector=PsycopgConnector(conninfo=conninfo, **_POOL))

    async def run(account_id: str, delivery_id: str) -> None:
        await send(UUID(hex=account_id), UUID(hex=delivery_id))

    app.task(name=TASK, queue=QUEUE, retry=_RETRY)(run)
    async with app.open_async():
        yield Queue(app)
