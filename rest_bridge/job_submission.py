"""Starts a generation and answers as soon as it is accepted; it runs on by itself."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from reapi.v1 import generation_pb2
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.generation_call import GenerationCall
from rest_bridge.headers import Headers
from rest_bridge.job_fields import Job

if TYPE_CHECKING:  # the class exists in the stub file only
    from reapi.v1.generation_service_pb2_grpc import GenerationServiceAsyncStub


async def submit(
    stub: "GenerationServiceAsyncStub",
    exchange: Exchange,
    read: Callable[[Exchange], Awaitable[Job]],
    render: Callable[[generation_pb2.Generation], bytes],
    headers: Headers = (),
) -> None:
    """Answer 200 with what *render* makes of the accepted generation.

    *read* reads the body, after the key was found good and the call admitted. A
    caller who goes away before the answer leaves an orphan, which an SDK's retry
    claims instead of buying again (semantics.md 5).
    """
    async with GenerationCall(stub, exchange) as call:
        job = await read(exchange)
        try:
            await call.start(job.spec(exchange), job.files, until_accepted=True)
            job.files.clear()  # core holds them now
            while call.generation is None:
                await call.next()
        except ApiError as error:
            raise job.renamed(error) from None
        await exchange.json(render(call.generation), [*headers, *call.headers()])
