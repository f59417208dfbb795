"""The one database of a simulation, for real: PostgreSQL under the real committer.

Its clock is not the virtual one: leases end when the simulation says so, and a generation is
told as old as it is there. What the laws ask is read at rest.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from accounts.limits_sql import LimitsSql
from billing.ledger import Credit
from billing.ledger_sql import LedgerSql
from core.engine.ids import new_id
from core.engine.leases import LEASE_SECONDS
from core.engine.leases_sql import LeasesSql
from core.engine.outputs import asset_name
from core.engine.quote_uses_sql import QuoteUsesSql
from core.engine.records import Generation, Listing
from core.engine.records_read import RecordReads
from core.engine.records_sql import RecordsSql
from core.engine.retention import make_days
from storage.commits import Commit
from storage.committer import Committer
from storage.pool import Pool, open_pool
from tests.dst.database import CREDITS
from tests.dst.films import WALL
from tests.dst.virtual_loop import HybridLoop
from tests.fix_commit import Customer, make_account


class VirtualLeases:
    """Leases in PostgreSQL that expire by the virtual clock."""

    def __init__(self, loop: HybridLoop, leases: LeasesSql) -> None:
        self._loop = loop
        self._leases = leases
        self._until: dict[int, float] = {}
        self.open_of = leases.open_of
        self.wishes = leases.wishes

    async def acquire(self, process_id: UUID) -> int:
        epoch = await self._leases.acquire(process_id)
        self._until[epoch] = self._loop.time() + LEASE_SECONDS
        return epoch

    async def renew(self, epoch: int) -> bool:
        await self._expire()
        renewed = await self._leases.renew(epoch)
        if renewed:
            self._until[epoch] = self._loop.time() + LEASE_SECONDS
        return renewed

    async def release(self, epoch: int) -> None:
        self._until.pop(epoch, None)
        await self._leases.release(epoch)

    async def strays(self, limit: int, after: UUID) -> Any:
        await self._expire()
        return await self._leases.strays(limit, after)

    async def _expire(self) -> None:
        for epoch in [each for each, until in self._until.items() if until <= self._loop.time()]:
            await self.release(epoch)


class PostgresBooks:
    """Everything that is durable, of one account."""

    def __init__(self, loop: HybridLoop, pool: Pool, committer: Committer) -> None:
        self._loop = loop
        self._pool = pool
        self._begun: dict[UUID, float] = {}
        self._rows: list[Generation] = []
        self._resolved: dict[UUID, list[tuple[str, int]]] = {}
        self._names: list[str] = []
        self._held = self._in_flight = 0
        self.account, self.key = uuid4(), uuid4()
        self.committer = committer
        self.leases = VirtualLeases(loop, LeasesSql(pool))
        self.reads = _Reads(pool, self._begun)

    async def open(self) -> None:
        """Make the account, with credits."""
        await make_account(self._pool, Customer(self.account, self.key), 60_000, 100)
        await self.committer.commit(Commit((Credit(uuid4(), self.account, CREDITS * 1000),)))

    def new_id(self) -> UUID:
        """Of a generation, which begins now."""
        id_ = new_id()
        self._begun[id_] = WALL + self._loop.time()
        return id_

    async def is_open(self) -> bool:
        ((count,),) = await self._ask(
            "SELECT count(*) FROM generation WHERE account_id = %s AND finished_at IS NULL"
        )
        return bool(count)

    async def load(self) -> None:
        """Read what the laws will ask."""
        self._rows = await self.reads.generations(self.account, Listing(limit=1000))
        for resolves, kind, amount, releases in await self._ask(
            "SELECT resolves, kind, amount_micros, releases_micros FROM transfer"
            " WHERE account_id = %s AND resolves IS NOT NULL"
        ):
            found = (str(kind), int(amount if kind == "settle" else releases))
            self._resolved.setdefault(resolves, []).append(found)
        for row in self._rows:
            for asset in await self.reads.assets(self.account, row.id):
                record = asset.record
                name = asset_name(row.id, record.link, record.output_index, record.media_type)
                self._names.append(name)
        ((self._held,),) = await self._ask("SELECT pending FROM balance WHERE account_id = %s")
        ((self._in_flight,),) = await self._ask(
            "SELECT coalesce(sum(in_flight), 0) FROM key_use WHERE account_id = %s"
        )

    def generations(self) -> list[Generation]:
        return self._rows

    def generation(self, id_: UUID) -> Generation | None:
        return next((row for row in self._rows if row.id == id_), None)

    def resolutions(self, hold_id: UUID) -> list[tuple[str, int]]:
        return self._resolved.get(hold_id, [])

    def discrepancies(self) -> list[str]:
        """Asked once for all seeds: `tests.books.assert_right`."""
        return []

    def held(self) -> int:
        return self._held

    def in_flight(self) -> int:
        return self._in_flight

    def told(self) -> list[UUID]:
        return []

    def asset_names(self) -> list[str]:
        return self._names

    async def _ask(self, sql: str) -> list[Any]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(sql.encode(), [self.account])
            return await cursor.fetchall()


class _Reads(RecordReads):
    """Rows are as old as they are on the virtual clock."""

    def __init__(self, pool: Pool, begun: dict[UUID, float]) -> None:
        super().__init__(pool)
        self._begun_at = begun

    async def open_generation(self, account_id: UUID, generation_id: UUID) -> Generation | None:
        row = await super().open_generation(account_id, generation_id)
        if row is None:
            return None
        return replace(row, created_at=datetime.fromtimestamp(self._begun_at[row.id], UTC))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[tuple[Pool, Committer]]:
    """What all worlds of a run have in common."""
    async with open_pool(url, name="simulation") as pool:
        await make_days(pool, datetime.now(UTC))
        async with Committer(
            url, [LimitsSql(), LedgerSql(), QuoteUsesSql(), RecordsSql()]
        ) as committer:
            yield pool, committer
