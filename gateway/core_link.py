"""A bridge's connection to core: how it is dialled, kept alive, found again and told about."""

import asyncio
import json
from collections.abc import Mapping

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from core.log import CoreReached, CoreUnreachable, Emit
from gateway.tls import channel_credentials
from rest_bridge.settings import CoreAddress

MESSAGE_BYTES = 8 * 1024 * 1024
CHECK_SECONDS = 2.0
AGAIN_SECONDS = 1.0
"""Between two looks at a core that cannot be reached."""

_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    # Trailers carry quotas and errors' details: as much as core takes itself.
    ("grpc.max_metadata_size", 16 * 1024),
    # A core that vanished without a word is noticed within 25 seconds.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A core that starts again is found within two seconds. The minimum is also how long one
    # attempt to connect may take, and so how long a request waits when nobody answers at all.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # The environment's HTTP proxies are for the way out, not for the way to core.
    ("grpc.enable_http_proxy", 0),
    # A name with several addresses: every core gets its share.
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
)

_CAUSES: Mapping[str, tuple[str, str]] = {
    "CERTIFICATE_VERIFY_FAILED": ("certificate_not_trusted", "REAPI_CORE_TLS_CA"),
    "certificate signature failure": ("certificate_not_trusted", "REAPI_CORE_TLS_CA"),
    "Hostname Verification": ("certificate_of_another_name", "REAPI_CORE_TLS_NAME"),
    "is not in peer certificate": ("certificate_of_another_name", "REAPI_CORE_TLS_NAME"),
    "WRONG_VERSION_NUMBER": ("core_has_no_tls", "REAPI_GRPC_TLS_CERT"),
    "Connection refused": ("nobody_listens", "REAPI_CORE"),
    "No such file": ("nobody_listens", "REAPI_CORE"),
    "Permission denied": ("not_permitted", "REAPI_CORE"),
    "DNS resolution failed": ("unknown_host", "REAPI_CORE"),
    # Also what a core that wants TLS does with a bridge that does not.
    "Socket closed": ("closed_at_once", "REAPI_CORE_TLS_CA"),
    "andshake": ("handshake_failed", "REAPI_CORE_TLS_CA"),
}
"""What gRPC says about a failed connection, in our words; the first match counts."""


def open_channel(core: CoreAddress) -> aio.Channel:
    """A channel to *core*; it connects, and connects again, by itself. Raises ServeError."""
    if core.tls_ca is None:
        return aio.insecure_channel(core.target, options=_OPTIONS)
    options: list[tuple[str, str | int]] = [*_OPTIONS]
    if core.tls_name:
        options.append(("grpc.ssl_target_name_override", core.tls_name))
    return aio.secure_channel(core.target, channel_credentials(core.tls_ca), options=options)


class CoreLink:
    """Connects before the first request does, and logs when core is lost and found."""

    def __init__(self, channel: aio.Channel, emit: Emit) -> None:
        self._channel = channel
        self._health = HealthStub(channel)
        self._emit = emit
        self._told: CoreReached | CoreUnreachable | None = None

    async def watch(self) -> None:
        """Look once, then whenever the connection breaks, and again until it is back."""
        while True:
            found = await self._look()
            if found != self._told:
                self._told = found
                self._emit(found)
            if isinstance(found, CoreUnreachable):
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                await self._channel.wait_for_state_change(grpc.ChannelConnectivity.READY)

    async def _look(self) -> CoreReached | CoreUnreachable:
        try:
            await self._health.Check(health_pb2.HealthCheckRequest(), timeout=CHECK_SECONDS)
        except aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                return CoreUnreachable("no_answer", "REAPI_CORE")
            said = f"{error.details()} {error.debug_error_string()}"
            return CoreUnreachable(*cause(said))
        return CoreReached()


def cause(said: str) -> tuple[str, str]:
    """Why there is no connection, and the variable to look at."""
    for words, found in _CAUSES.items():
        if words in said:
            return found
    return "not_connected", "REAPI_CORE"
