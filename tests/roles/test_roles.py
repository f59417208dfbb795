"""`reapi core` and `reapi bridge` as separate processes over real gRPC."""

import asyncio
import base64
import json
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from core.keyring import admin_token, open_keyring
from gateway.proof.processes import descendants
from tests.fix_fleet import CREDENTIAL, Upstreams, running_upstreams
from tests.fix_gateway import eventually
from tests.patience import wait_until
from tests.processes import is_alive
from tests.role_processes import Role, launch, running_role
from tests.traffic import traffic

pytestmark = pytest.mark.prove

certificates = pytest.importorskip(
    "tests.certificates", reason="makes certificates", exc_type=ImportError
)

PNG = b"\x89PNG\r\n\x1a\n"
NAME = "core.test"
STOP_SECONDS = 10
RECOVERY_SECONDS = 15
SLOW_MS = 1_500
IMAGE = {"model": "gpt-image-2", "prompt": "a lighthouse"}


@pytest.fixture(scope="module")
def upstreams() -> Iterator[Upstreams]:
    yield from running_upstreams(["openai"])


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return certificates.Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """Another authority that calls itself the same."""
    return certificates.Authority(tmp_path_factory.mktemp("stranger"))


@dataclass
class House:
    """A core and bridges on one machine, and the way between them."""

    folder: Path
    sockets: Path
    of_core: dict[str, str] = field(repr=False)
    """The environment of core."""
    of_bridge: dict[str, str]
    stack: ExitStack = field(repr=False)

    def start_core(self, public_url: str = "http://127.0.0.1:1") -> Role:
        return self.stack.enter_context(
            running_role("core", self.folder, **{"REAPI_PUBLIC_URL": public_url, **self.of_core})
        )

    def start_bridge(self, **changed: str) -> tuple[Role, httpx.Client]:
        bridge = self.stack.enter_context(
            running_role("bridge", self.folder, **{**self.of_bridge, **changed})
        )
        url = f"http://127.0.0.1:{bridge.port('rest')}"
        client = httpx.Client(base_url=url, timeout=30, trust_env=False)
        return bridge, self.stack.enter_context(client)

    def customer(self, rest: httpx.Client) -> str:
        """The key of a new account with 1,000 credits."""
        keyring = open_keyring(Path(self.of_core["REAPI_HOME"]) / "secrets.json")
        operator = {"authorization": f"Bearer {admin_token(keyring)}"}
        made = rest.post("/api/v1/admin/accounts", json={"name": "test"}, headers=operator).json()
        granted = rest.post(
            f"/api/v1/admin/accounts/{made['id']}:grant",
            json={"credits": "1000", "request_id": "first"},
            headers=operator,
        )
        assert granted.status_code == 200, granted.text
        return str(made["api_key"])


@pytest.fixture
def build(tmp_path, database_url, upstreams, authority) -> Iterator[Callable[[str], House]]:
    """Prepare a house whose core listens on TCP with `tls`, or on a `unix` socket."""
    upstreams.heal()
    upstreams.settings(image="tiny", latency_ms=0)
    overlay = tmp_path / "upstream.toml"
    base_url = f"{upstreams.base_urls['openai']}/v1"
    overlay.write_text(f'[channels.openai]\nbase_url = "{base_url}"\n', encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="reapi-") as sockets, ExitStack() as stack:
        common = {
            "REAPI_HOME": str(tmp_path / "home"),
            "REAPI_DATABASE_URL": database_url,
            "REAPI_CATALOGUE": str(overlay),
            "OPENAI_API_KEY": CREDENTIAL,
        }

        def house(way: str) -> House:
            of_core, of_bridge = ways(way, Path(sockets), authority)
            return House(tmp_path, Path(sockets), {**common, **of_core}, of_bridge, stack)

        yield house


def ways(way, sockets, authority) -> tuple[dict[str, str], dict[str, str]]:
    """What core and bridge must be told to meet."""
    if way == "unix":
        address = f"unix:{sockets}/run/core.sock"
        return {"REAPI_GRPC_BIND": address}, {"REAPI_CORE": address}
    port, pair = free_port(), authority.issue(NAME)
    of_core = {
        "REAPI_GRPC_PORT": str(port),
        "REAPI_GRPC_TLS_CERT": str(pair.certificate),
        "REAPI_GRPC_TLS_KEY": str(pair.key),
    }
    of_bridge = {
        "REAPI_CORE": f"127.0.0.1:{port}",
        "REAPI_CORE_TLS_CA": str(authority.file),
        "REAPI_CORE_TLS_NAME": NAME,
    }
    return of_core, of_bridge


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def ready_within(rest: httpx.Client, seconds: float) -> float:
    """Wait until /readyz says so; seconds that took."""
    return wait_until(lambda: rest.get("/readyz").status_code == 200, seconds)


