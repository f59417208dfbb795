"""Runs seeds over real PostgreSQL, all in one loop.

python -m tests.dst.sweep_postgres URL FIRST COUNT
"""

import asyncio
import sys
import time
import traceback

from tests.dst.breaking import BROKEN
from tests.dst.catalogue import base_catalogue
from tests.dst.postgres_books import PostgresBooks, opened
from tests.dst.virtual_loop import HybridLoop
from tests.dst.world import World


async def sweep(loop: HybridLoop, url: str, first: int, count: int) -> int:
    base, failed = base_catalogue(), 0
    async with opened(url) as (pool, committer):
        for seed in range(first, first + count):
            try:
                loop.is_waiting = lambda: True
                books = PostgresBooks(loop, pool, committer)
                await books.open()
                world = World(seed, base, loop=loop, books=books)
                loop.failures.clear()
                loop.is_waiting = lambda: bool(world.database.asked)  # noqa: B023 (until the next)
                await world.judged()
            except Exception:  # any failure at all breaks the seed, and the next ones run on
                failed += 1
                print(
                    f"seed {seed} broke over PostgreSQL:\n", *BROKEN, "\n", traceback.format_exc()
                )
                if failed >= 3:
                    break
            finally:
                loop.is_waiting = lambda: True
    return failed


def main() -> int:
    url, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    begun = time.monotonic()
    # No `asyncio.Runner`: it would wait for the end of tasks whose process was killed.
    loop = HybridLoop()
    failed = loop.run_until_complete(sweep(loop, url, first, count))
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False
    loop.close()
    print(f"{count} seeds, {failed} broke, {time.monotonic() - begun:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
