"""Every model on every one of its channels: right outputs, typed failures, and the next one serves.

Prints the matrix: model, channel, mode; the outcome over REST and over gRPC; what becomes of
each class of failure on that channel alone; and whether it serves once those before it are dead.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
import pytest

from core.catalog.entries import Catalogue
from core.catalog.loader import embedded_channels, embedded_files, load
from core.model import Kind, Resubmit, Role
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from reapi.v1 import parameters_pb2
from tests.fix_gateway import Gateway
from tests.matrix_asks import FILES, OUTPUTS, PATHS, ROLES, Wish, judge, wishes

pytestmark = pytest.mark.prove

SECONDS = 90.0
POLL_SECONDS = 0.1
AT_ONCE = 8
DEAD = 2
"""Channels that refuse while the next one must serve; a request has four attempts in all."""
OK = "ok"

Failures = Mapping[str, Mapping[str, Any]]

FAILURES: Failures = {
    "400": {"kind": "status", "status": 400},
    "401": {"kind": "status", "status": 401},
    "402": {"kind": "status", "status": 402},
    "403": {"kind": "status", "status": 403},
    "404": {"kind": "status", "status": 404},
    "429": {"kind": "status", "status": 429},
    "500": {"kind": "status", "status": 500},
    "503": {"kind": "status", "status": 503},
    "refused": {"kind": "refuse"},
}
FEW_FAILURES: Failures = {name: FAILURES[name] for name in ("401", "500")}
SYNC_FAILURES: Failures = {
    "reset": {"kind": "reset"},
    "html": {"kind": "garbage"},
    "empty": {"kind": "empty"},
    "cut": {"kind": "cut", "after": 20},
}
JOB_FAILURES: Failures = {"job fails": {"kind": "job_fails"}}


@dataclass
class Row:
    """What became of one model on one channel."""

    wish: Wish
    cells: dict[str, str] = field(default_factory=dict)


def known() -> Catalogue:
    """The demo's catalogue, with addresses that nobody calls."""
    names = [name.upper().replace("-", "_").replace(".", "_") for name in embedded_channels()]
    env = {f"SIMULATOR_URL_{name}": "http://127.0.0.1:1" for name in names}
    return load(embedded_files(), env | {f"SIMULATOR_KEY_{name}": "sk-x" for name in names})


class Caller:
    """Asks one gateway, over both of its doors."""

    def __init__(self, gateway: Gateway, key: str, http: httpx.AsyncClient) -> None:
        self.gateway, self.key, self.http = gateway, key, http
        self.stub = rpc.GenerationServiceStub(
            grpc.aio.insecure_channel(
                gateway.demo["grpc_address"],
                options=[("grpc.max_receive_message_length", 8 << 20)],
            )
        )

    async def by_rest(self, wish: Wish, *channels: str) -> tuple[str, str]:
        """The outcome and the channel that served."""
        headers = self.gateway.headers(self.key)
        if channels:
            headers["x-reapi-routing"] = f"only={','.join(channels)}"
        made = await self.http.post(PATHS[wish.model.kind], json=wish.body(), headers=headers)
        if made.status_code != 200:
            return f"{made.status_code} {made.json()['error']['code']}", ""
        path = f"/api/v1/tasks/{made.json()['id']}"
        while (task := (await self.http.get(path, headers=headers)).json())[
            "status"
        ] == "processing":
            await asyncio.sleep(POLL_SECONDS)
        if task["status"] == "failed":
            return str(task["error"]["code"]), ""
        served = (await self.http.get(f"/api/v1/generations/{task['id']}", headers=headers)).json()
        (url,) = task["output"][OUTPUTS.get(wish.model.kind, "video_urls")]
        file = await self.http.get(url)
        assert file.status_code == 200
        return judge(wish, file.content) or OK, str(served["generation"]["channel"])

    async def by_grpc(self, wish: Wish, channel: str) -> str:
        """The outcome."""
        spec = pb.GenerationSpec(model=wish.model.id)
        spec.routing.only_channels.append(channel)
        asked = spec.parameters
        if "prompt" in wish.model.parameters:
            asked.prompt = "a lighthouse at dusk"
        for role in ROLES[wish.mode]:
            asked.inputs.add(role=_ROLES[role], inline=FILES[role][0], parameter=role)
        for name, value in wish.parameters.items():
            if name == "duration":
                asked.duration.FromSeconds(value)
            elif hasattr(asked, name):
                setattr(asked, name, value)
            else:
                asked.extras[name].text = str(value)
        call = self.stub.Generate(
            metadata=(("authorization", f"Bearer {self.key}"),), timeout=SECONDS
        )
        data = bytearray()
        try:
            await call.write(pb.GenerateRequest(start=pb.GenerateStart(spec=spec, detached=True)))
            async for answer in call:
                event = answer.event
                if event.WhichOneof("event") == "output":
                    data += event.output.data
                elif event.WhichOneof("event") == "failed":
                    return event.failed.status.message
                elif event.WhichOneof("event") == "completed" and not data:
                    link = event.completed.generation.assets[0].uri
                    data += (await self.http.get(link)).content
        except grpc.aio.AioRpcError as error:
            return error.details() or error.code().name
        finally:
            call.cancel()
        return judge(wish, bytes(data)) or OK


