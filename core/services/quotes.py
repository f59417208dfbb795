"""QuoteGeneration: the same parser, inputs and checks as Generate, and nothing is held."""

from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from grpc import aio

from core.caller import current_caller, current_request_id
from core.engine.admission import Admission
from core.engine.inputs import Inputs
from core.engine.quoting import Quoting
from core.errors import GatewayError, Reason
from core.services import parse
from core.services.convert import timestamp
from reapi.v1 import generation_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Quotes:
    """Serves the quotes of `reapi.v1.GenerationService`."""

    def __init__(self, quoting: Quoting, admission: Admission, inputs: Inputs) -> None:
        self._quoting = quoting
        self._admission = admission
        self._inputs = inputs

    async def QuoteGeneration(
        self, request: pb.QuoteGenerationRequest, context: Context
    ) -> pb.QuoteGenerationResponse:
        """Price a request and sign the offer. Links are fetched: a length may decide the price."""
        caller = current_caller()
        if request.spec.quote_token:
            raise GatewayError(
                Reason.INVALID_PARAMETER,
                "`quote_token` is for the request that uses the quote.",
                parameter="quote_token",
            )
        with self._admission.enter(caller.principal) as slot:
            await self._admission.turn(slot)
            slot.grow(request.ByteSize())
            order = parse.order(request.spec, (), current_request_id())
            self._quoting.begin(caller, order.model)
            order = await self._inputs.fetched(order, slot, caller.account_id)
            slot.received()
            offer = await self._quoting.offer(caller, order)
        quote = offer.quote
        return pb.QuoteGenerationResponse(
            maximum_micros=quote.maximum_micros,
            quote_token=offer.token.reveal(),
            expire_time=timestamp(_EPOCH + timedelta(microseconds=quote.expires_us)),
            likely_channels=offer.channels,
        )
