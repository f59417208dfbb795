"""The engine and what belongs to it, wired."""

import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from core.catalog.entries import Catalogue
from core.engine.adopted import Adopter
from core.engine.adoption import Adoption
from core.engine.attempts import Attempts
from core.engine.bookkeeping import Bookkeeper
from core.engine.callback_urls import CallbackUrls
from core.engine.callbacks import Callbacks
from core.engine.engine import Engine
from core.engine.handouts import Handouts, reachable
from core.engine.inputs import Inputs
from core.engine.intake import Intake
from core.engine.jobs import Jobs
from core.engine.leases_sql import LeasesSql
from core.engine.library import Library
from core.engine.mirroring import Mirror
from core.engine.quote_uses_sql import DatabaseClock
from core.engine.quoting import Quoting
from core.engine.records_read import RecordReads
from core.engine.sandbox import Sandbox
from core.engine.storing import PatientStore
from core.fetch.caller import CallerFetch
from core.fetch.lending import Lender
from core.fetch.result import ResultFetch
from core.ground import CoreConfig, Ground
from core.log import Emit, defect
from core.model import Channel
from core.policy.budgets import Budgets
from core.policy.failover import Fleet
from core.policy.health import HealthBook
from core.providers.driver import Driver
from core.webhooks.office import Office, open_office
from core.webhooks.sending import Manner
from storage.commits import CommitRejected
from storage.pool import Pool


@dataclass(frozen=True, slots=True)
class Works:
    """The engine and what belongs to it."""

    pool: Pool
    engine: Engine
    adoption: Adoption
    library: Library
    store: PatientStore
    fleet: Fleet
    inputs: Inputs
    quoting: Quoting
    callbacks: Callbacks
    handouts: Handouts
    office: Office
    catalogue: Catalogue
    users: Sequence[Callable[[Catalogue], None]]
    """Who is handed another one when it changes."""


async def open_works(
    config: CoreConfig, stack: AsyncExitStack, ground: Ground, emit: Emit
) -> Works:
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
    sandbox = Sandbox(config.public_url, config.sandbox)
    intake = Intake(catalogue, config.keyring, callback_urls=urls, sandbox=sandbox)
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
    return Works(
        ground.pool,
        engine,
        adoption,
        library,
        store,
        fleet,
        inputs,
        Quoting(intake, fleet, DatabaseClock(ground.pool).now_us),
        callbacks,
        handouts,
        office,
        catalogue,
        (intake.use, adopter.use, lambda changed: fleet.health.use(changed.channels)),
    )


def _limits(book: HealthBook) -> Callable[[Channel, int, float], None]:
    """What hears, for the book, what providers say is left of their rate limits."""
    return lambda channel, left, seconds: book.hear_limit(channel, left, seconds, monotonic())


def _once_each(emit: Emit) -> Callable[[UUID, CommitRejected], None]:
    """Log the first refusal of each stray; it is met again in every pass."""
    told: set[UUID] = set()

    def tell(id_: UUID, error: CommitRejected) -> None:
        if id_ not in told:
            told.add(id_)
            emit(defect("adoption", error))

    return tell
