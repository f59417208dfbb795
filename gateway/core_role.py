"""`reapi core`: the contract over gRPC, for bridges and native callers; no REST.

Its HTTP port answers probes and Prometheus only.
"""

import asyncio
from contextlib import AsyncExitStack

from grpc import aio

from core.app import Core
from core.log import Emit
from core.settings import Settings
from gateway.grpc_port import serve_grpc
from gateway.idle_memory import wait_quietly
from gateway.opening import open_configured_core, start_errors
from gateway.probes import probes_app
from gateway.process import (
    CALL_GRACE_SECONDS,
    begin,
    bound,
    hangup,
    settle_memory,
    stop_signal,
    url_of,
)
from gateway.rest import serve_app

GRACE_SECONDS = 5.0
"""Of the ten seconds that a stop may take, what running generations get."""
_NEVER = 60.0
"""A grace that ends only because the call is repeated with a shorter one."""


async def run_core(settings: Settings) -> int:
    """Serve until a signal; a second one ends at once."""
    emit = begin(settings.log_level)
    stopping = stop_signal()
    with start_errors():
        async with AsyncExitStack() as stack:
            listener = stack.enter_context(bound(settings.bind, settings.http_port))
            core = await open_configured_core(settings, stack, emit, settings.public_url)
            emit = core.metrics.emit_to(emit)
            server, addresses = await serve_grpc(settings, stack, core, emit)
            probes = await serve_app(listener, probes_app(core), emit, "probes")
            stack.push_async_callback(probes.stop, CALL_GRACE_SECONDS)
            _announce(addresses, url_of(listener), is_tls=settings.grpc_tls is not None)
            if core.reloading is not None:
                hangup(core.reloading.wish)
            settle_memory()
            await wait_quietly(stopping)
            await _stop(core, server, emit)
    return 0


async def _stop(core: Core, server: aio.Server, emit: Emit) -> None:
    """Send callers elsewhere at once (GOAWAY), let what runs finish, then cut what is left."""
    stopped = asyncio.create_task(server.stop(_NEVER))
    await core.begin_shutdown(GRACE_SECONDS, emit)
    await server.stop(CALL_GRACE_SECONDS)
    await stopped


def _announce(addresses: list[str], probes_url: str, *, is_tls: bool) -> None:
    kind = "gRPC with TLS" if is_tls else "gRPC"
    print(
        f"reAPI core is ready: {kind} on {', '.join(addresses)}; {probes_url}/metrics", flush=True
    )
