"""The whole gateway as its users meet it: a process of its own, spoken to over sockets."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.embedded_database import connected_to
from tests.patience import wait_until
from tests.role_processes import running_role

ROOT = Path(__file__).parent.parent
START_SECONDS = 60
EMBEDDED = ROOT / "core" / "catalog" / "embedded"
QUICK_POLL_SECONDS = 0.1
QUICK_JOBS = {"queue_ms": 50, "run_ms": 200}


@dataclass
class Gateway:
    """A running `reapi serve --demo`."""

    home: Path
    process: subprocess.Popen[bytes]
    demo: dict[str, str]
    environment: dict[str, str] = field(repr=False, default_factory=dict)

    @property
    def rest(self) -> str:
        return self.demo["rest_url"]

    @property
    def v1(self) -> str:
        return f"{self.rest}/v1"

    @property
    def key(self) -> str:
        return self.demo["api_key"]

    @property
    def log(self) -> str:
        return (self.home / "stderr.log").read_text(errors="replace")

    def headers(self, key: str = "") -> dict[str, str]:
        return {"authorization": f"Bearer {key or self.key}"}

    def account(self, credits_: str = "0") -> tuple[str, str]:
        """A new account with credits: its id and its key."""
        admin = self.headers(self.demo["admin_token"])
        with httpx.Client(base_url=self.rest, headers=admin, timeout=20) as client:
            made = client.post("/api/v1/admin/accounts", json={"name": "test"}).json()
            if credits_ != "0":
                answer = client.post(
                    f"/api/v1/admin/accounts/{made['id']}:grant",
                    json={"credits": credits_, "request_id": "first"},
                )
                assert answer.status_code == 200, answer.text
        return made["id"], made["api_key"]

    def balance(self, key: str) -> dict[str, str]:
        url = f"{self.rest}/api/v1/balance"
        found: dict[str, str] = httpx.get(url, headers=self.headers(key), timeout=20).json()
        return found

    def fault(self, channel: str, **fault: Any) -> None:
        answer = httpx.put(f"{self.demo['simulator_url']}/_faults/{channel}", json=fault)
        assert answer.status_code < 300, answer.text

    def heal(self) -> None:
        httpx.delete(f"{self.demo['simulator_url']}/_faults").raise_for_status()

    def settings(self, **knobs: Any) -> None:
        answer = httpx.put(f"{self.demo['simulator_url']}/_settings", json=knobs)
        assert answer.status_code < 300, answer.text

    def settings_of(self, channel: str, **knobs: Any) -> None:
        answer = httpx.put(f"{self.demo['simulator_url']}/_settings/{channel}", json=knobs)
        assert answer.status_code < 300, answer.text

    def calls(self) -> dict[str, int]:
        """How many calls each channel of the demo has received."""
        answer = httpx.get(f"{self.demo['simulator_url']}/_calls/count").json()
        counts: dict[str, int] = answer["channels"]
        return counts

    def database(self, name: str = "reapi") -> psycopg.Connection[Any]:
        """A connection of our own to the embedded database; `postgres` is the superuser's."""
        return connected_to(self.home / "postgres", name)

    def kill(self) -> None:
        """What a power cut does to the process."""
        self.process.kill()
        self.process.wait(20)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def start(home: Path, program: Sequence[str] = ("-m", "gateway"), **environment: str) -> Gateway:
    """Start on free ports and wait until it is ready."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "demo.json.ready").unlink(missing_ok=True)
    keep = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ
    }
    env = {
        **keep,
        "REAPI_HOME": str(home),
        "REAPI_HTTP_PORT": "0",
        "REAPI_GRPC_PORT": "0",
        **environment,
    }
    before = _stamp(home)
    with (home / "stderr.log").open("ab") as log, (home / "stdout.log").open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, *program, "serve", "--demo"],
            cwd=ROOT,
            env=env,
            stdout=out,
            stderr=log,
        )
    try:
        wait_until(lambda: process.poll() is not None or _stamp(home) != before, START_SECONDS)
        assert process.poll() is None
    except AssertionError:
        process.kill()
        words = (home / "stderr.log").read_text()[-2000:]
        raise RuntimeError(f"the gateway did not start: {words}") from None
    demo = json.loads((home / "demo.json").read_text())
    return Gateway(home, process, demo, environment)


def _stamp(home: Path) -> int:
    try:
        return (home / "demo.json").stat().st_mtime_ns
    except FileNotFoundError:
        return 0


@contextmanager
def running(
    home: Path, program: Sequence[str] = ("-m", "gateway"), **environment: str
) -> Iterator[Gateway]:
    gateway = start(home, program, **environment)
    try:
        yield gateway
    finally:
        if gateway.process.poll() is None:
            gateway.process.kill()
            gateway.process.wait(20)


def quick_polls(folder: Path) -> Path:
    """A catalogue file that looks at the demo's jobs more often: most of a job is waiting."""
    names = [
        name
        for file in EMBEDDED.glob("*.toml")
        for name, fields in tomllib.loads(file.read_text()).get("channels", {}).items()
        if "poll_seconds" in fields
    ]
    path = folder / "quick-polls.toml"
    tables = [f"[channels.{name}]\npoll_seconds = {QUICK_POLL_SECONDS}\n" for name in names]
    path.write_text("\n".join(tables))
    return path


