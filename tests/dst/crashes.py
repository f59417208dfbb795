"""Kills a simulated process at every step that it takes, one world for each.

python -m tests.dst.crashes WORKER WORLDS WORKERS
"""

import sys
import traceback
from itertools import count

from tests.dst.breaking import BROKEN
from tests.dst.catalogue import base_catalogue
from tests.dst.world import World

LONGEST = 1200
"""Steps of a world that is worth it; larger ones are passed over."""


def steps_of(seed: int, base: object) -> int:
    """How many steps the first process takes when nothing kills it; 0 if it is no such world."""
    world = World(seed, base, crash_at=0)
    if world.plan.profile == "crowd":
        return 0
    world.run()
    steps = world.gateways[0].process.steps
    return steps if steps <= LONGEST else 0


def main() -> int:
    worker, worlds, workers = map(int, sys.argv[1:4])
    base, taken, runs = base_catalogue(), 0, 0
    for seed in count(worker, workers):
        if taken * workers >= worlds:
            break
        steps = steps_of(seed, base)
        taken += bool(steps)
        for step in range(1, steps + 1):
            try:
                World(seed, base, crash_at=step).run()
                runs += 1
            except Exception:  # any failure at all breaks the seed
                print(f"seed {seed} killed at step {step} broke:", *BROKEN, traceback.format_exc())
                return 1
    print(f"{taken} worlds, {runs} crashes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
