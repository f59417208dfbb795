"""How a generation ends, over memory and over PostgreSQL."""

from dataclasses import replace
from uuid import uuid4

import pytest

from billing.ledger import (
    Balance,
    HoldResolved,
    HoldUnknown,
    Resolved,
    Settle,
    Void,
)
from core.engine.records import (
    Adopt,
    AlreadyTerminal,
    AttemptRecord,
    Finished,
    FinishGeneration,
    GenerationUnknown,
    HideGeneration,
    Listing,
    NoteJob,
    NotOwner,
    RequestCancel,
    SubmitAttempt,
)
from core.errors import Fault, Phase, Reason
from core.model import AttemptState, GenerationState, Usage
from storage.commits import Commit, Committed, Refused
from tests.fix_commit import EPOCH, Customer, House


@pytest.fixture
async def customer(house: House) -> Customer:
    return await house.customer(credit=100_000)


async def test_a_settle_charges_what_it_costs_and_returns_the_rest(
    house: House, customer: Customer
) -> None:
    new = customer.new(40_000)
    await house.commit(customer.open(new))

    verdict = await house.commit(customer.settle(new, 30_000))

    assert verdict == Committed((Finished(hidden=False), Resolved(30_000, 10_000, 0), None))
    assert await house.balance(customer) == Balance(70_000, 0)
    assert await house.operator("revenue") == 30_000
    assert await house.in_flight(customer) == 0


async def test_what_exceeds_a_hold_is_the_operators_risk(house: House, customer: Customer) -> None:
    new = customer.new(40_000)
    await house.commit(customer.open(new))

    verdict = await house.commit(customer.settle(new, 55_000))

    assert verdict == Committed((Finished(hidden=False), Resolved(40_000, 0, 15_000), None))
    assert await house.balance(customer) == Balance(60_000, 0)
    assert await house.operator("risk") == -15_000
    assert await house.operator("revenue") == 55_000


async def test_a_void_gives_the_whole_hold_back(house: House, customer: Customer) -> None:
    new = customer.new(40_000)
    await house.commit(customer.open(new))

    verdict = await house.commit(customer.void(new))

    assert verdict == Committed((Finished(hidden=False), Resolved(0, 40_000, 0), None))
    assert await house.balance(customer) == Balance(100_000, 0)
    assert await house.in_flight(customer) == 0


async def test_the_end_is_written_whole(house: House, customer: Customer) -> None:
    new = customer.new(40_000, requested_count=2, time_limit_ms=60_000)
    await house.commit(customer.open(new))
    failed = replace(
        new.first_attempt,
        state=AttemptState.FAILED,
        fault=Fault.SERVER_ERROR,
        phase=Phase.FIRST_BYTE,
        http_status=500,
        ended_ms=4,
    )
    second = AttemptRecord(2, "openai-b", uuid4(), AttemptState.DONE, http_status=200, started_ms=5)
    end = customer.settle(new, 20_000, attempts=(failed, second), channel="openai-b")
    await house.commit(end)

    row = await house.reads.generation(customer.account_id, new.id)

    assert row is not None
    assert (row.state, row.channel, row.attempt_count, row.delivered_count) == (
        GenerationState.SUCCEEDED,
        "openai-b",
        2,
        1,
    )
    assert (row.charged_micros, row.usage) == (20_000, Usage(10, 0, 4000, None))
    assert (row.size, row.quality, row.background, row.output_format) == (
        "1024x1024",
        "high",
        "opaque",
        "png",
    )
    assert row.finished_at is not None
    assert row.deadline_at is not None
    assert (row.deadline_at - row.created_at).total_seconds() == 60
    assert await house.reads.attempts(customer.account_id, new.id) == [failed, second]
    (asset,) = await house.reads.assets(customer.account_id, new.id)
    finish = end.parts[0]
    assert isinstance(finish, FinishGeneration)
    assert asset.record == finish.assets[0]
    assert (asset.expires_at - asset.created_at).days == 30
    assert await house.reads.asset_by_link(new.id, asset.record.link, 0) == asset
    assert await house.reads.asset_by_link(new.id, "0" * 24, 0) is None


async def test_how_each_attempt_came_about_is_kept(house: House, customer: Customer) -> None:
    new = customer.new()
    began = replace(new.first_attempt, standing="probe_due", candidates=2)
    await house.commit(customer.open(replace(new, first_attempt=began)))
    assert await house.reads.attempts(customer.account_id, new.id) == [began]
    first = replace(began, state=AttemptState.FAILED, standing="healthy", candidates=3)
    second = AttemptRecord(
        2,
        "openai-b",
        uuid4(),
        AttemptState.DONE,
        shard=1,
        is_hedge=True,
        standing="ejected",
        candidates=3,
    )
    await house.commit(customer.settle(new, 20_000, attempts=(first, second)))

    assert await house.reads.attempts(customer.account_id, new.id) == [first, second]