@pytest.fixture(scope="session")
def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for the tests that leave nothing behind but rows."""
    with (
        tempfile.TemporaryDirectory(prefix="reapi-") as folder,  # short: a socket's path is limited
        running(
            tmp_path_factory.mktemp("gateway"),
            REAPI_GRPC_BIND=f"127.0.0.1,unix:{folder}/core.sock",
            REAPI_CATALOGUE=str(quick_polls(Path(folder))),
        ) as gateway,
    ):
        gateway.settings(image="tiny", **QUICK_JOBS)
        yield gateway
        assert gateway.stop() == 0
        assert "Traceback" not in gateway.log


@pytest.fixture
def gateway(healthy_gateway: Gateway) -> Gateway:
    """The gateway through its own bridge."""
    return healthy_gateway


@pytest.fixture
def healthy_gateway(shared_gateway: Gateway) -> Iterator[Gateway]:
    """The shared gateway, without faults at the start of every test."""
    yield shared_gateway
    shared_gateway.heal()
    shared_gateway.settings(image="tiny", latency_ms=0, **QUICK_JOBS)


@pytest.fixture(scope="session")
def tcp_bridge(
    shared_gateway: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """The gateway through a bridge of its own process, over TCP."""
    yield from _through_bridge(shared_gateway, "tcp", tmp_path_factory.mktemp("tcp-bridge"))


@pytest.fixture(scope="session")
def unix_bridge(
    shared_gateway: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """The gateway through a bridge of its own process, over a Unix socket."""
    yield from _through_bridge(shared_gateway, "unix", tmp_path_factory.mktemp("unix-bridge"))


def _through_bridge(gateway: Gateway, way: str, folder: Path) -> Iterator[Gateway]:
    binds = gateway.environment["REAPI_GRPC_BIND"].split(",")
    core = gateway.demo["grpc_address"] if way == "tcp" else binds[1]
    with running_role("bridge", folder, REAPI_CORE=core) as bridge:
        url = f"http://127.0.0.1:{bridge.port('rest')}"
        yield replace(gateway, demo={**gateway.demo, "rest_url": url})
        assert bridge.stop() == 0
        assert "Traceback" not in bridge.log


@pytest.fixture(params=["local", "tcp", "unix"])
def fronted(request: pytest.FixtureRequest, healthy_gateway: Gateway) -> Gateway:
    """The gateway through its own bridge, and through others over real gRPC."""
    if request.param == "local":
        return healthy_gateway
    through: Gateway = request.getfixturevalue(f"{request.param}_bridge")
    return through


async def eventually(check: Any, seconds: float = 10.0) -> None:
    """Wait until *check()* is true."""
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.02)


async def stream_of(response: httpx.Response) -> AsyncIterator[str]:
    async for line in response.aiter_lines():
        yield line
