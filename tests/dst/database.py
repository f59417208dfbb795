"""The one database of a simulation: in memory, a moment away, and sometimes gone."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from accounts.memory import MemoryKey, MemoryLimits
from billing.ledger import Credit
from billing.memory import MemoryLedger
from core.engine.leases_memory import MemoryLeases
from core.engine.outputs import asset_name
from core.engine.quote_uses import MemoryQuoteUses
from core.engine.records import AttemptRecord, Generation
from core.engine.records_memory import MemoryRecords
from storage.commits import Commit, CommitUnanswered, Verdict
from storage.memory import MemoryCommitter
from storage.pool import StorageUnavailable
from tests.dst.films import WALL
from tests.dst.virtual_loop import VirtualLoop, outside

CREDITS = 100_000
"""Of the account, in credits: enough for everything."""


@dataclass(frozen=True)
class Outage:
    """When the database does not answer; what was asked just before may have been done."""

    begins: float
    ends: float


class MemoryBooks:
    """Everything that is durable, by the virtual clock."""

    def __init__(self, loop: VirtualLoop, account: UUID, key: UUID) -> None:
        def clock() -> int:
            return int((WALL + loop.time()) * 1e6)

        self.records = MemoryRecords(clock)
        self.limits = MemoryLimits()
        self.ledger = MemoryLedger()
        self.ledger.open_account(account)
        self.limits.keys[account, key] = MemoryKey(60_000, 100)
        self.committer: Any = MemoryCommitter(
            [self.records, self.limits, self.ledger, MemoryQuoteUses()], clock
        )
        self.leases: Any = MemoryLeases(self.records, clock)
        self.reads: Any = self.records
        self.account, self.key = account, key
        self.committer.commit_batch([Commit((Credit(UUID(int=1), account, CREDITS * 1000),))])

    def new_id(self) -> None:
        """The world makes ids."""

    # ---- what the laws ask

    async def load(self) -> None:
        """All is here."""

    async def is_open(self) -> bool:
        """Whether a generation has not ended."""
        return any(not row.state.is_terminal for row in self.generations())

    def generations(self) -> list[Generation]:
        return [known.row for known in self.records.generations_by_id.values()]

    def generation(self, id_: UUID) -> Generation | None:
        known = self.records.generations_by_id.get(id_)
        return None if known is None else known.row

    def attempts(self, id_: UUID) -> list[AttemptRecord]:
        return list(self.records.generations_by_id[id_].attempts.values())

    def assets(self, id_: UUID) -> list[tuple[int, str]]:
        """Its outputs: their indices, and their names in the store."""
        return [
            (each.record.output_index, name)
            for each, name in self._assets(self.records.generations_by_id[id_])
        ]

    def loss(self, mark: UUID) -> Any:
        """The transfer under an attempt's mark, if there is one."""
        return self.ledger.transfers.get((self.account, mark))

    def resolutions(self, hold_id: UUID) -> list[tuple[str, int]]:
        """What became of a hold: kinds of transfers, with their amounts."""
        found = [row for row in self.ledger.transfers.values() if row.resolves == hold_id]
        return [(str(row.kind), row.amount_micros) for row in found]

    def discrepancies(self) -> list[str]:
        return list(self.ledger.discrepancies())

    def held(self) -> int:
        return self.ledger.balances[self.account].held_micros

    def in_flight(self) -> int:
        return sum(key.in_flight for key in self.limits.keys.values())

    def told(self) -> list[UUID]:
        return [id_ for id_, _ in self.records.told]

    def asset_names(self) -> list[str]:
        known = self.records.generations_by_id.values()
        return [name for each in known for _, name in self._assets(each)]

    @staticmethod
    def _assets(known: Any) -> list[tuple[Any, str]]:
        found = []
        for asset in known.assets:
            record = asset.record
            name = asset_name(known.row.id, record.link, record.output_index, record.media_type)
            found.append((asset, name))
        return found


class Database:
    """Does what is asked of it whoever dies meanwhile, as a server does."""

    def __init__(
        self, loop: VirtualLoop, rng: random.Random, books: Any, outages: list[Outage]
    ) -> None:
        self._loop = loop
        self._rng = rng
        self.books = books
        self._outages = outages
        self._context = outside()
        self.is_closed = False
        """The simulation is over: what dead processes' `finally` ask is refused."""
        self.asked = 0
        """Of real work at this moment: while there is any, virtual time stands still."""
        self.unanswered = 0
        """Commits whose caller was told that nobody knows."""

    def _outage(self) -> Outage | None:
        now = self._loop.time()
        return next((each for each in self._outages if each.begins <= now < each.ends), None)

    async def commit(self, commit: Commit) -> Verdict:
        """See `storage.commits.Commits.commit`."""
        return await self._asked(lambda: self.books.committer.commit(commit), commit.patience)

    def view(self, target: Any, *names: str) -> "View":
        """The methods *names* of *target*, behind the same door."""
        return View(self, target, names)

    async def now(self, work: Awaitable[Any]) -> Any:
        """Ask for the laws' sake: no time passes."""
        self.asked += 1
        try:
            return await work
        finally:
            self.asked -= 1

    async def read(self, work: Callable[[], Awaitable[Any]]) -> Any:
        return await self._asked(work, 1.0)

    async def _asked(self, work: Callable[[], Awaitable[Any]], patience: float) -> Any:
        if self.is_closed:
            raise StorageUnavailable("the end")
        done: asyncio.Future[Any] = self._loop.create_future()
        self._loop.create_task(self._do(work, patience, done), context=self._context)
        return await done

    async def _do(self, work: Callable[[], Awaitable[Any]], patience: float, done: Any) -> None:
        await asyncio.sleep(self._rng.choice((0.0005, 0.001, 0.003)))
        outage, answer, in_doubt = self._outage(), None, False
        if outage is not None:
            in_doubt = self._rng.random() < 0.3
            if in_doubt:
                answer = await self._worked(work)
            left = outage.ends - self._loop.time()
            if left > patience:
                await asyncio.sleep(patience)
                self.unanswered += 1
                if not done.done():
                    unanswered = CommitUnanswered(in_doubt=True)
                    done.set_exception(unanswered if patience > 1 else StorageUnavailable("gone"))
                return
            await asyncio.sleep(left)
        if not in_doubt:
            answer = await self._worked(work)
        await asyncio.sleep(self._rng.choice((0.0005, 0.001)))
        if not done.done():
            error, found = answer
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(found)

    async def _worked(self, work: Callable[[], Awaitable[Any]]) -> tuple[Any, Any]:
        self.asked += 1
        try:
            return None, await work()
        except Exception as error:  # whatever it is goes to whoever waits
            return error, None
        finally:
            self.asked -= 1


class View:
    """Some methods of something durable."""

    def __init__(self, database: Database, target: Any, names: tuple[str, ...]) -> None:
        for name in names:
            setattr(self, name, self._method(database, getattr(target, name)))

    @staticmethod
    def _method(database: Database, method: Any) -> Any:
        async def asked(*args: Any, **kwargs: Any) -> Any:
            return await database.read(lambda: method(*args, **kwargs))

        return asked
