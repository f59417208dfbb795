"""A process whose end a test decides: `python -m tests.webhooks.dying_office URL RECEIVER HOW`.

It registers an endpoint, ends a generation, and then (HOW) `settles`: does nothing more, or
`sends`: delivers with workers. It prints the account once the generation has ended, and lives
until it is killed.
"""

import asyncio
import sys

from storage.committer import Committer
from storage.pool import open_pool
from tests.fix_commit import PostgresHouse, participants
from tests.webhooks.posting_office import open_desk, working


async def main(url: str, receiver: str, how: str) -> None:
    async with open_pool(url) as pool, Committer(url, participants()) as committer:
        house = PostgresHouse(url, pool, committer)
        async with open_desk(house) as desk:
            await desk.endpoint(receiver)
            new = await desk.end()
            print(desk.account.hex, new.id.hex, flush=True)
            if how == "sends":
                async with working(desk):
                    await asyncio.Event().wait()
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
