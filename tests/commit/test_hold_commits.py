"""What a hold commit grants and refuses, over memory and over PostgreSQL."""

import os
from uuid import uuid4

import pytest

from accounts.limits import (
    Allowance,
    KeyProblem,
    KeyRefused,
    KeyUse,
    Limit,
    LimitExceeded,
)
from billing.ledger import AccountUnknown, Balance, Hold, InsufficientCredits
from core.engine.records import Claimed, HideGeneration, IdempotencyMismatch, Replay
from core.model import GenerationState
from storage.commits import Commit, Committed, Refused
from tests.fix_commit import Customer, House

DAY_US = 86_400_000_000


async def test_a_hold_reserves_and_records(house: House) -> None:
    customer = await house.customer(credit=100_000)
    new = customer.new(40_000)

    verdict = await house.commit(customer.open(new))

    assert verdict == Committed((None, Allowance(100_000, 99_999, 600), Balance(100_000, 40_000)))
    assert await house.balance(customer) == Balance(100_000, 40_000)
    row = await house.reads.generation(customer.account_id, new.id)
    assert row is not None
    assert (row.state, row.hold_id, row.owner_epoch) == (
        GenerationState.ACCEPTED,
        new.hold_id,
        new.owner_epoch,
    )
    assert await house.reads.attempts(customer.account_id, new.id) == [new.first_attempt]


async def test_in_one_batch_a_refused_hold_leaves_room_for_a_smaller_one(house: House) -> None:
    customer = await house.customer(credit=100)
    asked = [customer.new(amount) for amount in (60, 50, 40, 1)]

    verdicts = await house.batch(*map(customer.open, asked))

    assert [type(verdict) for verdict in verdicts] == [Committed, Refused, Committed, Refused]
    assert verdicts[1] == Refused(InsufficientCredits(50, 40))
    assert verdicts[3] == Refused(InsufficientCredits(1, 0))
    assert await house.balance(customer) == Balance(100, 100)
    assert await house.in_flight(customer) == 2
    assert await house.reads.generation(customer.account_id, asked[1].id) is None


async def test_a_batch_of_many_accounts_judges_each_by_its_own_balance(house: House) -> None:
    customers = [await house.customer(credit=100 * index) for index in range(5)]

    verdicts = await house.batch(*(c.open(c.new(100)) for c in customers for _ in range(5)))

    granted = [isinstance(verdict, Committed) for verdict in verdicts]
    assert [sum(granted[5 * index : 5 * index + 5]) for index in range(5)] == [0, 1, 2, 3, 4]


async def test_an_exact_fit_is_granted(house: House) -> None:
    customer = await house.customer(credit=7)

    assert isinstance(await house.commit(customer.open(customer.new(7))), Committed)
    assert await house.commit(customer.open(customer.new(1))) == Refused(InsufficientCredits(1, 0))


async def test_a_hold_of_nothing_needs_no_credit(house: House) -> None:
    customer = await house.customer(credit=0)

    verdict = await house.commit(customer.open(customer.new(0, sandbox=True)))

    assert isinstance(verdict, Committed)


async def test_a_hold_on_no_account_is_refused(house: House) -> None:
    nobody = uuid4()

    verdict = await house.commit(Commit((Hold(uuid4(), nobody, 1),)))

    assert verdict == Refused(AccountUnknown(nobody))


# ---- idempotency


async def test_the_same_key_and_request_is_a_replay_that_takes_nothing(house: House) -> None:
    customer = await house.customer(credit=40_000)
    key, request = os.urandom(32), os.urandom(32)
    first = customer.new(40_000, idempotency_key=key, fingerprint=request)
    again = customer.new(40_000, idempotency_key=key, fingerprint=request)

    await house.commit(customer.open(first))

    assert await house.commit(customer.open(again)) == Refused(Replay(first.id))
    assert await house.in_flight(customer) == 1
    assert await house.balance(customer) == Balance(40_000, 40_000)


async def test_twins_in_one_batch_are_one_generation(house: House) -> None:
    customer = await house.customer(credit=100_000)
    key, request = os.urandom(32), os.urandom(32)
    first, twin, other = (
        customer.new(10, idempotency_key=key, fingerprint=fingerprint)
        for fingerprint in (request, request, os.urandom(32))
    )

    verdicts = await house.batch(*map(customer.open, (first, twin, other)))

    assert isinstance(verdicts[0], Committed)
    assert verdicts[1:] == [Refused(Replay(first.id)), Refused(IdempotencyMismatch())]


