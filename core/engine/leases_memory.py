"""Leases in memory: the twin of what PostgreSQL keeps."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from uuid import UUID

from core.engine.leases import LEASE_SECONDS
from core.engine.records import Stray
from core.engine.records_memory import MemoryRecords, moment

_LEASE_US = round(LEASE_SECONDS * 1_000_000)


class MemoryLeases:
    """Leases by a clock in microseconds since 1970."""

    def __init__(self, records: MemoryRecords, clock: Callable[[], int]) -> None:
        self._records = records
        self._clock = clock
        self._epochs = count(1)
        self._expiries: dict[int, int] = {}

    async def acquire(self, process_id: UUID) -> int:  # noqa: ARG002 (of use to operators only)
        epoch = next(self._epochs)
        self._expiries[epoch] = self._clock() + _LEASE_US
        return epoch

    async def renew(self, epoch: int) -> bool:
        if not self._is_valid(epoch):
            return False
        self._expiries[epoch] = self._clock() + _LEASE_US
        return True

    async def release(self, epoch: int) -> None:
        self._expiries.pop(epoch, None)

    async def strays(self, limit: int, after: UUID) -> list[Stray]:
        """Generations that have not ended and whose owner has no valid lease, by rising id."""
        found = [stray for stray in self._records.open_generations() if stray.id > after]
        return [stray for stray in found if not self._is_valid(stray.owner_epoch)][:limit]

    async def open_of(self, epoch: int, older_than_seconds: float) -> list[Stray]:
        """Generations of one owner that have been open for so long, oldest first."""
        before = moment(self._clock()) - timedelta(seconds=older_than_seconds)
        return [
            stray
            for stray in self._records.open_generations()
            if stray.owner_epoch == epoch
            and self._records.generations_by_id[stray.id].row.created_at < before
        ]

    async def wishes(self, epoch: int) -> list[UUID]:
        """Generations of one owner that their callers asked to cancel, wherever they asked."""
        known = self._records.generations_by_id
        return [
            stray.id
            for stray in self._records.open_generations()
            if stray.owner_epoch == epoch and known[stray.id].row.cancel_requested_at is not None
        ]

    def _is_valid(self, epoch: int) -> bool:
        return self._expiries.get(epoch, 0) > self._clock()
