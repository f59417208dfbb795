"""Several processes over one house of commits and one scripted provider of jobs."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from core.body import Body
from core.caller import Caller
from core.engine.admission import Admission
from core.engine.adopted import Adopter
from core.engine.adoption import Adoption
from core.engine.attempts import Attempts
from core.engine.bookkeeping import Bookkeeper
from core.engine.engine import Engine, Ticket
from core.engine.events import Event
from core.engine.intake import Intake
from core.engine.jobs import Jobs
from core.engine.leases_memory import MemoryLeases
from core.engine.leases_sql import LeasesSql
from core.engine.library import Library
from core.engine.mirroring import Mirror
from core.engine.order import Order
from core.engine.records import AttemptRecord, Generation
from core.keyring import Keyring
from core.policy.budgets import Budgets
from core.policy.failover import Fleet
from core.policy.health import HealthBook
from storage.memory_objects import MemoryStore
from tests.fix_commit import Customer, House
from tests.scripted_jobs import MODEL, PRICE, A, Ark, Clock, Films, videos

SECONDS = 20
CREDIT = 10_000_000
COST = 5 * PRICE * 1000


@dataclass
class World:
    """What all processes share."""

    house: House
    customer: Customer
    leases: MemoryLeases | LeasesSql
    ark: Ark = field(default_factory=Ark)
    films: Films = field(default_factory=Films)
    clock: Clock = field(default_factory=Clock)
    store: MemoryStore = field(default_factory=MemoryStore)
    processes: list["Process"] = field(default_factory=list)

    async def process(self) -> "Process":
        made = Process(self, await self.leases.acquire(uuid4()))
        self.processes.append(made)
        return made

    async def row(self) -> tuple[Generation, list[AttemptRecord]]:
        """The only generation and its attempts."""
        account = self.customer.account_id
        (ticket,) = [one.ticket for one in self.processes if one.ticket is not None]
        row = await self.house.reads.generation(account, ticket.generation.id)
        assert row is not None
        return row, await self.house.reads.attempts(account, row.id)

    async def posted_and_held(self) -> tuple[int, int]:
        found = await self.house.balance(self.customer)
        assert found is not None
        return found.posted_micros, found.held_micros


class Process:
    """The engine of one process, with the lease of *epoch*."""

    def __init__(self, world: World, epoch: int) -> None:
        self.world, self.epoch = world, epoch
        self.emitted: list[Any] = []
        self.ticket: Ticket | None = None
        house, emit, known = world.house, self.emitted.append, videos()
        books = Bookkeeper(house.committer, lambda: epoch)
        self.jobs = jobs = Jobs(world.ark, books, emit, lambda: 0.0, now=world.clock)
        mirror = Mirror(world.store, world.films, lambda _seconds: asyncio.sleep(0))
        attempts = Attempts(world.ark, jobs, mirror, emit, now=world.clock)
        fleet = Fleet(HealthBook(), Budgets(), lambda: 0.0)
        library = Library(house.reads)
        intake = Intake(known, Keyring((b"k" * 32,)))
        self.engine = Engine(intake, fleet, attempts, books, library, world.store, emit)
        self.adopter = Adopter(known.channels, house.reads, books, self.engine, jobs, attempts)
        self._adoption = Adoption(
            world.leases, house.reads, house.committer, self.engine.is_running, self.adopter
        )

    @property
    def caller(self) -> Caller:
        return Caller(self.world.customer.account_id, self.world.customer.key_id)

    async def begin(self, channel: str = A, operation: str = "look") -> None:
        """Accept a video, and wait until the provider is asked."""
        order = Order(MODEL, Body("a lighthouse"), given={"duration": 5})
        slot = Admission(10, 1 << 20).enter()
        self.ticket = await self.engine.start(self.caller, order, slot)
        await asyncio.wait_for(self.world.ark.reached[channel, operation].wait(), SECONDS)

    async def die(self) -> None:
        """Stop as after a signal, and give the lease back."""
        await self.engine.stop(SECONDS)
        await self.world.leases.release(self.epoch)

    async def adopt(self) -> int:
        return await self._adoption.run(self.epoch)

    async def finish(self) -> None:
        await self.engine.drain(SECONDS)
        assert self.engine.running == 0

    async def told(self) -> list[Event]:
        """What the caller of the generation that was accepted here has seen."""
        assert self.ticket is not None
        return [event async for _, event in self.ticket.watch()]
