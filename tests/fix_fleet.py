"""A gateway with a model for each way an upstream can break, each on upstreams of its own.

The demo has one model whose first channel stays ejected for half a minute once it was broken.
Here every broken channel has a port, a health and a name of its own, so that no test waits for
another one's ejection: `broken-500` asks `broken-500-0` first and `good` next.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fix_gateway import ROOT, Gateway, running

MODEL_FILE = ROOT / "core" / "catalog" / "models" / "gpt-image-2.toml"
MODEL = "gpt-image-2"
CREDENTIAL = "sk-sim-fleet-0123456789abcdef"
PRICE = 7
"""Credits of one image of a model here, if nothing else is said."""

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "500": {"kind": "status", "status": 500},
    "429": {"kind": "status", "status": 429},
    "401": {"kind": "status", "status": 401},
    "refused": {"kind": "refuse"},
    "reset-before-headers": {"kind": "reset"},
    "reset-in-body": {"kind": "reset", "after": 100},
    "html": {"kind": "garbage"},
    "no-image": {"kind": "empty"},
}
"""Hard faults: the next channel is asked at once."""

TIMED_SAMPLES = 200
"""How often a failover is timed at most. A 401 ejects at once: each time needs a fresh channel."""

STREAM_FAULTS: Mapping[str, Mapping[str, Any]] = {
    "broken-early": {"kind": "reset"},
    "cut": {"kind": "cut", "after": 1},
    "reset": {"kind": "reset", "after": 1, "unit": "events"},
    "error-event": {"kind": "status", "status": 500, "after": 1},
}
"""Faults of a stream: before its first preview, and after it."""

HANGS: Mapping[str, Mapping[str, Any]] = {
    "silent": {"kind": "hang"},
    "silent-in-body": {"kind": "hang", "after": 100},
}
"""Silence: decided by a phase deadline, five seconds in the demo and here."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A model: its upstreams by name, first choice first, and how many channels each serves."""

    name: str
    upstreams: Sequence[str]
    channels: int = 1
    """Channels of the first upstream, one after the other in priority."""
    credits: int = PRICE

    @property
    def channel_names(self) -> list[str]:
        first = [f"{self.name}-{number}" for number in range(self.channels)]
        return first + [f"{self.name}-{upstream}" for upstream in self.upstreams[1:]]

    def toml(self, urls: Mapping[str, str]) -> str:
        """The model and its channels, as a catalogue says it."""
        model = MODEL_FILE.read_text(encoding="utf-8")
        model = model.replace(f"models.{MODEL}", f"models.{self.name}")
        model = model.replace('aliases = ["gpt-image-2-2026-04-21"]\n', "")
        model = model.replace('credits = "7"', f'credits = "{self.credits}"')
        upstreams = [self.upstreams[0]] * self.channels + list(self.upstreams[1:])
        parts = [
            channel_toml(name, self.name, urls[upstream], priority)
            for priority, (name, upstream) in enumerate(
                zip(self.channel_names, upstreams, strict=True)
            )
        ]
        return "\n".join([model, *parts])


def channel_toml(name: str, model: str, url: str, priority: int) -> str:
    """One channel of the demo's kind."""
    return f"""
[channels.{name}]
model = "{model}"
dialect = "openai_images"
upstream_model = "{MODEL}"
base_url = "{url}/v1"
credential = {{ env = "FLEET_KEY" }}
priority = {priority}
bills_on_cancel = true
maximum_in_flight = 4000
deadlines = {{ connect = 1, first_byte = 5, idle = 5, total = 60 }}
"""


