"""How many mistakes in the policy the simulation finds.

    python -m tests.dst.mutate [--seeds 400] [--every 1] [--tests] [--workers 2] [MODULE...]

Makes one mistake at a time in `core/policy/*.py`, each in a process of its own, and runs seeds
until one breaks. `--tests` also runs tests/policy on those that survive.
"""

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from tests.dst.mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "core" / "policy"
SKIPPED = {"__init__", "admission", "overlay", "pace", "signals", "notices"}
"""What a simulated gateway does not go through: overload, quotes, operators and what processes tell each
other of channels have proofs of their own."""
EQUIVALENT = ROOT / "tests" / "dst" / "equivalent.txt"
"""Mutants that no behaviour tells from the original: `module.function: what`, two spaces, why."""
KILLED, SURVIVED = 1, 0


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from another source."""

    def __init__(self, name: str, source: str) -> None:
        self._name = name
        self._source = source

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname == self._name:
            return importlib.machinery.ModuleSpec(fullname, self)
        return None

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        exec(compile(self._source, module.__name__, "exec"), module.__dict__)


def _warm() -> Any:
    """Import what knows nothing of the policy, once for all mutants."""
    import aiohttp  # noqa: F401
    import hypothesis  # noqa: F401
    import psycopg  # noqa: F401
    import pytest  # noqa: F401

    import storage.pool  # noqa: F401
    import tests.films  # noqa: F401
    from tests.dst.catalogue import base_catalogue

    base = base_catalogue()
    assert not [name for name in sys.modules if name.startswith("core.policy.")]
    return base


def _run(name: str, mutant: Mutant, seeds: int, base: Any) -> int:
    """In a child: whether some seed breaks."""
    sys.meta_path.insert(0, _Finder(name, mutant.source))
    try:
        from tests.dst.crowds import Crowd
        from tests.dst.world import World

        for seed in range(seeds):
            Crowd(2 * seed).run()
            Crowd(2 * seed + 1).run()
            World(seed, base).run()
    except BaseException:
        return KILLED
    return SURVIVED


def _test(name: str, mutant: Mutant) -> int:
    """Whether tests/policy fail, in a process that has imported nothing yet."""
    code = "import sys; from tests.dst.mutate import tested; sys.exit(tested(sys.argv[1]))"
    command = [sys.executable, "-c", code, name]
    ended = subprocess.run(command, input=mutant.source, text=True, cwd=ROOT, check=False)
    return KILLED if ended.returncode else SURVIVED


def tested(name: str) -> int:
    """Run tests/policy with the module's source from standard input."""
    sys.meta_path.insert(0, _Finder(name, sys.stdin.read()))
    import pytest

    return int(pytest.main(["-q", "-x", "-p", "no:randomly", "tests/policy"]))


class _Pool:
    """Children, a few at a time; each has so many seconds."""

    def __init__(self, workers: int, seconds: int) -> None:
        self._workers = workers
        self._seconds = seconds
        self._running: dict[int, Any] = {}
        self.results: dict[Any, int] = {}
        self.names: dict[Any, str] = {}

    def start(self, key: Any, work: Any) -> None:
        while len(self._running) >= self._workers:
            self._wait()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(self._seconds)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            os._exit(work())
        self._running[pid] = key

    def finish(self) -> None:
        while self._running:
            self._wait()

    def _wait(self) -> None:
        pid, status = os.wait()
        key = self._running.pop(pid)
        self.results[key] = SURVIVED if status == 0 else KILLED
        if status == 0:
            print(f"survived: {self.names.get(key)}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--every", type=int, default=1, help="only each so-many-th mutant")
    parser.add_argument("--tests", action="store_true", help="tests/policy on survivors, too")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    names = options.modules or sorted(
        path.stem for path in POLICY.glob("*.py") if path.stem not in SKIPPED
    )
    begun = time.monotonic()
    base = _warm()
    found = [
        (name, mutant) for name in names for mutant in mutants((POLICY / f"{name}.py").read_text())
    ][:: options.every]
    known = (
        {line.partition("  ")[0] for line in EQUIVALENT.read_text().splitlines()}
        if EQUIVALENT.exists()
        else set()
    )
    pool = _Pool(options.workers, 60 + options.seeds // 2)
    for number, (name, mutant) in enumerate(found):
        module = f"core.policy.{name}"
        pool.names[number] = f"core/policy/{name}.py:{mutant}"
        pool.start(number, partial(_run, module, mutant, options.seeds, base))
    pool.finish()
    survivors = [number for number in range(len(found)) if pool.results[number] == SURVIVED]
    tested = _Pool(options.workers, 180)
    if options.tests:
        for number in survivors:
            name, mutant = found[number]
            tested.start(number, partial(_test, f"core.policy.{name}", mutant))
        tested.finish()
    _report(found, survivors, tested.results, known)
    print(f"{time.monotonic() - begun:.0f} s")
    return 0


def _report(
    found: list[Any], survivors: list[int], tested: dict[Any, int], known: set[str]
) -> None:
    equivalent = 0
    for number in survivors:
        name, mutant = found[number]
        is_known = f"{name}.{mutant.where}: {mutant.what}" in known
        equivalent += is_known
        by = "killed by tests/policy" if tested.get(number) == KILLED else ""
        print(f"survived {'(equivalent) ' * is_known}core/policy/{name}.py:{mutant}  {by}")
    total, left = len(found) - equivalent, len(survivors) - equivalent
    print(
        f"{len(found)} mutants, {equivalent} equivalent; of {total} the simulation kills {total - left}: {(total - left) / total:.1%}"
    )
    if tested:
        killed = sum(result == KILLED for result in tested.values())
        print(
            f"with tests/policy: {total - left + killed} of {total}: {(total - left + killed) / total:.1%}"
        )


if __name__ == "__main__":
    sys.exit(main())
