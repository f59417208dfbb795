"""The ledger alone: how many holds and settles a second become durable, and how many are refused.

No gateway: processes of their own (`python -m bench.ledger`) send pairs of a hold and its settle to
the group committer, over a PostgreSQL of their own that waits for the disk at every commit.
"""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import uvloop
from psycopg import AsyncConnection

from bench.processes import cpu_seconds, tree
from bench.rows import WARM_SECONDS, Case, Pace
from billing.ledger import Credit, Hold, Settle
from billing.ledger_sql import LedgerSql
from storage.commits import Commit, Refused
from storage.committer import Committer
from storage.embedded import EmbeddedPostgres
from storage.migrate import migrate

MIGRATIONS = Path(__file__).parents[1] / "storage" / "migrations"
AMOUNT = 40_000
"""Micro-dollars of a hold; a settle charges a quarter."""
CREDIT = 1 << 50
"""More than any run spends."""
AT_ONCE = 1024
"""Pairs under way in one process: four full batches, so that the next one is always there."""
POOR_EVERY = 10
"""One pair in so many is on an account without credits, and refused."""
START_SECONDS = 20.0
"""Until a process is connected."""

CASES = (Case(1000, 1), Case(1000, 4), Case(1, 1), Case(1, 4))

Say = Callable[[str], None]


@dataclass(slots=True)
class Told:
    """What one process counted."""

    holds: int = 0
    settles: int = 0
    refused: int = 0
    p50_ms: float = 0.0
    cpu: float = 0.0
    """Seconds of this process."""


async def ledger_rows(folder: Path, runs: int, seconds: float, say: Say) -> Sequence[Pace]:
    """The best of *runs* of each case: what others do on the machine only ever takes away."""
    found: list[Pace] = []
    await asyncio.to_thread(folder.chmod, 0o711)  # the database's own user must pass
    async with EmbeddedPostgres(folder / "ledger") as server:
        await migrate(server.url, MIGRATIONS)
        for case in CASES:
            say(f"ledger: {case.title}")
            rich, poor = await _accounts(server.url, case)
            paces = [await _measured(server, case, rich, poor, seconds) for _ in range(runs)]
            found.append(max(paces, key=lambda pace: pace.per_second))
    return found


async def _accounts(url: str, case: Case) -> tuple[Sequence[UUID], UUID]:
    """Accounts with credits, and one without."""
    rich, poor = [uuid4() for _ in range(case.accounts)], uuid4()
    async with (
        await AsyncConnection.connect(url, autocommit=True) as connection,
        Committer(url, [LedgerSql()]) as committer,
    ):
        await connection.execute(
            "INSERT INTO account (account_id, name) SELECT unnest(%s::uuid[]), 'bench'",
            [[*rich, poor]],
        )
        credits_ = (Commit((Credit(uuid4(), account, CREDIT),)) for account in rich)
        await asyncio.gather(*map(committer.commit, credits_))
    return rich, poor


async def _measured(
    server: EmbeddedPostgres, case: Case, rich: Sequence[UUID], poor: UUID, seconds: float
) -> Pace:
    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(_process(server.url, seconds, [poor, *rich]))
            for _ in range(case.processes)
        ]
        before = cpu_seconds(tree(server.pid), reaped=True)
        answers = await asyncio.gather(*map(_told, processes))
    after = cpu_seconds(tree(server.pid), reaped=True)
    return Pace(
        case,
        seconds,
        sum(told.holds for told in answers),
        sum(told.settles for told in answers),
        sum(told.refused for told in answers),
        max(told.p50_ms for told in answers),
        sum(told.cpu for told in answers),
        None if before is None or after is None else after - before,
    )


@asynccontextmanager
async def _process(url: str, seconds: float, accounts: Sequence[UUID]) -> AsyncIterator[Process]:
    """One that is connected, knows its accounts, and waits for a line to begin."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.ledger", str(seconds)), stdin=PIPE, stdout=PIPE
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        # The URL holds a password: not an argument that everybody may read.
        process.stdin.write(orjson.dumps([url, *map(str, accounts)]) + b"\n")
        async with asyncio.timeout(START_SECONDS):
            await process.stdout.readline()
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _told(process: Process) -> Told:
    out, _ = await process.communicate(b"\n")
    return Told(**orjson.loads(out))


async def _pairs(url: str, seconds: float, poor: UUID, rich: Sequence[UUID]) -> Told:
    """Hold and settle until the time is over; what was answered after warming up counts."""
    told, took = Told(), list[float]()
    begin = 0.0

    async def commit(committer: Committer, part: Hold | Settle) -> bool:
        sent = time.perf_counter()
        verdict = await committer.commit(Commit((part,), 30.0))
        now = time.perf_counter()
        if begin <= now <= begin + seconds:
            took.append(now - sent)
            told.refused += isinstance(verdict, Refused)
            told.holds += isinstance(part, Hold) and not isinstance(verdict, Refused)
            told.settles += isinstance(part, Settle)
        return not isinstance(verdict, Refused)

    async def work(committer: Committer, number: int) -> None:
        while time.perf_counter() < begin + seconds:
            number += 1
            account = poor if number % POOR_EVERY == 0 else rich[number % len(rich)]
            hold = Hold(_random_id(), account, AMOUNT)
            if await commit(committer, hold):
                part = Settle(_random_id(), account, hold.transfer_id, AMOUNT // 4)
                await commit(committer, part)

    async with Committer(url, [LedgerSql()]) as committer:
        await committer.commit(Commit(()))  # connected
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        begin = time.perf_counter() + WARM_SECONDS
        before = time.process_time()
        await asyncio.gather(*(work(committer, 7919 * number) for number in range(AT_ONCE)))
        told.cpu = time.process_time() - before
    told.p50_ms = sorted(took)[len(took) // 2] * 1e3 if took else 0.0
    return told


def _random_id() -> UUID:
    return UUID(int=int.from_bytes(os.urandom(16), "big"))


def main() -> None:
    """Be one of the processes: the database and the accounts come on standard input."""
    url, poor, *rich = orjson.loads(sys.stdin.readline())
    work = _pairs(url, float(sys.argv[1]), UUID(poor), [UUID(account) for account in rich])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told = runner.run(work)
    document = {name: getattr(told, name) for name in Told.__slots__}
    sys.stdout.write(orjson.dumps(document).decode() + "\n")


if __name__ == "__main__":
    main()
