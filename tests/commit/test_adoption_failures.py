"""A stray that cannot be ended is in nobody's way."""

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from core.engine import adoption
from core.engine.adoption import Adoption
from core.engine.leases_memory import MemoryLeases
from core.engine.leases_sql import LeasesSql
from core.engine.records import AttemptRecord, FinishGeneration, NewGeneration
from core.model import GenerationState
from storage.commits import Commit, CommitRejected, Commits, CommitUnanswered, Verdict
from storage.pool import StorageUnavailable
from tests.fix_commit import Customer, House, MemoryHouse


class Failing:
    """Attempts and commits of a house, of which some fail."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.unreadable: Collection[UUID] = ()
        self.unanswered: Collection[UUID] = ()
        self.poisoned: Collection[UUID] = ()
        self.broken: Collection[UUID] = ()
        self.defects: list[tuple[UUID, str]] = []

    async def attempts(self, account_id: UUID, id_: UUID) -> list[AttemptRecord]:
        if id_ in self.unreadable:
            raise StorageUnavailable("57P01")
        if id_ in self.broken:
            raise ValueError
        return await self.house.reads.attempts(account_id, id_)

    async def commit(self, commit: Commit) -> Verdict:
        finish, *rest = commit.parts
        assert isinstance(finish, FinishGeneration)
        if finish.id in self.unanswered:
            raise CommitUnanswered(in_doubt=False)
        if finish.id in self.poisoned:
            if isinstance(self.house, MemoryHouse):
                raise CommitRejected("23514", "generation_counts_sane")
            commit = Commit((replace(finish, delivered_count=99), *rest), commit.patience)
        return await self.house.commit(commit)

    async def adopt(self) -> int:
        house = self.house
        leases = (
            MemoryLeases(house.records, lambda: house.now_us)
            if isinstance(house, MemoryHouse)
            else LeasesSql(house.pool)
        )
        commits: Commits = self
        made = Adoption(leases, self, commits, lambda id_: False, on_defect=self.on_defect)
        return await made.run(await leases.acquire(uuid4()))

    def on_defect(self, id_: UUID, defect: CommitRejected) -> None:
        self.defects.append((id_, str(defect)))


@pytest.fixture
async def customer(house: House) -> Customer:
    return await house.customer(credit=1000)


@pytest.fixture
async def lost(
    house: House, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> list[NewGeneration]:
    """Seven generations of a process that never had a lease, in pages of three."""
    monkeypatch.setattr(adoption, "BATCH", 3)
    new = [customer.new(100, owner_epoch=999) for _ in range(7)]
    for one in new:
        await house.commit(customer.open(one))
    return new


async def states(house: House, lost: list[NewGeneration]) -> list[GenerationState]:
    rows = [await house.reads.generation(new.account_id, new.id) for new in lost]
    return [row.state for row in rows if row is not None]


def all_but(*indexes: int) -> list[GenerationState]:
    open_, failed = GenerationState.ACCEPTED, GenerationState.FAILED
    return [open_ if index in indexes else failed for index in range(7)]


async def test_a_poisoned_stray_is_skipped_and_told(
    house: House, lost: list[NewGeneration]
) -> None:
    failing = Failing(house)
    failing.poisoned = [lost[1].id, lost[4].id]

    assert await failing.adopt() == 5

    assert await states(house, lost) == all_but(1, 4)
    assert failing.defects == [(lost[i].id, "23514 generation_counts_sane") for i in (1, 4)]


@pytest.mark.parametrize("what", ["unreadable", "unanswered"])
async def test_an_outage_at_one_stray_is_raised_after_all_others(
    house: House, lost: list[NewGeneration], what: str
) -> None:
    failing = Failing(house)
    setattr(failing, what, [lost[0].id])

    with pytest.raises(StorageUnavailable):
        await failing.adopt()

    assert await states(house, lost) == all_but(0)


async def test_a_failure_that_nobody_foresaw_is_not_hidden_by_an_outage(
    house: House, lost: list[NewGeneration]
) -> None:
    failing = Failing(house)
    failing.unreadable, failing.broken = [lost[0].id], [lost[5].id]

    with pytest.raises(ValueError, match=r"^$"):
        await failing.adopt()

    assert await states(house, lost) == all_but(0, 5)
