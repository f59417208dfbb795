"""More than the gateway can do: it goes on doing what it can, and a greedy key pays alone.

Real processes on loopback: the gateway as `reapi serve --demo` runs it, pinned to a core of its
own, before a static upstream; an open loop sends by the clock. The machine is never quiet, so
every figure is taken in rounds beside what it is compared with, and medians are judged.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import orjson
import pytest

from bench.canned import Shape, request
from bench.gateway import DEFAULT_COMMAND, Cores, Gateway, serving
from bench.load import PATH, Load, http_load
from bench.open_loop import OpenLoop, Outcome
from bench.overlay import overlay
from bench.processes import cores, cpu_seconds, end, running_on
from tests.fix_postgres import scratch_folder
from tests.prove_options import percentile

pytestmark = [pytest.mark.prove, pytest.mark.alone]

AT_ONCE = 64
"""Connections of the closed loop that finds the capacity (docs/benchmarks.md)."""
FLOOD_SECONDS = 5.0
SETTLED_SECONDS = 1.0
"""Of each flood, while it builds up, nothing is counted."""
GUESSES = 3_000
"""A second, of credentials that are none: a hundred of them are looked at (0021), however many come."""
PATIENT_MODEL = "patient-image"
UPSTREAM_SECONDS = 1.0
"""How long the modest key's provider takes: less than any that makes images (field.md C4)."""
TIMES_AS_MUCH = 50
"""The greedy key asks so much more often than the modest one; never less than twice of what
the gateway can do."""


@dataclass(frozen=True)
class Stage:
    """A gateway before a fast upstream; the first channel of PATIENT_MODEL is a slow one."""

    gateway: Gateway

    def messages(self, *keys: str, model: str = "gpt-image-2") -> list[bytes]:
        body = request(Shape.SMALL, model)
        head = "POST {} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\n"
        head += "content-type: application/json\r\ncontent-length: {}\r\n\r\n"
        return [head.format(PATH, key, len(body)).encode() + body for key in keys]

    async def capacity(self, seconds: float = 2.0) -> float:
        """What it serves in a second when callers wait for their answers."""
        gateway = self.gateway
        body = request(Shape.SMALL)
        run = await http_load(Load(gateway.rest_url, body, gateway.keys, AT_ONCE, seconds))
        assert run.errors == 0, "a closed loop is no overload"
        return run.requests / run.seconds

    async def flood(self, per_second: float, *messages: bytes) -> Outcome:
        return await OpenLoop(self.gateway.rest_url, messages, per_second).run(FLOOD_SECONDS)

    async def flood_from_elsewhere(self, per_second: float, message: bytes) -> dict[str, int]:
        """The same by a process of its own, which does not hold up who measures; the counts."""
        job = {
            "url": self.gateway.rest_url,
            "message": message.decode(),
            "per_second": per_second,
            "seconds": FLOOD_SECONDS,
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.open_loop"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate(orjson.dumps(job))
        counts: dict[str, int] = orjson.loads(output)
        return counts

    def cpu(self) -> float:
        found = cpu_seconds(self.gateway.processes())
        assert found is not None
        return found


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    split = cores()
    if split is None:
        pytest.skip("one core: gateway and load would measure each other")
    async with AsyncExitStack() as stack:
        stack.enter_context(running_on(split[1]))
        folder = stack.enter_context(scratch_folder())
        outputs, file = folder / "outputs", folder / "overlay.toml"
        outputs.mkdir()
        fast = await stack.enter_async_context(upstream(0.0))
        slow = await stack.enter_async_context(upstream(UPSTREAM_SECONDS))
        file.write_text(overlay(f"{fast}/v1", f"{slow}/v1", [PATIENT_MODEL], 10.0))
        where = Cores(*split)
        yield Stage(
            await stack.enter_async_context(
                serving(DEFAULT_COMMAND, Path(folder), outputs, file, where)
            )
        )


@asynccontextmanager
async def upstream(delay: float) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.upstream", "--delay", str(delay)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        yield f"http://127.0.0.1:{int(line)}"
    finally:
        await end(process, 5)


async def test_at_twice_its_capacity_it_serves_what_it_can_and_refuses_the_rest_early(
    counts, figure
):
    async with staged() as stage:
        await stage.capacity()  # warm
        shares, refused, served = [], [], []
        for _ in range(counts.reduced(7, 3)):
            before = await stage.capacity()
            found = await stage.flood(2 * before, *stage.messages(*stage.gateway.keys))
            after = await stage.capacity()
            good = [end for end in found.ends if SETTLED_SECONDS <= end < FLOOD_SECONDS]
            rate = len(good) / (FLOOD_SECONDS - SETTLED_SECONDS)
            shares.append(rate / mean([before, after]))
            assert set(found.by_status) <= {200, 503}
            assert not found.broken, "every request is answered"
            refused.append(percentile(found.refused, 99) if found.refused else 0.0)
            served.append(percentile(found.good, 99))
    figure("2x: goodput, % of capacity", [100 * share for share in shares])
    figure("2x: p99 of refusals, ms", [1000 * value for value in refused])
    figure("2x: p99 of what is served, ms", [1000 * value for value in served])
    assert any(refused), "twice the capacity cannot all be served"
    if counts.judges_speed:
        assert median(shares) >= 0.9
        assert median(refused) <= 0.1


async def test_a_refusal_costs_a_fifth_of_a_served_request_at_most(counts, figure):
    async with staged() as stage:
        (guess,) = stage.messages("rk_live_" + "0" * 12 + "_" + "0" * 34 + "_00000000")
        await stage.capacity()
        await stage.flood(500, guess)  # until strangers are not looked at any more
        served, refused = [], []
        for _ in range(counts.reduced(5, 2)):
            before = stage.cpu()
            done = 2 * await stage.capacity(2.0)
            served.append((stage.cpu() - before) / done)
            before = stage.cpu()
            found = await stage.flood(GUESSES, guess)
            refused.append((stage.cpu() - before) / sum(found.counts().values()))
            assert set(found.by_status) <= {401, 503}
    figure("CPU of a served small image, us", [1e6 * value for value in served])
    figure("CPU of a refusal, us", [1e6 * value for value in refused])
    if counts.judges_speed:
        assert median(refused) <= median(served) / 5


async def test_a_greedy_key_costs_a_modest_one_next_to_nothing(counts, figure):
    ratios, added = [], []
    async with staged() as stage:
        greedy, modest = stage.gateway.keys[:2]
        asks = stage.messages(modest, model=PATIENT_MODEL)
        capacity = await stage.capacity()
        rate = max(2 * capacity / TIMES_AS_MUCH, 4.0)
        for _ in range(counts.reduced(7, 3)):
            alone = await stage.flood(rate, *asks)
            beside, flood = await asyncio.gather(
                stage.flood(rate, *asks),
                stage.flood_from_elsewhere(rate * TIMES_AS_MUCH, *stage.messages(greedy)),
            )
            assert set(alone.by_status) == set(beside.by_status) == {200}
            assert flood["503"], "the greedy key asks for more than there is"
            quiet, busy = percentile(alone.good, 99), percentile(beside.good, 99)
            ratios.append(busy / quiet)
            added.append(busy - quiet)
    figure("a modest key's p99 beside a greedy one, % of alone", [100 * each for each in ratios])
    figure("the same, ms added", [1000 * each for each in added])
    if counts.judges_speed:
        assert median(ratios) <= 1.2
