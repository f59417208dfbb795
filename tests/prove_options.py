"""Counts of the long proofs as options of pytest, and the figures that tests report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

Figure = Callable[[str, Sequence[float]], None]

_FIGURES = pytest.StashKey[list[str]]()


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a proof does: the issue's numbers, or with `--ci` reduced ones."""

    ci: bool
    requests: int
    rounds: int
    cut_seconds: float = 30
    """How long machines are cut off from each other: longer than a lease."""
    soak_seconds: float = 180
    seeds: int = 10_000
    """Simulated worlds."""
    ledger_runs: int = 2000
    """Histories of the ledger, each over memory and over PostgreSQL."""

    @property
    def judges_speed(self) -> bool:
        """Whether ratios of speed are judged, or only shown: with `--ci` others use the machine."""
        return not self.ci

    def reduced(self, full: int, in_ci: int) -> int:
        """One of two numbers."""
        return in_ci if self.ci else full


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("prove", "the long proofs (scripts/prove)")
    group.addoption("--ci", action="store_true", help="reduced counts, for every push")
    group.addoption("--requests", type=int, help="requests for each fault (200; with --ci 60)")
    group.addoption("--write", type=Path, metavar="FILE", help="put the fault matrix there")
    group.addoption("--json", type=Path, metavar="FILE", help="the fault matrix for programs")
    group.addoption("--rounds", type=int, help="rounds of kill -9 (10; with --ci 2)")
    group.addoption("--seeds", type=int, help="simulated worlds (10,000; with --ci 500)")
    group.addoption("--seed", type=int, help="only this simulated world, and tell its story")
    group.addoption("--ledger-runs", type=int, help="ledger histories (2,000; with --ci 100)")
    group.addoption("--cut-seconds", type=float, help="length of a partition (30; with --ci 9)")
    group.addoption("--soak-seconds", type=float, help="length of the soak (180; with --ci 40)")


@pytest.fixture(scope="session")
def counts(pytestconfig: pytest.Config) -> Counts:
    """How much the proofs do in this run."""
    ci = bool(pytestconfig.getoption("ci"))
    requests = pytestconfig.getoption("requests") or (60 if ci else 200)
    rounds = pytestconfig.getoption("rounds") or (2 if ci else 10)
    cut_seconds = pytestconfig.getoption("cut_seconds") or (9 if ci else 30)
    soak_seconds = pytestconfig.getoption("soak_seconds") or (40 if ci else 180)
    seeds = pytestconfig.getoption("seeds") or (500 if ci else 10_000)
    ledger_runs = pytestconfig.getoption("ledger_runs") or (100 if ci else 2000)
    return Counts(ci, requests, rounds, cut_seconds, soak_seconds, seeds, ledger_runs)


@pytest.fixture
def figure(pytestconfig: pytest.Config) -> Figure:
    """Reports milliseconds (or any numbers) under a name: shown after the run, judged by nobody."""
    lines = pytestconfig.stash.setdefault(_FIGURES, [])

    def report(name: str, values: Sequence[float]) -> None:
        shown = f"n={len(values)} p50={percentile(values, 50):.2f} p99={percentile(values, 99):.2f}"
        lines.append(f"{name:58} {shown} max={max(values):.2f}")

    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = terminalreporter.config.stash.get(_FIGURES, [])
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least *percent* % of *values* do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100).__int__() - 1)]