@pytest.mark.parametrize("way", ["tls", "unix"])
def test_an_image_is_made_and_read_through_a_bridge_and_its_core(build, way):
    house = build(way)
    _, rest = house.start_bridge()
    assert rest.get("/healthz").status_code == 200
    assert rest.get("/readyz").status_code == 503
    core = house.start_core(public_url=str(rest.base_url).rstrip("/"))
    ready_within(rest, RECOVERY_SECONDS)
    key = house.customer(rest)

    inline = rest.post("/v1/images/generations", json=IMAGE, headers=bearer(key)).json()
    linked = rest.post(
        "/v1/images/generations", json={**IMAGE, "response_format": "url"}, headers=bearer(key)
    ).json()
    link = linked["data"][0]["url"]
    image = httpx.get(link).content
    piece = httpx.get(link, headers={"range": "bytes=1-3"})

    assert base64.b64decode(inline["data"][0]["b64_json"]).startswith(PNG)
    assert link.startswith(str(rest.base_url))
    assert image.startswith(PNG)
    assert (piece.status_code, piece.content) == (206, b"PNG")
    assert rest.get("/api/v1/balance", headers=bearer(key)).json()["credits"] == "986"
    assert 'route="/v1/images/generations",status="200"' in rest.get("/metrics").text
    probes = f"http://127.0.0.1:{core.port('probes')}"
    assert httpx.get(f"{probes}/readyz").status_code == 200
    assert 'reapi_generations_total{channel="openai"' in httpx.get(f"{probes}/metrics").text
    assert httpx.get(f"{probes}/v1/models").status_code == 404


@pytest.mark.parametrize("way", ["tls", "unix"])
async def test_a_bridge_survives_a_core_that_is_killed_and_started_again(build, upstreams, way):
    house = build(way)
    bridge, rest = house.start_bridge()
    core = house.start_core()
    ready_within(rest, RECOVERY_SECONDS)
    key = house.customer(rest)
    upstreams.settings(image="tiny", latency_ms=SLOW_MS)
    before = upstreams.calls("openai")
    await eventually(lambda: len(bridge.events("CoreReached")) == 1)

    async with traffic(str(rest.base_url).rstrip("/"), key) as client:
        running = asyncio.create_task(client.generate())
        await eventually(lambda: upstreams.calls("openai") > before)
        core.kill()
        lost = await running
        upstreams.settings(image="tiny", latency_ms=0)
        away = [await client.generate() for _ in range(3)]
        starting = launch("core", house.folder, {"REAPI_PUBLIC_URL": "http://x", **house.of_core})
        house.stack.callback(starting.kill)
        meanwhile = [away[0]]
        async with asyncio.timeout(RECOVERY_SECONDS):
            while meanwhile[-1].status != 200:
                await asyncio.sleep(0.05)
                meanwhile.append(await client.generate())

    refused = [lost, *away, *meanwhile[:-1]]
    assert {reply.status for reply in refused} == {503}
    assert all(reply.headers["retry-after"] == "1" for reply in refused)
    assert meanwhile[-1].has_images
    await eventually(lambda: len(bridge.events("CoreReached")) == 2)
    assert "Traceback" not in bridge.log
    starting.stop()


@pytest.mark.parametrize(
    ("changed", "reason", "variable"),
    [
        ("CA", "certificate_not_trusted", "REAPI_CORE_TLS_CA"),
        ("NAME", "certificate_of_another_name", "REAPI_CORE_TLS_NAME"),
        ("", "closed_at_once", "REAPI_CORE_TLS_CA"),
    ],
)
def test_a_core_that_cannot_prove_who_it_is_gets_no_request(
    build, stranger, changed, reason, variable
):
    house = build("tls")
    core = house.start_core()
    wrong = {"CA": str(stranger.file), "NAME": "other.test"}
    changes = {f"REAPI_CORE_TLS_{changed}": wrong[changed]} if changed else {}
    if not changed:
        house.of_bridge = {"REAPI_CORE": house.of_bridge["REAPI_CORE"]}

    bridge, rest = house.start_bridge(**changes)
    answer = rest.post("/v1/images/generations", json=IMAGE, headers=bearer("rk_live_x"))

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert rest.get("/readyz").status_code == 503
    told = bridge.events("CoreUnreachable")[-1]
    assert (told["reason"], told["variable"]) == (reason, variable)
    metrics = httpx.get(f"http://127.0.0.1:{core.port('probes')}/metrics").text
    assert "GenerationService" not in metrics


