"""Drives one Generate call: opened before the body is read, cancelled whatever happens.

    open, with metadata ─► initial metadata (the key is good, the call admitted)
        ─► the HTTP body is read ─► start, attachments ─► events ─► one terminal event

Nothing is written before the admission, though it might be here already: grpc.aio makes an INTERNAL
of a refusal that meets a write on its way.

The generation is detached, unless `start` says otherwise: cancelling the call never stops
it. If the caller goes away before the terminal event, the cancelled call tells core that
the answer found nobody; after it, AbandonGeneration does. Who only submits asks for events
until Accepted: that ends the call, and counts as the terminal event here.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

import grpc

from reapi.v1 import generation_pb2, generation_service_pb2
from rest_bridge.asgi import ClientGone
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.headers import Header, headers_of_generation, headers_of_rate_limit
from rest_bridge.rpc_errors import api_error, from_status
from rest_bridge.server_stream import cancellation

if TYPE_CHECKING:  # the class exists in the stub file only
    from reapi.v1.generation_service_pb2_grpc import GenerationServiceAsyncStub

_CHUNK = 64 * 1024
_ABANDON_SECONDS = 5.0
_ANSWER_SECONDS = 1.0
"""How much longer than its caller a call waits for core's word that the time is over."""

Event = generation_service_pb2.GenerationEvent


@dataclass(slots=True)
class Gathered:
    """The pieces of one output or preview, in order."""

    asset: generation_pb2.Asset | None = field(default=None, repr=False)
    media_type: str = ""
    pieces: list[bytes] = field(default_factory=list, repr=False)
    complete: bool = False

    def content(self) -> bytes:
        """The bytes, whole."""
        return self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)


