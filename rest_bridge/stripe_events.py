"""`/webhooks/stripe`: what the payment service posts."""

from typing import TYPE_CHECKING, Final

import grpc

from reapi.v1 import billing_service_pb2
from reapi.v1.billing_service_pb2_grpc import BillingServiceStub
from rest_bridge.exchange import Exchange
from rest_bridge.headers import NO_STORE
from rest_bridge.unary import ask

if TYPE_CHECKING:  # the class exists in the stub file only
    from reapi.v1.billing_service_pb2_grpc import BillingServiceAsyncStub

_SECONDS: Final = 28.0
"""Stripe waits for 30 s, and core asks Stripe meanwhile."""
_BODY_BYTES: Final = 256 * 1024
"""Events are a few KiB: one with an invoice of a hundred lines has less than this."""


class StripeEvents:
    """The route of Stripe's events. It needs no credential: events are signed."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: BillingServiceAsyncStub = BillingServiceStub(channel)

    async def ingest(self, exchange: Exchange) -> None:
        """POST /webhooks/stripe: handed to core as it came, byte for byte."""
        request = billing_service_pb2.IngestStripeEventRequest(
            payload=await exchange.body(_BODY_BYTES),
            signature=exchange.headers.get(b"stripe-signature", b"").decode("latin-1"),
        )
        await ask(self._stub.IngestStripeEvent, request, exchange, _SECONDS)
        await exchange.json(b"{}", (NO_STORE,))
