"""`reapi simulate`: what another policy would have made of a trace, on virtual time."""

import json
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.replay.policies import PolicyError, ReplayPolicy, read_policy
from core.replay.report import recorded_line, table
from core.replay.result import Result
from core.replay.samples import Samples
from core.replay.synthetic import Scene, synthetic
from core.replay.trace import Trace, TraceError, lines_of, read_trace
from core.replay.world import World
from gateway.progress import Progress

WRONG = 2
"""The exit code for files that are wrong."""
NOTHING = Path()
"""A baseline without a file: what the gateway does."""


class _Unusable(Exception):
    """A file cannot be used; the message names it and says why."""


def make(scene: Scene) -> int:
    """Print a synthetic trace."""
    for line in lines_of(synthetic(scene)):
        print(line)
    return 0


def replay(
    trace_file: str,
    policy_file: Path | None,
    baseline_file: Path | None,
    seed: int,
    *,
    as_json: bool,
) -> int:
    """Replay a trace (`-`: standard input), beside a baseline if there is one; print figures."""
    try:
        policy = _policy(policy_file)
        baseline = None if baseline_file is None else _policy(baseline_file)
        trace = _trace(trace_file)
        samples = Samples(trace)
        result = _replayed(trace, policy, samples, seed, policy_file)
        other = None
        if baseline is not None:
            other = _replayed(trace, baseline, samples, seed, baseline_file)
    except _Unusable as error:
        print(f"reapi: {error}", file=sys.stderr)
        return WRONG
    for name in sorted(samples.strangers):
        print(
            f"reapi: the trace shows no call to {name}: it was taken to answer as the others do",
            file=sys.stderr,
        )
    if as_json:
        print(json.dumps(_facts(trace, seed, result, other), indent=2))
    else:
        print(_heading(trace))
        print(table(result, other))
    return 0


def _replayed(
    trace: Trace, policy: ReplayPolicy, samples: Samples, seed: int, file: Path | None
) -> Result:
    with _named(file), Progress("replayed", len(trace.requests)) as progress:
        world = World(trace, policy, samples, seed)
        return world.run(lambda _count: progress.step())


def _trace(file: str) -> Trace:
    with Progress("read") as progress:
        try:
            if file == "-":
                return read_trace(sys.stdin, lambda _line: progress.step())
            with Path(file).open(encoding="utf-8") as lines:
                return read_trace(lines, lambda _line: progress.step())
        except (OSError, UnicodeDecodeError) as error:
            raise _Unusable(f"{file}: {_why(error)}") from None
        except TraceError as error:
            raise _Unusable(f"{file}, {error}") from None


def _policy(file: Path | None) -> ReplayPolicy:
    """What a file says; of no file, what the gateway does."""
    if file is None or file == NOTHING:
        return ReplayPolicy()
    try:
        with file.open("rb") as opened:
            facts = tomllib.load(opened)
    except (OSError, UnicodeDecodeError) as error:
        raise _Unusable(f"{file}: {_why(error)}") from None
    except tomllib.TOMLDecodeError as error:
        raise _Unusable(f"{file}: {error}") from None
    with _named(file):
        return read_policy(facts)


@contextmanager
def _named(file: Path | None) -> Iterator[None]:
    """Say which file a mistake is in."""
    try:
        yield
    except PolicyError as error:
        raise _Unusable(f"{file}, {error}") from None


def _why(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "cannot be read" if isinstance(error, OSError) else "is not UTF-8"


def _heading(trace: Trace) -> str:
    seconds = trace.requests[-1].at - trace.requests[0].at
    line = (
        f"{trace.source} trace: {len(trace.requests):,} requests in {seconds:,.0f} s, "
        f"{len(trace.channels)} channels"
    )
    recorded = recorded_line(trace)
    return f"{line}\n{recorded}" if recorded else line


def _facts(trace: Trace, seed: int, result: Result, baseline: Result | None) -> dict[str, Any]:
    return {
        "trace": {
            "source": trace.source,
            "requests": len(trace.requests),
            "channels": [channel.name for channel in trace.channels],
        },
        "seed": seed,
        "policy": result.facts(),
        "baseline": None if baseline is None else baseline.facts(),
    }
