"""What is committed of a job while it runs: attempts, ids, doubts, wishes."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from core.engine.leases_memory import MemoryLeases
from core.engine.leases_sql import LeasesSql
from core.engine.records import (
    Adopt,
    AlreadyTerminal,
    AttemptRecord,
    Generation,
    GenerationUnknown,
    HideGeneration,
    NewGeneration,
    NoteFate,
    NoteJob,
    NotOwner,
    RequestCancel,
    SubmitAttempt,
)
from core.model import AttemptState, GenerationState
from storage.commits import Commit, Committed, Refused
from tests.fix_commit import EPOCH, Customer, House, MemoryHouse


@pytest.fixture
async def customer(house: House) -> Customer:
    return await house.customer(credit=1000)


@pytest.fixture
async def new(house: House, customer: Customer) -> NewGeneration:
    made = customer.new(100, duration_ms=15_000)
    await house.commit(customer.open(made))
    return made


async def row_of(house: House, new: NewGeneration) -> Generation:
    row = await house.reads.open_generation(new.account_id, new.id)
    assert row is not None
    return row


def second(new: NewGeneration, epoch: int = EPOCH) -> SubmitAttempt:
    attempt = AttemptRecord(
        2, "seedance-b", uuid4(), started_ms=700, standing="healthy", candidates=2
    )
    return SubmitAttempt(new.id, new.account_id, epoch, attempt)


def fate(new: NewGeneration, *, is_unknown: bool, epoch: int = EPOCH) -> Commit:
    return Commit((NoteFate(new.id, new.account_id, epoch, is_unknown),))


async def test_an_unknown_fate_is_dated_by_the_first_doubt(
    house: House, new: NewGeneration
) -> None:
    assert (await row_of(house, new)).fate_unknown_since is None
    await house.commit(fate(new, is_unknown=True))
    since = (await row_of(house, new)).fate_unknown_since
    if isinstance(house, MemoryHouse):
        house.now_us += 1_000_000
    await house.commit(fate(new, is_unknown=True))

    assert since is not None
    assert (await row_of(house, new)).state is GenerationState.RUNNING
    assert (await row_of(house, new)).fate_unknown_since == since
    await house.commit(fate(new, is_unknown=False))
    assert (await row_of(house, new)).fate_unknown_since is None


async def test_in_one_batch_the_last_word_about_a_fate_counts(
    house: House, new: NewGeneration
) -> None:
    await house.batch(fate(new, is_unknown=True), fate(new, is_unknown=False))

    assert (await row_of(house, new)).fate_unknown_since is None


@pytest.mark.parametrize("ends", ["settle", "void"])
async def test_an_end_leaves_no_doubt(
    house: House, customer: Customer, new: NewGeneration, ends: str
) -> None:
    await house.commit(fate(new, is_unknown=True))
    end = customer.settle(new, 100) if ends == "settle" else customer.void(new)
    await house.commit(end)
    row = await house.reads.generation(new.account_id, new.id)

    assert row is not None
    assert row.fate_unknown_since is None
    state = GenerationState.SUCCEEDED if ends == "settle" else GenerationState.FAILED
    assert await house.commit(fate(new, is_unknown=True)) == Refused(AlreadyTerminal(state))


async def test_a_duration_is_what_was_asked_until_it_is_known(
    house: House, customer: Customer, new: NewGeneration
) -> None:
    other = customer.new(100, duration_ms=15_000)
    await house.commit(customer.open(other))
    assert (await row_of(house, new)).duration_ms == 15_000
    await house.commit(customer.settle(new, 100, duration_ms=7_000))
    await house.commit(customer.settle(other, 100))
    rows = [await house.reads.generation(one.account_id, one.id) for one in (new, other)]

    assert [row.duration_ms for row in rows if row is not None] == [7_000, 15_000]


async def test_a_further_attempt_and_its_job_are_on_record(
    house: House, new: NewGeneration
) -> None:
    submit = second(new)
    await house.commit(Commit((submit,)))
    before = await house.reads.attempts(new.account_id, new.id)
    assert (await row_of(house, new)).state is GenerationState.ACCEPTED
    await house.commit(Commit((NoteJob(new.id, new.account_id, EPOCH, 2, "cgt-7"),)))
    first, after = await house.reads.attempts(new.account_id, new.id)

    assert before == [new.first_attempt, submit.attempt]
    assert first == new.first_attempt
    assert after == replace(submit.attempt, state=AttemptState.SUBMITTED, upstream_job_id="cgt-7")
    assert (await row_of(house, new)).state is GenerationState.RUNNING


async def test_an_attempt_that_is_submitted_again_is_the_same(
    house: House, new: NewGeneration
) -> None:
    submit = Commit((second(new),))
    verdicts = [await house.commit(submit) for _ in range(2)]

    assert [isinstance(verdict, Committed) for verdict in verdicts] == [True, True]
    assert len(await house.reads.attempts(new.account_id, new.id)) == 2


async def test_who_does_not_own_it_writes_nothing(house: House, new: NewGeneration) -> None:
    await house.commit(Commit((Adopt(new.id, new.account_id, EPOCH, 8),)))
    parts = [
        second(new),
        NoteJob(new.id, new.account_id, EPOCH, 1, "cgt-7"),
        NoteFate(new.id, new.account_id, EPOCH, is_unknown=True),
    ]
    verdicts = [await house.commit(Commit((part,))) for part in parts]
    row = await row_of(house, new)

    assert verdicts == [Refused(NotOwner(8))] * 3
    assert await house.reads.attempts(new.account_id, new.id) == [new.first_attempt]
    assert (row.state, row.fate_unknown_since) == (GenerationState.ACCEPTED, None)


async def test_another_account_writes_nothing(house: House, new: NewGeneration) -> None:
    other = uuid4()
    parts = [
        replace(second(new), account_id=other),
        NoteJob(new.id, other, EPOCH, 1, "cgt-7"),
        NoteFate(new.id, other, EPOCH, is_unknown=True),
        Adopt(new.id, other, EPOCH, 8),
    ]

    verdicts = [await house.commit(Commit((part,))) for part in parts]
    assert verdicts == [Refused(GenerationUnknown())] * 4


async def test_adopting_is_a_compare_and_set_that_may_be_repeated(
    house: House, new: NewGeneration
) -> None:
    def adopt(before: int, after: int) -> Commit:
        return Commit((Adopt(new.id, new.account_id, before, after),))

    first, again = [await house.commit(adopt(EPOCH, 8)) for _ in range(2)]
    late = await house.commit(adopt(EPOCH, 9))

    assert isinstance(first, Committed)
    assert isinstance(again, Committed)
    assert late == Refused(NotOwner(8))
    assert (await row_of(house, new)).owner_epoch == 8


async def test_of_a_batch_of_adopters_the_first_wins(house: House, new: NewGeneration) -> None:
    adopts = [Commit((Adopt(new.id, new.account_id, EPOCH, epoch),)) for epoch in (8, 9, 10)]
    verdicts = await house.batch(*adopts)

    assert [isinstance(verdict, Committed) for verdict in verdicts] == [True, False, False]


async def test_open_generations_are_read_whether_deleted_or_not(
    house: House, customer: Customer, new: NewGeneration
) -> None:
    await house.commit(Commit((HideGeneration(new.id, new.account_id),)))

    assert await house.reads.generation(new.account_id, new.id) is None
    assert (await row_of(house, new)).id == new.id
    assert await house.reads.open_generation(uuid4(), new.id) is None
    await house.commit(customer.void(new))
    assert await house.reads.open_generation(new.account_id, new.id) is None


async def test_an_owner_hears_the_wishes_for_what_it_runs(house: House, customer: Customer) -> None:
    leases = (
        MemoryLeases(house.records, lambda: house.now_us)
        if isinstance(house, MemoryHouse)
        else LeasesSql(house.pool)
    )
    wished, ended, other, quiet = [customer.new(100) for _ in range(4)]
    other = replace(other, owner_epoch=8)
    for one in (wished, ended, other, quiet):
        await house.commit(customer.open(one))
        if one is not quiet:
            await house.commit(Commit((RequestCancel(one.id, one.account_id),)))
    await house.commit(customer.void(ended))

    heard: list[list[UUID]] = [await leases.wishes(epoch) for epoch in (EPOCH, 8, 9)]
    assert heard == [[wished.id], [other.id], []]
