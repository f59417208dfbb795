"""`/webhooks/resend`: what the mail service posts."""

from typing import TYPE_CHECKING, Final

import grpc

from reapi.v1 import account_service_pb2
from reapi.v1.account_service_pb2_grpc import AccountServiceStub
from rest_bridge.exchange import Exchange
from rest_bridge.headers import NO_STORE
from rest_bridge.unary import ask

if TYPE_CHECKING:  # the class exists in the stub file only
    from reapi.v1.account_service_pb2_grpc import AccountServiceAsyncStub

_SECONDS: Final = 14.0
"""Svix, which posts for Resend, waits for 15 s."""
_BODY_BYTES: Final = 256 * 1024
"""The contract's limit; events are 1 KiB."""


class MailEvents:
    """The route of Resend's events. It needs no credential: events are signed."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: AccountServiceAsyncStub = AccountServiceStub(channel)

    async def ingest(self, exchange: Exchange) -> None:
        """POST /webhooks/resend: handed to core as it came, byte for byte."""
        request = account_service_pb2.IngestMailEventRequest(
            payload=await exchange.body(_BODY_BYTES),
            event_id=_header(exchange, b"svix-id"),
            signed_at=_header(exchange, b"svix-timestamp"),
            signature=_header(exchange, b"svix-signature"),
        )
        await ask(self._stub.IngestMailEvent, request, exchange, _SECONDS)
        await exchange.json(b"{}", (NO_STORE,))


def _header(exchange: Exchange, name: bytes) -> str:
    return exchange.headers.get(name, b"").decode("latin-1")
