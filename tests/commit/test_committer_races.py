"""Several processes on one ledger: races, and murders between flush and answer."""

import asyncio
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from billing.ledger import Balance
from storage.commits import Committed, Refused
from tests.fix_commit import Customer, PostgresHouse
from tests.fix_commit_client import IMAGE, Plan, plan, word
from tests.prove_options import Counts

pytestmark = pytest.mark.prove

HOME = Path(__file__).parents[2]


@asynccontextmanager
async def clients(
    url: str, plans: Sequence[Plan], at_once: int, what: str
) -> AsyncIterator[list[Process]]:
    """One process per plan, connected and waiting for a line to begin."""
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.fix_commit_client", url, str(at_once), what),
            *todo.arguments(),
            stdin=PIPE,
            stdout=PIPE,
            env={"PYTHONPATH": str(HOME), "PATH": "/usr/bin:/bin"},
        )
        for todo in plans
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        yield processes
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def begin(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")


async def reported(process: Process, most: int | None = None) -> list[tuple[str, int, str]]:
    """What it says about its commits: kind, number, verdict; a last line may be cut."""
    assert process.stdout is not None
    said: list[tuple[str, int, str]] = []
    while most is None or len(said) < most:
        line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            break
        kind, number, verdict = line.decode().split()
        said.append((kind, int(number), verdict))
    return said


async def race(house: PostgresHouse, processes: int, each: int, affordable: Sequence[int]) -> None:
    """All hold on the same accounts at once; exactly the affordable ones are granted.

    Each process has keys of its own, so that only the balances are contended for.
    """
    customers = [await house.customer(credit=IMAGE * count) for count in affordable]
    plans = [
        plan(seed, each, *[await house.another_key(customer) for customer in customers])
        for seed in range(processes)
    ]
    async with clients(house.url, plans, at_once=20, what="holds") as running:
        for process in running:
            begin(process)
        verdicts = await asyncio.gather(*map(reported, running))

    words = Counter(verdict for said in verdicts for _, _, verdict in said)
    per_account = processes * each // len(affordable)
    expected = sum(min(count, per_account) for count in affordable)
    assert words == {"ok": expected, "InsufficientCredits": processes * each - expected}
    for customer, count in zip(customers, affordable, strict=True):
        granted = IMAGE * min(count, per_account)
        assert await house.balance(customer) == Balance(IMAGE * count, granted)


async def test_four_processes_share_one_balance_exactly(postgres_house: PostgresHouse) -> None:
    await race(postgres_house, processes=4, each=60, affordable=[50])


async def test_four_processes_share_many_balances_without_a_deadlock(
    postgres_house: PostgresHouse,
) -> None:
    await race(postgres_house, processes=4, each=105, affordable=[5, 100, 0, 13, 60, 21, 40])
    assert await deadlocks(postgres_house) == 0


async def test_four_processes_share_the_slots_of_one_key_exactly(
    postgres_house: PostgresHouse,
) -> None:
    customer = await postgres_house.customer(credit=IMAGE * 1000, concurrency=37)
    plans = [plan(seed, 30, customer) for seed in range(4)]
    async with clients(postgres_house.url, plans, at_once=10, what="holds") as running:
        for process in running:
            begin(process)
        verdicts = await asyncio.gather(*map(reported, running))

    words = Counter(verdict for said in verdicts for _, _, verdict in said)
    assert words == {"ok": 37, "LimitExceeded": 83}
    assert await postgres_house.in_flight(customer) == 37


@pytest.mark.prove
async def test_a_thousand_holds_on_fifty_credits(
    postgres_house: PostgresHouse, counts: Counts
) -> None:
    for _ in range(counts.reduced(5, 1)):
        await race(postgres_house, processes=4, each=250, affordable=[50])
        await race(postgres_house, processes=4, each=1000, affordable=[*range(0, 500, 10)])
    assert await deadlocks(postgres_house) == 0


async def deadlocks(house: PostgresHouse) -> int:
    ((count,),) = await house.query(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    return int(count)


async def murder(house: PostgresHouse, seed: int, at_once: int) -> Counter[str]:
    """Kill a process in mid-flight, send everything again, and see that it is there once.

    Returns what the second sending was told.
    """
    customers = [await house.customer(credit=10_000 * IMAGE) for _ in range(3)]
    todo = plan(seed, 3000, *customers)
    chance = random.Random(seed)
    async with clients(house.url, [todo], at_once, "pairs") as (process,):
        begin(process)
        said = await reported(process, chance.randrange(1, 600))
        await asyncio.sleep(chance.uniform(0, 0.004))  # any moment of a flush
        process.send_signal(signal.SIGKILL)
        said += await reported(process)
        await process.wait()
    await nobody_commits(house)
    assert await house.violations() == []

    holds = {number for kind, number, verdict in said if kind == "hold"}
    ends = {number for kind, number, verdict in said if kind == "finish"}
    assert {verdict for _, _, verdict in said} == {"ok"}
    told: Counter[str] = Counter()
    for number in range(max(holds, default=0) + at_once + 1):
        verdict = await house.commit(todo.hold(number))
        assert isinstance(verdict, Committed)
        assert verdict.resent or number not in holds, "a verdict that was given is true"
        told[f"hold {word(verdict)}"] += 1
        verdict = await house.commit(todo.finish(number))
        assert isinstance(verdict, Committed)
        assert verdict.resent or number not in ends
        told[f"finish {word(verdict)}"] += 1
    for customer in customers:
        balance = await house.balance(customer)
        assert balance is not None
        assert balance.held_micros == 0
    assert await house.violations() == []
    return told


async def nobody_commits(house: PostgresHouse) -> None:
    """Until the dead process's connection is gone: its last COMMIT may be under way."""
    async with asyncio.timeout(5):
        while True:
            ((others,),) = await house.query(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'reapi-commit' AND state <> 'idle'"
            )
            if others == 0:
                return


async def test_a_murdered_process_loses_nothing_and_doubles_nothing(
    postgres_house: PostgresHouse,
) -> None:
    told = await murder(postgres_house, seed=1, at_once=32)

    assert told["hold again"] > 0


@pytest.mark.prove
async def test_many_murdered_processes(postgres_house: PostgresHouse, counts: Counts) -> None:
    told: Counter[str] = Counter()
    for seed in range(100, 100 + counts.reduced(25, 8)):
        told += await murder(postgres_house, seed, at_once=random.Random(seed).randrange(1, 80))

    # Some died between the flush and the answer: that is what this is about.
    assert told["hold again"] > 0
    assert told["finish again"] > 0


async def test_a_refused_hold_of_a_rival_process_takes_nothing(
    postgres_house: PostgresHouse,
) -> None:
    """A large and a small hold race for the same credit; whoever loses leaves no trace."""
    customer: Customer = await postgres_house.customer(credit=IMAGE)
    todo = plan(9, 40, customer)
    async with clients(postgres_house.url, [todo], at_once=10, what="holds") as (process,):
        begin(process)
        verdicts = [
            await postgres_house.commit(customer.open(customer.new(IMAGE + 1))) for _ in range(20)
        ]
        said = await reported(process)

    assert {type(verdict) for verdict in verdicts} == {Refused}
    assert Counter(verdict for _, _, verdict in said)["ok"] == 1
