"""Closed loops: so many connections, each asking again as soon as it is answered."""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from time import perf_counter

import orjson

from bench.figures import MICRO, Run, measured
from bench.http import Connection, NoAnswerError

PATH = "/v1/images/generations"
GRACE_SECONDS = 30.0
"""For what is on its way when the time is over."""
_SCRIPT = Path(__file__).with_name("wrk.lua")


class LoadError(Exception):
    """The load generator itself failed."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked, by how many at once, for how long."""

    url: str
    body: bytes
    keys: Sequence[str]
    """API keys, taken in turn: no single key's rate limit is in the way."""
    connections: int
    seconds: float
    paths: Sequence[str] = (PATH,)
    """One for all, or one for each key."""
    method: str = "POST"


async def http_load(load: Load) -> Run:
    """Load with `wrk` where it is installed, else with a loop of our own."""
    wrk = find_wrk()
    return await (by_wrk(wrk, load) if wrk else by_python(load))


def find_wrk() -> str | None:
    """The path of `wrk`, if there is one."""
    return shutil.which("wrk")


async def by_python(load: Load) -> Run:
    """Load from this process; also knows when the first byte of a body came."""
    latencies: list[float] = []
    firsts: list[float] = []
    errors = 0
    turns = cycle(list(zip(load.keys, cycle(load.paths), strict=False)))
    begun = perf_counter()
    ends = begun + load.seconds

    async def ask() -> None:
        nonlocal errors
        async with Connection(load.url, keep=False) as connection:
            key, path = next(turns)
            headers = {"authorization": f"Bearer {key}"}
            message = connection.encode(load.method, path, headers, load.body)
            while perf_counter() < ends:
                try:
                    answer = await connection.send(message)
                except NoAnswerError:
                    errors += 1
                    await asyncio.sleep(0.01)
                    continue
                if answer.is_good:
                    latencies.append(answer.seconds)
                    firsts.append(answer.first)
                else:
                    errors += 1

    async with asyncio.timeout(load.seconds + GRACE_SECONDS), asyncio.TaskGroup() as group:
        for _ in range(load.connections):
            group.create_task(ask())
    return measured(latencies, firsts, errors, perf_counter() - begun)


async def by_wrk(wrk: str, load: Load) -> Run:
    """Load with `wrk`, one thread, by POST to one path.

    The keys travel in its environment, on no command line.
    """
    process = await asyncio.create_subprocess_exec(
        wrk,
        *("--threads", "1", "--connections", str(load.connections)),
        *("--duration", f"{max(1, round(load.seconds))}s", "--timeout", f"{GRACE_SECONDS:.0f}s"),
        *("--script", _SCRIPT, load.url + load.paths[0]),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"BENCH_KEYS": " ".join(load.keys), "BENCH_BODY": load.body.decode()},
    )
    try:
        async with asyncio.timeout(load.seconds + 2 * GRACE_SECONDS):
            output, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise LoadError(f"wrk failed: {complaint.decode(errors='replace').strip()[-200:]}")
    return wrk_run(output.decode())


def wrk_run(output: str) -> Run:
    """Read what `wrk.lua` prints as its last line; `wrk` counts microseconds."""
    try:
        found = orjson.loads(output.strip().rpartition("\n")[2])
        errors = found["errors"]
        return Run(
            requests=found["requests"] - found["refused"],
            errors=errors,
            seconds=found["duration_us"] / MICRO,
            p50=found["p50_us"] / MICRO,
            p99=found["p99_us"] / MICRO,
        )
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise LoadError("wrk printed no figures") from error