async def test_the_same_key_with_another_request_is_a_mismatch(house: House) -> None:
    customer = await house.customer(credit=100_000)
    key = os.urandom(32)
    await house.commit(customer.open(customer.new(10, idempotency_key=key)))

    verdict = await house.commit(customer.open(customer.new(10, idempotency_key=key)))

    assert verdict == Refused(IdempotencyMismatch())


async def test_a_key_means_nothing_on_another_account(house: House) -> None:
    one, other = await house.customer(credit=100), await house.customer(credit=100)
    key = os.urandom(32)
    await house.commit(one.open(one.new(10, idempotency_key=key)))

    assert isinstance(await house.commit(other.open(other.new(10, idempotency_key=key))), Committed)


async def test_a_refused_hold_leaves_no_key_behind(house: House) -> None:
    customer = await house.customer(credit=10)
    key, request = os.urandom(32), os.urandom(32)
    dear = customer.new(11, idempotency_key=key, fingerprint=request)
    cheap = customer.new(10, idempotency_key=key, fingerprint=request)

    assert isinstance(await house.commit(customer.open(dear)), Refused)
    assert isinstance(await house.commit(customer.open(cheap)), Committed)


async def test_a_key_may_be_used_anew_after_a_day_and_not_before(house: House) -> None:
    customer = await house.customer(credit=100)
    key = os.urandom(32)
    old, early, late = (customer.new(10, idempotency_key=key) for _ in range(3))
    await house.commit(customer.open(old))

    await house.pass_time(customer, DAY_US - 60_000_000)
    assert await house.commit(customer.open(early)) == Refused(IdempotencyMismatch())
    await house.pass_time(customer, 60_000_000)
    assert isinstance(await house.commit(customer.open(late)), Committed)
    replay = customer.new(10, idempotency_key=key, fingerprint=late.fingerprint)
    assert await house.commit(customer.open(replay)) == Refused(Replay(late.id))


# ---- orphans


async def test_an_sdk_retry_claims_the_oldest_orphan_once(house: House) -> None:
    customer = await house.customer(credit=100)
    request = os.urandom(32)
    orphans = [customer.new(10, fingerprint=request) for _ in range(2)]
    for orphan in orphans:
        await house.commit(customer.open(orphan))
        await house.commit(customer.orphan(orphan))
    retries = [customer.new(10, fingerprint=request, claim=True) for _ in range(3)]

    verdicts = [await house.commit(customer.open(retry)) for retry in retries]

    assert verdicts[:2] == [Refused(Claimed(orphan.id)) for orphan in orphans]
    assert isinstance(verdicts[2], Committed)
    assert await house.balance(customer) == Balance(100, 30)


async def test_a_claim_whose_answer_was_lost_too_can_be_claimed_again(house: House) -> None:
    customer = await house.customer(credit=100)
    request = os.urandom(32)
    orphan = customer.new(10, fingerprint=request)
    await house.commit(customer.open(orphan))
    for _ in range(3):
        await house.commit(customer.orphan(orphan))
        retry = customer.open(customer.new(10, fingerprint=request, claim=True))

        assert await house.commit(retry) == Refused(Claimed(orphan.id))

    row = await house.reads.generation(customer.account_id, orphan.id)
    assert row is not None
    assert row.claimed_at is not None
    retry = customer.open(customer.new(10, fingerprint=request, claim=True))
    assert isinstance(await house.commit(retry), Committed)


@pytest.mark.parametrize("is_orphaned_last", [True, False])
async def test_an_orphan_and_its_claim_in_one_batch_count_in_their_order(
    house: House, is_orphaned_last: bool
) -> None:
    customer = await house.customer(credit=100)
    request = os.urandom(32)
    orphan = customer.new(10, fingerprint=request)
    await house.commit(customer.open(orphan))
    await house.commit(customer.orphan(orphan))
    batch = [
        customer.open(customer.new(10, fingerprint=request, claim=True)),
        customer.orphan(orphan),
    ]

    await house.batch(*(batch if is_orphaned_last else reversed(batch)))

    row = await house.reads.generation(customer.account_id, orphan.id)
    assert row is not None
    assert (row.claimed_at is None) == is_orphaned_last


async def test_claims_in_one_batch_get_one_orphan_each(house: House) -> None:
    customer = await house.customer(credit=100)
    request = os.urandom(32)
    orphan = customer.new(10, fingerprint=request)
    await house.commit(customer.open(orphan))
    await house.commit(customer.orphan(orphan))
    retries = [customer.new(10, fingerprint=request, claim=True) for _ in range(2)]

    first, second = await house.batch(*map(customer.open, retries))

    assert first == Refused(Claimed(orphan.id))
    assert isinstance(second, Committed)


