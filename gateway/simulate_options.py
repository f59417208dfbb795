"""The command line of `reapi simulate`; what runs it is loaded only then."""

# ruff: noqa: PLC0415 - other commands need none of it

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import uvloop

from core.settings import Settings

if TYPE_CHECKING:
    from core.replay.synthetic import SyntheticChannel, Trouble

T = TypeVar("T")

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_CHANNELS = ("a", "b", "c")
EXIT_USAGE = 2
LONGEST_SPAN = timedelta(days=30)
"""Rows live no longer."""
MOST_REQUESTS = 10_000_000


def add_simulate(parser: argparse.ArgumentParser) -> None:
    """Add its three commands."""
    commands = parser.add_subparsers(dest="simulate", required=True, metavar="COMMAND")
    _add_record(commands)
    _add_synthetic(commands)
    _add_run(commands)


def _add_record(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "record",
        help="print a trace of what this gateway did",
        description="Print a trace of the generations that ended, from the database of "
        "REAPI_DATABASE_URL or REAPI_HOME: when they came, for which model, and how each call to "
        "a channel went. No account, no id, no content.",
    )
    parser.add_argument(
        "--since",
        type=_typed(span, "24h"),
        default=timedelta(days=1),
        metavar="SPAN",
        help="how far back: 90m, 24h, 7d (default 24h)",
    )
    parser.add_argument("--demo", action="store_true", help="of a gateway that serves --demo")
    parser.set_defaults(run=_record)


def _add_synthetic(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "synthetic",
        help="print a trace that is made from a seed",
        description="Print a trace of independent arrivals to channels with log-normal delays.",
    )
    parser.add_argument("--seed", type=int, default=1, help="the same one, the same trace")
    parser.add_argument("--requests", type=_typed(_count, "10000"), default=10_000)
    parser.add_argument("--rate", type=_typed(_positive, "20"), default=20.0, help="a second")
    parser.add_argument(
        "--channel",
        action="append",
        type=_typed(channel, "a:p50=2,p99=8"),
        dest="channels",
        metavar="NAME[:KEY=VALUE,…]",
        help="may be repeated; keys are p50, p99 (seconds), priority, weight, cost_micros and "
        "resubmit (default: a, b and c, with p50=2 and p99=8)",
    )
    parser.add_argument(
        "--fault",
        action="append",
        type=_typed(trouble, "a:server_error=0.5@60-120"),
        default=[],
        dest="faults",
        metavar="NAME:FAULT[=SHARE][@FROM-TO]",
        help="may be repeated; a fault of docs/simulate.md for that share of the calls (default "
        "1), or slow=5 for five times the delay; from second to second of the trace",
    )
    parser.set_defaults(run=_synthetic)


def _add_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "run",
        help="replay a trace under a policy",
        description="Replay a trace through the gateway's own policy machines on virtual time, "
        "and print availability, delays, cost and hedges. docs/simulate.md lists what a policy "
        "can say.",
    )
    parser.add_argument("trace", metavar="TRACE", help="a file, or - for standard input")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="TOML; else the gateway's own")
    parser.add_argument(
        "--baseline",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="FILE",
        help="compare with this policy; without a file, with the gateway's own",
    )
    parser.add_argument("--seed", type=int, default=1, help="the same one, the same figures")
    parser.add_argument("--json", action="store_true", dest="as_json", help="as JSON")
    parser.set_defaults(run=_run)