_ROLES = {
    Role.IMAGE: parameters_pb2.Input.ROLE_IMAGE,
    Role.FIRST_FRAME: parameters_pb2.Input.ROLE_FIRST_FRAME,
    Role.LAST_FRAME: parameters_pb2.Input.ROLE_LAST_FRAME,
    Role.VIDEO: parameters_pb2.Input.ROLE_VIDEO,
}


def families(catalogue: Catalogue) -> list[list[str]]:
    """The models, those together that share a channel: a fault of one would meet the other."""
    found: list[tuple[set[str], list[str]]] = []
    for model, channels in sorted(catalogue.routes.items()):
        names, models = {channel.name for channel in channels}, [model]
        for other in [each for each in found if each[0] & names]:
            found.remove(other)
            names, models = names | other[0], other[1] + models
        found.append((names, models))
    return [models for _, models in found]


async def serve(caller: Caller, rows: list[Row]) -> None:
    """Each mode of one model on each channel, over both doors."""
    for row in rows:
        channel = row.wish.channel.name
        row.cells["rest"], _ = await caller.by_rest(row.wish, channel)
        row.cells["grpc"] = await caller.by_grpc(row.wish, channel)


async def fail_over(caller: Caller, rows: list[Row], names: list[str]) -> None:
    """Each channel of one model with those before it dead; *names* are by priority.

    Before anything else breaks: on an ejected channel an attempt draws on the retry budget.
    """
    for row in first_of_each(rows):
        channel = row.wish.channel.name
        before = names[: names.index(channel)][:DEAD]
        for other in before:
            await asyncio.to_thread(caller.gateway.fault, other, kind="refuse")
        outcome, served = await caller.by_rest(row.wish, *before, channel)
        row.cells["failover"] = outcome if served in ("", channel) else f"by {served}"
        for other in before:
            await _heal(caller, other)


async def fail(caller: Caller, rows: list[Row], failures: Failures) -> None:
    """Each failure on each channel of one model, with no other to go to."""
    for row in first_of_each(rows):
        channel = row.wish.channel
        is_job = channel.resubmit is Resubmit.RECONCILE_FIRST
        for name, fault in {**failures, **(JOB_FAILURES if is_job else SYNC_FAILURES)}.items():
            await asyncio.to_thread(caller.gateway.fault, channel.name, **fault)
            row.cells[name], _ = await caller.by_rest(row.wish, channel.name)
            await _heal(caller, channel.name)


def first_of_each(rows: list[Row]) -> list[Row]:
    """The first row of each channel."""
    return list({row.wish.channel.name: row for row in reversed(rows)}.values())[::-1]


async def _heal(caller: Caller, channel: str) -> None:
    (
        await caller.http.delete(f"{caller.gateway.demo['simulator_url']}/_faults/{channel}")
    ).raise_for_status()


def shown(rows: list[Row]) -> str:
    """The matrix as text."""
    lines = []
    for row in rows:
        wish = row.wish
        cells = "  ".join(f"{name}: {cell}" for name, cell in row.cells.items())
        lines.append(f"{wish.model.id:42} {wish.channel.name:28} {wish.mode:12} {cells}")
    return "\n".join(lines)


async def test_every_model_is_served_by_each_of_its_channels(gateway, counts, capsys):
    by_model: defaultdict[str, list[Row]] = defaultdict(list)
    failures = FEW_FAILURES if counts.ci else FAILURES
    catalogue = known()
    for wish in wishes(catalogue):
        rows = by_model[wish.model.id]
        if counts.ci and any(row.wish.channel is wish.channel for row in rows):
            continue  # one mode of each channel
        rows.append(Row(wish))
    keys = []
    gate = asyncio.Semaphore(AT_ONCE)
    gateway.settings(image="real", queue_ms=50, run_ms=200)
    async with httpx.AsyncClient(base_url=gateway.rest, timeout=SECONDS) as http:

        async def one(models: list[str]) -> None:
            async with gate:
                _, key = await asyncio.to_thread(gateway.account, "1000000")
                keys.append(key)
                caller = Caller(gateway, key, http)
                for model in models:
                    await serve(caller, by_model[model])
                for model in models:
                    names = [channel.name for channel in catalogue.routes[model]]
                    await fail_over(caller, by_model[model], names)
                for model in models:
                    await fail(caller, by_model[model], failures)

        await asyncio.gather(*(one(models) for models in families(catalogue)))
    rows = [row for model in sorted(by_model) for row in by_model[model]]
    with capsys.disabled():
        print(f"\n{shown(rows)}")

    wrong = [
        f"{row.wish.model.id} {row.wish.channel.name} {row.wish.mode} {name}: {cell}"
        for row in rows
        for name, cell in row.cells.items()
        if (name in {"rest", "grpc", "failover"}) != (cell == OK)
    ]
    assert wrong == []
    assert {gateway.balance(key)["held"] for key in keys} == {"0"}
    assert {row.wish.model.kind for row in rows} >= {Kind.IMAGE, Kind.VIDEO}
