"""The engine, the driver and the policy in simulated worlds: every seed keeps every law.

`docs/testing.md` tells how it works. What breaks is replayed by its seed:
`scripts/prove -k deterministic --seed 12345`.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from tests import books
from tests.prove_options import Counts, Figure

pytestmark = pytest.mark.prove

ROOT = Path(__file__).parents[2]
WORKERS = 2
TIMEOUT = 840.0
MUTANTS_SCORE = 65.0
"""Percent, of a dozen mutants; docs/testing.md gives the figure of a larger sample."""


def begin(module: str, *arguments: object, **environment: str) -> "subprocess.Popen[str]":
    """A worker: another process, so that a seed cannot see what this one has imported."""
    command = [sys.executable, "-m", f"tests.dst.{module}", *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": "", **environment} if environment else None,
    )


def finish(workers: Sequence["subprocess.Popen[str]"]) -> str:
    """What they print; fails if one of them does."""
    said = []
    try:
        said = [worker.communicate(timeout=TIMEOUT)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert not any(worker.returncode for worker in workers), "\n".join(said)
    return "\n".join(said)


@pytest.fixture
def only(pytestconfig: pytest.Config) -> int | None:
    """The seed that was asked for."""
    seed = pytestconfig.getoption("seed")
    return None if seed is None else int(seed)


def test_no_deterministic_seed_breaks_a_law(
    counts: Counts, only: int | None, figure: Figure
) -> None:
    if only is not None:
        print(finish([begin("sweep", only, 1, "--story")]))
        return
    seeds = counts.seeds
    share = -(-seeds // WORKERS)
    said = finish([begin("sweep", number * share, share) for number in range(WORKERS)])
    figure("CPU of a simulated world (ms)", [float(ms) for ms in re.findall(r"([\d.]+) ms", said)])


def test_a_deterministic_world_survives_a_crash_at_every_await(counts: Counts) -> None:
    worlds = counts.reduced(12, 2)
    workers = [begin("crashes", number, worlds, WORKERS) for number in range(WORKERS)]
    finish(workers)


def test_a_deterministic_seed_replays_itself() -> None:
    stories = [
        finish([begin("sweep", 0, 40, "--digest", PYTHONHASHSEED=str(number))]) for number in (1, 2)
    ]
    digests = [re.findall(r"^seed .*", story, re.MULTILINE) for story in stories]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 40


def test_no_deterministic_seed_breaks_a_law_over_postgresql(
    counts: Counts, only: int | None, database_url: str
) -> None:
    first, count = (0, counts.reduced(200, 20)) if only is None else (only, 1)
    finish([begin("sweep_postgres", database_url, first, count)])
    with psycopg.connect(database_url) as connection:
        books.assert_right(connection)


def test_a_mutation_of_the_policy_breaks_a_seed(counts: Counts) -> None:
    """A sample: the whole run is `python -m tests.dst.mutate` (docs/testing.md)."""
    said = finish([begin("mutate", "--every", counts.reduced(25, 100), "--seeds", 40)])
    print(said)
    score = re.search(r"kills \d+: ([\d.]+)%", said)
    assert score is not None, said
    assert float(score[1]) >= MUTANTS_SCORE, said
