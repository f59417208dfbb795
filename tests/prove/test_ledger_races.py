"""A thousand holds at once, from four processes: exactly the affordable ones are granted."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from billing.ledger import Balance
from storage.committer import Committer
from storage.pool import open_pool
from tests.fix_commit import PostgresHouse, participants
from tests.ledger_client import AMOUNT
from tests.prove_options import Counts

HOME = Path(__file__).parents[2]
PROCESSES = 4
HOLDS = 1000
TOTAL_SECONDS = 60  # of one race; it takes one or two


@pytest_asyncio.fixture
async def ledger_house(database_url: str) -> AsyncIterator[PostgresHouse]:
    """Holds without generations: only the ledger's own laws are asked for."""
    async with (
        open_pool(database_url, name="test") as pool,
        Committer(database_url, participants()) as committer,
    ):
        yield PostgresHouse(database_url, pool, committer)


@asynccontextmanager
async def holder(url: str, count: int, accounts: Sequence[UUID]) -> AsyncIterator[Process]:
    """A process that is connected and waits for a line to hold *count* times, all at once."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.ledger_client", url, str(count), str(count)),
        *map(str, accounts),
        stdin=PIPE,
        stdout=PIPE,
        env={"PYTHONPATH": str(HOME), "PATH": "/usr/bin:/bin"},
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def told(process: Process) -> Counter[str]:
    out, _ = await process.communicate(b"\n")
    return Counter(json.loads(out))


async def race(house: PostgresHouse, affordable: Sequence[int]) -> None:
    """Every process holds in turn on all accounts; *affordable* holds fit each of them."""
    customers = [await house.customer(credit=AMOUNT * count) for count in affordable]
    names = [customer.account_id for customer in customers]
    each = HOLDS // PROCESSES
    async with asyncio.timeout(TOTAL_SECONDS), AsyncExitStack() as stack:
        processes = []
        for number in range(PROCESSES):  # each goes on where the one before it ends
            first = number * each % len(names)
            mine = holder(house.url, each, [*names[first:], *names[:first]])
            processes.append(await stack.enter_async_context(mine))
        verdicts: Counter[str] = sum(await asyncio.gather(*map(told, processes)), Counter())

    asked = HOLDS // len(customers)
    granted = {str(name): min(count, asked) for name, count in zip(names, affordable, strict=True)}
    refused = HOLDS - sum(granted.values())
    assert verdicts == Counter({**granted, "InsufficientCredits": refused})
    for customer, count in zip(customers, affordable, strict=True):
        assert await house.balance(customer) == Balance(AMOUNT * count, AMOUNT * min(count, asked))
    assert await house.discrepancies() == []


async def deadlocks(house: PostgresHouse) -> int:
    ((count,),) = await house.query(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    return int(count)


@pytest.mark.prove
async def test_a_thousand_holds_of_four_processes_share_one_account_exactly(
    ledger_house: PostgresHouse, counts: Counts
) -> None:
    for round_ in range(counts.rounds):
        await race(ledger_house, [37 + 80 * round_])


@pytest.mark.prove
async def test_a_thousand_holds_of_four_processes_share_a_hundred_accounts_exactly(
    ledger_house: PostgresHouse, counts: Counts
) -> None:
    for round_ in range(counts.rounds):
        await race(ledger_house, [(number + round_) % 13 for number in range(100)])
    assert await deadlocks(ledger_house) == 0
