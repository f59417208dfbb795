"""A simulated gateway process: the real engine and driver, wired as `core.app` wires them."""

import asyncio
import random
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import aiohttp

from core.caller import Caller
from core.engine.admission import Admission
from core.engine.adopted import Adopter
from core.engine.adoption import Adoption
from core.engine.attempts import Attempts
from core.engine.bookkeeping import Bookkeeper
from core.engine.engine import Engine
from core.engine.intake import Intake
from core.engine.jobs import Jobs
from core.engine.leases import LeaseKeeper
from core.engine.library import Library
from core.engine.mirroring import Mirror
from core.engine.order import Order
from core.engine.storing import PatientStore
from core.engine.upkeep import ADOPTION_SECONDS, WISH_SECONDS
from core.policy.budgets import Budgets
from core.policy.failover import Fleet
from core.providers.driver import Driver
from core.providers.wire import Clear, at_any_time
from storage.pool import StorageUnavailable
from tests.dst.breaking import law
from tests.dst.database import MemoryBooks
from tests.dst.films import WALL
from tests.dst.virtual_loop import Process

GENERATION: ContextVar[Any] = ContextVar("generation")
"""The one that a task works for."""

MAXIMUM_CALLS = 50
MAXIMUM_BYTES = 1 << 30


class Gateway:
    """One process. `start` runs its loops in its own context; then it serves callers."""

    def __init__(self, world: Any, number: int, crash_at: int) -> None:
        self._world = world
        stalls = world.plan.stalls if number == 0 else {}
        self.process = Process(f"gateway-{number}", crash_at, stalls)
        self.context = self.process.context()
        self.emitted: list[Any] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.is_ready = asyncio.Event()
        self.is_gone = asyncio.Event()
        self.died_at = 0.0
        self.process.on_death.append(self._died)
        self.admission = Admission(MAXIMUM_CALLS, MAXIMUM_BYTES)
        self.context.run(self._wire, random.Random(world.rng.random()))

    def _wire(self, rng: random.Random) -> None:
        world, loop = self._world, self._world.loop
        database, books = world.database, world.database.books
        chance = world.oracle.chance(rng.random)
        self.lease = LeaseKeeper(
            database.view(books.leases, "acquire", "renew", "release"), loop.time
        )
        self.health = world.oracle.health_book()
        self.fleet = Fleet(self.health, Budgets(), chance)
        if world.plan.hedges:
            self._remember(rng)
        self.driver = WatchedDriver(self)
        bookkeeper = Bookkeeper(database, self.lease.valid_epoch)
        store = PatientStore(world.store)
        reads = database.view(
            books.reads, "generation", "generations", "assets", "attempts", "open_generation"
        )
        emit = self.emitted.append
        jobs = Jobs(self.driver, bookkeeper, emit, chance, now=loop.time, holds=self.lease.holds)
        mirror = Mirror(store, world.results, now=loop.time)
        attempts = Attempts(
            self.driver,
            jobs,
            mirror,
            emit,
            self.lease.holds,
            loop.time,
            wall=lambda: WALL + loop.time(),
        )
        intake = Intake(world.catalogue, world.keyring)
        self.engine = Engine(intake, self.fleet, attempts, bookkeeper, Library(reads), store, emit)
        adopter = Adopter(world.catalogue.channels, reads, bookkeeper, self.engine, jobs, attempts)
        self.leases = database.view(books.leases, "strays", "open_of", "wishes")
        self.adoption = Adoption(
            self.leases,
            reads,
            database,
            self.engine.is_running,
            adopter,
            lambda id_, error: emit((id_, error)),
        )

    def _remember(self, rng: random.Random) -> None:
        """Know how long channels take, as if they had been asked before."""
        plan, now = self._world.plan, self._world.loop.time()
        for name, spells in plan.weather.items():
            usual = spells[0].seconds * plan.patience
            samples = [usual * (0.5 + rng.random()) for _ in range(rng.choice((19, 20, 30)))]
            self.health.remember(name, "image.generate", samples, now)

    def owns(self, id_: Any) -> bool:
        """Whether a generation runs, and is this process's alone, by the database's word."""
        books = self._world.database.books
        if not isinstance(books, MemoryBooks):
            return True
        row = books.generation(id_)
        assert row is not None
        return (
            not row.state.is_terminal
            and row.owner_epoch == self.lease.epoch
            and books.leases._is_valid(row.owner_epoch)
        )

    def _died(self) -> None:
        self.died_at = self._world.loop.time()
        self.is_gone.set()

    def start(self) -> None:
        self.run(self._main())

    def run(self, work: Any) -> "asyncio.Task[Any]":
        """Do something in this process."""
        task = self._world.loop.create_task(work, context=self.context)
        self.tasks.append(task)
        return task

    async def _main(self) -> None:
        while True:
            with suppress(StorageUnavailable):
                await self.lease.acquire()
                break
            await asyncio.sleep(0.5)
        self.is_ready.set()
        await asyncio.gather(self.lease.keep(), self._adopt(), self._hear())

    async def _adopt(self) -> None:
        while True:
            with suppress(StorageUnavailable):
                await self.adoption.run(self.lease.epoch)
            await asyncio.sleep(ADOPTION_SECONDS)

    async def _hear(self) -> None:
        while True:
            with suppress(StorageUnavailable):
                for id_ in await self.leases.wishes(self.lease.epoch):
                    self.engine.wish_to_cancel(id_)
            await asyncio.sleep(WISH_SECONDS)

    async def serve(self, caller: Caller, order: Order, told: Any) -> None:
        """Answer a Generate call: what `core.services.generation` does, without protobuf."""
        slot = self.admission.enter()
        ticket = await self.engine.start(caller, order, slot)
        told.accepted(ticket.generation.id)
        is_finished = False
        stream = ticket.watch()
        try:
            async for seq, event in stream:
                told.event(seq, event)
            is_finished = True
        finally:
            await stream.aclose()
            if not is_finished:
                self.engine.caller_left(caller, ticket.generation.id, detached=order.detached)

    async def stop(self) -> None:
        """End its loops in good order."""
        await self.lease.release()
        tasks = [task for task in self.tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.driver.__aexit__()

    def dispose(self) -> None:
        """Free its memory: nothing of it runs any more, and nobody shall be told."""
        self.process.dispose()
        for line in self.driver._lines.values():
            line.connector.__dict__["_closed"] = True


class WatchedDriver(Driver):
    """Nothing is submitted for what somebody else may have ended (semantics.md 17)."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(connector=_connector)
        self._gateway = gateway

    async def attempt(
        self,
        dialect: Any,
        ask: Any,
        channel: Any,
        take: Any,
        budget: float | None = None,
        clear: Clear = at_any_time,
    ) -> None:
        sends = self._sends(clear, "an attempt was sent without a lease")
        await super().attempt(dialect, ask, channel, take, budget, sends)

    async def call(
        self, call: Any, channel: Any, budget: float | None = None, clear: Clear = at_any_time
    ) -> Any:
        if call.method == "POST":
            clear = self._sends(clear, "a job was made without a lease")
        return await super().call(call, channel, budget, clear)

    def _sends(self, clear: Clear, complaint: str) -> Clear:
        id_ = GENERATION.get()

        def sends() -> None:
            clear()
            law(self._gateway.owns(id_), complaint)

        return sends


def _connector(channel: Any) -> aiohttp.BaseConnector:
    return aiohttp.UnixConnector(path=channel.name, limit=0)