@dataclass(frozen=True, slots=True)
class Upstreams:
    """A simulator of our own, in a process of its own."""

    url: str
    base_urls: Mapping[str, str]
    control: httpx.Client = field(repr=False)
    stripe_url: str = ""
    """Of the simulated Stripe, if it was asked for."""

    def fault(self, upstream: str, **fault: Any) -> None:
        """Break one."""
        self.control.put(f"/_faults/{upstream}", json=fault).raise_for_status()

    def heal(self, upstream: str = "") -> None:
        """Heal one, or all."""
        self.control.delete(f"/_faults/{upstream}".rstrip("/")).raise_for_status()

    def settings(self, **knobs: Any) -> None:
        self.control.put("/_settings", json=knobs).raise_for_status()

    def calls(self, upstream: str) -> int:
        """How many calls it has received."""
        counts: dict[str, int] = self.control.get("/_calls/count").json()["channels"]
        return counts[upstream]


@dataclass(frozen=True, slots=True)
class Fleet:
    """A gateway in front of upstreams of ours."""

    gateway: Gateway
    upstreams: Upstreams


def specs() -> list[Spec]:
    """Every model of the fleet."""
    chained = {"401": TIMED_SAMPLES, "429": TIMED_SAMPLES}
    return [
        *(Spec(f"one-{name}", (f"one-{name}", "good")) for name in {**FAULTS, **HANGS}),
        *(
            Spec(f"{family}-{name}", (f"{family}-{name}", "good"))
            for family in ("many", "hundreds-one", "hundreds-many", "healed")
            for name in FAULTS
        ),
        *(Spec(name, (name, "good")) for name in ("ejected", "ejected-often", "all-kinds")),
        *(
            Spec(f"timed-{name}", (f"timed-{name}", "good"), chained.get(name, 1))
            for name in FAULTS
        ),
        *(Spec(f"stream-{name}", (f"stream-{name}", "good")) for name in STREAM_FAULTS),
        Spec("healthy", ("good",)),
        Spec("hundred", ("good",), credits=100),
    ]


def upstream_names(models: Sequence[Spec]) -> list[str]:
    """The upstreams of *models*, each once."""
    return list(dict.fromkeys(name for model in models for name in model.upstreams))


def running_upstreams(names: Sequence[str], *options: str) -> Iterator[Upstreams]:
    """Start a simulator with these channels, and end it."""
    arguments = [*(f"--channel={name}={CREDENTIAL}" for name in names), *options]
    with subprocess.Popen(
        [sys.executable, "-m", "simulator", "--until-stdin-closes", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            base_urls = {item["name"]: item["base_url"] for item in ready["channels"]}
            with httpx.Client(base_url=ready["simulator_url"], timeout=20) as control:
                stripe_url = ready["stripe_url"] or ""
                upstreams = Upstreams(ready["simulator_url"], base_urls, control, stripe_url)
                upstreams.settings(image="tiny")
                yield upstreams
        finally:
            process.terminate()


def running_fleet(folder: Path, models: Sequence[Spec], **environment: str) -> Iterator[Fleet]:
    """A gateway that serves *models* besides the demo's, and their upstreams."""
    for upstreams in running_upstreams(upstream_names(models)):
        overlay = folder / "fleet.toml"
        text = "\n".join(model.toml(upstreams.base_urls) for model in models)
        overlay.write_text(text, encoding="utf-8")
        with running(
            folder / "home", REAPI_CATALOGUE=str(overlay), FLEET_KEY=CREDENTIAL, **environment
        ) as gateway:
            gateway.settings(image="tiny")
            yield Fleet(gateway, upstreams)


@pytest.fixture(scope="session")
def shared_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One fleet for every test that leaves nothing behind but rows and ejected channels."""
    for fleet in running_fleet(tmp_path_factory.mktemp("fleet"), specs()):
        yield fleet
        assert fleet.gateway.stop() == 0
        assert "Traceback" not in fleet.gateway.log


@pytest.fixture
def fleet(shared_fleet: Fleet) -> Iterator[Fleet]:
    """The shared fleet with every upstream well."""
    yield shared_fleet
    shared_fleet.upstreams.heal()
    shared_fleet.upstreams.settings(image="tiny", latency_ms=0, partial_interval_ms=0)
