"""What is sent again is recognised, over memory and over PostgreSQL."""

import os
from dataclasses import replace
from uuid import uuid4

import pytest

from billing.ledger import Balance, Credit, Loss, OperatorBook, Settle, TransferMismatch
from storage.commits import Commit, Committed, Refused
from tests.fix_commit import Customer, House


@pytest.fixture
async def customer(house: House) -> Customer:
    return await house.customer(credit=100_000)


async def test_a_hold_sent_again_is_recognised(house: House, customer: Customer) -> None:
    commit = customer.open(customer.new(40_000))
    first = await house.commit(commit)

    again = await house.commit(commit)

    assert isinstance(first, Committed)
    assert isinstance(again, Committed)
    assert not first.resent
    assert again.resent
    assert again.answers[2] == first.answers[2]
    assert await house.balance(customer) == Balance(100_000, 40_000)
    assert await house.in_flight(customer) == 1


async def test_a_settle_sent_again_is_recognised(house: House, customer: Customer) -> None:
    new = customer.new(40_000)
    await house.commit(customer.open(new))
    commit = customer.settle(new, 30_000)
    first = await house.commit(commit)

    again = await house.commit(commit)

    assert isinstance(first, Committed)
    assert again == Committed(first.answers, resent=True)
    assert await house.balance(customer) == Balance(70_000, 0)
    assert await house.in_flight(customer) == 0


async def test_a_commit_sent_twice_in_one_batch_is_one(house: House, customer: Customer) -> None:
    commit = customer.open(customer.new(60_000))

    first, second = await house.batch(commit, commit)

    assert isinstance(first, Committed)
    assert isinstance(second, Committed)
    assert second.resent
    assert await house.balance(customer) == Balance(100_000, 60_000)


async def test_a_grant_is_credited_once_and_never_under_another_amount(
    house: House, customer: Customer
) -> None:
    grant = Credit(uuid4(), customer.account_id, 500)
    first = await house.commit(Commit((grant,)))

    again = await house.commit(Commit((grant,)))
    other = await house.commit(Commit((replace(grant, amount_micros=501),)))
    payment = await house.commit(Commit((replace(grant, source=OperatorBook.CASH),)))

    assert first == Committed((Balance(100_500, 0),))
    assert again == Committed((Balance(100_500, 0),), resent=True)
    assert other == payment == Refused(TransferMismatch(grant.transfer_id))
    assert await house.operator("promotional") == -100_500


async def test_a_settle_under_a_used_id_is_a_mismatch(house: House, customer: Customer) -> None:
    grant = Credit(uuid4(), customer.account_id, 500)
    new = customer.new(40)
    await house.commit(Commit((grant,)))
    await house.commit(customer.open(new))

    settle = Settle(grant.transfer_id, customer.account_id, new.hold_id, 40)

    assert await house.commit(Commit((settle,))) == Refused(TransferMismatch(grant.transfer_id))


async def test_losses_are_the_operators(house: House, customer: Customer) -> None:
    loss = Loss(uuid4(), customer.account_id, 700, OperatorBook.HEDGE_LOSS)

    assert await house.commit(Commit((loss,))) == Committed((None,))
    assert await house.operator("hedge_loss") == -700
    assert await house.operator("cash") == 700
    assert await house.balance(customer) == Balance(100_000, 0)


async def test_a_keyed_hold_sent_again_is_not_taken_for_a_replay(
    house: House, customer: Customer
) -> None:
    new = customer.new(1, idempotency_key=os.urandom(32))
    commit = customer.open(new)
    await house.commit(commit)

    again = await house.commit(commit)

    assert isinstance(again, Committed)
    assert again.resent


async def test_a_hold_sent_again_is_recognised_although_nothing_is_left(house: House) -> None:
    customer = await house.customer(credit=10, rate=1, concurrency=1)
    commit = customer.open(customer.new(10))
    await house.commit(commit)

    again = await house.commit(commit)

    assert isinstance(again, Committed)
    assert again.resent
    assert again.answers[2] == Balance(10, 10)
    assert again.answers[1].remaining == 0
