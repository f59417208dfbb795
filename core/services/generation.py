"""GenerationService: protobuf on one side, the engine on the other, nothing between."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final, TypeAlias

from grpc import aio

from core.caller import Caller, current_caller, current_request_id
from core.engine import events
from core.engine.admission import Admission, Slot
from core.engine.engine import Engine, Ticket
from core.engine.inputs import Inputs
from core.engine.library import Library
from core.engine.order import MAXIMUM_INLINE_BYTES, Order
from core.errors import GatewayError, Reason
from core.model import Asset, Kind, Preview, Sound
from core.services import pages, parse
from core.services.assets import Assets
from core.services.caller_time import caller_budget
from core.services.convert import KINDS, Converter, R
from core.services.deletions import deletion_receipt
from core.services.explain import explanation
from core.services.hearing import Heard
from core.services.names import generation_id
from core.signing import Signer
from core.status import to_status
from reapi.v1 import generation_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

MAXIMUM_ATTACHMENTS: Final = 32
CHUNK: Final = 64 * 1024
_KIND_OF = {number: kind for kind, number in KINDS.items()}


class GenerationService:
    """Serves `reapi.v1.GenerationService`."""

    def __init__(
        self,
        engine: Engine,
        library: Library,
        admission: Admission,
        assets: Assets,
        converter: Converter,
        inputs: Inputs,
        signer: Signer,
    ) -> None:
        self._engine = engine
        self._library = library
        self._admission = admission
        self._assets = assets
        self._convert = converter
        self._inputs = inputs
        self._signer = signer

    async def Generate(self, requests: AsyncIterator[pb.GenerateRequest], context: Context) -> None:
        """Admit, then read the request, then stream what happens."""
        caller, arrived = current_caller(), monotonic()
        budget = caller_budget(context, arrived)
        slot = self._admission.enter(caller.principal)
        handed_over = False
        try:
            await self._admission.turn(slot)
            await context.send_initial_metadata(())
            start, attachments = await _receive(requests, slot)
            detached = start.detached or start.until_accepted
            ends = budget.attempts_end(None if detached else context.time_remaining())
            order = parse.order(
                start.spec, attachments, current_request_id(), detached=detached, ends=ends
            )
            order = await self._inputs.fetched(order, slot, caller.account_id)
            slot.received()
            handed_over = True
            ticket = await self._start(caller, order, slot)
        finally:
            if not handed_over:
                slot.release()
        if detached and budget.stated is not None:
            self._engine.end_in(budget.stated - monotonic(), caller, ticket.generation.id)
        finished = False
        listening = None if detached else self._listen(caller, ticket, requests)
        stream = ticket.watch()
        try:
            if start.until_accepted:
                await self._accept(stream, context)
            else:
                inline = start.spec.inline_outputs
                await self._send(stream, context, pb.GenerateResponse, inline=inline)
            finished = True
        finally:
            if listening is not None:
                listening.cancel()
            if not finished:
                self._engine.caller_left(caller, ticket.generation.id, detached=detached)
            await stream.aclose()

    async def _start(self, caller: Caller, order: Order, slot: Slot) -> Ticket:
        """Hand over to the engine; the *slot* is its own from now on."""
        try:
            return await self._engine.start(caller, order, slot)
        except GatewayError as error:
            if error.reason is Reason.RATE_LIMIT_EXCEEDED:
                self._admission.over_rate(caller.principal, error)
            raise

    async def _accept(
        self, stream: AsyncIterator[tuple[int, events.Event]], context: Context
    ) -> None:
        """Write only the first event: the caller will look for the rest."""
        seq, event = await anext(stream)
        assert isinstance(event, events.Accepted)
        await context.write(self._convert.event(seq, event, pb.GenerateResponse))

    def _listen(
        self, caller: Caller, ticket: Ticket, requests: AsyncIterator[pb.GenerateRequest]
    ) -> "asyncio.Task[None]":
        """Hear an attached caller's wish to cancel, until the call ends."""

        async def listen() -> None:
            async for message in requests:
                if message.HasField("cancel"):
                    await self._engine.cancel(caller, ticket.generation.id)

        return asyncio.create_task(listen())

    async def _send(
        self,
        stream: AsyncIterator[tuple[int, events.Event]],
        context: Context,
        response: type[R],
        *,
        inline: bool,
    ) -> None:
        """Write every event, the bytes of outputs too if *inline*.

        Not again those of an output that was heard in full while it was made.
        """
        heard = Heard()
        async for seq, event in stream:
            match event:
                case Preview() | Sound():
                    if isinstance(event, Sound):
                        heard.note(event)
                    for message in self._convert.pieces(seq, event, response):
                        await context.write(message)
                case events.OutputReady() if inline and event.asset.output_index not in heard.whole:
                    if not await self._send_bytes(seq, event, context, response):
                        return
                case _:
                    await context.write(self._convert.event(seq, event, response))

    async def _send_bytes(
        self, seq: int, event: events.OutputReady, context: Context, response: type[R]
    ) -> bool:
        """Write an output with its bytes; False: they are gone, and the caller was told."""
        if event.data is not None:
            data = event.data.reveal()
            for message in self._convert.output(seq, event.asset, 0, data, response):
                await context.write(message)
            return True
        try:
            async with aclosing(self._stored(seq, event.asset, response)) as messages:
                async for message in messages:
                    await context.write(message)
        except FileNotFoundError:
            failed = pb.Failed(status=to_status(_not_retained()))
            await context.write(response(event=pb.GenerationEvent(seq=seq, failed=failed)))
            return False
        return True

    async def _stored(self, seq: int, asset: Asset, response: type[R]) -> AsyncGenerator[R, None]:
        offset = 0
        async with aclosing(self._assets.store.read(asset.name)) as pieces:
            async for data in pieces:
                for message in self._convert.output(seq, asset, offset, data, response):
                    yield message
                offset += len(data)

    async def CreateGeneration(
        self, request: pb.CreateGenerationRequest, context: Context
    ) -> pb.CreateGenerationResponse:
        """Start and return at once."""
        caller, arrived = current_caller(), monotonic()
        budget = caller_budget(context, arrived)
        slot = self._admission.enter(caller.principal)
        try:
            await self._admission.turn(slot)
            slot.grow(request.ByteSize())
            ends = budget.attempts_end()
            order = parse.order(request.spec, (), current_request_id(), ends=ends)
            order = await self._inputs.fetched(order, slot, caller.account_id)
            slot.received()
        except BaseException:  # a caller who leaves during a fetch, too
            slot.release()
            raise
        ticket = await self._start(caller, order, slot)
        if budget.stated is not None:
            self._engine.end_in(budget.stated - monotonic(), caller, ticket.generation.id)
        return pb.CreateGenerationResponse(generation=self._convert.generation(ticket.generation))

    async def GetGeneration(
        self, request: pb.GetGenerationRequest, context: Context
    ) -> pb.GetGenerationResponse:
        """Read one."""
        item = await self._library.find(current_caller().account_id, generation_id(request.name))
        item = self._engine.with_progress(item)
        return pb.GetGenerationResponse(generation=self._convert.generation(item))

    async def ListGenerations(
        self, request: pb.ListGenerationsRequest, context: Context
    ) -> pb.ListGenerationsResponse:
        """Read one page, newest first."""
        page = pages.parse(request, _kinds(request))
        found = await self._library.page(current_caller().account_id, page.listing())
        items = found[: page.size]
        more = len(found) > page.size
        return pb.ListGenerationsResponse(
            generations=[
                self._convert.generation(self._engine.with_progress(item)) for item in items
            ],
            next_page_token=pages.token(page, items[-1].id) if more else "",
        )

    async def ExplainGeneration(
        self, request: pb.ExplainGenerationRequest, context: Context
    ) -> pb.ExplainGenerationResponse:
        """Tell how it was served."""
        trace = await self._engine.explain(current_caller(), generation_id(request.name))
        return explanation(trace, self._convert)

    async def WatchGeneration(self, request: pb.WatchGenerationRequest, context: Context) -> None:
        """Stream events, from the beginning or after one."""
        id_ = generation_id(request.name)
        watch = await self._engine.watch(current_caller(), id_, request.after_seq)
        async with aclosing(watch) as stream:
            await self._send(
                stream, context, pb.WatchGenerationResponse, inline=request.inline_outputs
            )

    async def CancelGeneration(
        self, request: pb.CancelGenerationRequest, context: Context
    ) -> pb.CancelGenerationResponse:
        """Ask to stop."""
        item = await self._engine.cancel(current_caller(), generation_id(request.name))
        return pb.CancelGenerationResponse(generation=self._convert.generation(item))

    async def DeleteGeneration(
        self, request: pb.DeleteGenerationRequest, context: Context
    ) -> pb.DeleteGenerationResponse:
        """Hide it and delete its outputs."""
        id_ = generation_id(request.name)
        outputs, gone = await self._engine.delete(current_caller(), id_)
        now = datetime.now(UTC)
        return pb.DeleteGenerationResponse(
            deleted_asset_count=len(gone),
            receipt=deletion_receipt(self._signer, id_, outputs, gone, now),
        )

    async def AbandonGeneration(
        self, request: pb.AbandonGenerationRequest, context: Context
    ) -> pb.AbandonGenerationResponse:
        """Let an SDK's retry claim the answer that got lost."""
        await self._engine.abandon(current_caller(), generation_id(request.name))
        return pb.AbandonGenerationResponse()

    async def ReadAsset(
        self, request: pb.ReadAssetRequest, context: Context
    ) -> AsyncIterator[pb.ReadAssetResponse]:
        """Stream an output by its link, or an input that a provider fetches."""
        async for answer in self._assets.read(request):
            yield answer


