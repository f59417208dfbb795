"""What a process does besides serving: heartbeats, adoption, partitions, sweeps, notices."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from core.engine.adoption import Adoption
from core.engine.catalogue_versions import tell_increases
from core.engine.leases import LeaseKeeper
from core.engine.leases_sql import LeasesSql
from core.engine.retention import make_days
from core.engine.rules import apply_rules
from core.engine.supervisor import Supervisor
from core.log import (
    Adopted,
    ChannelAlert,
    ChannelEjected,
    ChannelRecovered,
    CredentialCooled,
    CredentialRecovered,
    Emit,
    Event,
    LeaseLost,
)
from core.policy.health import (
    Alert,
    Cooled,
    Ejected,
    HealthBook,
    Notice,
    Recovered,
    Warmed,
)
from storage.pool import AnyPool, StorageUnavailable

ADOPTION_SECONDS = 1.0
"""With a lease of 8 s, what is left behind is taken over within 10 s."""
WISH_SECONDS = 2.0
NOTICE_SECONDS = 0.5
SWEEP_SECONDS = 60.0
HOUR = 3600.0


class Probes(Protocol):
    """What upkeep turns outside the database."""

    async def set_ready(self, *, is_ready: bool) -> None:
        """Say whether this process can serve."""

    async def sweep_outputs(self, now: datetime) -> None:
        """Delete outputs whose time is over, and those that a caller deleted."""

    async def sweep_strays(self, now: datetime) -> None:
        """Delete what no row knows."""

    def wish_to_cancel(self, id_: UUID) -> None:
        """Somebody asked, at another process, to cancel a generation of ours."""


class Upkeep:
    """The background loops of a core."""

    def __init__(
        self,
        pool: AnyPool,
        lease: LeaseKeeper,
        adoption: Adoption,
        health: HealthBook,
        emit: Emit,
        probes: Probes,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._lease = lease
        self._adoption = adoption
        self._health = health
        self._emit = emit
        self._probes = probes
        self._now = now

    def start(self, supervisor: Supervisor) -> None:
        """Run all loops."""
        supervisor.run("lease", self._lease.keep)
        supervisor.run("adoption", self._adopt)
        supervisor.run("wishes", self._hear)
        supervisor.run("notices", self._tell)
        supervisor.run("retention", self._retain)
        supervisor.run("sweeps", self._sweep)

    async def _adopt(self) -> None:
        while True:
            try:
                count = await self._adoption.run(self._lease.epoch)
            except StorageUnavailable:
                count = 0
            if count:
                self._emit(Adopted(count))
            await asyncio.sleep(ADOPTION_SECONDS)

    async def _hear(self) -> None:
        """Hear of wishes to cancel that other processes took."""
        leases = LeasesSql(self._pool)
        while True:
            with suppress(StorageUnavailable):
                for id_ in await leases.wishes(self._lease.epoch):
                    self._probes.wish_to_cancel(id_)
            await asyncio.sleep(WISH_SECONDS)

    async def _tell(self) -> None:
        """Log what happened to channels, and tell load balancers whether to come here."""
        was_ready = True
        while True:
            is_ready = self._lease.is_valid()
            if is_ready != was_ready:
                if not is_ready:
                    self._emit(LeaseLost(self._lease.epoch))
                await self._probes.set_ready(is_ready=is_ready)
                was_ready = is_ready
            for notice in self._health.drain():
                self._emit(_event(notice))
            await asyncio.sleep(NOTICE_SECONDS)

    async def _retain(self) -> None:
        while True:
            try:
                await make_days(self._pool, self._now())
                await apply_rules(self._pool, self._now(), self._emit)
                await LeasesSql(self._pool).forget_old()
                await tell_increases(self._pool)
                await self._probes.sweep_strays(self._now())
            except StorageUnavailable:
                await asyncio.sleep(ADOPTION_SECONDS)
                continue
            await asyncio.sleep(HOUR)

    async def _sweep(self) -> None:
        """Remove outputs in time; what the bucket does not remove is tried again."""
        while True:
            with suppress(StorageUnavailable):
                await self._probes.sweep_outputs(self._now())
            await asyncio.sleep(SWEEP_SECONDS)


def _event(notice: Notice) -> Event:
    match notice:
        case Ejected(channel, operation, fault, seconds):
            return ChannelEjected(channel, operation, fault, seconds)
        case Recovered(channel, operation):
            return ChannelRecovered(channel, operation)
        case Cooled(channel, credential, fault, seconds):
            return CredentialCooled(channel, credential, fault, seconds)
        case Warmed(channel, credential):
            return CredentialRecovered(channel, credential)
        case Alert(channel, _, fault, _, credential):
            return ChannelAlert(channel, fault, credential)