class GenerationCall:
    """One Generate call on behalf of one HTTP request. An async context manager."""

    def __init__(self, stub: "GenerationServiceAsyncStub", exchange: Exchange) -> None:
        settings = exchange.settings
        self._stub = stub
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        # Its time is no deadline of the call: core ends the generation by it, and says so in time.
        self._metadata = exchange.metadata(starts=True)
        patience = settings.sync_seconds
        if (timeout := exchange.timeout()) and timeout.replace(".", "", 1).isdigit():
            patience = min(patience, float(timeout) + _ANSWER_SECONDS)
        self._deadline = self._loop.time() + patience
        self._completed = False
        """Whether the answer is known and core's part of it done."""
        self._until_accepted = False
        self._is_overdue = False
        self._started = False
        self._attempt: generation_service_pb2.Attempt | None = None
        self.generation: generation_pb2.Generation | None = None
        """The resource as last told; None before Accepted."""
        self.rate_limit: generation_service_pb2.RateLimit | None = None
        self.outputs: dict[int, Gathered] = {}
        """The outputs so far, by index."""
        self._call: grpc.aio.StreamStreamCall[
            generation_service_pb2.GenerateRequest, generation_service_pb2.GenerateResponse
        ] = stub.Generate(
            metadata=self._metadata,
            timeout=settings.sync_seconds + settings.deadline_margin_seconds,
        )

    async def __aenter__(self) -> Self:
        """Wait until the key is good and the call admitted; else raise core's error."""
        connection = self._exchange.connection
        connection.on_lost = self._call.cancel
        try:
            if connection.lost:
                raise ClientGone
            await self._judged()
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Cancel the call; tell core if the answer to a finished generation got lost."""
        try:
            if kind is ApiError and not self._started and self._call.done():
                await self._last_word()  # it was refused meanwhile: that comes before a bad body
        finally:
            self._leave()
        if self._completed and self._exchange.connection.lost:
            await self._abandon()

    async def _judged(self) -> None:
        """Wait until the call is admitted; else raise core's error."""
        try:
            await self._call.initial_metadata()
        except asyncio.CancelledError:
            raise cancellation(self._exchange) from None
        if self._call.done():
            await self._last_word()

    async def start(
        self,
        spec: generation_service_pb2.GenerationSpec,
        attachments: Sequence[bytes | bytearray] = (),
        *,
        until_accepted: bool = False,
        detached: bool = True,
    ) -> None:
        """Say what to make, and send the files that *spec* refers to by index.

        With *until_accepted* the event Accepted is the last. What is not *detached* is
        cancelled when the caller goes away.
        """
        self._started = True
        self._until_accepted = until_accepted
        request = generation_service_pb2.GenerateRequest()
        start = request.start
        start.spec.CopyFrom(spec)
        start.detached = detached
        start.until_accepted = until_accepted
        start.attachment_sizes.extend([len(data) for data in attachments])
        if not await self._write(request):
            return
        for index, data in enumerate(attachments):
            view = memoryview(data)
            for offset in range(0, len(data), _CHUNK):
                chunk = generation_service_pb2.AttachmentChunk(
                    attachment_index=index, data=bytes(view[offset : offset + _CHUNK])
                )
                if not await self._write(generation_service_pb2.GenerateRequest(chunk=chunk)):
                    return

    async def finish(self) -> generation_pb2.Generation:
        """Read events up to the terminal one; the outputs are in `outputs` then.

        Raises what Failed says, or STILL_RUNNING when the time is up.
        """
        # One alarm for all reads: a cancelled call is what its end comes to anyhow.
        alarm = self._exchange.connection.alarm
        alarm.set(self._deadline, self._run_out)
        try:
            while True:
                event = await self.next()
                if self._completed:
                    return event.completed.generation
        finally:
            alarm.clear()

    def remaining(self) -> float:
        """Seconds until the synchronous limit; never negative."""
        return max(0.0, self._deadline - self._loop.time())

    def overdue(self) -> ApiError:
        """The error of a call that outlived the synchronous limit."""
        if self.generation is None:
            return ApiError("DEADLINE_EXCEEDED")
        return ApiError("STILL_RUNNING", headers=self.headers())

    async def next(self) -> Event:
        """The next event, noted. Raises what Failed says, and the status of a broken call."""
        try:
            response = await self._call.read()
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
            raise self._meaning(error) from None
        if not isinstance(response, generation_service_pb2.GenerateResponse):
            raise ApiError("INTERNAL", headers=self.headers())  # the end of a call that ended well
        event = response.event
        kind = event.WhichOneof("event")
        if kind == "accepted":
            self.generation = event.accepted.generation
            if event.accepted.HasField("rate_limit"):
                self.rate_limit = event.accepted.rate_limit
            if self._until_accepted:
                self._completed = True
                await self._end(event.accepted.generation)
        elif kind == "attempt":
            self._attempt = event.attempt
        elif kind == "output":
            self._gather(event.output)
        elif kind == "completed":
            self._completed = True
            await self._end(event.completed.generation)
        elif kind == "failed":
            await self._end(event.failed.generation)
            raise from_status(event.failed.status, self.headers())
        return event

    def headers(self) -> list[Header]:
        """The headers of the generation as far as it is known."""
        found: list[Header] = []
        if self.generation is not None:
            found += headers_of_generation(self.generation, self._attempt)
        if self.rate_limit is not None:
            found += headers_of_rate_limit(self.rate_limit)
        return found

    def _gather(self, output: generation_service_pb2.Output) -> None:
        gathered = self.outputs.get(output.output_index)
        if gathered is None:
            gathered = self.outputs[output.output_index] = Gathered()
        if output.HasField("asset"):
            gathered.asset = output.asset
        if data := output.data:  # once: each look at it makes a copy
            gathered.pieces.append(data)
            self._exchange.hold(len(data))
        gathered.complete = gathered.complete or output.last

    async def _end(self, generation: generation_pb2.Generation) -> None:
        """The last event is here: from now on a lost caller is told, not cancelled."""
        self._exchange.connection.on_lost = None
        if generation.name:
            self.generation = generation
        # Core ends the call right after; a cancel before that would look like a lost
        # caller. However it ends, the event stands.
        try:
            await self._last_word()
        except (ApiError, ClientGone):
            return

    async def _last_word(self) -> None:
        """Raise what the call ended with, if it failed."""
        try:
            await self._call.read()
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
            raise self._meaning(error) from None

    def _meaning(
        self, error: grpc.aio.AioRpcError | asyncio.CancelledError
    ) -> ApiError | ClientGone | asyncio.CancelledError:
        """What it means that reading ended with *error*."""
        if isinstance(error, asyncio.CancelledError):
            if self._is_overdue and not _is_cancelling():
                return self.overdue()
            return cancellation(self._exchange)
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and self.generation is not None:
            return self.overdue()
        return api_error(error, self.headers())

    async def _write(self, message: generation_service_pb2.GenerateRequest) -> bool:
        """Send *message*. False if the call is over: reading tells why."""
        try:
            await self._call.write(message)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return False
        except asyncio.CancelledError:
            raise cancellation(self._exchange) from None
        return True

    def _run_out(self) -> None:
        """The synchronous limit has passed."""
        if not self._completed:
            self._is_overdue = True
            self._call.cancel()

    def _leave(self) -> None:
        self._exchange.connection.on_lost = None
        self._call.cancel()

    async def _abandon(self) -> None:
        """Say that the answer found nobody. A core that cannot be told finds out by itself."""
        if self.generation is None:
            return
        request = generation_service_pb2.AbandonGenerationRequest(name=self.generation.name)
        try:
            await self._stub.AbandonGeneration(
                request, metadata=self._metadata, timeout=_ABANDON_SECONDS
            )
        except grpc.aio.AioRpcError:
            return


def _is_cancelling() -> bool:
    """Whether our own task is being cancelled, and not the call."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
