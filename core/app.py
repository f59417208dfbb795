"""The one place where the core is wired: opens everything in order, closes it in reverse."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from accounts.directory import KeyDirectory
from accounts.registry import Registry
from core.authentication import Credentials, Doorman, KeyAuthenticator, SessionAuthenticator
from core.catalog.entries import Catalogue
from core.client_network import Clients
from core.engine.admission import Admission
from core.engine.catalogue_versions import activate
from core.engine.channel_watch import ChannelWatch
from core.engine.engine import Engine
from core.engine.handouts import reachable
from core.engine.key_seen import KeySeen
from core.engine.leases import LeaseKeeper
from core.engine.leases_sql import LeasesSql
from core.engine.reloading import Reloading
from core.engine.repeats import Repeats
from core.engine.retention import make_days
from core.engine.supervisor import Supervisor
from core.engine.sweeping import Sweeper
from core.engine.upkeep import Upkeep
from core.engine.usage_read import UsageReads
from core.ground import CoreConfig, Ground, Objects
from core.interceptors import Boundary
from core.keyring import Keyring, admin_token
from core.log import BucketProblem, Emit, Stopping
from core.metrics import Metrics
from core.money import Money, open_money, participants
from core.people import People, open_people
from core.services.admin import AdminService
from core.services.api_keys import ApiKeyService
from core.services.assets import Assets
from core.services.channels import Channels
from core.services.convert import Converter
from core.services.generation import GenerationService
from core.services.models import ModelService
from core.services.operator_catalogue import OperatorCatalogue
from core.services.operator_margins import OperatorMargins
from core.services.quotes import Quotes
from core.services.register import Services
from core.services.usage import UsageService
from core.services.webhooks import WebhookService
from core.signing import Signer
from core.vault import KeyringVault
from core.works import Works, open_works
from storage.committer import Committer
from storage.folder import FolderStore
from storage.pool import Pool, open_pool
from storage.s3 import Bucket, S3Store

STRAY_SECONDS = 31 * 86_400.0
"""When an object in the store that no row knows is deleted: after all that rows know."""
STOP_SECONDS = 2.0
"""What voiding the generations that are left may take."""


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
        ground = await _open_ground(config, stack, emit)
        pool, lease = ground.pool, ground.lease
        works = await open_works(config, stack, ground, emit)
        engine, models = works.engine, ModelService(works.catalogue)
        metrics.watch_running(lambda: engine.running)
        watch = ChannelWatch(
            pool, works.fleet, works.catalogue, works.users, config.keyring, metrics, emit
        )
        await watch.overlay.load()
        admission = Admission(config.maximum_calls, config.maximum_bytes, emit)
        registry = Registry(pool)
        money = await open_money(config, stack, ground, works.catalogue, emit)
        people = await open_people(
            config, stack, ground, works, models.id_of, money.close_pages, emit
        )
        users = [watch.use, models.use, *money.users, *people.users]
        reloading = _reloading(config, pool, users, emit)
        admins = _operator(config, ground, works, watch, reloading, registry)
        services = _services(config, works, admission, models, admins, (money, people))
        supervisor = await stack.enter_async_context(Supervisor(emit))
        authenticator = _key_authenticator(config, pool, supervisor, stack)
        watch.start(supervisor, config.dial)
        sessions = SessionAuthenticator(pool, KeyringVault(config.keyring))
        credentials = Credentials(authenticator, sessions)
        doorman = Doorman(credentials, admission, emit, admin_token(config.keyring))
        clients = Clients(config.bridge_token)
        health = HealthServicer()
        probes = _Probes(health, ground.objects, Sweeper(pool, ground.objects, emit), engine)
        await probes.set_ready(is_ready=True)
        Upkeep(pool, lease, works.adoption, works.fleet.health, emit, probes).start(supervisor)
        _start(supervisor, works, money, people, reloading)
        yield Core(
            boundary=Boundary(doorman, emit, admin_token(config.keyring), clients.whence),
            services=services,
            registry=registry,
            keyring=config.keyring,
            authenticator=authenticator,
            doorman=doorman,
            committer=ground.committer,
            metrics=metrics,
            engine=engine,
            admission=admission,
            health=health,
            admin_token=admin_token(config.keyring),
            reloading=reloading,
        )


def _start(
    supervisor: Supervisor,
    works: Works,
    money: Money,
    people: People,
    reloading: Reloading | None,
) -> None:
    """Run the loops of the rooms."""
    works.office.feeder.start(supervisor)
    money.start(supervisor)
    people.start(supervisor)
    if reloading is not None:
        supervisor.run("catalogue", reloading.keep)


def _key_authenticator(
    config: CoreConfig, pool: Pool, supervisor: Supervisor, stack: AsyncExitStack
) -> KeyAuthenticator:
    """What knows keys, and the loops that hear of them and write down that they were used."""
    directory = _listening_directory(config, pool, supervisor)
    seen = KeySeen(pool, config.keyring)
    supervisor.run("key-seen", seen.keep)
    stack.push_async_callback(seen.close)
    return KeyAuthenticator(directory, config.keyring, lambda: datetime.now(UTC), seen)


def _services(
    config: CoreConfig,
    works: Works,
    admission: Admission,
    models: ModelService,
    admins: tuple[object, ...],
    rooms: tuple[Money, People],
) -> Services:
    """The contract, with what it is served from."""
    money, people = rooms
    engine, library, signer = works.engine, works.library, Signer(config.keyring)
    convert = Converter(config.public_url)
    assets = Assets(library, works.store, works.handouts.find, people.archives)
    repeats = Repeats(config.keyring)
    return Services(
        ApiKeyService=ApiKeyService(works.pool, repeats, config.keyring, models.id_of),
        GenerationService=(
            GenerationService(engine, library, admission, assets, convert, works.inputs, signer),
            Quotes(works.quoting, admission, works.inputs),
        ),
        ModelService=models,
        BillingService=money.calls,
        UsageService=UsageService(UsageReads(works.pool)),
        AccountService=people.calls,
        AdminService=(*admins, *money.admin, *people.admin),
        WebhookService=WebhookService(engine, works.callbacks, works.office, works.pool),
    )


def _operator(
    config: CoreConfig,
    ground: Ground,
    works: Works,
    watch: ChannelWatch,
    reloading: Reloading | None,
    registry: Registry,
) -> tuple[object, ...]:
    """The operator's calls about channels, the catalogue and new accounts."""
    channels = Channels(watch.overlay, works.fleet.health, config.keyring)
    return (
        AdminService(registry, ground.committer, config.keyring, channels),
        OperatorCatalogue(reloading, registry, lambda: watch.overlay.catalogue),
        OperatorMargins(ground.pool, lambda: watch.overlay.catalogue, lambda: datetime.now(UTC)),
    )


