"""Who may act for a generation, and what becomes of it when nobody does any more."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from billing.ledger import Balance
from core.engine import adoption, leases
from core.engine.adoption import Adoption
from core.engine.leases import LEASE_SECONDS, MARGIN_SECONDS, LeaseKeeper
from core.engine.leases_memory import MemoryLeases
from core.engine.leases_sql import LeasesSql
from core.engine.records import (
    AlreadyTerminal,
    AttemptRecord,
    NewGeneration,
    NoteJob,
    Stray,
)
from core.errors import GatewayError, Reason
from core.model import AttemptState, GenerationState
from storage.commits import Commit, Committed, Refused
from storage.pool import StorageUnavailable
from tests.fix_commit import Customer, House, MemoryHouse, PostgresHouse


class JobFinisher:
    """Who polls jobs: is offered those with an id, and is busy."""

    def __init__(self) -> None:
        self.offered: list[tuple[UUID, str, int]] = []

    def job_of(self, attempts: Sequence[AttemptRecord]) -> AttemptRecord | None:
        return next((item for item in attempts if item.upstream_job_id), None)

    async def adopt(
        self, stray: Stray, attempts: Sequence[AttemptRecord], job: AttemptRecord, epoch: int
    ) -> bool:
        self.offered.append((stray.id, job.upstream_job_id, epoch))
        return False


@dataclass
class Office:
    """Leases beside a house, and a lever on their time."""

    house: House
    leases: MemoryLeases | LeasesSql
    jobs: JobFinisher = field(default_factory=JobFinisher)

    async def pass_time(self, seconds: float) -> None:
        """Everything that has a lease gets that much closer to its end."""
        if isinstance(self.house, MemoryHouse):
            self.house.now_us += round(seconds * 1e6)
            return
        await self.house.query(
            "UPDATE process_lease SET expires_at = expires_at - %s * interval '1 second'"
            " RETURNING 1",
            seconds,
        )
        await self.house.query(
            "UPDATE generation SET created_at = created_at - %s * interval '1 second' RETURNING 1",
            seconds,
        )

    async def adopt(self, epoch: int, *running: NewGeneration) -> int:
        """One pass of the process of *epoch*, which works on *running*."""
        known = {new.id for new in running}
        adoption = Adoption(
            self.leases, self.house.reads, self.house.committer, known.__contains__, self.jobs
        )
        return await adoption.run(epoch)


@pytest_asyncio.fixture
async def office(house: House) -> AsyncIterator[Office]:
    if isinstance(house, MemoryHouse):
        yield Office(house, MemoryLeases(house.records, lambda: house.now_us))
    else:
        yield Office(house, LeasesSql(house.pool))
        assert await house.violations() == []


@pytest_asyncio.fixture
async def customer(house: House) -> Customer:
    return await house.customer(credit=1000)


async def running(house: House, customer: Customer, epoch: int) -> NewGeneration:
    new = customer.new(100, owner_epoch=epoch)
    assert isinstance(await house.commit(customer.open(new)), Committed)
    return new


# ---- leases


async def test_every_lease_has_a_higher_epoch(office: Office) -> None:
    process = uuid4()

    epochs = [await office.leases.acquire(process) for _ in range(3)]

    assert epochs == sorted(set(epochs))
    assert epochs[0] > 0


async def test_a_lease_lives_by_its_heartbeats(office: Office) -> None:
    epoch = await office.leases.acquire(uuid4())

    await office.pass_time(LEASE_SECONDS - 1)
    assert await office.leases.renew(epoch)
    await office.pass_time(LEASE_SECONDS - 1)
    assert await office.leases.renew(epoch)


async def test_an_expired_lease_never_comes_back(office: Office) -> None:
    epoch = await office.leases.acquire(uuid4())

    await office.pass_time(LEASE_SECONDS)

    assert not await office.leases.renew(epoch)
    assert not await office.leases.renew(epoch)


async def test_a_released_lease_is_over_at_once(office: Office) -> None:
    epoch = await office.leases.acquire(uuid4())

    await office.leases.release(epoch)

    assert not await office.leases.renew(epoch)


class Store:
    """Leases that do what the test says, by a clock that it moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.epoch = 0
        self.renewed: list[bool | Exception] = []
        self.takes = 0.0

    async def acquire(self, process_id: Any) -> int:
        self.now += self.takes
        self.epoch += 1
        return self.epoch

    async def renew(self, epoch: int) -> bool:
        self.now += self.takes
        result = self.renewed.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    async def release(self, epoch: int) -> None: ...


