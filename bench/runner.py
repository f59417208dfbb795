"""Measures all rows, the targets taking turns, and remembers every run."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.canned import Shape, request
from bench.figures import Figures, Run, combined
from bench.gateway import Gateway
from bench.grpc_load import grpc_load
from bench.load import Load, LoadError, by_python, http_load
from bench.processes import cpu_seconds, machine_cpu_seconds, pss_bytes, tree
from bench.rows import Memory, Plan, Row, Target

WARM_SECONDS = 0.3
DIRECT_SECONDS = 1.0
_PAUSE_SECONDS = 0.1


Say = Callable[[str], None]


class Runner:
    """Loads each target in turn: upstream, nginx, gateway, upstream, …"""

    def __init__(
        self, plan: Plan, upstream: str, nginx: tuple[str, int] | None, gateway: Gateway, say: Say
    ) -> None:
        self._plan = plan
        self._gateway = gateway
        self._say = say
        self._urls = {Target.UPSTREAM: upstream, Target.REAPI: gateway.rest_url}
        self._nginx_pid = nginx[1] if nginx else None
        if nginx:
            self._urls[Target.NGINX] = nginx[0]

    async def measure(self) -> dict[tuple[Row, Target], Figures]:
        """All rows, `plan.runs` times over, so that a noisy minute spoils one run of each."""
        runs: dict[tuple[Row, Target], list[Run]] = {}
        for turn in range(self._plan.runs):
            self._say(f"round {turn + 1} of {self._plan.runs}")
            for row in self._plan.rows:
                for target in self._targets(row):
                    if not turn:
                        await self._load(row, target, WARM_SECONDS, warming=True)
                    seconds = self._plan.seconds
                    if target is Target.UPSTREAM:
                        seconds = min(seconds, DIRECT_SECONDS)
                    await asyncio.sleep(_PAUSE_SECONDS)
                    runs.setdefault((row, target), []).append(
                        await self._observed(row, target, seconds)
                    )
                    await asyncio.to_thread(self._gateway.drop_outputs)
        return {key: combined(found) for key, found in runs.items()}

    def _targets(self, row: Row) -> Sequence[Target]:
        if row.shape is None:
            return (Target.REAPI,)
        return [target for target in Target if target in self._urls]

    async def _observed(self, row: Row, target: Target, seconds: float) -> Run:
        processes = self._processes(target)
        all_before, ours_before = machine_cpu_seconds(), self._ours()
        cpu_before = cpu_seconds(processes) if processes else None
        try:
            run = await self._load(row, target, seconds)
        except LoadError as error:
            name = f"{row.title}, {row.connections} at once, {target.value}"
            raise LoadError(f"{name}: {error}") from error
        cpu_after = cpu_seconds(processes) if processes else None
        all_after, ours_after = machine_cpu_seconds(), self._ours()
        everybody, ours = _difference(all_before, all_after), _difference(ours_before, ours_after)
        return replace(
            run, cpu=_difference(cpu_before, cpu_after), foreign=_difference(ours, everybody)
        )

    def _processes(self, target: Target) -> set[int]:
        match target:
            case Target.REAPI:
                return self._gateway.processes()
            case Target.NGINX if self._nginx_pid is not None:
                return tree(self._nginx_pid)
            case _:
                return set()

    @staticmethod
    def _ours() -> float | None:
        return cpu_seconds(tree(os.getpid()), reaped=True)

    async def _load(
        self, row: Row, target: Target, seconds: float, *, warming: bool = False
    ) -> Run:
        keys = self._gateway.keys
        if row.shape is None:
            return await grpc_load(self._gateway.grpc_address, keys, row.connections, seconds)
        load = Load(self._urls[target], request(row.shape), keys, row.connections, seconds)
        if warming or row.shape is Shape.STREAM:
            return await by_python(load)
        return await http_load(load)


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else max(0.0, after - before)


async def settled(gateway: Gateway, seconds: float, idle: int | None, say: Say) -> Memory:
    """Memory right after the load, and when the gateway has had time to give some back."""
    loaded = pss_bytes(gateway.processes())
    if seconds:
        say(f"memory after {seconds:.0f} s of rest")
        await asyncio.sleep(seconds)
    return Memory(idle, loaded, pss_bytes(gateway.processes()), seconds)
