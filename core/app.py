"""The one place where the core is wired: opens everything in order, closes it in reverse."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic
from uuid import UUID

import psycopg
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from accounts.directory import KeyDirectory
from accounts.limits_sql import LimitsSql
from accounts.registry import Registry
from billing.ledger_sql import Balances, LedgerSql
from core.authentication import Doorman, KeyAuthenticator
from core.catalog.entries import Catalogue
from core.engine.admission import Admission
from core.engine.adopted import Adopter
from core.engine.adoption import Adoption
from core.engine.attempts import Attempts
from core.engine.bookkeeping import Bookkeeper
from core.engine.callback_urls import CallbackUrls
from core.engine.callbacks import Callbacks
from core.engine.catalogue_versions import activate
from core.engine.channel_watch import ChannelWatch
from core.engine.engine import Engine
from core.engine.handouts import Handouts, reachable
from core.engine.inputs import Inputs
from core.engine.intake import Intake
from core.engine.jobs import Jobs
from core.engine.leases import LeaseKeeper
from core.engine.leases_sql import LeasesSql
from core.engine.library import Library
from core.engine.mirroring import Mirror
from core.engine.records_read import RecordReads
from core.engine.records_sql import RecordsSql
from core.engine.reloading import Files, Reloading
from core.engine.retention import make_days
from core.engine.storing import PatientStore
from core.engine.supervisor import Supervisor
from core.engine.sweeping import Sweeper
from core.engine.upkeep import Upkeep
from core.fetch.addresses import Network
from core.fetch.caller import CallerFetch
from core.fetch.lending import Lender
from core.fetch.result import ResultFetch
from core.interceptors import Boundary
from core.keyring import Keyring, admin_token
from core.log import BucketProblem, Emit, Stopping, defect
from core.metrics import Metrics
from core.model import Channel
from core.policy.budgets import Budgets
from core.policy.failover import Fleet
from core.policy.health import HealthBook
from core.providers.driver import Driver
from core.services.admin import AdminService
from core.services.assets import Assets
from core.services.billing import BillingService
from core.services.channels import Channels
from core.services.convert import Converter
from core.services.generation import GenerationService
from core.services.models import ModelService
from core.services.register import Services
from core.services.webhooks import WebhookService
from core.signing import Signer
from core.webhooks.office import Office, open_office
from core.webhooks.sending import Manner
from storage.commits import CommitRejected
from storage.committer import Committer
from storage.folder import FolderStore
from storage.pool import Connection, Pool, connection_string, open_pool
from storage.s3 import Bucket, S3Store

STRAY_SECONDS = 31 * 86_400.0
"""When an object in the store that no row knows is deleted: after all that rows know."""
MAXIMUM_CALLS = 20_000
"""Jobs in flight count as well: 10,000 of them leave room for everybody else."""
STOP_SECONDS = 2.0
"""What voiding the generations that are left may take."""
MAXIMUM_BYTES = 2 * 1024 * 1024 * 1024

Objects = FolderStore | S3Store


@dataclass(frozen=True, slots=True)
class CoreConfig:
    """What the core needs from outside."""

    database_url: str = field(repr=False)
    keyring: Keyring = field(repr=False)
    catalogue: Catalogue
    outputs: Path | Bucket
    public_url: str
    maximum_calls: int = MAXIMUM_CALLS
    maximum_bytes: int = MAXIMUM_BYTES
    webhook_networks: tuple[Network, ...] = ()
    """Where webhooks may go besides the open internet, by http too."""
    files: Files | None = None
    """Where the catalogue is from, to take changes over; None: it never changes."""


@dataclass(frozen=True, slots=True)
class Core:
    """An open core, ready to be served by any number of servers."""

    boundary: Boundary
    services: Services
    registry: Registry
    keyring: Keyring
    authenticator: KeyAuthenticator
    doorman: Doorman
    committer: Committer
    metrics: Metrics
    engine: Engine
    admission: Admission
    health: HealthServicer
    admin_token: str = field(repr=False)
    reloading: Reloading | None = None

    def register(self, server: aio.Server) -> None:
        """Add the contract and the health service to *server*."""
        self.services.register(server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, server)

    async def begin_shutdown(self, seconds: float, emit: Emit) -> None:
        """Refuse new work, and wait for what runs."""
        emit(Stopping(self.engine.running))
        self.admission.close()
        await self.health.enter_graceful_shutdown()
        await self.engine.drain(seconds)
        await self.engine.stop(STOP_SECONDS)


@dataclass(frozen=True, slots=True)
class _Probes:
    """What upkeep turns: the health service, and the bucket."""

    health: HealthServicer
    store: Objects
    sweeper: Sweeper
    engine: Engine

    async def set_ready(self, *, is_ready: bool) -> None:
        status = health_pb2.HealthCheckResponse
        await self.health.set("", status.SERVING if is_ready else status.NOT_SERVING)

    async def sweep_outputs(self, now: datetime) -> None:
        await self.sweeper.run(now)

    async def sweep_strays(self, now: datetime) -> None:
        with suppress(OSError):  # the next hour is early enough
            await self.store.sweep(now.timestamp(), STRAY_SECONDS)

    def wish_to_cancel(self, id_: UUID) -> None:
        self.engine.wish_to_cancel(id_)


@asynccontextmanager
async def open_core(config: CoreConfig, emit: Emit) -> AsyncIterator[Core]:
    """Everything behind the contract; nothing listens yet. Raises StorageUnavailable."""
    emit = (metrics := Metrics()).emit_to(emit)
    async with AsyncExitStack() as stack:
        # Before the lease: opening a bucket for the first time takes the loop a second.
        objects = await _objects(config.outputs, stack, emit)
        pool = await stack.enter_async_context(_prepared_pool(config))
        committer = await stack.enter_async_context(
            Committer(config.database_url, [LimitsSql(), LedgerSql(), RecordsSql()])
        )
        lease = LeaseKeeper(LeasesSql(pool))
        await lease.acquire()
        stack.push_async_callback(lease.release)
        ground = _Ground(pool, committer, lease, objects)
        works = await _works(config, stack, ground, emit)
        engine, models = works.engine, ModelService(works.catalogue)
        metrics.watch_running(lambda: engine.running)
        watch = ChannelWatch(
            pool, works.fleet, works.catalogue, works.users, config.keyring, metrics, emit
        )
        await watch.overlay.load()
        admission = Admission(config.maximum_calls, config.maximum_bytes, emit)
        registry = Registry(pool)
        channels = Channels(watch.overlay, works.fleet.health, config.keyring)
        admin = AdminService(registry, committer, config.keyring, channels)
        services = _services(config, pool, works, admission, models, admin)
        supervisor = await stack.enter_async_context(Supervisor(emit))
        directory = _listening_directory(config, pool, supervisor)
        watch.start(supervisor, partial(_dial, config))
        authenticator = KeyAuthenticator(directory, config.keyring, lambda: datetime.now(UTC))
        doorman = Doorman(authenticator, admission, emit, admin_token(config.keyring))
        health = HealthServicer()
        probes = _Probes(health, objects, Sweeper(pool, objects, emit), engine)
        await probes.set_ready(is_ready=True)
        Upkeep(pool, lease, works.adoption, works.fleet.health, emit, probes).start(supervisor)
        works.office.feeder.start(supervisor)
        reloading = _reloading(config, pool, [watch.use, models.use], supervisor, emit)
        yield Core(
            boundary=Boundary(doorman, emit, admin_token(config.keyring)),
            services=services,
            registry=registry,
            keyring=config.keyring,
            authenticator=authenticator,
            doorman=doorman,
            committer=committer,
            metrics=metrics,
            engine=engine,
            admission=admission,
            health=health,
            admin_token=admin_token(config.keyring),
            reloading=reloading,
        )


@dataclass(frozen=True, slots=True)
class _Ground:
    """What the engine stands on."""

    pool: Pool
    committer: Committer
    lease: LeaseKeeper
    objects: Objects


@dataclass(frozen=True, slots=True)
class _Works:
    """The engine and what belongs to it."""

    engine: Engine
    adoption: Adoption
    library: Library
    store: PatientStore
    fleet: Fleet
    inputs: Inputs
    callbacks: Callbacks
    handouts: Handouts
    office: Office
    catalogue: Catalogue
    users: Sequence[Callable[[Catalogue], None]]
    """Who is handed another one when it changes."""


async def _works(config: CoreConfig, stack: AsyncExitStack, ground: _Ground, emit: Emit) -> _Works:
    """Wire the engine; the stack closes its connections."""
    reads, store = RecordReads(ground.pool), PatientStore(ground.objects)
    library = Library(reads)
    fleet = Fleet(HealthBook(), Budgets(), random.random)
    books = Bookkeeper(ground.committer, ground.lease.valid_epoch)
    lender = await stack.enter_async_context(Lender())
    driver = await stack.enter_async_context(Driver(lender, limited=_limits(fleet.health)))
    callbacks = Callbacks(config.keyring, config.public_url)
    handouts = Handouts(callbacks, config.public_url, ground.lease.valid_epoch)
    jobs = Jobs(driver, books, emit, random.random, handouts, holds=ground.lease.holds)
    jobs.renewed = fleet.health.renewed
    mirror = Mirror(store, await stack.enter_async_context(ResultFetch()))
    attempts = Attempts(driver, jobs, mirror, emit, ground.lease.holds)
    urls = CallbackUrls(config.keyring, config.webhook_networks)
    catalogue = reachable(config.catalogue, config.public_url)
    intake = Intake(catalogue, config.keyring, callback_urls=urls)
    fleet.health.use(catalogue.channels)
    engine = Engine(intake, fleet, attempts, books, library, store, emit)
    inputs = Inputs(await stack.enter_async_context(CallerFetch()))
    adopter = Adopter(catalogue.channels, reads, books, engine, jobs, attempts)
    leases = LeasesSql(ground.pool)
    adoption = Adoption(
        leases, reads, ground.committer, engine.is_running, adopter, _once_each(emit)
    )
    manner = Manner(config.keyring, config.public_url, config.webhook_networks)
    office = await stack.enter_async_context(open_office(config.database_url, manner))
    return _Works(
        engine,
        adoption,
        library,
        store,
        fleet,
        inputs,
        callbacks,
        handouts,
        office,
        catalogue,
        (intake.use, adopter.use, lambda changed: fleet.health.use(changed.channels)),
    )


def _limits(book: HealthBook) -> Callable[[Channel, int, float], None]:
    """What hears, for the book, what providers say is left of their rate limits."""
    return lambda channel, left, seconds: book.hear_limit(channel, left, seconds, monotonic())


def _services(
    config: CoreConfig,
    pool: Pool,
    works: _Works,
    admission: Admission,
    models: ModelService,
    admin: AdminService,
) -> Services:
    """The contract, with what it is served from."""
    engine, library, signer = works.engine, works.library, Signer(config.keyring)
    convert = Converter(config.public_url)
    assets = Assets(library, works.store, works.handouts.find)
    return Services(
        GenerationService=GenerationService(
            engine, library, admission, assets, convert, works.inputs, signer
        ),
        ModelService=models,
        BillingService=BillingService(Balances(pool), signer),
        AdminService=admin,
        WebhookService=WebhookService(engine, works.callbacks, works.office),
    )


def _reloading(
    config: CoreConfig,
    pool: Pool,
    users: Sequence[Callable[[Catalogue], None]],
    supervisor: Supervisor,
    emit: Emit,
) -> Reloading | None:
    """The loop that hands every user a changed catalogue, as it can be served here."""
    if config.files is None:
        return None

    def use(catalogue: Catalogue) -> None:
        served = reachable(catalogue, config.public_url)
        for user in users:
            user(served)

    reloading = Reloading(config.files, partial(activate, pool), [use], emit)
    supervisor.run("catalogue", reloading.keep)
    return reloading


async def _objects(place: Path | Bucket, stack: AsyncExitStack, emit: Emit) -> Objects:
    """Where outputs go; raises BucketError when the bucket will never take any."""
    if isinstance(place, Path):
        return FolderStore(place)
    store = await stack.enter_async_context(S3Store(place))
    for problem in await store.prepare():
        emit(BucketProblem(problem.operation, problem.code, problem.status))
    return store


@asynccontextmanager
async def _prepared_pool(config: CoreConfig) -> AsyncIterator[Pool]:
    """A pool on a database that has today's partitions and knows the catalogue."""
    async with open_pool(config.database_url) as pool:
        await make_days(pool, datetime.now(UTC))
        await activate(pool, config.catalogue.version, config.catalogue.content)
        yield pool


def _once_each(emit: Emit) -> Callable[[UUID, CommitRejected], None]:
    """Log the first refusal of each stray; it is met again in every pass."""
    told: set[UUID] = set()

    def tell(id_: UUID, error: CommitRejected) -> None:
        if id_ not in told:
            told.add(id_)
            emit(defect("adoption", error))

    return tell


def _listening_directory(config: CoreConfig, pool: Pool, supervisor: Supervisor) -> KeyDirectory:
    """The directory of keys, and the loop that hears of revocations."""
    directory = KeyDirectory(pool)
    supervisor.run("keys", lambda: directory.listen(_dial(config, "reapi-keys")))
    return directory


def _dial(
    config: CoreConfig, name: str
) -> Callable[[], Awaitable[psycopg.AsyncConnection[tuple[object, ...]]]]:
    """What opens a connection of its own, for whoever listens."""
    conninfo = connection_string(config.database_url, name)
    return lambda: Connection.connect(conninfo, autocommit=True)