async def test_we_stop_trusting_a_lease_before_others_may() -> None:
    store = Store()
    keeper = LeaseKeeper(store, lambda: store.now)
    assert not keeper.is_valid()
    store.takes = 0.5
    began = store.now

    await keeper.acquire()

    # The answer took half a second, of which the store may have counted all.
    end = began + LEASE_SECONDS - MARGIN_SECONDS
    assert keeper.is_valid(end - 0.001)
    assert not keeper.is_valid(end)


async def test_without_a_valid_lease_nothing_new_begins() -> None:
    store = Store()
    keeper = LeaseKeeper(store, lambda: store.now)
    await keeper.acquire()
    assert keeper.valid_epoch() == 1

    store.now += LEASE_SECONDS

    with pytest.raises(GatewayError) as caught:
        keeper.valid_epoch()
    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE


async def test_a_heartbeat_renews_or_takes_a_new_lease() -> None:
    store = Store()
    keeper = LeaseKeeper(store, lambda: store.now)
    await keeper.acquire()
    store.renewed = [True, False]

    store.now += 5
    await keeper.heartbeat()
    assert (keeper.epoch, keeper.is_valid(store.now + 6)) == (1, True)
    await keeper.heartbeat()

    assert (keeper.epoch, keeper.is_valid(store.now + 6)) == (2, True)


async def test_a_slow_heartbeat_counts_from_when_it_was_sent() -> None:
    store = Store()
    keeper = LeaseKeeper(store, lambda: store.now)
    await keeper.acquire()
    store.renewed, store.takes = [True], 1.5
    sent_at = store.now

    await keeper.heartbeat()

    assert keeper.is_valid(sent_at + LEASE_SECONDS - MARGIN_SECONDS - 0.001)
    assert not keeper.is_valid(sent_at + LEASE_SECONDS - MARGIN_SECONDS)


async def test_the_keeper_survives_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.01)
    store = Store()
    keeper = LeaseKeeper(store, lambda: store.now)
    await keeper.acquire()
    store.renewed = [StorageUnavailable("gone"), StorageUnavailable("gone"), False]

    task = asyncio.create_task(keeper.keep())
    async with asyncio.timeout(5):
        while keeper.epoch != 2:
            await asyncio.sleep(0.005)
    task.cancel()

    assert keeper.is_valid()


# ---- adoption


async def test_the_generations_of_a_dead_process_are_voided(
    office: Office, customer: Customer
) -> None:
    house = office.house
    dead, alive = [await office.leases.acquire(uuid4()) for _ in range(2)]
    lost = [await running(house, customer, dead) for _ in range(3)]
    ours = await running(house, customer, alive)
    await office.pass_time(LEASE_SECONDS - 1)
    await office.leases.renew(alive)

    assert await office.adopt(alive, ours) == 0, "the lease is still valid"
    await office.pass_time(1)
    assert await office.adopt(alive, ours) == 3

    assert await house.balance(customer) == Balance(1000, 100)
    assert await house.in_flight(customer) == 1
    row = await house.reads.generation(customer.account_id, lost[0].id)
    assert row is not None
    assert (row.state, row.reason) == (GenerationState.FAILED, Reason.REQUEST_NOT_RETAINED)
    (attempt,) = await house.reads.attempts(customer.account_id, lost[0].id)
    assert attempt == replace(lost[0].first_attempt, state=AttemptState.LOST)


async def test_who_was_only_slow_learns_it_at_the_finish(
    office: Office, customer: Customer
) -> None:
    slow, quick = [await office.leases.acquire(uuid4()) for _ in range(2)]
    new = await running(office.house, customer, slow)
    await office.leases.release(slow)
    assert await office.adopt(quick) == 1

    verdict = await office.house.commit(customer.settle(new, 100, owner_epoch=slow))

    assert verdict == Refused(AlreadyTerminal(GenerationState.FAILED))
    assert await office.house.balance(customer) == Balance(1000, 0)