def _not_retained() -> GatewayError:
    return GatewayError(Reason.RESULT_NOT_RETAINED, "The output is no longer stored.")


def _kinds(request: pb.ListGenerationsRequest) -> frozenset[Kind]:
    return frozenset(_KIND_OF[kind] for kind in request.kinds if kind in _KIND_OF)


async def _receive(
    requests: AsyncIterator[pb.GenerateRequest], slot: Slot
) -> tuple[pb.GenerateStart, list[bytes]]:
    """The start and every attachment. The end of the stream is never taken for their end."""
    first = await anext(requests, None)
    if first is None or first.WhichOneof("message") != "start":
        raise _malformed("The first message must be `start`.")
    start = first.start
    sizes = start.attachment_sizes
    if not sizes:
        slot.grow(first.ByteSize())
        return start, []
    if len(sizes) > MAXIMUM_ATTACHMENTS or min(sizes) < 0:
        raise _malformed("attachment_sizes is out of range.")
    if sum(sizes) > MAXIMUM_INLINE_BYTES:
        raise GatewayError(
            Reason.REQUEST_TOO_LARGE,
            f"Inline inputs may have {MAXIMUM_INLINE_BYTES} bytes in all.",
            metadata={"limit": str(MAXIMUM_INLINE_BYTES)},
        )
    slot.grow(first.ByteSize() + sum(sizes))
    return start, [await _attachment(requests, i, size) for i, size in enumerate(sizes)]


async def _attachment(requests: AsyncIterator[pb.GenerateRequest], index: int, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        message = await anext(requests, None)
        match message.WhichOneof("message") if message is not None else None:
            case None:
                raise _malformed("The stream ended before the attachments were complete.")
            case "cancel":
                raise GatewayError(Reason.CANCELLED, "Cancelled before it was accepted.")
            case "start":
                raise _malformed("`start` was sent twice.")
        assert message is not None
        if message.chunk.attachment_index != index:
            raise _malformed("The chunks of an attachment must come together and in order.")
        received += message.chunk.data
        if len(message.chunk.data) > CHUNK or len(received) > size:
            raise _malformed("A chunk is larger than announced.")
    return bytes(received)


def _malformed(message: str) -> GatewayError:
    return GatewayError(Reason.MALFORMED_REQUEST, message)