def _reloading(
    config: CoreConfig,
    pool: Pool,
    users: Sequence[Callable[[Catalogue], None]],
    emit: Emit,
) -> Reloading | None:
    """What hands every user a changed catalogue, as it can be served here."""
    if config.files is None:
        return None

    def use(catalogue: Catalogue) -> None:
        served = reachable(catalogue, config.public_url)
        for user in users:
            user(served)

    judge = partial(activate, pool, validate_only=True)
    return Reloading(config.files, partial(activate, pool), [use], emit, judge)


async def _open_ground(config: CoreConfig, stack: AsyncExitStack, emit: Emit) -> Ground:
    # Before the lease: opening a bucket for the first time takes the loop a second.
    objects = await _objects(config.outputs, stack, emit)
    pool = await stack.enter_async_context(_prepared_pool(config))
    rooms = participants(config.keyring)
    committer = await stack.enter_async_context(Committer(config.database_url, rooms))
    lease = LeaseKeeper(LeasesSql(pool))
    await lease.acquire()
    stack.push_async_callback(lease.release)
    return Ground(pool, committer, lease, objects)


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


def _listening_directory(config: CoreConfig, pool: Pool, supervisor: Supervisor) -> KeyDirectory:
    """The directory of keys, and the loop that hears of revocations."""
    directory = KeyDirectory(pool)
    supervisor.run("keys", lambda: directory.listen(config.dial("reapi-keys")))
    return directory
