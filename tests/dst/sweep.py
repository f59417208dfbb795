"""Runs seeds, one after another: what a worker process of the proof does.

python -m tests.dst.sweep FIRST COUNT [--story] [--digest]
"""

import gc
import hashlib
import sys
import time
import traceback

from core.catalog.entries import Catalogue
from tests.dst.breaking import BROKEN
from tests.dst.catalogue import base_catalogue
from tests.dst.crowds import Crowd
from tests.dst.world import World

STORY: list[str] = []
"""What happened in the last world."""
LIMIT = 5
"""Broken seeds are enough to look at."""
CROWDS = 4
"""Each so-many-th seed is also one of a crowd."""


def run(seed: int, base: Catalogue) -> str:
    """Run one seed; what broke, or nothing."""
    try:
        world = World(seed, base)
        try:
            world.run()
        finally:
            STORY[:] = world.story()
        if seed % CROWDS == 0:
            Crowd(seed).run()
    except Exception:  # any failure at all breaks the seed, and the next ones run on
        return "".join([*BROKEN, "\n", traceback.format_exc()])
    return ""


def main() -> int:
    first, count = int(sys.argv[1]), int(sys.argv[2])
    base = base_catalogue()
    gc.freeze()
    failed, begun = 0, time.process_time()
    for seed in range(first, first + count):
        broken = run(seed, base)
        if broken:
            failed += 1
            print(f"seed {seed} broke:\n{broken[:3000]}", flush=True)
            if failed >= LIMIT:
                break
        if "--story" in sys.argv:
            print("\n".join(STORY))
        if "--digest" in sys.argv:
            digest = hashlib.sha256("\n".join(STORY).encode()).hexdigest()
            print(f"seed {seed} {digest}")
    spent = (time.process_time() - begun) * 1000 / count
    print(f"{count} seeds, {failed} broke, each took {spent:.1f} ms of CPU", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
