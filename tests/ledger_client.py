"""A process that only holds, for races: `python -m tests.ledger_client URL COUNT AT_ONCE ACCOUNT…`.

It waits for a line before it begins, and at the end says how many of its holds on each account were
granted, and what the others were told.
"""

import asyncio
import json
import sys
from collections import Counter
from uuid import UUID, uuid4

from billing.ledger import Hold
from billing.ledger_sql import LedgerSql
from storage.commits import Commit, Refused
from storage.committer import Committer

AMOUNT = 100


async def run(url: str, count: int, at_once: int, accounts: list[UUID]) -> Counter[str]:
    """Hold *count* times, in turn on every account; what was told, by account."""
    numbers = iter(range(count))
    told: Counter[str] = Counter()

    async def work(committer: Committer) -> None:
        for number in numbers:
            account = accounts[number % len(accounts)]
            verdict = await committer.commit(Commit((Hold(uuid4(), account, AMOUNT),), 30.0))
            refusal = verdict.refusal if isinstance(verdict, Refused) else None
            told[str(account) if refusal is None else type(refusal).__name__] += 1

    async with Committer(url, [LedgerSql()]) as committer:
        await committer.commit(Commit(()))  # connected
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*(work(committer) for _ in range(at_once)))
    return told


if __name__ == "__main__":
    url_, count_, at_once_, *names = sys.argv[1:]
    result = asyncio.run(run(url_, int(count_), int(at_once_), [UUID(name) for name in names]))
    sys.stdout.write(json.dumps(result) + "\n")
