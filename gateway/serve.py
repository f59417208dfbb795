"""`reapi serve`: PostgreSQL, core, gRPC and REST in one process; and the demo around it."""

import sys
from contextlib import AsyncExitStack
from ipaddress import ip_address

from core.app import Core
from core.local.channel import LocalChannel
from core.local.server import LocalServer
from core.log import Emit, defect
from core.settings import Settings
from gateway.banner import banner
from gateway.demo import SimulatorProcess, demo_keys, write_demo
from gateway.grpc_port import MESSAGE_BYTES, serve_grpc
from gateway.idle_memory import wait_quietly
from gateway.metrics import metrics_app
from gateway.opening import open_configured_core, start_errors
from gateway.process import (
    CALL_GRACE_SECONDS,
    ServeError,
    begin,
    bound,
    hangup,
    settle_memory,
    stop_signal,
    url_of,
)
from gateway.rest import CallerAddress, serve_rest

GRACE_SECONDS = 5.0
"""Of the ten seconds that a stop may take, what running generations get."""
DEMO_FILE = "demo.json"


async def serve(settings: Settings, *, demo: bool) -> int:
    """Serve until a signal; a second one ends at once."""
    if demo and (settings.exposed_grpc or not ip_address(settings.bind).is_loopback):
        raise ServeError("the demo listens on loopback only: unset REAPI_BIND and REAPI_GRPC_BIND")
    if settings.exposed_grpc and settings.grpc_tls is None:
        print(
            f"reapi: gRPC on {settings.exposed_grpc[0]} is in the clear: set REAPI_GRPC_TLS_CERT "
            f"and REAPI_GRPC_TLS_KEY, or REAPI_GRPC_BIND to 127.0.0.1",
            file=sys.stderr,
        )
    emit = begin(settings.log_level)
    stopping = stop_signal()
    with start_errors():
        async with AsyncExitStack() as stack:
            core = await _open(settings, stack, emit, demo=demo)
            if core.reloading is not None:
                hangup(core.reloading.wish)
            settle_memory()
            await wait_quietly(stopping)
            await core.begin_shutdown(GRACE_SECONDS, emit)
    return 0


async def _open(settings: Settings, stack: AsyncExitStack, emit: Emit, *, demo: bool) -> Core:
    """Open everything in order; the stack closes it in reverse."""
    listener = stack.enter_context(bound(settings.bind, settings.http_port))
    rest_url = url_of(listener)
    simulator = SimulatorProcess() if demo else None
    core = await open_configured_core(
        settings, stack, emit, settings.public_url or rest_url, simulator
    )
    emit = core.metrics.emit_to(emit)
    _, addresses = await serve_grpc(settings, stack, core, emit)
    rest = await serve_rest(
        listener,
        LocalChannel(_local_server(core, stack, emit)),
        emit,
        {"/metrics": metrics_app(core.metrics, core.admin_token)},
        CallerAddress(settings.trusted_proxies),
        core.doorman.glance,
    )
    stack.push_async_callback(rest.stop, CALL_GRACE_SECONDS)
    if simulator is not None:
        await simulator.send_webhooks_to(rest_url)
        await _announce(settings, core, rest_url, addresses[0], simulator)
    return core


def _local_server(core: Core, stack: AsyncExitStack, emit: Emit) -> LocalServer:
    """The contract for callers in this process."""
    local = LocalServer(
        [core.boundary],
        message_bytes_max=MESSAGE_BYTES,
        on_unhandled=lambda method, error: emit(defect(method, error)),
    )
    core.register(local)
    stack.push_async_callback(local.stop, CALL_GRACE_SECONDS)
    return local


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