async def test_what_no_retry_may_claim(house: House) -> None:
    customer, other = await house.customer(credit=1000), await house.customer(credit=1000)
    request = os.urandom(32)
    not_orphaned = customer.new(10, fingerprint=request)
    await house.commit(customer.open(not_orphaned))
    failed = customer.new(10, fingerprint=request)
    await house.commit(customer.open(failed))
    await house.commit(customer.orphan(failed))
    await house.commit(customer.void(failed))
    another_request = customer.new(10)
    await house.commit(customer.open(another_request))
    await house.commit(customer.orphan(another_request))
    foreign = other.new(10, fingerprint=request)
    await house.commit(other.open(foreign))
    await house.commit(other.orphan(foreign))

    verdict = await house.commit(customer.open(customer.new(10, fingerprint=request, claim=True)))

    assert isinstance(verdict, Committed)


async def test_an_orphan_that_ends_in_failure_in_the_same_batch_is_not_claimed(
    house: House,
) -> None:
    customer = await house.customer(credit=100)
    request = os.urandom(32)
    failed, hidden = (customer.new(10, fingerprint=request) for _ in range(2))
    for orphan in (failed, hidden):
        await house.commit(customer.open(orphan))
        await house.commit(customer.orphan(orphan))

    verdicts = await house.batch(
        customer.void(failed),
        Commit((HideGeneration(hidden.id, customer.account_id),)),
        customer.open(customer.new(10, fingerprint=request, claim=True)),
    )

    assert [type(verdict) for verdict in verdicts] == [Committed] * 3


async def test_a_finished_orphan_may_be_claimed(house: House) -> None:
    customer = await house.customer(credit=100)
    request = os.urandom(32)
    orphan = customer.new(10, fingerprint=request)
    await house.commit(customer.open(orphan))
    await house.commit(customer.orphan(orphan))
    await house.commit(customer.settle(orphan, 10))

    verdict = await house.commit(customer.open(customer.new(10, fingerprint=request, claim=True)))

    assert verdict == Refused(Claimed(orphan.id))


# ---- limits


async def test_a_minute_holds_exactly_its_requests_and_one_more_per_interval(
    house: House,
) -> None:
    customer = await house.customer(credit=1_000, rate=7)
    interval = 60_000_000 // 7

    verdicts = await house.batch(*(customer.open(customer.new(1)) for _ in range(9)))

    remaining = [v.answers[1].remaining for v in verdicts if isinstance(v, Committed)]
    assert remaining == [6, 5, 4, 3, 2, 1, 0]
    refused = verdicts[7]
    assert isinstance(refused, Refused)
    assert isinstance(refused.refusal, LimitExceeded)
    assert refused.refusal.limit is Limit.REQUESTS
    assert refused.refusal.maximum == 7
    assert interval - 5_000_000 < refused.refusal.retry_after_us <= interval

    await house.pass_time(customer, interval)
    after = [await house.commit(customer.open(customer.new(1))) for _ in range(2)]
    assert [type(verdict) for verdict in after] == [Committed, Refused]


async def test_a_request_refused_for_money_does_not_count(house: House) -> None:
    customer = await house.customer(credit=1, rate=2)

    for _ in range(5):
        await house.commit(customer.open(customer.new(2)))

    verdict = await house.commit(customer.open(customer.new(1)))
    assert isinstance(verdict, Committed)
    assert verdict.answers[1].remaining == 1


async def test_slots_are_taken_and_given_back(house: House) -> None:
    customer = await house.customer(credit=1_000, concurrency=2)
    new = [customer.new(1) for _ in range(4)]

    verdicts = await house.batch(*map(customer.open, new))

    assert [type(verdict) for verdict in verdicts] == [Committed, Committed, Refused, Refused]
    assert verdicts[2] == Refused(LimitExceeded(Limit.CONCURRENCY, 2, 0))
    await house.commit(customer.settle(new[0], 1))
    await house.commit(customer.void(new[1]))
    assert await house.in_flight(customer) == 0
    assert isinstance(await house.commit(customer.open(new[2])), Committed)


async def test_suspended_revoked_and_unknown_keys_are_refused_in_the_commit(
    house: House,
) -> None:
    suspended, revoked = await house.customer(credit=10), await house.customer(credit=10)
    stranger = Customer(suspended.account_id, uuid4())
    await house.suspend(suspended)
    await house.revoke(revoked)

    verdicts = [await house.commit(c.open(c.new(1))) for c in (suspended, revoked)]

    assert verdicts == [
        Refused(KeyRefused(KeyProblem.SUSPENDED)),
        Refused(KeyRefused(KeyProblem.REVOKED)),
    ]
    use = KeyUse(stranger.account_id, stranger.key_id)
    assert await house.commit(Commit((use,))) == Refused(KeyRefused(KeyProblem.UNKNOWN))
