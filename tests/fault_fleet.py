"""A gateway in front of upstreams of which each suffers one fault of the matrix.

For every cell: a model, an upstream, and so many channels of it that every request can have one
of its own, none of which was ejected by the request before. Second comes, for all cells of a
kind, the channel of one good upstream, which also gives the healthy baseline.
"""

import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fault_cells import ACKNOWLEDGE, CONNECT, FIRST_BYTE, IDLE, KINDS, SLA, TOTAL, Cell
from tests.fault_cells import Outcome as Out
from tests.fix_fleet import CREDENTIAL, Upstreams, running_upstreams
from tests.fix_gateway import ROOT, Gateway, running

MODELS = {
    "image": "gpt-image-2",
    "stream": "gpt-image-2",
    "video": "seedance-2.0",
    "speech": "gpt-4o-mini-tts",
}
DIALECTS = {
    "image": ("openai_images", "gpt-image-2", "/v1"),
    "stream": ("openai_images", "gpt-image-2", "/v1"),
    "video": ("ark_videos", "dreamina-seedance-2-0-260128", "/api/v3"),
    "speech": ("openai_speech", "gpt-4o-mini-tts", "/v1"),
}
DEAD = "three-dead"
WELL = "three-well"
THREE = 3
UPSTREAM_MS = 200
"""How long the upstreams of those two take: a request that lasts, as all do in earnest."""
_VIDEO = """
resubmit = "reconcile_first"
maximum_count = 1
unsupported = ["return_last_frame"]
media_hosts = ["127.0.0.1"]
poll_seconds = 0.1
job_seconds = {sla}
sla_seconds = {sla}
"""


@dataclass(frozen=True)
class Matrix:
    """The gateway and its upstreams."""

    gateway: Gateway
    upstreams: Upstreams

    def calls(self, upstream: str, limit: int) -> list[dict[str, Any]]:
        """What an upstream was asked last, oldest first; milliseconds of one clock."""
        answer = self.upstreams.control.get(f"/_calls?channel={upstream}&limit={limit}")
        found: list[dict[str, Any]] = answer.json()["calls"]
        return found


def good(kind: str) -> str:
    """The good upstream of a kind."""
    return f"good-{kind}"


def channel(cell: Cell, number: int) -> str:
    """The first channel of request *number*."""
    return f"{cell.name}-{number}"


def second(cell: Cell) -> str:
    """The second channel of a cell."""
    return f"{cell.name}-second"


@contextmanager
def running_matrix(
    folder: Path, cells: Sequence[Cell], requests: Callable[[Cell], int]
) -> Iterator[Matrix]:
    """Start all of it, every fault set. *requests* says how many a cell will get."""
    names = [_simulated(kind, good(kind)) for kind in KINDS]
    names += [_simulated(cell.kind, cell.name) for cell in cells if cell.fault is not None]
    names += [f"{name}-{number}" for name in (DEAD, WELL) for number in range(THREE)]
    with _nobody() as nowhere:
        for upstreams in running_upstreams(names):
            upstreams.settings(image="tiny", queue_ms=0, run_ms=50)
            for cell in cells:
                if cell.fault is not None:
                    upstreams.fault(cell.name, **cell.fault)
            urls = {**dict.fromkeys((cell.name for cell in cells), nowhere), **upstreams.base_urls}
            overlay = _overlay(folder, cells, urls, requests)
            for name in (DEAD, WELL):
                for number in range(THREE):
                    upstreams.control.put(
                        f"/_settings/{name}-{number}", json={"latency_ms": UPSTREAM_MS}
                    ).raise_for_status()
            with running(folder / "home", REAPI_CATALOGUE=overlay, FLEET_KEY=CREDENTIAL) as gateway:
                yield Matrix(gateway, upstreams)


def _overlay(
    folder: Path, cells: Sequence[Cell], urls: dict[str, str], requests: Callable[[Cell], int]
) -> str:
    """The catalogue, a file for each kind: one file may not be as large as all."""
    texts = {
        kind: [_cell_toml(cell, urls, requests(cell)) for cell in cells if cell.kind == kind]
        for kind in KINDS
    }
    texts["three"] = [_three_toml(name, urls) for name in (DEAD, WELL)]
    files = []
    for name, parts in texts.items():
        files.append(folder / f"{name}.toml")
        files[-1].write_text("\n".join(parts), encoding="utf-8")
    return os.pathsep.join(map(str, files))


@contextmanager
def _nobody() -> Iterator[str]:
    """The URL of a port whose queue is full: connections are neither accepted nor refused."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        try:
            for _ in range(4):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
                waiting.append(one)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for one in waiting:
                one.close()


def _simulated(kind: str, name: str) -> str:
    return f"{name}@ark" if kind == "video" else name


def _cell_toml(cell: Cell, urls: dict[str, str], requests: int) -> str:
    firsts = [
        _channel_toml(cell, channel(cell, number), urls[cell.name], 0) for number in range(requests)
    ]
    return "\n".join(
        [
            _model_toml(cell.kind, cell.name),
            *firsts,
            _channel_toml(cell, second(cell), urls[good(cell.kind)], 1),
        ]
    )


def _three_toml(name: str, urls: dict[str, str]) -> str:
    """A model with three channels of one rank, each with an upstream of its own."""
    cell = Cell(name, "image", Out.ANOTHER, None)
    channels = [
        _channel_toml(cell, f"{name}-{number}", urls[f"{name}-{number}"], 0, model=name)
        for number in range(THREE)
    ]
    return "\n".join([_model_toml("image", name), *channels])


def _model_toml(kind: str, name: str) -> str:
    model = MODELS[kind]
    path = ROOT / "core" / "catalog" / "models" / f"{model}.toml"
    lines = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.startswith("aliases = ")
    ]
    text = "\n".join(lines)
    for written in (f"models.{json.dumps(model)}", f"models.{model}"):
        text = text.replace(written, f"models.{name}")
    return text


def _channel_toml(cell: Cell, name: str, url: str, priority: int, model: str = "") -> str:
    dialect, upstream_model, path = DIALECTS[cell.kind]
    sla = SLA if cell.outcome is Out.GIVEN_UP else 120
    return f"""
[channels.{name}]
model = "{model or cell.name}"
dialect = "{dialect}"
upstream_model = "{upstream_model}"
base_url = "{url}{path}"
credential = {{ env = "FLEET_KEY" }}
priority = {priority}
maximum_in_flight = 4000
deadlines = {{ connect = {CONNECT}, acknowledge = {ACKNOWLEDGE}, first_byte = {FIRST_BYTE}, \
idle = {IDLE}, total = {TOTAL} }}
{_VIDEO.format(sla=sla) if cell.kind == "video" else ""}"""