async def test_who_finishes_in_time_is_not_disturbed(office: Office, customer: Customer) -> None:
    slow, quick = [await office.leases.acquire(uuid4()) for _ in range(2)]
    new = await running(office.house, customer, slow)
    await office.leases.release(slow)

    verdict = await office.house.commit(customer.settle(new, 100, owner_epoch=slow))

    assert isinstance(verdict, Committed)
    assert await office.adopt(quick) == 0
    assert await office.house.balance(customer) == Balance(900, 0)


async def test_many_generations_are_ended_in_one_go(
    office: Office, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "BATCH", 3)
    dead, alive = [await office.leases.acquire(uuid4()) for _ in range(2)]
    new = [await running(office.house, customer, dead) for _ in range(8)]
    await office.leases.release(dead)

    assert await office.adopt(alive, *new[:4]) == 4
    assert await office.adopt(alive) == 4


async def test_adopters_race_and_void_once(office: Office, customer: Customer) -> None:
    dead, *epochs = [await office.leases.acquire(uuid4()) for _ in range(4)]
    for _ in range(5):
        await running(office.house, customer, dead)
    await office.leases.release(dead)

    ended = await asyncio.gather(*(office.adopt(epoch) for epoch in epochs))

    assert sum(ended) == 5
    assert await office.house.balance(customer) == Balance(1000, 0)
    assert await office.house.in_flight(customer) == 0


async def test_a_generation_that_a_lease_never_named_is_voided_too(
    office: Office, customer: Customer
) -> None:
    epoch = await office.leases.acquire(uuid4())
    await running(office.house, customer, 999)

    assert await office.adopt(epoch) == 1


async def test_a_job_upstream_is_left_to_who_polls_it(office: Office, customer: Customer) -> None:
    dead, alive = [await office.leases.acquire(uuid4()) for _ in range(2)]
    new = await running(office.house, customer, dead)
    note = NoteJob(new.id, customer.account_id, dead, 1, "job-1")
    await office.house.commit(Commit((note,)))
    await office.leases.release(dead)

    assert await office.adopt(alive) == 0
    (stray,) = await office.leases.strays(10, UUID(int=0))
    assert (stray.id, stray.hold_id) == (new.id, new.hold_id)
    assert office.jobs.offered == [(new.id, "job-1", alive)]


async def test_our_own_generation_that_we_do_not_know_is_voided_after_a_minute(
    office: Office, customer: Customer
) -> None:
    epoch = await office.leases.acquire(uuid4())
    unknown = await running(office.house, customer, epoch)
    known = await running(office.house, customer, epoch)

    assert await office.adopt(epoch, known) == 0, "its hold may have only just been committed"
    await office.pass_time(61)
    epoch_now = await office.leases.acquire(uuid4())
    assert await office.adopt(epoch_now, known) == 1

    row = await office.house.reads.generation(customer.account_id, unknown.id)
    assert row is not None
    assert row.state is GenerationState.FAILED
    assert await office.house.balance(customer) == Balance(1000, 100)


async def test_leases_that_ended_long_ago_are_forgotten_unless_they_own_something(
    postgres_house: PostgresHouse,
) -> None:
    customer = await postgres_house.customer(credit=100)
    store = LeasesSql(postgres_house.pool)
    _, owning, living = [await store.acquire(uuid4()) for _ in range(3)]
    new = await running(postgres_house, customer, owning)
    office = Office(postgres_house, store)
    await office.pass_time(90_000)
    await postgres_house.query(
        "UPDATE process_lease SET expires_at = now() + interval '8 s' WHERE epoch = %s RETURNING 1",
        living,
    )

    await store.forget_old()

    rows = await postgres_house.query("SELECT epoch FROM process_lease ORDER BY epoch")
    assert [epoch for (epoch,) in rows] == [owning, living]
    await postgres_house.commit(customer.void(new, owner_epoch=owning))
