"""`/healthz`: the process lives. `/readyz`: core serves."""

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.headers import NO_STORE


class Health:
    """The probes of load balancers. They need no credential."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = HealthStub(channel)

    async def alive(self, exchange: Exchange) -> None:
        """GET /healthz."""
        await exchange.json(b'{"status":"ok"}', (NO_STORE,))

    async def ready(self, exchange: Exchange) -> None:
        """GET /readyz: 200 if core says SERVING, else 503."""
        try:
            response = await self._stub.Check(
                health_pb2.HealthCheckRequest(), timeout=exchange.settings.health_seconds
            )
            serving = response.status == health_pb2.HealthCheckResponse.SERVING
        except grpc.aio.AioRpcError:
            serving = False
        if not serving:
            raise ApiError("OVERLOADED", "The gateway is not ready.")
        await exchange.json(b'{"status":"ready"}', (NO_STORE,))
