"""`/audio/speech`: the sound itself, or events that carry it, as it is made."""

from typing import TYPE_CHECKING, Final

import orjson
import pybase64

from reapi.v1 import generation_pb2
from rest_bridge.errors import ApiError
from rest_bridge.event_stream import with_heartbeat
from rest_bridge.exchange import Exchange
from rest_bridge.generation_call import Event, GenerationCall
from rest_bridge.headers import EVENT_STREAM, NO_STORE, Header
from rest_bridge.speech_requests import SSE, read_speech
from rest_bridge.sse import PING, message_frame

if TYPE_CHECKING:  # the class exists in the stub file only
    from reapi.v1.generation_service_pb2_grpc import GenerationServiceAsyncStub

_UNBUFFERED: Final[Header] = (b"x-accel-buffering", b"no")


class Speech:
    """The speech endpoint."""

    def __init__(self, stub: "GenerationServiceAsyncStub") -> None:
        self._stub = stub

    async def create(self, exchange: Exchange) -> None:
        """POST /audio/speech.

        A caller who leaves wants no sound any more, so that the generation is cancelled
        (semantics.md 6); but who gave an idempotency key means to come back for it.
        """
        async with GenerationCall(self._stub, exchange) as call:
            job, stream_format = await read_speech(exchange)
            answer = (_Events if stream_format == SSE else _Sound)(exchange, call)
            try:
                spec = job.spec(exchange)
                spec.inline_outputs = True
                spec.partial_count = 1
                await call.start(spec, detached=bool(spec.request_id))
                await answer.run()
            except ApiError as error:
                await answer.fail(job.renamed(error))


class _Sound:
    """An answer that is the sound.

    It begins with the first bytes, so that errors known before are HTTP errors. After that
    a failure leaves it incomplete: the server then closes the connection, and the caller
    sees that something is missing. It ends only when the sound is paid for.
    """

    def __init__(self, exchange: Exchange, call: GenerationCall) -> None:
        self._exchange = exchange
        self._call = call

    async def run(self) -> None:
        """Send the sound as it comes: while it is made, or from the store if it was before."""
        media_type = ""
        while True:
            event = await self._next()
            kind = event.WhichOneof("event")
            if kind == "partial":
                await self._send(event.partial.media_type, event.partial.data)
            elif kind == "output":
                self._call.outputs.clear()  # what goes out at once need not be kept
                media_type = event.output.asset.media_type or media_type
                await self._send(media_type, event.output.data)
            elif kind == "completed":
                await self._end(event.completed.generation)
                return

    async def fail(self, error: ApiError) -> None:
        """Answer with *error*, or break off."""
        raise error

    async def _next(self) -> Event:
        """The next event. Raises STILL_RUNNING at the limit."""
        call = self._call
        seconds = self._exchange.settings.heartbeat_seconds
        try:
            return await with_heartbeat(call.next(), self._wait, seconds, call.remaining)
        except TimeoutError:
            raise call.overdue() from None

    async def _wait(self) -> None:
        """Nothing can be said while there is no sound."""

    async def _send(self, media_type: str, data: bytes) -> None:
        if not data:
            return
        if not self._exchange.started:
            kind: Header = (b"content-type", media_type.encode("ascii", "replace"))
            headers = [kind, NO_STORE, _UNBUFFERED, *self._call.headers()]
            await self._exchange.start(200, headers)
        await self._exchange.write(data)

    async def _end(self, generation: generation_pb2.Generation) -> None:
        del generation
        if not self._exchange.started:
            raise ApiError("INTERNAL", headers=self._call.headers())
        await self._exchange.write(b"", more=False)


class _Events(_Sound):
    """An answer of server-sent events: the sound in base64, piece by piece, then what it took.

    The headers wait for one heartbeat at most; an error after them is the last event.
    """

    async def fail(self, error: ApiError) -> None:
        """Answer with *error*, or end with it."""
        if not self._exchange.started:
            raise error
        await self._exchange.write(message_frame(error.body()), more=False)

    async def _wait(self) -> None:
        await self._write(PING)

    async def _send(self, media_type: str, data: bytes) -> None:
        del media_type
        if data:
            audio = pybase64.b64encode(data)
            await self._write(
                b'event: speech.audio.delta\ndata: {"type":"speech.audio.delta","audio":"%b"}\n\n'
                % audio
            )

    async def _end(self, generation: generation_pb2.Generation) -> None:
        counted = generation.usage
        given, made = counted.input_text_tokens, counted.output_tokens
        usage = {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}
        done = {"type": "speech.audio.done", "usage": usage}
        await self._write(b"event: speech.audio.done\ndata: %b\n\n" % orjson.dumps(done))
        await self._exchange.write(b"", more=False)

    async def _write(self, data: bytes) -> None:
        if not self._exchange.started:
            await self._exchange.start(200, [*EVENT_STREAM, *self._call.headers()])
        await self._exchange.write(data)
