"""One simulated world: a scenario drawn from a seed, run to its rest, and judged."""

import asyncio
import random
from dataclasses import replace
from typing import Any
from uuid import UUID

from core.caller import Caller as Account
from core.catalog.entries import Catalogue, ParameterSchema, ParameterType
from core.engine import engine as engine_module
from core.engine.events import AttemptStarted, Failed
from core.keyring import Keyring
from core.model import Channel
from storage.memory_objects import MemoryStore
from tests.dst import laws, scenario
from tests.dst.callers import Caller
from tests.dst.database import Database, MemoryBooks
from tests.dst.films import WALL, Films, Job, Results
from tests.dst.gateways import GENERATION, Gateway
from tests.dst.oracle import Oracle
from tests.dst.pictures import Pictures
from tests.dst.virtual_loop import VirtualLoop

KEYRING = Keyring((b"k" * 32,))
IMAGE, VIDEO = "gpt-image-2", "seedance-2.0"
LIMIT = 1500.0
"""Virtual seconds within which everything must be at rest."""


class TroubledStore(MemoryStore):
    """A bucket that is away for a while."""

    def __init__(self, loop: VirtualLoop, away: tuple[float, float]) -> None:
        super().__init__()
        self._loop = loop
        self._away = away

    async def put(self, name: str, data: bytes) -> None:
        await asyncio.sleep(0.001)
        if self._away[0] <= self._loop.time() < self._away[1]:
            raise OSError
        await super().put(name, data)


