"""Core's gRPC server: TCP with TLS, TCP on loopback, Unix sockets, or several of them."""

from contextlib import AsyncExitStack
from pathlib import Path

import grpc
from grpc import aio

from core.app import Core
from core.log import Emit, Started
from core.services.register import reflect
from core.settings import Settings
from gateway import socket_file
from gateway.process import CALL_GRACE_SECONDS, ServeError, in_url
from gateway.tls import server_credentials

MESSAGE_BYTES = 8 * 1024 * 1024
METADATA_BYTES = 16 * 1024

_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_metadata_size", METADATA_BYTES),
    # A peer that vanished without a word is noticed, and its calls are cancelled.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # Clients come back by themselves, and meet the cores that were added meanwhile. The grace
    # is for calls: more than the longest stream of a bridge.
    ("grpc.max_connection_age_ms", 600_000),
    ("grpc.max_connection_age_grace_ms", 3_700_000),
)


async def serve_grpc(
    settings: Settings, stack: AsyncExitStack, core: Core, emit: Emit
) -> tuple[aio.Server, list[str]]:
    """Listen for gRPC callers until *stack* closes; returns the server and its addresses.

    An address is what a client dials: `host:port` or `unix:/path`. Raises ServeError.
    """
    server = aio.server(interceptors=[core.boundary], options=_OPTIONS)
    core.register(server)
    reflect(server)
    credentials = server_credentials(settings.grpc_tls) if settings.grpc_tls is not None else None
    port = settings.grpc_port
    addresses = []
    for bind in settings.grpc_binds:
        if isinstance(bind, Path):
            addresses.append(_listen_on_socket(server, bind, stack))
            continue
        # A free port that was picked for the first address is that of the others too.
        port = _listen_on_port(server, bind, port, credentials)
        addresses.append(f"{in_url(bind)}:{port}")
    await server.start()
    stack.push_async_callback(server.stop, CALL_GRACE_SECONDS)
    for address in addresses:
        is_socket = address.startswith("unix:")
        emit(Started("grpc-socket" if is_socket else "grpc", 0 if is_socket else port))
    return server, addresses


def _listen_on_port(
    server: aio.Server, address: str, port: int, credentials: grpc.ServerCredentials | None
) -> int:
    target = f"{in_url(address)}:{port}"
    try:
        if credentials is None:
            return server.add_insecure_port(target)
        return server.add_secure_port(target, credentials)
    except RuntimeError:
        raise ServeError(f"cannot listen on {address} port {port}: set REAPI_GRPC_PORT") from None


def _listen_on_socket(server: aio.Server, path: Path, stack: AsyncExitStack) -> str:
    target = f"unix:{path}"
    with socket_file.place(path):
        try:
            server.add_insecure_port(target)
        except RuntimeError:
            raise ServeError(f"cannot listen on {path.name}: set REAPI_GRPC_BIND") from None
    stack.callback(socket_file.remove, path, socket_file.identity(path))
    return target