def _record(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    settings = Settings.from_env(env)
    from core.catalog.loader import CatalogueError
    from gateway.process import ServeError
    from gateway.trace_recorder import record

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(record(settings, options.since, demo=options.demo))
    except CatalogueError as error:
        raise ServeError(str(error)) from error


def _synthetic(options: argparse.Namespace, _: Mapping[str, str]) -> int:
    from core.model import Deadlines
    from core.replay.synthetic import Scene, SyntheticChannel
    from gateway.simulate_command import make

    channels = options.channels or [SyntheticChannel(name) for name in _CHANNELS]
    names = [each.name for each in channels]
    strangers = sorted({each.channel for each in options.faults}.difference(names))
    if strangers or len(set(names)) < len(names):
        wrong = f"there is no channel {strangers[0]}" if strangers else "a name came twice"
        print(f"reapi: {wrong}: the channels are {', '.join(names)}", file=sys.stderr)
        return EXIT_USAGE
    return make(
        Scene(
            options.seed,
            options.requests,
            options.rate,
            channels,
            options.faults,
            Deadlines(first_byte=30.0, total=120.0),
        )
    )


def _run(options: argparse.Namespace, _: Mapping[str, str]) -> int:
    from gateway.simulate_command import replay

    return replay(
        options.trace, options.policy, options.baseline, options.seed, as_json=options.as_json
    )


# ---- words of the command line


def _typed(read: Callable[[str], T], example: str) -> Callable[[str], T]:
    """The same for argparse: what is wrong is said with an example."""

    def typed(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            why = str(error) or "not understood"
            raise argparse.ArgumentTypeError(f"{why}; for example {example}") from None

    return typed


def span(text: str) -> timedelta:
    """A length of time: `24h`."""
    number, unit = text[:-1], text[-1:]
    if not number.isascii() or not number.isdigit() or unit not in _UNITS:
        raise ValueError("a number and one of s, m, h, d")
    found = timedelta(seconds=min(int(number), 1 << 40) * _UNITS[unit])
    if not timedelta() < found <= LONGEST_SPAN:
        raise ValueError("more than nothing, and 30d at most: rows live no longer")
    return found


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= MOST_REQUESTS:
        raise ValueError(f"a number from 1 to {MOST_REQUESTS}")
    return int(text)


def _positive(text: str) -> float:
    found = _number(text)
    if not 0 < found < 1e6:
        raise ValueError("a number above 0")
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"`{text}` is no number") from None


def channel(text: str) -> "SyntheticChannel":
    """A channel: `a:p50=2,p99=8,priority=1`."""
    from core.model import Resubmit
    from core.replay.synthetic import SyntheticChannel

    name, _, rest = text.partition(":")
    found = SyntheticChannel(name)
    for item in filter(None, rest.split(",")):
        key, _, value = item.partition("=")
        match key:
            case "p50":
                found = replace(found, p50=_positive(value))
            case "p99":
                found = replace(found, p99=_positive(value))
            case "priority":
                found = replace(found, priority=_whole(value, 0))
            case "weight":
                found = replace(found, weight=_whole(value, 1))
            case "cost_micros":
                found = replace(found, cost_micros=_whole(value, 0))
            case "resubmit" if value in set(Resubmit):
                found = replace(found, resubmit=Resubmit(value))
            case _:
                raise ValueError(f"`{item}` is not known")
    if not name:
        raise ValueError("a channel needs a name")
    if found.p99 < found.p50:
        raise ValueError("p99 is below p50")
    return found


def _whole(text: str, least: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise ValueError(f"`{text}` is no whole number from {least}")
    return int(text)


def trouble(text: str) -> "Trouble":
    """What is wrong with a channel: `a:server_error=0.5@60-120`."""
    from core.errors import Fault
    from core.replay.synthetic import SLOW, Trouble

    name, _, rest = text.partition(":")
    what, _, time = rest.partition("@")
    kind, _, amount = what.partition("=")
    share = _positive(amount) if amount else 1.0
    if not name or (kind != SLOW and kind not in set(Fault)):
        raise ValueError(f"a channel's name and one of {SLOW}, {', '.join(Fault)}")
    if kind != SLOW and share > 1:
        raise ValueError("a share is 1 at most")
    if not time:
        return Trouble(name, None if kind == SLOW else Fault(kind), share)
    begin, dash, end = time.partition("-")
    if not dash or not _number(begin) < _number(end):
        raise ValueError("a time is FROM-TO, in seconds")
    return Trouble(name, None if kind == SLOW else Fault(kind), share, _number(begin), _number(end))
