"""One lease per process: while it is valid, the process alone acts for its generations.

Heartbeats every 2 s, expiry after 8 s, by the database's clock. A lease that has expired
is never renewed, for somebody may act on its end; the process takes a new one, with a
higher epoch.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol
from uuid import UUID, uuid4

from core.errors import GatewayError, Reason
from storage.pool import StorageUnavailable

LEASE_SECONDS = 8.0
HEARTBEAT_SECONDS = 2.0
RETRY_SECONDS = 0.5
"""After a heartbeat that was not answered: whoever comes back serves soon."""
# We stop before others may begin: their clock and ours need not run at the same rate.
MARGIN_SECONDS = 1.0


class LeaseStore(Protocol):
    """Where leases stand; its clock decides when they expire."""

    async def acquire(self, process_id: UUID) -> int:
        """A new lease. Returns its epoch, higher than all before."""
        ...

    async def renew(self, epoch: int) -> bool:
        """Put the expiry off. Returns False, and changes nothing, when it has expired."""
        ...

    async def release(self, epoch: int) -> None:
        """Let it expire now."""
        ...


class LeaseKeeper:
    """The lease of a process. *clock* is monotonic, in seconds."""

    def __init__(self, store: LeaseStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._process_id = uuid4()
        self._valid_until = float("-inf")
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """Of the last lease; 0 before the first."""
        return self._epoch

    def is_valid(self, now: float | None = None) -> bool:
        """Whether nobody else can believe the lease expired; *now* by our clock."""
        return (self._clock() if now is None else now) < self._valid_until

    def holds(self, epoch: int) -> bool:
        """Whether what was accepted under *epoch* is still ours alone to send.

        After an outage the lease is a new one, and what began under the old one is anybody's.
        """
        return epoch == self._epoch and self.is_valid()

    def valid_epoch(self) -> int:
        """The epoch under which new work may begin; raises STORAGE_UNAVAILABLE."""
        if not self.is_valid():
            raise GatewayError(
                Reason.STORAGE_UNAVAILABLE,
                "The gateway is reconnecting to its database. Try again in a moment.",
                retry_after=1,
            )
        return self._epoch

    async def acquire(self) -> int:
        """Take a new lease. Raises StorageUnavailable."""
        asked_at = self._clock()
        self._epoch = await self._store.acquire(self._process_id)
        self._trust(asked_at)
        return self._epoch

    async def release(self) -> None:
        """Give it up, at the end of the process; others need not wait for its expiry."""
        self._valid_until = float("-inf")
        await self._store.release(self._epoch)

    async def keep(self) -> None:
        """Heartbeat until cancelled. After an outage the lease is a new one."""
        pause = HEARTBEAT_SECONDS
        while True:
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self.heartbeat()
            except (StorageUnavailable, TimeoutError):
                pause = RETRY_SECONDS  # it may still be renewed in time; else `is_valid` says so
            else:
                pause = HEARTBEAT_SECONDS

    async def heartbeat(self) -> None:
        """Renew the lease, or take a new one where it has expired."""
        asked_at = self._clock()
        if await self._store.renew(self._epoch):
            self._trust(asked_at)
        else:
            self._valid_until = float("-inf")
            await self.acquire()

    def _trust(self, asked_at: float) -> None:
        """The store began to count no earlier than we asked."""
        self._valid_until = asked_at + LEASE_SECONDS - MARGIN_SECONDS
