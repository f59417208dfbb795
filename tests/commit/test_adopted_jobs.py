"""Generations whose process is gone and whose job is not: another process finishes them, once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from core.engine import jobs as jobs_module
from core.engine.events import Completed, Failed
from core.engine.leases_memory import MemoryLeases
from core.engine.leases_sql import LeasesSql
from core.engine.records import AttemptRecord, Generation
from core.errors import Reason
from core.model import AttemptState, GenerationState
from tests.fix_commit import Customer, House, MemoryHouse
from tests.job_processes import COST, CREDIT, SECONDS, Process, World
from tests.scripted_jobs import FAILS, LOST, MADE, A, B


@pytest_asyncio.fixture
async def world(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(jobs_module, "search_delay", lambda _tries, _chance: 0.002)
    leases = (
        MemoryLeases(house.records, lambda: house.now_us)
        if isinstance(house, MemoryHouse)
        else LeasesSql(house.pool)
    )
    made = World(house, await house.customer(credit=CREDIT), leases)
    yield made
    for process in made.processes:
        await process.engine.stop(SECONDS)


@dataclass
class Rows:
    """What an adopter reads."""

    open_generation: Any
    attempts: Any


def waiting(world: World, operation: str = "look") -> asyncio.Event:
    """Hold the next call of an operation back until the event is set."""
    gate = asyncio.Event()
    world.ark.plan(A, operation, (gate,))
    return gate


async def left_behind(world: World, operation: str = "look") -> Process:
    """A generation whose process ended while it asked the provider; gives another process."""
    waiting(world, operation)
    owner, other = await world.process(), await world.process()
    await owner.begin(A, operation)
    await owner.die()
    return other


STATES = list(AttemptState)
OPEN = {AttemptState.SUBMITTING, AttemptState.SUBMITTED, AttemptState.LOST}


@pytest.mark.parametrize("channel", [A, B, "openai-a", "gone"])
@pytest.mark.parametrize("state", STATES)
def test_a_job_may_be_where_an_attempt_is_open_on_a_channel_that_makes_jobs(
    state: AttemptState, channel: str
) -> None:
    first = AttemptRecord(1, A, uuid4(), AttemptState.SUBMITTED)
    latest = AttemptRecord(2, channel, uuid4(), state)
    world = World(MemoryHouse(), Customer(uuid4(), uuid4()), MemoryLeases(None, int))  # type: ignore[arg-type]  # neither is asked
    adopter = Process(world, 1).adopter

    expected = latest if state in OPEN and channel in (A, B) else None
    assert adopter.job_of([latest, first]) == expected
    assert adopter.job_of([]) is None


async def test_an_adopter_finishes_a_job_and_settles_once(world: World) -> None:
    other = await left_behind(world)

    assert await other.adopt() == 1
    await other.finish()
    row, (attempt,) = await world.row()

    assert (row.state, row.owner_epoch, row.channel) == ("succeeded", other.epoch, A)
    assert (row.charged_micros, row.duration_ms, row.delivered_count) == (COST, 5000, 1)
    assert (attempt.state, attempt.upstream_job_id) == (AttemptState.DONE, "cgt-seedance-a-0")
    assert len(world.store.objects) == 1
    assert world.ark.count(A, "submit") == 1
    assert await world.posted_and_held() == (CREDIT - COST, 0)
    assert await world.house.in_flight(world.customer) == 0
    assert await other.adopt() == 0


async def test_the_caller_of_an_adopter_sees_the_life_of_the_generation(world: World) -> None:
    other = await left_behind(world)
    gate = waiting(world)
    await other.adopt()
    (ticket,) = [one.ticket for one in world.processes if one.ticket is not None]
    watch = await other.engine.watch(other.caller, ticket.generation.id)
    gate.set()
    events = [event async for event in watch]

    assert [type(event).__name__ for _, event in events] == [
        "Accepted",
        "AttemptStarted",
        "OutputReady",
        "Charged",
        "Completed",
    ]
    numbers = [seq for seq, _ in events]
    assert numbers == sorted(set(numbers))
    assert {seq >> 32 for seq in numbers} == {other.epoch}


async def test_of_adopters_that_race_one_wins(world: World) -> None:
    await left_behind(world)
    others = [await world.process() for _ in range(4)]
    won = await asyncio.gather(*(one.adopt() for one in others))
    for one in others:
        await one.finish()

    assert sum(won) == 1
    assert len(world.store.objects) == len(world.films.fetched) == 1
    assert await world.posted_and_held() == (CREDIT - COST, 0)


@pytest.mark.parametrize("first", ["owner", "adopter"])
async def test_a_slow_owner_and_its_adopter_settle_once(world: World, first: str) -> None:
    """Both look, both copy: the compare-and-set of the end decides, and one copy is kept."""
    gates = {"owner": waiting(world), "adopter": waiting(world)}
    owner, other = await world.process(), await world.process()
    await owner.begin()
    await world.leases.release(owner.epoch)
    assert await other.adopt() == 1
    processes = {"owner": owner, "adopter": other}
    for name in sorted(gates, key=lambda name: name != first):
        gates[name].set()
        await processes[name].finish()
    row, (attempt,) = await world.row()

    assert (row.state, row.owner_epoch) == (GenerationState.SUCCEEDED, other.epoch)
    assert attempt.state is AttemptState.DONE
    assert len(world.films.fetched) == 2
    assert len(world.store.objects) == 1
    (asset,) = await world.house.reads.assets(row.account_id, row.id)
    assert asset.record.link in next(iter(world.store.objects))
    assert await world.posted_and_held() == (CREDIT - COST, 0)
    assert isinstance((await owner.told())[-1], Failed)


async def test_an_owner_that_ended_it_in_time_leaves_nothing_to_adopt(world: World) -> None:
    owner, other = await world.process(), await world.process()
    await owner.begin()
    await owner.finish()
    await world.leases.release(owner.epoch)

    assert await other.adopt() == 0
    assert isinstance((await owner.told())[-1], Completed)


async def test_a_slow_owner_makes_no_further_job(world: World) -> None:
    world.ark.lives[A] = [FAILS]
    gate = waiting(world)
    owner, other = await world.process(), await world.process()
    await owner.begin()
    await world.leases.release(owner.epoch)
    assert await other.adopt() == 1
    await other.finish()
    gate.set()
    await owner.finish()

    assert world.ark.count(B, "submit") == 0
    assert await world.posted_and_held() == (CREDIT, 0)


async def voided(world: World) -> None:
    row, _ = await world.row()
    assert (row.state, row.reason) == (GenerationState.FAILED, Reason.REQUEST_NOT_RETAINED)
    assert world.ark.count(A, "submit") + world.ark.count(B, "submit") == 1
    assert await world.posted_and_held() == (CREDIT, 0)
    assert await world.house.in_flight(world.customer) == 0


async def test_an_adopted_job_that_fails_is_not_made_again(world: World) -> None:
    world.ark.lives[A] = ["running", FAILS]
    other = await left_behind(world)
    await other.adopt()
    await other.finish()

    await voided(world)
    _, (attempt,) = await world.row()
    assert attempt.state is AttemptState.FAILED


async def test_an_adopted_job_whose_film_is_gone_is_not_made_again(world: World) -> None:
    other = await left_behind(world)
    world.films.always = LOST
    await other.adopt()
    await other.finish()

    await voided(world)


async def test_a_submission_that_was_not_answered_is_found_by_an_adopter(world: World) -> None:
    held = asyncio.Event()
    world.ark.plan(A, "submit", (MADE, held))
    owner, other = await world.process(), await world.process()
    await owner.begin(A, "submit")
    await owner.die()
    await other.adopt()
    await other.finish()
    row, (attempt,) = await world.row()

    assert row.state is GenerationState.SUCCEEDED
    assert (attempt.state, attempt.upstream_job_id) == (AttemptState.DONE, "cgt-seedance-a-0")
    assert world.ark.count(A, "submit") == 1
    assert await world.posted_and_held() == (CREDIT - COST, 0)


async def test_what_was_never_sent_is_searched_for_and_then_given_back(world: World) -> None:
    other = await left_behind(world, "submit")
    world.ark.plan(A, "find", (), (), (lambda: world.clock.jump(11.0),))
    await other.adopt()
    row, _ = await world.row()
    await other.finish()

    assert row.finished_at is None
    assert world.ark.count(A, "find") == 3
    await voided(world)


async def test_while_an_adopter_searches_the_row_says_that_the_fate_is_unknown(
    world: World,
) -> None:
    other = await left_behind(world, "submit")
    gate = waiting(world, "find")
    await other.adopt()
    await asyncio.wait_for(world.ark.reached[A, "find"].wait(), SECONDS)
    row, _ = await world.row()
    world.clock.jump(11.0)
    gate.set()
    await other.finish()

    assert row.fate_unknown_since is not None


@pytest.mark.parametrize("status", ["queued", "running"])
async def test_an_adopter_knows_of_a_wish_to_cancel(world: World, status: str) -> None:
    world.ark.lives[A] = [status, "succeeded"]
    other = await left_behind(world)
    row, _ = await world.row()
    await other.engine.cancel(other.caller, row.id)
    await other.adopt()
    await other.finish()
    ended, _ = await world.row()

    _, (attempt,) = await world.row()
    cancelled = status == "queued"
    assert attempt.state is (AttemptState.FAILED if cancelled else AttemptState.DONE)
    assert ended.state == ("cancelled" if cancelled else "succeeded")
    assert await world.posted_and_held() == (CREDIT if cancelled else CREDIT - COST, 0)


async def test_what_was_deleted_is_finished_and_its_outputs_discarded(world: World) -> None:
    world.ark.lives[A] = ["running", "succeeded"]
    other = await left_behind(world)
    row, _ = await world.row()
    await other.engine.delete(other.caller, row.id)
    assert await other.adopt() == 1
    await other.finish()

    assert world.films.fetched == [A]
    assert world.store.objects == {}
    assert await world.posted_and_held() == (CREDIT - COST, 0)


async def test_a_deleted_job_that_is_still_queued_is_cancelled_by_its_adopter(
    world: World,
) -> None:
    world.ark.lives[A] = ["queued"]
    other = await left_behind(world)
    row, _ = await world.row()
    await other.engine.delete(other.caller, row.id)
    await other.adopt()
    await other.finish()

    assert world.ark.tasks[A][0].states == ["cancelled"]
    assert await world.posted_and_held() == (CREDIT, 0)


async def test_the_second_attempt_is_the_one_that_is_adopted(world: World) -> None:
    world.ark.lives[A] = [FAILS]
    world.ark.plan(B, "look", (asyncio.Event(),))
    owner, other = await world.process(), await world.process()
    await owner.begin(B, "look")
    await owner.die()
    await other.adopt()
    await other.finish()
    row, (first, second) = await world.row()

    assert (row.state, row.channel, row.attempt_count) == (GenerationState.SUCCEEDED, B, 2)
    assert (first.state, second.state) == (AttemptState.FAILED, AttemptState.DONE)
    assert (first.upstream_job_id, second.upstream_job_id) == (
        "cgt-seedance-a-0",
        "cgt-seedance-b-0",
    )
    assert first.mark.hex == world.ark.tasks[A][0].mark
    assert second.mark.hex == world.ark.tasks[B][0].mark
    assert await world.posted_and_held() == (CREDIT - COST, 0)


async def test_a_job_that_its_owner_recorded_at_the_last_moment_is_the_one_that_is_finished(
    world: World,
) -> None:
    """Between the reads of an adopter and its compare-and-set, the owner may still write."""
    world.ark.lives[A] = [FAILS]
    gate = waiting(world)
    owner, other = await world.process(), await world.process()
    world.ark.plan(B, "look", (asyncio.Event(),))
    await owner.begin()
    await world.leases.release(owner.epoch)
    rows = other.adopter._rows
    read = rows.open_generation

    async def late(account_id: UUID, id_: UUID) -> Generation | None:
        row = await read(account_id, id_)
        gate.set()
        await asyncio.wait_for(world.ark.reached[B, "look"].wait(), SECONDS)
        return row

    other.adopter._rows = Rows(late, rows.attempts)
    assert await other.adopt() == 1
    await other.finish()
    row, _ = await world.row()

    assert (row.state, row.channel, row.attempt_count) == (GenerationState.SUCCEEDED, B, 2)
    assert await world.posted_and_held() == (CREDIT - COST, 0)


async def test_an_adopter_that_stops_leaves_the_job_to_the_next(world: World) -> None:
    other = await left_behind(world)
    looks = world.ark.count(A, "look")
    waiting(world)
    await other.adopt()
    async with asyncio.timeout(SECONDS):
        while world.ark.count(A, "look") == looks:
            await asyncio.sleep(0.001)
    await other.die()
    await finished_by(world, await world.process())


async def test_a_process_that_adopts_while_it_stops_leaves_the_job_to_the_next(
    world: World,
) -> None:
    other = await left_behind(world)
    looks = world.ark.count(A, "look")
    await other.engine.stop(SECONDS)
    await other.adopt()
    await other.finish()
    assert world.ark.count(A, "look") == looks
    await other.die()
    await finished_by(world, await world.process())


async def finished_by(world: World, process: Process) -> None:
    assert await process.adopt() == 1
    await process.finish()
    row, _ = await world.row()
    assert (row.state, row.owner_epoch) == (GenerationState.SUCCEEDED, process.epoch)
    assert await world.posted_and_held() == (CREDIT - COST, 0)


async def test_what_an_adopter_works_on_is_not_adopted_again(world: World) -> None:
    other = await left_behind(world)
    gate = waiting(world)
    counts = [await other.adopt() for _ in range(3)]
    gate.set()
    await other.finish()

    assert counts == [1, 0, 0]
    assert len(world.films.fetched) == 1


async def test_a_channel_that_is_no_longer_offered_gives_the_hold_back(world: World) -> None:
    other = await left_behind(world)
    known = other.adopter._channels
    other.adopter._channels = {name: channel for name, channel in known.items() if name != A}

    assert await other.adopt() == 1
    await voided(world)
