"""Everything in one process: PostgreSQL, core, gRPC, REST; and the demo around it."""

import asyncio
import gc
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack
from ipaddress import ip_address
from pathlib import Path

from grpc import aio

import storage
from core.app import Core, CoreConfig, open_core
from core.engine.catalogue_versions import CatalogueChanged
from core.keyring import open_keyring
from core.local.channel import LocalChannel
from core.local.server import LocalServer
from core.log import Defect, Emit, RouteEnded, Started, defect, emitter, silence_libraries
from core.services.register import reflect
from core.settings import Settings
from gateway import contract
from gateway.banner import banner
from gateway.catalogue import open_catalogue
from gateway.demo import DemoError, SimulatorProcess, demo_keys, write_demo
from gateway.hardening import hide_messages_of_exceptions
from gateway.metrics import metrics_app
from rest_bridge.app import create_app
from rest_bridge.server import HttpServer
from rest_bridge.settings import BridgeSettings, Served
from rest_bridge.settings import Defect as BridgeDefect
from storage.embedded import EmbeddedPostgres, PostgresError
from storage.migrate import MigrationError, migrate
from storage.pool import StorageUnavailable

MIGRATIONS = Path(storage.__file__).parent / "migrations"
GRACE_SECONDS = 5.0
"""Of the ten seconds that a stop may take, what running generations get."""
CALL_GRACE_SECONDS = 1.0
MESSAGE_BYTES = 8 * 1024 * 1024
DEMO_FILE = "demo.json"


class ServeError(Exception):
    """The gateway cannot start; the message says why."""


async def serve(settings: Settings, *, demo: bool) -> int:
    """Serve until a signal; a second one ends at once."""
    if demo and not ip_address(settings.bind).is_loopback:
        raise ServeError("the demo listens on loopback only: unset REAPI_BIND")
    emit = emitter(settings.log_level)
    silence_libraries()
    hide_messages_of_exceptions(emit)
    contract.redact()
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    stopping = _signals()
    try:
        async with AsyncExitStack() as stack:
            core = await _open(settings, stack, emit, demo=demo)
            _settle_memory()
            await stopping.wait()
            await core.begin_shutdown(GRACE_SECONDS, emit)
    except CatalogueChanged as error:
        raise ServeError(f"the catalogue cannot be activated: {error}") from error
    except (PostgresError, MigrationError, StorageUnavailable, DemoError, OSError) as error:
        raise ServeError(str(error) or type(error).__name__) from error
    return 0


async def _open(settings: Settings, stack: AsyncExitStack, emit: Emit, *, demo: bool) -> Core:
    """Open everything in order; the stack closes it in reverse."""
    keyring = open_keyring(settings.secret_file)
    listener = stack.enter_context(_bound(settings.bind, settings.http_port))
    rest_url = f"http://{_host(settings.bind)}:{listener.getsockname()[1]}"
    simulator = SimulatorProcess() if demo else None
    database_url = await _peers(settings, stack, simulator)
    await migrate(database_url, MIGRATIONS)
    catalogue = open_catalogue(settings, simulator.environment if simulator is not None else None)
    for note in catalogue.notes:
        print(f"reapi: {note}", file=sys.stderr)
    config = CoreConfig(
        database_url,
        keyring,
        catalogue,
        _outputs(settings),
        settings.public_url or rest_url,
    )
    core = await stack.enter_async_context(open_core(config, emit))
    emit = core.metrics.emit_to(emit)
    grpc_address = await _serve_grpc(settings, stack, core)
    await _serve_http(listener, stack, core, emit)
    emit(Started("rest", listener.getsockname()[1]))
    if simulator is not None:
        await _announce(settings, core, rest_url, grpc_address, simulator)
    return core


async def _peers(
    settings: Settings, stack: AsyncExitStack, simulator: SimulatorProcess | None
) -> str:
    """Start the embedded PostgreSQL and the simulator side by side; returns the database's URL."""
    postgres = None
    starts = []
    if settings.database_url is None:
        postgres = EmbeddedPostgres(settings.home / "postgres")
        stack.push_async_callback(postgres.stop)
        starts.append(postgres.start())
    if simulator is not None:
        stack.push_async_callback(simulator.stop)
        starts.append(simulator.start())
    await asyncio.gather(*starts)
    if settings.database_url is not None:
        return settings.database_url.reveal()
    assert postgres is not None
    return postgres.url


async def _serve_grpc(settings: Settings, stack: AsyncExitStack, core: Core) -> str:
    """Listen for native gRPC callers; returns the address."""
    options = [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_metadata_size", 16 * 1024),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]
    server = aio.server(interceptors=[core.boundary], options=options)
    core.register(server)
    reflect(server)
    host = _host(settings.bind)
    try:
        port = server.add_insecure_port(f"{host}:{settings.grpc_port}")
    except RuntimeError:
        raise ServeError(
            f"cannot listen on {host} port {settings.grpc_port}: set REAPI_GRPC_PORT"
        ) from None
    await server.start()
    stack.push_async_callback(server.stop, CALL_GRACE_SECONDS)
    return f"{host}:{port}"


async def _serve_http(
    listener: socket.socket, stack: AsyncExitStack, core: Core, emit: Emit
) -> None:
    """Serve REST on the bound socket, through the contract."""
    local = LocalServer(
        [core.boundary],
        message_bytes_max=MESSAGE_BYTES,
        on_unhandled=lambda method, error: emit(defect(method, error)),
    )
    core.register(local)
    stack.push_async_callback(local.stop, CALL_GRACE_SECONDS)

    def report(found: BridgeDefect) -> None:
        emit(Defect(found.endpoint or "rest", found.error_type, "/".join(found.frames)[-96:]))

    def served(request: Served) -> None:
        emit(RouteEnded(request.endpoint, request.status, request.request_id, request.milliseconds))

    app = create_app(
        LocalChannel(local),
        BridgeSettings(report_defect=report, report_route=served),
        {"/metrics": metrics_app(core.metrics, core.admin_token)},
    )
    server = HttpServer(app, "", 0, sock=listener)
    await server.start()
    stack.push_async_callback(server.stop, CALL_GRACE_SECONDS)


async def _announce(
    settings: Settings, core: Core, rest_url: str, grpc_address: str, simulator: SimulatorProcess
) -> None:
    """Write `demo.json`, then print how to begin."""
    file = settings.home / DEMO_FILE
    keys = await demo_keys(core, file)
    write_demo(
        file,
        {
            "rest_url": rest_url,
            "grpc_address": grpc_address,
            "dashboard_url": None,
            "simulator_url": simulator.url,
            "api_key": keys.api_key,
            "poor_api_key": keys.poor_api_key,
            "admin_token": core.admin_token,
        },
    )
    print(banner(rest_url, grpc_address, simulator.url, keys.api_key), flush=True)


def _signals() -> asyncio.Event:
    """Set on the first SIGTERM or SIGINT; the second one ends the process at once."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            os._exit(1)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopping


def _bound(address: str, port: int) -> socket.socket:
    """Take the port first: links to outputs name it."""
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=2048)
    except OSError as error:
        raise ServeError(
            f"cannot listen on {address} port {port} ({error.strerror}): set REAPI_HTTP_PORT"
        ) from None


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _outputs(settings: Settings) -> Path:
    if settings.bucket_url:
        return Path(settings.bucket_url.removeprefix("file://"))
    return settings.home / "outputs"


def _settle_memory() -> None:
    """What is alive now stays alive: the collector need not look at it under load."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