async def test_a_failure_keeps_its_reason(house: House, customer: Customer) -> None:
    new = customer.new()
    await house.commit(customer.open(new))
    await house.commit(customer.void(new))

    row = await house.reads.generation(customer.account_id, new.id)

    assert row is not None
    assert (row.state, row.reason, row.metadata) == (
        GenerationState.FAILED,
        Reason.UPSTREAM_ERROR,
        {"channel": "openai-a"},
    )
    assert (row.charged_micros, row.usage) == (0, None)


@pytest.mark.parametrize("first", ["settle", "void"])
@pytest.mark.parametrize("second", ["settle", "void"])
async def test_a_generation_ends_once(
    house: House, customer: Customer, first: str, second: str
) -> None:
    new = customer.new(40_000)
    await house.commit(customer.open(new))
    ends = {"settle": lambda: customer.settle(new, 30_000), "void": lambda: customer.void(new)}
    await house.commit(ends[first]())
    before = await house.balance(customer)

    verdict = await house.commit(ends[second]())

    state = GenerationState.SUCCEEDED if first == "settle" else GenerationState.FAILED
    assert verdict == Refused(AlreadyTerminal(state))
    assert await house.balance(customer) == before
    assert await house.in_flight(customer) == 0


async def test_a_hold_is_resolved_once_even_without_its_generation(
    house: House, customer: Customer
) -> None:
    new = customer.new(40_000)
    await house.commit(customer.open(new))
    account = customer.account_id
    settle = Settle(uuid4(), account, new.hold_id, 10_000)
    void = Void(uuid4(), account, new.hold_id)

    verdicts = await house.batch(Commit((settle,)), Commit((void,)))

    assert isinstance(verdicts[0], Committed)
    assert verdicts[1] == Refused(HoldResolved(new.hold_id, settle.transfer_id, 10_000))
    again = Settle(uuid4(), account, new.hold_id, 10_000)
    assert await house.commit(Commit((again,))) == Refused(
        HoldResolved(new.hold_id, settle.transfer_id, 10_000)
    )


async def test_a_hold_that_is_not_there_cannot_be_resolved(
    house: House, customer: Customer
) -> None:
    other = await house.customer(credit=100)
    foreign = other.new(10)
    await house.commit(other.open(foreign))
    unknown = uuid4()

    verdicts = await house.batch(
        Commit((Settle(uuid4(), customer.account_id, unknown, 1),)),
        Commit((Void(uuid4(), customer.account_id, foreign.hold_id),)),
    )

    assert verdicts == [Refused(HoldUnknown(unknown)), Refused(HoldUnknown(foreign.hold_id))]


async def test_only_the_owner_ends_a_generation(house: House, customer: Customer) -> None:
    new = customer.new()
    await house.commit(customer.open(new))

    stranger = await house.commit(customer.settle(new, 1, owner_epoch=EPOCH + 1))
    adopted = await house.commit(Commit((Adopt(new.id, customer.account_id, EPOCH, EPOCH + 1),)))
    former = await house.commit(customer.settle(new, 1))
    owner = await house.commit(customer.settle(new, 1, owner_epoch=EPOCH + 1))

    assert stranger == Refused(NotOwner(EPOCH))
    assert isinstance(adopted, Committed)
    assert former == Refused(NotOwner(EPOCH + 1))
    assert isinstance(owner, Committed)
    assert await house.balance(customer) == Balance(99_999, 0)


async def test_two_adopters_race_for_one_generation(house: House, customer: Customer) -> None:
    new = customer.new()
    await house.commit(customer.open(new))
    adoptions = [Adopt(new.id, customer.account_id, EPOCH, epoch) for epoch in (8, 9, 8)]

    verdicts = await house.batch(*(Commit((adoption,)) for adoption in adoptions))

    assert isinstance(verdicts[0], Committed)
    assert verdicts[1] == Refused(NotOwner(8))
    assert isinstance(verdicts[2], Committed), "its own adoption, sent again"


async def test_nobody_ends_what_is_not_there_or_not_theirs(
    house: House, customer: Customer
) -> None:
    other = await house.customer(credit=100_000)
    new = customer.new()
    await house.commit(customer.open(new))

    missing = await house.commit(customer.void(customer.new()))
    foreign = await house.commit(other.void(replace(new, account_id=other.account_id)))

    assert missing == Refused(GenerationUnknown())
    assert foreign == Refused(GenerationUnknown())


# ---- jobs, wishes, lists


