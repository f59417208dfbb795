"""`/callbacks/{channel}/{token}`: what providers post about their jobs."""

from typing import TYPE_CHECKING, Final

import grpc

from reapi.v1 import webhook_service_pb2
from reapi.v1.webhook_service_pb2_grpc import WebhookServiceStub
from rest_bridge.exchange import Exchange
from rest_bridge.headers import NO_STORE
from rest_bridge.unary import ask

if TYPE_CHECKING:  # the class exists in the stub file only
    from reapi.v1.webhook_service_pb2_grpc import WebhookServiceAsyncStub

_SECONDS: Final = 4.0
"""Providers wait for 5 s (providers.md 3.3)."""
_BODY_BYTES: Final = 1024 * 1024


class Callbacks:
    """The callback route. It needs no credential: the token is unguessable."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: WebhookServiceAsyncStub = WebhookServiceStub(channel)

    async def ingest(self, exchange: Exchange) -> None:
        """POST /callbacks/{channel}/{token}: a hint to look. The body is read and dropped."""
        await exchange.body(_BODY_BYTES)
        request = webhook_service_pb2.IngestProviderCallbackRequest(
            channel=exchange.arguments["channel"], token=exchange.arguments["token"]
        )
        await ask(self._stub.IngestProviderCallback, request, exchange, _SECONDS)
        await exchange.json(b"{}", (NO_STORE,))
