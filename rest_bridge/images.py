"""`/images/generations` and `/images/edits`: answered whole, or as a stream of events."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from reapi.v1 import generation_service_pb2
from rest_bridge.errors import ApiError
from rest_bridge.event_stream import with_heartbeat
from rest_bridge.exchange import Exchange
from rest_bridge.generation_call import Event, Gathered, GenerationCall
from rest_bridge.headers import EVENT_STREAM, JSON
from rest_bridge.image_answers import ImageFrames, images_response
from rest_bridge.image_requests import Work, read_edit, read_generation
from rest_bridge.sse import PING, message_frame

if TYPE_CHECKING:  # the class exists in the stub file only
    from reapi.v1.generation_service_pb2_grpc import GenerationServiceAsyncStub


class Images:
    """The image endpoints."""

    def __init__(self, stub: "GenerationServiceAsyncStub") -> None:
        self._stub = stub

    def generations(self, exchange: Exchange) -> Awaitable[None]:
        """POST /images/generations."""
        return self._create(exchange, read_generation, "image_generation")

    def edits(self, exchange: Exchange) -> Awaitable[None]:
        """POST /images/edits."""
        return self._create(exchange, read_edit, "image_edit")

    async def _create(
        self, exchange: Exchange, read: Callable[[Exchange], Awaitable[Work]], prefix: str
    ) -> None:
        async with GenerationCall(self._stub, exchange) as call:
            work = await read(exchange)
            await call.start(work.spec, work.attachments)
            work.attachments.clear()  # core holds them now
            if work.request.stream:
                frames = ImageFrames(prefix, work.request)
                await _Stream(exchange, call, frames).run()
                return
            generation = await call.finish()
            body = images_response(generation, call.outputs, inline=work.request.inline)
            await exchange.answer(200, [JSON, *call.headers()], body)


class _Stream:
    """One answer as server-sent events.

    The headers wait for the first preview or the terminal event, or for one
    heartbeat, so that errors known before are HTTP errors. Finals are kept until
    the terminal event, which comes right behind them and has the usage.
    """

    def __init__(self, exchange: Exchange, call: GenerationCall, frames: ImageFrames) -> None:
        self._exchange = exchange
        self._call = call
        self._frames = frames
        self._previews: dict[tuple[int, int], Gathered] = {}

    async def run(self) -> None:
        """Send the events; an error after the headers is a last frame."""
        try:
            await self._run()
        except ApiError as error:
            if not self._exchange.started:
                raise
            await self._exchange.write(message_frame(error.body()), more=False)

    async def _run(self) -> None:
        while True:
            event = await self._next()
            kind = event.WhichOneof("event")
            if kind == "partial":
                await self._partial(event.partial)
            elif kind == "completed":
                generation = event.completed.generation
                for pieces in self._frames.completed(generation, self._call.outputs):
                    await self._send(pieces)
                await self._exchange.write(b"", more=False)
                return

    async def _next(self) -> Event:
        """The next event; pings while there is none. Raises STILL_RUNNING at the limit."""
        call = self._call
        seconds = self._exchange.settings.heartbeat_seconds
        try:
            return await with_heartbeat(call.next(), self._ping, seconds, call.remaining)
        except TimeoutError:
            raise call.overdue() from None

    async def _ping(self) -> None:
        await self._send([PING])

    async def _partial(self, partial: generation_service_pb2.Partial) -> None:
        key = (partial.output_index, partial.partial_index)
        gathered = self._previews.setdefault(key, Gathered(media_type=partial.media_type))
        gathered.pieces.append(partial.data)
        if partial.last and self._call.generation is not None:
            del self._previews[key]
            pieces = self._frames.partial(self._call.generation, gathered, partial.partial_index)
            await self._send(pieces)

    async def _send(self, pieces: list[bytes]) -> None:
        exchange = self._exchange
        if not exchange.started:
            await exchange.start(200, [*EVENT_STREAM, *self._call.headers()])
        await exchange.write_all(pieces)
