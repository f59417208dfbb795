"""Outputs leave the bucket when their time is over, whatever fails and whoever dies meanwhile."""

from datetime import UTC, datetime, timedelta

import pytest

from core.engine import sweeping
from core.engine.outputs import asset_name, discard
from core.engine.records import AssetRecord, HideGeneration, NewGeneration
from core.engine.retention import drop_days
from core.engine.sweeping import Sweeper
from core.log import OutputsSwept
from storage.commits import Commit, Committed
from storage.memory_objects import MemoryStore
from tests.fix_commit import Customer, PostgresHouse

LINK = "cd" * 12
MONTH = timedelta(days=30)
MINUTE = timedelta(minutes=1)


class Bucket(MemoryStore):
    """A store that fails for the names that a test gives; an empty one means all."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: set[str] = set()
        self.asked: list[str] = []

    async def delete(self, name: str) -> bool:
        self.asked.append(name)
        if name in self.failing or "" in self.failing:
            raise OSError
        return await super().delete(name)


class World:
    """A house with one customer, a bucket, and a sweeper."""

    def __init__(self, house: PostgresHouse, customer: Customer) -> None:
        self.house, self.customer = house, customer
        self.bucket = Bucket()
        self.emitted: list[object] = []
        self.sweeper = Sweeper(house.pool, self.bucket, self.emitted.append)

    async def made(self, count: int = 1, keep_days: int = 30) -> tuple[NewGeneration, list[str]]:
        """A generation with so many outputs, in the rows and in the bucket: their names."""
        new = self.customer.new(1)
        await self.house.commit(self.customer.open(new))
        assets = tuple(
            AssetRecord(index, bytes(32), 1, "image/png", LINK, keep_days=keep_days)
            for index in range(count)
        )
        settled = await self.house.commit(
            self.customer.settle(new, 1, assets=assets, delivered_count=1)
        )
        assert isinstance(settled, Committed)
        names = [asset_name(new.id, LINK, index, "image/png") for index in range(count)]
        for name in names:
            await self.bucket.put(name, b"x")
        return new, names

    async def hide(self, new: NewGeneration) -> None:
        await self.house.commit(Commit((HideGeneration(new.id, new.account_id),)))

    async def unremoved(self) -> int:
        ((count,),) = await self.house.query("SELECT count(*) FROM asset WHERE removed_at IS NULL")
        return int(count)


@pytest.fixture
async def world(postgres_house: PostgresHouse) -> World:
    return World(postgres_house, await postgres_house.customer(credit=1_000))


def now() -> datetime:
    return datetime.now(UTC)


async def test_outputs_go_when_their_thirty_days_are_over_and_not_before(world: World) -> None:
    _, names = await world.made(2)

    assert await world.sweeper.run(now() + MONTH - MINUTE) == 0
    assert set(world.bucket.objects) == set(names)
    assert await world.sweeper.run(now() + MONTH) == 2

    assert world.bucket.objects == {}
    assert world.emitted == [OutputsSwept(2, 0)]


async def test_what_was_removed_is_not_asked_for_again(world: World) -> None:
    await world.made(2)
    await world.sweeper.run(now() + MONTH)
    world.bucket.asked.clear()

    assert await world.sweeper.run(now() + 2 * MONTH) == 0
    assert world.bucket.asked == []


async def test_outputs_of_a_deleted_generation_go_soon(world: World) -> None:
    gone, (name,) = await world.made()
    _, (kept,) = await world.made()
    await world.hide(gone)

    assert await world.sweeper.run(now()) == 0, "who hides it deletes them, and counts"
    assert await world.sweeper.run(now() + MINUTE) == 1
    assert set(world.bucket.objects) == {kept}
    assert name not in world.bucket.objects


async def test_what_a_failing_bucket_keeps_is_tried_again_beside_all_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "BATCH", 2)
    _, names = await world.made(7)
    world.bucket.failing = {names[0], names[5]}

    assert await world.sweeper.run(now() + MONTH) == 5
    assert set(world.bucket.objects) == {names[0], names[5]}
    world.bucket.failing = set()
    assert await world.sweeper.run(now() + MONTH) == 2

    assert world.bucket.objects == {}
    assert world.emitted == [OutputsSwept(5, 2), OutputsSwept(2, 0)]


async def test_a_bucket_that_is_away_ends_the_pass(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "BATCH", 2)
    await world.made(7)
    world.bucket.failing = {""}

    assert await world.sweeper.run(now() + MONTH) == 0
    assert len(world.bucket.asked) == 2
    assert world.emitted == [OutputsSwept(0, 2)]


async def test_a_pass_has_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "BATCH", 2)
    monkeypatch.setattr(sweeping, "BATCHES", 2)
    await world.made(7)

    assert await world.sweeper.run(now() + MONTH) == 4


async def test_a_crash_between_the_bucket_and_the_rows_forgets_nothing(world: World) -> None:
    _, (name,) = await world.made()
    await world.bucket.delete(name)  # and the process died

    assert await world.sweeper.run(now() + MONTH) == 1
    assert await world.unremoved() == 0


async def test_two_processes_may_sweep_at_a_time(world: World) -> None:
    await world.made(5)
    other = Sweeper(world.house.pool, world.bucket, world.emitted.append)
    later = now() + MONTH

    assert await world.sweeper._due(later, None) == await other._due(later, None)
    due = await other._due(later, None)
    await world.sweeper.run(later)
    await other._note(await discard(world.bucket, due), later)

    assert await world.unremoved() == 0


async def test_a_day_stays_until_its_outputs_are_gone(world: World) -> None:
    new, _ = await world.made()
    world.bucket.failing = {""}
    later = now() + 2 * MONTH
    today = now().date()

    await world.sweeper.run(later)
    assert today not in await drop_days(world.house.pool, later)
    world.bucket.failing = set()
    await world.sweeper.run(later)
    assert today in await drop_days(world.house.pool, later)
    world.house.has_dropped_days = True

    assert await world.house.reads.generation(world.customer.account_id, new.id) is None


async def test_the_rows_that_are_due_are_found_by_an_index(world: World) -> None:
    """However many are not due."""
    async with world.house.pool.connection() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        cursor = await connection.execute(
            f"EXPLAIN {sweeping._DUE}",
            {
                "now": now(),
                "deleted": now(),
                "after": None,
                "generation": None,
                "index": None,
                "limit": 9,
            },
        )
        plan = "\n".join(line for (line,) in await cursor.fetchall())

    assert "asset_due" in plan or "least_idx" in plan.lower(), plan
