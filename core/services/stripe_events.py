"""BillingService.IngestStripeEvent: what Stripe posts, verified and turned into a look."""

from typing import Any, Final, TypeAlias

from grpc import aio

from billing.payments_sql import Payments
from billing.stripe_client import (
    BadSignature,
    PaymentRefused,
    PaymentServiceUnavailable,
    StripePayments,
)
from core.engine.payment_looks import PaymentLooks
from core.errors import GatewayError, Reason
from reapi.v1 import billing_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

RETRY_SECONDS: Final = 30.0
"""Stripe sends again when it likes; a caller of the contract is told this."""
_LARGEST: Final = 1024 * 1024
"""The contract's limit; events are a few KiB."""


class StripeEvents:
    """Serves IngestStripeEvent. An event is a hint: what counts is read at Stripe."""

    def __init__(self, stripe: StripePayments, payments: Payments, looks: PaymentLooks) -> None:
        self._stripe = stripe
        self._payments = payments
        self._looks = looks

    async def IngestStripeEvent(
        self, request: pb.IngestStripeEventRequest, context: Context
    ) -> pb.IngestStripeEventResponse:
        """Book what the event is about; whatever is not about a payment of ours is taken too."""
        if len(request.payload) > _LARGEST:
            raise GatewayError(Reason.REQUEST_TOO_LARGE, "The event is too large.")
        try:
            event = await self._stripe.event(request.payload, request.signature)
        except BadSignature:
            raise GatewayError(
                Reason.INVALID_PARAMETER,
                "The signature does not fit the event, or is too old.",
                parameter="signature",
            ) from None
        if not event.payment_intent:
            return pb.IngestStripeEventResponse(event_id=event.id)
        if await self._payments.has_applied(event.id):
            return pb.IngestStripeEventResponse(event_id=event.id, replayed=True)
        try:
            await self._looks.look(event.payment_intent, event)
        except (PaymentServiceUnavailable, PaymentRefused):
            raise GatewayError(
                Reason.PAYMENT_SERVICE_UNAVAILABLE,
                "The payment service does not answer; send the event again.",
                retry_after=RETRY_SECONDS,
            ) from None
        return pb.IngestStripeEventResponse(event_id=event.id)
