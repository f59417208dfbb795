"""Outputs that were deleted, before or after they came, and outputs whose time is over."""

from collections.abc import Awaitable, Callable

import pytest

from core.engine.records import AssetRecord, Finished, HideGeneration, NewGeneration
from core.model import GenerationState
from storage.commits import Commit, Committed, Verdict
from tests.fix_commit import Customer, House, PostgresHouse

LINK = "ab" * 12
DAY_US = 86_400_000_000


@pytest.fixture
async def customer(house: House) -> Customer:
    return await house.customer(credit=1000)


async def running(house: House, customer: Customer) -> NewGeneration:
    new = customer.new(100)
    assert isinstance(await house.commit(customer.open(new)), Committed)
    return new


def hide(new: NewGeneration) -> Commit:
    return Commit((HideGeneration(new.id, new.account_id),))


def answer(verdict: Verdict) -> object:
    assert isinstance(verdict, Committed)
    return verdict.answers[0]


async def deleted_before(house: House, customer: Customer, new: NewGeneration) -> list[object]:
    await house.commit(hide(new))
    settle = customer.settle(new, 100)
    return [answer(await house.commit(settle)), answer(await house.commit(settle))]


async def deleted_first_in_the_batch(
    house: House, customer: Customer, new: NewGeneration
) -> list[object]:
    _, verdict = await house.batch(hide(new), customer.settle(new, 100))
    return [answer(verdict)]


async def deleted_last_in_the_batch(
    house: House, customer: Customer, new: NewGeneration
) -> list[object]:
    _, verdict = await house.batch(customer.settle(new, 100), hide(new))
    assert answer(verdict) is GenerationState.SUCCEEDED, "so the outputs are there to be deleted"
    return []


async def deleted_after(house: House, customer: Customer, new: NewGeneration) -> list[object]:
    assert answer(await house.commit(customer.settle(new, 100))) == Finished(hidden=False)
    await house.commit(hide(new))
    return []


Way = Callable[[House, Customer, NewGeneration], Awaitable[list[object]]]


@pytest.mark.parametrize(
    "way",
    [deleted_before, deleted_first_in_the_batch, deleted_last_in_the_batch, deleted_after],
)
async def test_outputs_of_a_deleted_generation_are_found_by_who_cleans_up_only(
    house: House, customer: Customer, way: Way
) -> None:
    new = await running(house, customer)

    told = await way(house, customer, new)

    assert all(each == Finished(hidden=True) for each in told)
    assert await house.reads.asset_by_link(new.id, LINK, 0) is None
    assert await house.reads.assets(customer.account_id, new.id) == []
    (asset,) = await house.reads.assets(customer.account_id, new.id, deleted=True)
    assert asset.record.link == LINK
    other = await house.customer()
    assert await house.reads.assets(other.account_id, new.id, deleted=True) == []
    if isinstance(house, PostgresHouse):
        rows = await house.query("SELECT deleted_at IS NOT NULL FROM asset")
        assert rows == [(True,)]


async def test_deleting_one_of_a_batch_leaves_the_others_outputs(
    house: House, customer: Customer
) -> None:
    gone, kept = [await running(house, customer) for _ in range(2)]

    await house.batch(hide(gone), customer.settle(kept, 100), customer.settle(gone, 100))

    assert await house.reads.asset_by_link(gone.id, LINK, 0) is None
    assert await house.reads.asset_by_link(kept.id, LINK, 0) is not None


async def test_a_link_ends_when_its_output_does(house: House, customer: Customer) -> None:
    new = await running(house, customer)
    asset = AssetRecord(0, bytes(32), 1, "image/png", LINK, keep_days=2)
    await house.commit(customer.settle(new, 100, assets=(asset,)))

    await house.pass_time(customer, 2 * DAY_US - 60_000_000)
    assert await house.reads.asset_by_link(new.id, LINK, 0) is not None
    await house.pass_time(customer, 60_000_000)

    assert await house.reads.asset_by_link(new.id, LINK, 0) is None
    assert len(await house.reads.assets(customer.account_id, new.id)) == 1


async def test_a_link_of_a_deleted_generation_is_dead_whatever_its_output_says(
    postgres_house: PostgresHouse,
) -> None:
    customer = await postgres_house.customer(credit=100)
    new = await running(postgres_house, customer)
    await postgres_house.commit(hide(new))
    await postgres_house.commit(customer.settle(new, 100))
    await postgres_house.query("UPDATE asset SET deleted_at = NULL RETURNING 1")

    assert await postgres_house.reads.asset_by_link(new.id, LINK, 0) is None
