"""A core that quotes what a test wrote down."""

from typing import Any

from reapi.v1 import generation_service_pb2


class QuotingCore:
    """The part of the scripted core that quotes."""

    offer = generation_service_pb2.QuoteGenerationResponse(maximum_micros=7_000)
    _asked: Any

    async def QuoteGeneration(self, request, context):
        await self._asked(request, context)
        if isinstance(self.offer, generation_service_pb2.QuoteGenerationResponse):
            return self.offer
        return await self.offer(context)