class World:
    """Everything of one seed."""

    def __init__(
        self,
        seed: int,
        base: Catalogue,
        *,
        loop: Any = None,
        books: Any = None,
        crash_at: int | None = None,
    ) -> None:
        """*crash_at* is the step before which the first process dies, instead of the seed's."""
        self.seed = seed
        self.rng = random.Random(seed)
        self.loop = loop or VirtualLoop(limit=LIMIT + 500)
        self.begins = self.loop.time()
        self.plan = scenario.draw(random.Random(seed ^ 0x5EED), self.begins)
        if crash_at is not None:
            self.plan.crashes[0] = crash_at
        if books is None:
            names = UUID(int=seed + (1 << 100)), UUID(int=seed + (2 << 100))
            books = MemoryBooks(self.loop, *names)
        else:  # its clock is the real one, so that it is never away for a virtual minute
            self.plan.outages, self.plan.stalls = [], {}
        self.caller = Account(books.account, books.key)
        self.database = Database(self.loop, random.Random(seed ^ 1), books, self.plan.outages)
        self.keyring = KEYRING
        self.store = TroubledStore(self.loop, self.plan.store_away)
        self.results = Results(random.Random(seed ^ 2))
        self.results.troubled = self.plan.troubled_results
        self.catalogue = _catalogue(base, self.plan)
        self.providers: dict[str, Any] = {}
        for number, (name, spells) in enumerate(self.plan.weather.items()):
            kind = Films if name.startswith("film") else Pictures
            rng = random.Random(seed * 31 + number)
            self.providers[name] = kind(self.loop, name, rng, spells)
        self.oracle = Oracle(self)
        self.gateways: list[Gateway] = []
        self.callers = [Caller(self, wish) for wish in self.plan.wishes]
        self.double: list[str] = []
        for provider in self.providers.values():
            if isinstance(provider, Films):
                provider.on_made.append(self._made)

    # ---- what simulated parts ask

    def any_gateway(self) -> Gateway | None:
        """One that lives and is ready: callers are balanced over them."""
        alive = [gateway for gateway in self.gateways if not gateway.process.is_dead]
        ready = [gateway for gateway in alive if gateway.is_ready.is_set()]
        return self.rng.choice(ready) if ready else None

    def new_id(self) -> UUID:
        """A UUIDv7 by the virtual clock, or by the database's where that is another."""
        id_ = self.database.books.new_id() or self._virtual_id()
        GENERATION.set(id_)
        return id_

    def _virtual_id(self) -> UUID:
        milliseconds = int((WALL + self.loop.time()) * 1000)
        bits = self.rng.getrandbits(62)
        counter = len(self.oracle.machines)
        return UUID(int=milliseconds << 80 | 7 << 76 | (counter & 0xFFF) << 64 | 2 << 62 | bits)

    def _made(self, job: Job) -> None:
        """A provider makes a job: there must be no other that lives, of the same generation."""
        now = self.loop.time()
        for provider in self.providers.values():
            if isinstance(provider, Films):
                for other in provider.jobs:
                    is_over = other.state(now) in ("failed", "cancelled")
                    # Who is told three times that there is none believes it (providers.md 10.5).
                    if other.prompt == job.prompt and not is_over and other.denials < 3:
                        self.double.append(job.prompt)

    def story(self) -> list[str]:
        """What happened, line by line: the same for the same seed."""
        lines = [
            (
                request.at,
                f"{request.channel} is asked {request.method} {request.path.partition('?')[0]} for {request.prompt}: {request.kind}",
            )
            for provider in self.providers.values()
            for request in provider.requests
        ]
        for caller in self.callers:
            events = [event for stream in caller.streams for _, event in stream]
            for at, event in zip(caller.times, events, strict=True):
                lines.append((at, f"{caller.wish.name} hears {_told(event)}"))
        for gateway in self.gateways:
            steps, end = gateway.process.steps, " and died" * bool(gateway.died_at)
            lines.append((gateway.died_at, f"{gateway.process.name} took {steps} steps{end}"))
        return [f"{at - self.begins:12.6f}  {line}" for at, line in sorted(lines)]

    # ---- the course of events

    def run(self) -> None:
        """All of it; raises AssertionError where a law is broken."""
        try:
            self.loop.run_until_complete(self.judged())
        finally:
            self.loop.close()

    async def judged(self) -> None:
        """The same, within a loop that runs."""
        engine_module.new_id = self.new_id
        try:
            with self.oracle.watching():
                await self.live()
            laws.check(self)
        finally:
            self.dispose()

    async def live(self) -> None:
        for crash_at in self.plan.crashes:
            self._spawn(crash_at)
        calls = [asyncio.ensure_future(caller.run()) for caller in self.callers]
        await asyncio.gather(*calls)
        while not await self._is_at_rest():
            assert self.loop.time() < self.begins + LIMIT, "it never comes to rest"
            await asyncio.sleep(0.5)
        laws.at_rest(self)
        for gateway in self.gateways:
            if not gateway.process.is_dead:
                stopped = gateway.run(gateway.stop())
                gone = asyncio.ensure_future(gateway.is_gone.wait())
                await asyncio.wait((stopped, gone), return_when=asyncio.FIRST_COMPLETED)
                gone.cancel()
        await self.database.now(self.database.books.load())

    def _spawn(self, crash_at: int) -> None:
        gateway = Gateway(self, len(self.gateways), crash_at)
        self.gateways.append(gateway)
        gateway.process.on_death.append(
            lambda: self.loop.call_soon(self._spawn, 0, context=self.database._context)
        )
        gateway.start()

    async def _is_at_rest(self) -> bool:
        alive = [gateway for gateway in self.gateways if not gateway.process.is_dead]
        if any(gateway.engine.running or gateway.admission.calls for gateway in alive):
            return False
        stalled = [gateway for gateway in alive if gateway.process.stalled]
        if any(gateway.process.is_stalled or gateway.engine._tasks for gateway in stalled):
            return False
        return not await self.database.now(self.database.books.is_open())

    def dispose(self) -> None:
        """Let go of what dead processes held; nothing of it may reach anybody any more."""
        self.database.is_closed = True
        for gateway in self.gateways:
            gateway.dispose()


def _told(event: Any) -> str:
    match event:
        case AttemptStarted(number, channel, previous):
            return f"attempt {number} on {channel} {previous}"
        case Failed(error):
            return f"Failed {error.reason}"
        case _:
            return type(event).__name__


def _catalogue(base: Catalogue, plan: scenario.Plan) -> Catalogue:
    image, video = base.channels["openai-a"], base.channels["seedance-a"]
    channels: dict[str, Channel] = {}
    for name, changes in plan.channels.items():
        model = video if name.startswith("film") else image
        channels[name] = replace(model, name=name, base_url=f"http://{name}/v1", **changes)
    routes = {
        IMAGE: tuple(channel for name, channel in channels.items() if name.startswith("picture")),
        VIDEO: tuple(channel for name, channel in channels.items() if name.startswith("film")),
    }
    model = base.models[IMAGE]
    seed = ParameterSchema("seed", ParameterType.INTEGER, minimum=0, maximum=scenario.SEEDS - 1)
    model = replace(model, parameters={**model.parameters, "seed": seed}, hedge=plan.hedges)
    return replace(
        base,
        channels=channels,
        routes={**base.routes, **routes},
        models={**base.models, IMAGE: model},
    )