async def test_a_core_that_is_stopped_finishes_what_runs(build, upstreams):
    house = build("unix")
    _, rest = house.start_bridge()
    core = house.start_core()
    ready_within(rest, RECOVERY_SECONDS)
    key = house.customer(rest)
    upstreams.settings(image="tiny", latency_ms=SLOW_MS)
    before = upstreams.calls("openai")
    processes = {core.process.pid, *descendants(core.process.pid)}

    async with traffic(str(rest.base_url).rstrip("/"), key) as client:
        running = asyncio.create_task(client.generate())
        await eventually(lambda: upstreams.calls("openai") > before)
        begin = time.monotonic()
        core.ask_to_stop()
        await eventually(lambda: core.events("Stopping") != [])
        late = await client.generate()
        finished = await running
        code = await asyncio.to_thread(core.process.wait, STOP_SECONDS)

    assert finished.has_images
    assert (late.status, late.headers["retry-after"]) == (503, "1")
    assert (code, time.monotonic() - begin < STOP_SECONDS) == (0, True)
    assert not [pid for pid in processes if is_alive(pid)]
    assert not [*house.sockets.rglob("*.sock")]


async def test_a_bridge_that_is_stopped_finishes_what_runs(build, upstreams):
    house = build("unix")
    bridge, rest = house.start_bridge()
    house.start_core()
    ready_within(rest, RECOVERY_SECONDS)
    key = house.customer(rest)
    upstreams.settings(image="tiny", latency_ms=SLOW_MS)
    before = upstreams.calls("openai")

    async with traffic(str(rest.base_url).rstrip("/"), key) as client:
        running = asyncio.create_task(client.generate())
        await eventually(lambda: upstreams.calls("openai") > before)
        begin = time.monotonic()
        bridge.ask_to_stop()
        finished = await running
        code = await asyncio.to_thread(bridge.process.wait, STOP_SECONDS)

    assert finished.has_images
    assert (code, time.monotonic() - begin < STOP_SECONDS) == (0, True)
    assert not descendants(bridge.process.pid)


def test_the_socket_is_its_owners_alone_and_one_core_has_it(build):
    house = build("unix")
    house.start_core()
    file = house.sockets / "run" / "core.sock"

    second = launch("core", house.folder, {"REAPI_PUBLIC_URL": "http://x", **house.of_core})
    code = second.process.wait(RECOVERY_SECONDS)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert code == 1
    assert "REAPI_GRPC_BIND" in second.log
    assert file.is_socket()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_bridge_that_has_served_knows_no_secret(build):
    house = build("unix")
    bridge, rest = house.start_bridge()
    house.start_core()
    ready_within(rest, RECOVERY_SECONDS)
    key = house.customer(rest)
    assert rest.post("/v1/images/generations", json=IMAGE, headers=bearer(key)).status_code == 200
    secret_file = json.loads((Path(house.of_core["REAPI_HOME"]) / "secrets.json").read_text())

    memory = contents(bridge.process.pid)

    assert b"gpt-image-2" in memory  # it is the memory of the process that served
    for secret in secret_file["keys"]:
        assert secret.encode() not in memory
        assert base64.b64decode(secret) not in memory
    assert CREDENTIAL.encode() not in memory
    assert house.of_core["REAPI_DATABASE_URL"].encode() not in memory
    assert b"psycopg" not in Path(f"/proc/{bridge.process.pid}/maps").read_bytes()


def contents(pid: int) -> bytes:
    """All that the process can write to."""
    found = bytearray()
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                span, mode = line.split()[:2]
                begin, end = (int(part, 16) for part in span.split("-"))
                if mode.startswith("rw"):
                    memory.seek(begin)
                    found += memory.read(end - begin)
    except PermissionError:
        pytest.skip("only root may look into a process that is not dumpable")
    return bytes(found)
