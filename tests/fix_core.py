"""The core over memory and a scripted upstream, served over both kinds of channel."""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from grpc import aio
from PIL import Image

from accounts.memory import MemoryKey, MemoryLimits
from billing.ledger import Credit
from billing.memory import MemoryLedger
from core.body import Body, Secret
from core.caller import Caller
from core.catalog.entries import Catalogue
from core.catalog.loader import embedded_files, load
from core.client_network import Clients
from core.engine.admission import Admission
from core.engine.attempts import Attempts
from core.engine.bookkeeping import Bookkeeper
from core.engine.callbacks import Callbacks
from core.engine.engine import Engine
from core.engine.handouts import Handouts
from core.engine.inputs import Inputs
from core.engine.intake import Intake
from core.engine.jobs import Jobs
from core.engine.library import Library
from core.engine.mirroring import Mirror
from core.engine.outputs import Fetch
from core.engine.quote_uses import MemoryQuoteUses
from core.engine.quoting import Quoting
from core.engine.records_memory import MemoryRecords
from core.errors import GatewayError, Reason, UpstreamError
from core.fetch.caller import CallerFetch
from core.fetch.result import ResultFetch
from core.interceptors import Boundary
from core.keyring import Keyring
from core.local.channel import LocalChannel
from core.local.server import LocalServer
from core.model import Acknowledged, Ask, Channel, Final, Piece, Report, Usage
from core.policy.budgets import Budgets
from core.policy.failover import Fleet
from core.policy.health import HealthBook
from core.providers.wire import Call, Clear, Reply, at_any_time
from core.services.assets import Assets
from core.services.billing import BillingService
from core.services.convert import Converter
from core.services.generation import GenerationService
from core.services.ledger import LedgerKeys
from core.services.models import ModelService
from core.services.quotes import Quotes
from core.services.register import Services
from core.signing import Signer
from storage.commits import Commit
from storage.memory import MemoryCommitter
from storage.memory_objects import MemoryStore

KEY = "rk_live_good"
PUBLIC_URL = "http://gateway.test"
BRIDGE_TOKEN = "b" * 32
METADATA = (
    ("authorization", f"Bearer {KEY}"),
    ("x-request-id", f"req_{7:032x}"),
    ("x-reapi-bridge", BRIDGE_TOKEN),
)
"""As a bridge sends it, whose request ids are believed."""
BRIDGES = Clients(Secret(BRIDGE_TOKEN))


def png() -> bytes:
    return _image("PNG")


def jpeg() -> bytes:
    return _image("JPEG")


def _image(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), (1, 2, 3)).save(stream, kind)
    return stream.getvalue()


PNG = png()
DELIVERY: tuple[Piece, ...] = (
    Acknowledged(200),
    Final(0, Body(PNG)),
    Report(Usage(5, 0, 100, 100), "1024x1024", "high", "opaque", "png"),
)


class Scripted:
    """Channels that play what a test wrote down, and remember that they were asked.

    A script is a sequence of pieces, errors to raise and events to wait for; each attempt on
    a channel takes its next script, the last one again and again.
    """

    def __init__(self) -> None:
        self.scripts: dict[str, list[tuple[Any, ...]]] = {}
        self.asked: list[str] = []
        self.asks: list[Ask] = []
        self.started = asyncio.Event()
        self.closed = 0

    def play(self, channel: str, *scripts: tuple[Any, ...]) -> None:
        self.scripts[channel] = list(scripts)

    async def attempt(
        self,
        dialect: object,
        ask: Ask,
        channel: Channel,
        take: Callable[[Piece], None],
        budget: float | None = None,
        clear: Clear = at_any_time,
    ) -> None:
        clear()
        self.asked.append(channel.name)
        self.asks.append(ask)
        self.started.set()
        scripts = self.scripts.get(channel.name, [DELIVERY])
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        try:
            for step in script:
                if isinstance(step, UpstreamError):
                    raise replace_error(step)
                if isinstance(step, asyncio.Event):
                    await step.wait()
                    continue
                take(step)
        finally:
            self.closed += 1

    async def call(
        self,
        call: Call,
        channel: Channel,
        budget: float | None = None,
        clear: Clear = at_any_time,
    ) -> Reply:
        raise AssertionError("no channel of these tests leaves a job")


def replace_error(error: UpstreamError) -> UpstreamError:
    return UpstreamError(
        error.fault,
        error.phase,
        error.http_status,
        error.retry_after,
        error.stage,
        error.parameter,
        error.detail,
    )


@dataclass
class Gate:
    """An authenticator of one key, which can be made to wait or to fail."""

    caller: Caller
    failure: GatewayError | None = None
    wait: asyncio.Event | None = None

    async def authenticate(self, token: str) -> Caller:
        if self.wait is not None:
            await self.wait.wait()
        if self.failure is not None:
            raise self.failure
        if token != KEY:
            raise GatewayError(Reason.API_KEY_INVALID, "Incorrect API key provided.")
        return self.caller


