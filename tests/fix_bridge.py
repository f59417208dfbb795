"""A bridge in front of a scripted core, over a real gRPC channel and over the local one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
import httpx
import pytest
from openai import AsyncOpenAI

from core.local.channel import LocalChannel
from core.local.server import LocalServer
from rest_bridge.app import create_app
from rest_bridge.asgi import ASGIApp
from rest_bridge.server import HttpLimits, HttpServer
from rest_bridge.settings import BridgeSettings, Defect
from tests.bridge.scripted_core import GOOD_KEY, WAIT, FakeCore, add_to
from tests.bridge.wire import Wire


@asynccontextmanager
async def grpc_channel(fake_core: FakeCore) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to *core* over a socket."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    add_to(server, fake_core)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


@asynccontextmanager
async def local_channel(fake_core: FakeCore) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to *core* in process; shared objects that change are told."""
    surprises: list[BaseException] = []
    server = LocalServer(isolation="checked", on_unhandled=lambda _, error: surprises.append(error))
    add_to(server, fake_core)
    async with LocalChannel(server) as channel:
        yield channel
    await server.stop(None)
    # A method that the scripted core does not have raises this after setting UNIMPLEMENTED.
    assert [error for error in surprises if not isinstance(error, NotImplementedError)] == []


CHANNELS = {"grpc": grpc_channel, "local": local_channel}


@pytest.fixture
def fake_core() -> FakeCore:
    return FakeCore()


@pytest.fixture(params=list(CHANNELS))
async def core_channel(
    request: pytest.FixtureRequest, fake_core: FakeCore
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the scripted core; every test runs over each kind."""
    async with CHANNELS[request.param](fake_core) as channel:
        yield channel


@dataclass
class Bridge:
    """A bridge that listens, with the means to talk to it."""

    url: str
    port: int
    server: HttpServer
    http: httpx.AsyncClient
    defects: list[Defect]

    @property
    def openai(self) -> AsyncOpenAI:
        return AsyncOpenAI(
            api_key=GOOD_KEY, base_url=f"{self.url}/v1", http_client=self.http, max_retries=0
        )


StartBridge = Callable[..., Awaitable[Bridge]]


@pytest.fixture
async def start_bridge(core_channel: grpc.aio.Channel) -> AsyncIterator[StartBridge]:
    """Start bridges with settings and limits of one's own."""
    running: list[Bridge] = []

    async def start(
        limits: HttpLimits | None = None,
        extra: dict[str, ASGIApp] | None = None,
        **settings: float,
    ) -> Bridge:
        defects: list[Defect] = []
        given = BridgeSettings(report_defect=defects.append, **settings)
        app = create_app(core_channel, given, extra or {})
        quick = limits or HttpLimits(drain_idle_seconds=0.0)
        server = HttpServer(app, "127.0.0.1", 0, quick, early=app.early)
        await server.start()
        url = f"http://127.0.0.1:{server.port}"
        http = httpx.AsyncClient(
            base_url=url,
            headers={"authorization": f"Bearer {GOOD_KEY}"},
            timeout=WAIT,
            trust_env=False,
            verify=False,  # loopback without TLS; reading the trust store would take its time
        )
        bridge = Bridge(url, server.port, server, http, defects)
        running.append(bridge)
        return bridge

    yield start
    for bridge in running:
        await bridge.http.aclose()
        await bridge.server.stop(grace=1.0)
        assert bridge.server.connection_count == 0


@pytest.fixture
async def bridge(start_bridge: StartBridge) -> Bridge:
    """A bridge with the default settings."""
    return await start_bridge()


@pytest.fixture
async def dial() -> AsyncIterator[Callable[[int], Awaitable[Wire]]]:
    """Open raw connections."""
    wires: list[Wire] = []

    async def connect(port: int) -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
        wires.append(wire)
        return wire

    yield connect
    for wire in wires:
        wire.close()
