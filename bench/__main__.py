"""`python -m bench`: measure the gateway beside nginx, print tables, write JSON."""

import argparse
import asyncio
import contextlib
import os
import platform
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import uvloop

from bench.bridge import Bridge, bridging, command_of
from bench.faults import HANG_SECONDS, fault_rows, models
from bench.gateway import DEFAULT_COMMAND, Cores, Gateway, GatewayError, serving
from bench.ledger import ledger_rows
from bench.load import LoadError, find_wrk
from bench.nginx import NginxError, find_nginx, proxying
from bench.overlay import overlay, videos
from bench.processes import IS_LINUX, cores, end, pss_bytes, running_on
from bench.report import as_json, report
from bench.rows import GROUPS, Plan, Results, Way
from bench.runner import Runner, settled
from bench.upstream import HOST, Fault, Upstream

EXIT_FAILURE = 1
LONGEST_SECONDS = 900.0
"""Whatever the options say, then it is over."""
_STOP_SECONDS = 3.0


def main() -> None:
    """Run the benchmark; any failure to measure is exit code 1, slow figures are not."""
    options = _parser().parse_args()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(options))
    except (GatewayError, NginxError, LoadError, TimeoutError) as error:
        sys.stderr.write(f"bench: {error or 'out of time'}\n")
        sys.exit(EXIT_FAILURE)
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(EXIT_FAILURE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measure the gateway, pinned to one core, beside nginx as a plain proxy. "
        "docs/benchmarks.md explains the method.",
    )
    # No `choices`: they do not get along with nargs="*" and no argument at all.
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(GROUPS)}; or all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--runs", type=int, default=5, help="medians of so many (5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run (2)")
    parser.add_argument("--settle", type=float, default=60.0, help="rest before memory (60)")
    parser.add_argument("--quick", action="store_true", help="1 run of 1 s, 2 s of rest")
    parser.add_argument(
        "--outputs",
        type=Path,
        metavar="FOLDER",
        help="keep the gateway's outputs there, not beside its database (in TMPDIR)",
    )
    parser.add_argument(
        "--command",
        type=shlex.split,
        default=list(DEFAULT_COMMAND),
        help="start this instead of the gateway of this folder",
    )
    return parser


def _plan(options: argparse.Namespace) -> Plan:
    unknown = set(options.names) - set(GROUPS)
    if unknown:
        raise GatewayError(f"no such benchmark: {', '.join(sorted(unknown))}; see --help")
    groups = options.names or GROUPS
    if options.quick:
        return Plan(groups, runs=1, seconds=1.0, settle=2.0, fault_rounds=5, hang_rounds=2)
    return Plan(
        groups,
        max(1, options.runs),
        options.seconds,
        options.settle,
        fault_rounds=25,
        hang_rounds=6,
    )


async def _run(options: argparse.Namespace) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    plan = _plan(options)
    async with asyncio.timeout(LONGEST_SECONDS):
        results = await _measure(plan, options.command, options.outputs)
    setting = _setting(plan)
    _say(", ".join(f"{name}: {value}" for name, value in setting.items()))
    sys.stdout.write(f"{report(results)}\n")
    if options.json:
        document = as_json(results, setting)
        options.json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


async def _measure(plan: Plan, command: Sequence[str], outputs_in: Path | None) -> Results:
    split = cores()
    where = Cores(*split) if split else Cores(None, None)
    for sentence in _skipped(where):
        _say(sentence)
    results = Results()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="reapi-bench-")))
        if "ledger" in plan.groups:
            # With both cores, as it runs.
            results.ledger = await ledger_rows(folder, plan.runs, plan.seconds, _say)
            if set(plan.groups) == {"ledger"}:
                return results
        stack.enter_context(running_on(where.rest))
        elsewhere = TemporaryDirectory(prefix="reapi-bench-", dir=outputs_in or folder)
        outputs = Path(stack.enter_context(elsewhere))
        url = await stack.enter_async_context(_static_upstream())
        broken = await stack.enter_async_context(Upstream())
        file = folder / "overlay.toml"
        file.write_text(
            overlay(
                f"{url}/v1",
                f"http://{HOST}:{broken.port}/v1",
                models(plan.fault_rounds) if "faults" in plan.groups else (),
                HANG_SECONDS,
            )
            + videos(f"{url}/api/v3", plan.look_seconds)
        )
        nginx = None
        if path := find_nginx():
            upstream = url.removeprefix("http://")
            nginx = await stack.enter_async_context(
                proxying(path, upstream, folder, where.measured)
            )
        _say("starting the gateway")
        gateway = await stack.enter_async_context(serving(command, folder, outputs, file, where))
        idle = pss_bytes(gateway.processes())
        bridges = await _bridges(stack, plan, command, gateway, folder, where)
        runner = Runner(plan, url, nginx, gateway, bridges, _say)
        results.figures = await runner.measure()
        results.memory = await settled(gateway, plan.settle, idle, _say)
        if "faults" in plan.groups:
            _say("faults of the first channel")
            rounds = dict.fromkeys(Fault, plan.fault_rounds) | {Fault.HANG: plan.hang_rounds}
            results.faults = await fault_rows(gateway.rest_url, gateway.keys, broken, rounds)
    return results


async def _bridges(
    stack: AsyncExitStack,
    plan: Plan,
    command: Sequence[str],
    gateway: Gateway,
    folder: Path,
    where: Cores,
) -> dict[Way, Bridge]:
    """Those that the rows need."""
    ways = {row.way for row in plan.rows}
    cores_at = {Way.TCP: gateway.grpc_address, Way.UNIX: f"unix:{gateway.socket}"}
    return {
        way: await stack.enter_async_context(
            bridging(command_of(command), core, folder, where.measured)
        )
        for way, core in cores_at.items()
        if way in ways
    }


@asynccontextmanager
async def _static_upstream() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.upstream"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 20.0)
        if not line.strip().isdigit():
            raise LoadError("the static upstream did not start")
        yield f"http://{HOST}:{int(line)}"
    finally:
        with contextlib.suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
        await end(process, _STOP_SECONDS)


def _skipped(where: Cores) -> list[str]:
    found = []
    if not find_nginx():
        found.append("nginx is not installed: no comparison with a plain proxy")
    if not find_wrk():
        found.append("wrk is not installed: loading with Python, which limits the fast rows")
    if not IS_LINUX:
        found.append("CPU and memory of processes are measured on Linux only")
    if where.measured is None:
        found.append("nothing is pinned: that takes Linux and two cores")
    return found


def _setting(plan: Plan) -> dict[str, object]:
    return {
        "cores": os.cpu_count() or 0,
        "pinned": cores() is not None,
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "load": "wrk" if find_wrk() else "python",
        "runs": plan.runs,
        "seconds": plan.seconds,
    }


def _say(sentence: str) -> None:
    sys.stderr.write(f"bench: {sentence}\n")


if __name__ == "__main__":
    main()