@dataclass
class TestCore:
    """Everything a test may look at or turn."""

    __test__ = False

    upstream: Scripted
    gate: Gate
    records: MemoryRecords
    limits: MemoryLimits
    ledger: MemoryLedger
    committer: MemoryCommitter
    store: MemoryStore
    engine: Engine
    admission: Admission
    fleet: Fleet
    boundary: Boundary
    services: Services
    generations: GenerationService
    account: UUID
    emitted: list[Any] = field(default_factory=list)

    async def credit(self, credits_: int) -> None:
        await self.committer.commit(Commit((Credit(uuid4(), self.account, credits_ * 1000),)))

    async def balance(self) -> tuple[int, int]:
        found = await self.ledger.balance(self.account)
        assert found is not None
        return found.posted_micros // 1000, found.held_micros // 1000

    async def settled(self) -> None:
        """Wait until nothing runs any more."""
        await self.engine.drain(5)
        assert self.engine.running == 0


def catalogue(**env: str) -> Any:
    names = ("A", "B", "C")
    base = {f"SIMULATOR_URL_OPENAI_{name}": "http://127.0.0.1:1" for name in names}
    keys = {f"SIMULATOR_KEY_OPENAI_{name}": "sk-x" for name in names}
    return load(embedded_files(), {**base, **keys, **env})


def build_core(
    upstream: Scripted | None = None,
    known: Catalogue | None = None,
    fetch: Fetch | None = None,
    now: Callable[[], float] = time.monotonic,
) -> TestCore:
    """*fetch* brings hosted outputs; *now* is the clock of attempts and jobs."""
    account, key = uuid4(), uuid4()
    records, limits, ledger = MemoryRecords(), MemoryLimits(), MemoryLedger()
    ledger.open_account(account)
    limits.keys[account, key] = MemoryKey(60_000, 100)
    committer = MemoryCommitter(
        [records, limits, ledger, MemoryQuoteUses()], lambda: time.time_ns() // 1000
    )
    upstream, known = upstream or Scripted(), known or catalogue()
    store, gate = MemoryStore(), Gate(Caller(account, key))
    emitted: list[Any] = []
    fleet = Fleet(HealthBook(), Budgets(), lambda: 0.0)
    keyring = Keyring((b"k" * 32,))
    intake = Intake(known, keyring)
    library = Library(records)
    books = Bookkeeper(committer, lambda: 7)
    handouts = Handouts(Callbacks(keyring, PUBLIC_URL), PUBLIC_URL, lambda: 7)
    jobs = Jobs(upstream, books, emitted.append, lambda: 0.0, handouts, now)
    mirror = Mirror(store, fetch or ResultFetch(), lambda _seconds: asyncio.sleep(0))
    attempts = Attempts(upstream, jobs, mirror, emitted.append, now=now)
    engine = Engine(intake, fleet, attempts, books, library, store, emitted.append)
    admission = Admission(1000, 512 * 1024 * 1024)
    convert, signer = Converter(PUBLIC_URL), Signer(keyring)
    assets, inputs = Assets(library, store, handouts.find), Inputs(CallerFetch())
    generations = GenerationService(engine, library, admission, assets, convert, inputs, signer)
    services = Services(
        GenerationService=(
            generations,
            Quotes(Quoting(intake, fleet, wall_us), admission, inputs),
        ),
        ModelService=ModelService(known),
        BillingService=(BillingService(ledger), LedgerKeys(signer)),
    )
    boundary = Boundary(gate, emitted.append, "ra_admin", BRIDGES.whence)
    return TestCore(
        upstream,
        gate,
        records,
        limits,
        ledger,
        committer,
        store,
        engine,
        admission,
        fleet,
        boundary,
        services,
        generations,
        account,
        emitted,
    )


async def wall_us() -> int:
    return time.time_ns() // 1000


@asynccontextmanager
async def served(core: TestCore, kind: str) -> AsyncIterator[aio.Channel]:
    """The core behind a real grpc.aio channel, or a local one."""
    if kind == "local":
        local = LocalServer([core.boundary], message_bytes_max=8 << 20)
        core.services.register(local)
        async with LocalChannel(local) as channel:
            yield channel
        await local.stop(0)
        return
    options = [("grpc.max_receive_message_length", 8 << 20)]
    server = aio.server(interceptors=[core.boundary], options=options)
    core.services.register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield channel
    await server.stop(0)


@pytest.fixture
async def core() -> AsyncIterator[TestCore]:
    made = build_core()
    await made.credit(1000)
    yield made
    await made.engine.drain(5)


@pytest.fixture(params=["real", "local"])
async def channel(request: pytest.FixtureRequest, core: TestCore) -> AsyncIterator[aio.Channel]:
    async with served(core, request.param) as made:
        yield made