async def test_a_further_attempt_and_its_job_are_recorded_by_the_owner_only(
    house: House, customer: Customer
) -> None:
    new = customer.new()
    await house.commit(customer.open(new))
    names = (new.id, customer.account_id)
    second = AttemptRecord(2, "kling", uuid4(), started_ms=3)
    submit = Commit((SubmitAttempt(*names, EPOCH, second),))

    verdicts = [await house.commit(submit), await house.commit(submit)]
    stranger = await house.commit(Commit((SubmitAttempt(*names, EPOCH + 1, second),)))
    await house.commit(Commit((NoteJob(*names, EPOCH, 2, "job-1"),)))

    assert [isinstance(verdict, Committed) for verdict in verdicts] == [True, True]
    assert stranger == Refused(NotOwner(EPOCH)) or isinstance(stranger, Committed)
    attempts = await house.reads.attempts(customer.account_id, new.id)
    assert attempts[1] == replace(second, state=AttemptState.SUBMITTED, upstream_job_id="job-1")
    row = await house.reads.generation(customer.account_id, new.id)
    assert row is not None
    assert row.state is GenerationState.RUNNING
    done = replace(second, state=AttemptState.DONE, ended_ms=9)
    await house.commit(customer.settle(new, 10, attempts=(new.first_attempt, done)))
    attempts = await house.reads.attempts(customer.account_id, new.id)
    assert attempts[1] == replace(done, upstream_job_id="job-1")


async def test_a_strangers_attempt_is_refused(house: House, customer: Customer) -> None:
    new = customer.new()
    await house.commit(customer.open(new))
    attempt = AttemptRecord(2, "kling", uuid4())

    verdict = await house.commit(
        Commit((SubmitAttempt(new.id, customer.account_id, EPOCH + 1, attempt),))
    )

    assert verdict == Refused(NotOwner(EPOCH))


async def test_a_wish_to_cancel_answers_the_state_and_ends_nothing(
    house: House, customer: Customer
) -> None:
    new = customer.new()
    await house.commit(customer.open(new))
    wish = Commit((RequestCancel(new.id, customer.account_id),))

    assert await house.commit(wish) == Committed((GenerationState.ACCEPTED,))
    row = await house.reads.generation(customer.account_id, new.id)
    assert row is not None
    assert row.cancel_requested_at is not None
    await house.commit(wish)
    again = await house.reads.generation(customer.account_id, new.id)
    assert again is not None
    assert again.cancel_requested_at == row.cancel_requested_at
    await house.commit(customer.void(new, state=GenerationState.CANCELLED, reason=Reason.CANCELLED))
    assert await house.commit(wish) == Committed((GenerationState.CANCELLED,))


async def test_a_hidden_generation_is_found_no_more_but_still_ends(
    house: House, customer: Customer
) -> None:
    new, kept = customer.new(100), customer.new(100)
    for one in (new, kept):
        await house.commit(customer.open(one))
    hide = Commit((HideGeneration(new.id, customer.account_id),))

    assert await house.commit(hide) == Committed((GenerationState.ACCEPTED,))

    account = customer.account_id
    assert await house.reads.generation(account, new.id) is None
    assert [row.id for row in await house.reads.generations(account, Listing(10))] == [kept.id]
    assert isinstance(await house.commit(customer.settle(new, 100)), Committed)
    await house.commit(customer.settle(kept, 100))
    await house.commit(Commit((HideGeneration(kept.id, account),)))
    assert await house.reads.asset_by_link(kept.id, "ab" * 12, 0) is None
    assert await house.commit(Commit((HideGeneration(uuid4(), account),))) == Refused(
        GenerationUnknown()
    )


async def test_generations_are_listed_in_time_order_for_their_account_only(
    house: House, customer: Customer
) -> None:
    other = await house.customer(credit=100)
    new = [customer.new(1, model=f"model-{index % 2}") for index in range(5)]
    for one in new:
        await house.commit(customer.open(one))
    await house.commit(other.open(other.new(1)))
    account, ids = customer.account_id, [one.id for one in new]

    async def listed(listing: Listing) -> list[int]:
        return [ids.index(row.id) for row in await house.reads.generations(account, listing)]

    assert await listed(Listing(10)) == [4, 3, 2, 1, 0]
    assert await listed(Listing(2)) == [4, 3]
    assert await listed(Listing(2, after=ids[3])) == [2, 1]
    assert await listed(Listing(2, after=ids[1], oldest_first=True)) == [2, 3]
    assert await listed(Listing(10, models=frozenset({"model-1"}))) == [3, 1]
    assert await listed(Listing(10, kinds=frozenset({new[0].kind}))) == [4, 3, 2, 1, 0]
    assert await house.reads.generation(other.account_id, ids[0]) is None
