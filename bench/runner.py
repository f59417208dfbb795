"""Measures all rows, the targets taking turns, and remembers every run."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bench import canned_ark
from bench.bridge import Bridge
from bench.canned import Shape, request
from bench.figures import Figures, Run, combined
from bench.gateway import Gateway
from bench.grpc_load import grpc_load
from bench.load import Load, LoadError, by_python, http_load
from bench.preparation import drained, watch_paths
from bench.processes import cpu_seconds, machine_cpu_seconds, pss_bytes, tree
from bench.rows import Memory, Plan, Row, Target, Way

WARM_SECONDS = 0.3
DIRECT_SECONDS = 1.0
_PAUSE_SECONDS = 0.1
_SUBMITTED_SECONDS = 0.3
VIDEOS_PATH = "/v1/videos"


Say = Callable[[str], None]


class Runner:
    """Loads each target in turn: upstream, nginx, gateway, upstream, …"""

    def __init__(
        self,
        plan: Plan,
        upstream: str,
        nginx: tuple[str, int] | None,
        gateway: Gateway,
        bridges: Mapping[Way, Bridge],
        say: Say,
    ) -> None:
        self._plan = plan
        self._gateway = gateway
        self._bridges = bridges
        self._say = say
        self._urls = {Target.UPSTREAM: upstream, Target.REAPI: gateway.rest_url}
        self._nginx_pid = nginx[1] if nginx else None
        if nginx:
            self._urls[Target.NGINX] = nginx[0]
        self._watches: Sequence[str] = ()

    async def measure(self) -> dict[tuple[Row, Target], Figures]:
        """All rows, `plan.runs` times over, so that a noisy minute spoils one run of each."""
        runs: dict[tuple[Row, Target], list[Run]] = {}
        if any(row.way is Way.WATCH for row in self._plan.rows):
            self._watches = await watch_paths(self._gateway)
        for turn in range(self._plan.runs):
            self._say(f"round {turn + 1} of {self._plan.runs}")
            for row in self._plan.rows:
                for target in self._targets(row):
                    for seen, run in (await self._turn(row, target, is_first=not turn)).items():
                        runs.setdefault((row, seen), []).append(run)
        return {key: combined(found) for key, found in runs.items()}

    def _targets(self, row: Row) -> Sequence[Target]:
        return [target for target in row.targets if target in self._urls or target is Target.REMOTE]

    async def _turn(self, row: Row, target: Target, *, is_first: bool) -> dict[Target, Run]:
        """Load one target, and leave nothing behind for the next one."""
        if is_first:
            await self._load(row, target, WARM_SECONDS, warming=True)
        seconds = self._plan.seconds
        if target is Target.UPSTREAM:
            seconds = min(seconds, DIRECT_SECONDS)
        await asyncio.sleep(_PAUSE_SECONDS)
        found = await self._observed(row, target, seconds)
        if row.way is Way.VIDEO and target is Target.REAPI:
            await drained(self._gateway)
        await asyncio.to_thread(self._gateway.drop_outputs)
        return found

    async def _observed(self, row: Row, target: Target, seconds: float) -> dict[Target, Run]:
        """One run by target: for a remote core, also as its bridge alone is concerned."""
        watched = {target: self._processes(row, target)}
        if row.way.is_remote:
            watched[Target.BRIDGE] = tree(self._bridges[row.way].pid)
        all_before, ours_before = machine_cpu_seconds(), self._ours()
        before = {seen: cpu_seconds(pids) if pids else None for seen, pids in watched.items()}
        try:
            run = await self._load(row, target, seconds)
        except LoadError as error:
            name = f"{row.title}, {row.connections} at once, {target.value}"
            raise LoadError(f"{name}: {error}") from error
        if row.way is Way.VIDEO:
            await asyncio.sleep(_SUBMITTED_SECONDS)  # the answer does not wait for the submit
        after = {seen: cpu_seconds(pids) if pids else None for seen, pids in watched.items()}
        all_after, ours_after = machine_cpu_seconds(), self._ours()
        everybody, ours = _difference(all_before, all_after), _difference(ours_before, ours_after)
        foreign = _difference(ours, everybody)
        return {
            seen: replace(run, cpu=_difference(before[seen], after[seen]), foreign=foreign)
            for seen in watched
        }

    def _processes(self, row: Row, target: Target) -> set[int]:
        match target:
            case Target.REAPI:
                return self._gateway.processes()
            case Target.REMOTE:
                return self._gateway.processes() | tree(self._bridges[row.way].pid)
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
        if row.way is Way.GRPC:
            return await grpc_load(self._gateway.grpc_address, keys, row.connections, seconds)
        load = self._described(row, target, seconds)
        if warming or row.shape is Shape.STREAM or row.way is Way.WATCH:
            return await by_python(load)
        return await http_load(load)

    def _described(self, row: Row, target: Target, seconds: float) -> Load:
        """What is sent where."""
        url = self._bridges[row.way].url if row.way.is_remote else self._urls[target]
        load = Load(url, b"", self._gateway.keys, row.connections, seconds)
        match row.way:
            case Way.WATCH:
                return replace(load, paths=self._watches, method="GET")
            case Way.VIDEO if target is Target.REAPI:
                return replace(load, body=canned_ark.request(), paths=(VIDEOS_PATH,))
            case Way.VIDEO:
                return replace(load, body=canned_ark.task_request(), paths=(canned_ark.TASKS,))
            case _:
                assert row.shape is not None
                return replace(load, body=request(row.shape))


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else max(0.0, after - before)


async def settled(gateway: Gateway, seconds: float, idle: int | None, say: Say) -> Memory:
    """Memory right after the load, and when the gateway has had time to give some back."""
    loaded = pss_bytes(gateway.processes())
    if seconds:
        say(f"memory after {seconds:.0f} s of rest")
        await asyncio.sleep(seconds)
    return Memory(idle, loaded, pss_bytes(gateway.processes()), seconds)
