"""POST /api/v1/quotes: what a task would cost at most, in reAPI's dialect (docs/pricing.md)."""

from typing import TYPE_CHECKING

import orjson

from reapi.v1 import generation_service_pb2
from rest_bridge.credentials import Credentials
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.headers import NO_STORE, credits_text
from rest_bridge.job_fields import Job
from rest_bridge.task_requests import read_task
from rest_bridge.unary import ask

if TYPE_CHECKING:  # the class exists in the stub file only
    from reapi.v1.generation_service_pb2_grpc import GenerationServiceAsyncStub


class Quotes:
    """The endpoint of quotes: its bodies are those of tasks."""

    def __init__(self, stub: "GenerationServiceAsyncStub", credentials: Credentials) -> None:
        self._stub = stub
        self._credentials = credentials

    async def create(self, exchange: Exchange) -> None:
        """POST /api/v1/quotes.

        A quote is one message to core: larger files are named by URL.
        """
        await self._credentials.check(exchange)
        job = await read_task(exchange, exchange.settings.unary_bytes)
        request = generation_service_pb2.QuoteGenerationRequest(spec=_spec(job, exchange))
        seconds = exchange.settings.sync_seconds  # core fetches what is behind links
        try:
            found = await ask(self._stub.QuoteGeneration, request, exchange, seconds)
        except ApiError as error:
            raise job.renamed(error) from None
        await exchange.json(_rendered(job.model, found), [NO_STORE])


def _spec(job: Job, exchange: Exchange) -> generation_service_pb2.GenerationSpec:
    """The request, with its files inside."""
    spec = job.spec(exchange)
    for item in spec.parameters.inputs:
        if item.WhichOneof("source") == "attachment_index":
            item.inline = bytes(job.files[item.attachment_index])
    return spec


def _rendered(model: str, found: generation_service_pb2.QuoteGenerationResponse) -> bytes:
    return orjson.dumps(
        {
            "quote_token": found.quote_token,
            "model": model,
            "maximum_credits": credits_text(found.maximum_micros).decode(),
            "expires_at": found.expire_time.seconds,
            "likely_channels": list(found.likely_channels),
        }
    )
