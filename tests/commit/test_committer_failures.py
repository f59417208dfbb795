"""What the committer does when the database, the network or a record fails."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from billing.ledger import Balance, InsufficientCredits
from storage import committer as committer_module
from storage.commits import Commit, CommitRejected, Committed, CommitUnanswered, Refused
from storage.committer import Committer
from tests.fix_commit import Customer, PostgresHouse, participants
from tests.fix_proxy import Proxy, Trouble
from tests.prove_options import Counts

TROUBLES: list[Trouble] = ["none", "lose commit", "lose answer"]


@pytest_asyncio.fixture
async def shaky(postgres_house: PostgresHouse, proxied_url: str) -> AsyncIterator[Committer]:
    """A second committer on the same database, through the proxy."""
    async with Committer(proxied_url, participants()) as made:
        yield made


@pytest_asyncio.fixture
async def customer(postgres_house: PostgresHouse) -> Customer:
    return await postgres_house.customer(credit=100_000)


# ---- poison


def poisons(customer: Customer) -> list[tuple[Commit, str]]:
    too_many = customer.new(1, requested_count=-1)
    no_text = customer.new(1, model="gpt\x00image")
    half_a_letter = customer.new(1, model="\ud800")
    too_large = customer.new(1)
    return [
        (customer.open(too_many), "23514 generation_counts_sane"),
        (customer.open(no_text), "22021 "),
        (customer.open(half_a_letter), " UnicodeEncodeError"),
        (customer.open(replace(too_large, owner_epoch=1 << 70)), " error"),
        (Commit((customer.new(1).kind,)), " KeyError"),
    ]


@pytest.mark.parametrize("which", range(5))
async def test_a_poison_record_fails_alone(
    postgres_house: PostgresHouse, customer: Customer, which: int
) -> None:
    poison, complaint = poisons(customer)[which]
    good = [customer.open(customer.new(1)) for _ in range(3)]
    commits = [good[0], poison, *good[1:]]

    results = await asyncio.gather(*map(postgres_house.commit, commits), return_exceptions=True)

    assert isinstance(results[1], CommitRejected)
    assert str(results[1]) == complaint
    assert [type(results[index]) for index in (0, 2, 3)] == [Committed] * 3
    assert await postgres_house.balance(customer) == Balance(100_000, 3)
    assert isinstance(await postgres_house.commit(customer.open(customer.new(1))), Committed)


async def test_more_outputs_than_asked_for_are_refused_by_the_table(
    postgres_house: PostgresHouse, customer: Customer
) -> None:
    new = customer.new(1)
    await postgres_house.commit(customer.open(new))

    with pytest.raises(CommitRejected, match="generation_counts_sane"):
        await postgres_house.commit(customer.settle(new, 1, delivered_count=2))

    assert isinstance(await postgres_house.commit(customer.settle(new, 1)), Committed)


# ---- lost connections


@pytest.mark.parametrize("trouble", ["lose commit", "lose answer"])
async def test_a_lost_commit_is_done_once(
    postgres_house: PostgresHouse,
    customer: Customer,
    shaky: Committer,
    proxy: Proxy,
    trouble: Trouble,
) -> None:
    new = [customer.new(30_000) for _ in range(4)]
    proxy.trouble = trouble

    holds = await asyncio.gather(*(shaky.commit(customer.open(one)) for one in new))

    assert proxy.lost.is_set()
    assert [type(verdict) for verdict in holds] == [Committed] * 3 + [Refused]
    assert holds[3] == Refused(InsufficientCredits(30_000, 10_000))
    granted = [verdict.resent for verdict in holds if isinstance(verdict, Committed)]
    assert granted == [trouble == "lose answer"] * 3
    assert await postgres_house.balance(customer) == Balance(100_000, 90_000)

    proxy.lost.clear()
    proxy.trouble = trouble
    ends = await asyncio.gather(*(shaky.commit(customer.settle(one, 20_000)) for one in new[:3]))

    assert proxy.lost.is_set()
    assert [type(verdict) for verdict in ends] == [Committed] * 3
    assert await postgres_house.balance(customer) == Balance(40_000, 0)


@pytest.mark.parametrize("trouble", ["lose commit", "lose answer"])
async def test_a_lost_grant_is_credited_once(
    postgres_house: PostgresHouse,
    customer: Customer,
    shaky: Committer,
    proxy: Proxy,
    trouble: Trouble,
) -> None:
    await shaky.commit(Commit(()))
    proxy.trouble = trouble

    verdict = await shaky.commit(customer.credit(5))

    assert verdict == Committed((Balance(100_005, 0),), resent=trouble == "lose answer")
    assert await postgres_house.balance(customer) == Balance(100_005, 0)


async def test_without_a_database_a_commit_gives_up_in_time_and_nothing_happened(
    postgres_house: PostgresHouse, customer: Customer, shaky: Committer, proxy: Proxy
) -> None:
    await shaky.commit(Commit(()))
    await proxy.stop()
    began = asyncio.get_running_loop().time()

    with pytest.raises(CommitUnanswered) as caught:
        await shaky.commit(customer.open(customer.new(1), patience=0.3))

    assert not caught.value.in_doubt
    assert asyncio.get_running_loop().time() - began < 2
    await proxy.start()
    assert isinstance(await shaky.commit(customer.open(customer.new(1))), Committed)
    assert await postgres_house.balance(customer) == Balance(100_000, 1)


async def test_a_patient_commit_outlives_an_outage(
    postgres_house: PostgresHouse, customer: Customer, shaky: Committer, proxy: Proxy
) -> None:
    new = customer.new(10)
    await shaky.commit(customer.open(new))
    await proxy.stop()
    settle = asyncio.create_task(shaky.commit(customer.settle(new, 10)))
    with pytest.raises(CommitUnanswered):
        await shaky.commit(customer.open(customer.new(1), patience=0.2))
    assert not settle.done()

    await proxy.start()

    async with asyncio.timeout(5):
        assert isinstance(await settle, Committed)
    assert await postgres_house.balance(customer) == Balance(99_990, 0)


async def test_a_database_that_hangs_leaves_the_commit_in_doubt_and_is_left(
    postgres_house: PostgresHouse,
    customer: Customer,
    shaky: Committer,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(committer_module, "_FLUSH_SECONDS", 0.2)
    await shaky.commit(customer.open(customer.new(1)))
    new = customer.new(7)
    proxy.trouble = "lose answer"
    lost = asyncio.create_task(shaky.commit(customer.open(new, patience=0.6)))
    await proxy.lost.wait()
    proxy.trouble = "freeze"
    froze_at = asyncio.get_running_loop().time()

    with pytest.raises(CommitUnanswered) as caught:
        await lost

    assert asyncio.get_running_loop().time() - froze_at < 1.5, "not even greeted, it gave up"
    assert caught.value.in_doubt
    assert await postgres_house.balance(customer) == Balance(100_000, 8), "it had happened"
    proxy.trouble = "none"
    proxy.hang_up()
    verdict = await shaky.commit(customer.open(new))
    assert isinstance(verdict, Committed)
    assert verdict.resent


async def test_connections_killed_at_random_cost_nobody_anything(
    postgres_house: PostgresHouse, customer: Customer, shaky: Committer
) -> None:
    await kill_and_check(postgres_house, customer, shaky, kills=12, workers=24)


@pytest.mark.prove
async def test_many_connections_killed_at_random_cost_nobody_anything(
    postgres_house: PostgresHouse, customer: Customer, shaky: Committer, counts: Counts
) -> None:
    kills = counts.reduced(400, 80)
    await kill_and_check(postgres_house, customer, shaky, kills=kills, workers=64)


@pytest.mark.prove
async def test_answers_lost_at_random_cost_nobody_anything(
    postgres_house: PostgresHouse,
    customer: Customer,
    shaky: Committer,
    proxy: Proxy,
    counts: Counts,
) -> None:
    charged = 0
    for round_ in range(counts.reduced(300, 60)):
        chance = random.Random(round_)
        new = [customer.new(chance.randrange(30)) for _ in range(chance.randrange(1, 30))]

        proxy.trouble = chance.choice(TROUBLES)
        verdicts = await asyncio.gather(*(shaky.commit(customer.open(one)) for one in new))
        held = [one for one, v in zip(new, verdicts, strict=True) if isinstance(v, Committed)]

        proxy.trouble = chance.choice(TROUBLES)
        prices = [(one, one.quoted_micros // 2) for one in held]
        ends = await asyncio.gather(*(shaky.commit(customer.settle(*price)) for price in prices))
        assert {type(verdict) for verdict in ends} <= {Committed}

        charged += sum(price for _, price in prices)
        assert await postgres_house.balance(customer) == Balance(100_000 - charged, 0)


async def kill_and_check(
    house: PostgresHouse, customer: Customer, shaky: Committer, kills: int, workers: int
) -> None:
    """Holds and settles under pg_terminate_backend; every verdict must be true."""
    stop = False
    charged = 0

    async def work() -> None:
        nonlocal charged
        while not stop:
            new = customer.new(100)
            if isinstance(await shaky.commit(customer.open(new, patience=20)), Committed):
                amount = random.randrange(3)
                verdict = await shaky.commit(customer.settle(new, amount))
                assert isinstance(verdict, Committed)
                charged += amount

    tasks = [asyncio.create_task(work()) for _ in range(workers)]
    for _ in range(kills):
        await asyncio.sleep(random.uniform(0.0, 0.05))
        await house.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'reapi-commit' AND datname = current_database()"
        )
    stop = True
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks)
    assert await house.balance(customer) == Balance(100_000 - charged, 0)
    assert await house.violations() == []


# ---- callers that leave, and the end


async def test_a_caller_that_leaves_the_queue_leaves_nothing(
    postgres_house: PostgresHouse, customer: Customer
) -> None:
    leaver = asyncio.create_task(postgres_house.commit(customer.open(customer.new(1))))
    await asyncio.sleep(0)  # it is queued, not yet flushed
    leaver.cancel()

    stayer = await postgres_house.commit(customer.open(customer.new(2)))

    assert isinstance(stayer, Committed)
    assert leaver.cancelled()
    assert await postgres_house.balance(customer) == Balance(100_000, 2)


async def test_a_caller_that_leaves_during_the_flush_changes_nothing_for_the_others(
    postgres_house: PostgresHouse, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush, under_way = Committer._flush, asyncio.Event()

    async def noted(self: Committer, entries: Any) -> None:
        under_way.set()
        await flush(self, entries)

    monkeypatch.setattr(Committer, "_flush", noted)
    leaver = asyncio.create_task(postgres_house.commit(customer.open(customer.new(1))))
    stayer = asyncio.create_task(postgres_house.commit(customer.open(customer.new(2))))
    await under_way.wait()
    leaver.cancel()

    assert isinstance(await stayer, Committed)
    assert await postgres_house.balance(customer) == Balance(100_000, 3), "it was under way"


async def test_a_defect_that_ends_the_flusher_costs_only_who_waited(
    postgres_house: PostgresHouse, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def defective(self: Committer, entries: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(Committer, "_flush", defective)
        with pytest.raises(CommitUnanswered):
            await postgres_house.commit(customer.open(customer.new(1)))
    flusher = postgres_house.committer._flusher
    assert flusher is not None
    assert isinstance(flusher.exception(), RuntimeError)

    assert isinstance(await postgres_house.commit(customer.open(customer.new(1))), Committed)


async def test_after_the_end_nothing_is_accepted(database_url: str) -> None:
    async with Committer(database_url, participants()) as made:
        await made.commit(Commit(()))

    with pytest.raises(CommitUnanswered):
        await made.commit(Commit(()))
