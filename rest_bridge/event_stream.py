"""Server-sent events from a stream of messages: kept alive, resumable, ended by errors."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from google.protobuf.message import Message

from reapi.v1 import generation_service_pb2
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.headers import EVENT_STREAM, NO_STORE
from rest_bridge.proto_json import encode
from rest_bridge.server_stream import ServerStream
from rest_bridge.sse import PING, event, message_frame

T = TypeVar("T")


async def with_heartbeat(
    step: Coroutine[Any, Any, T],
    beat: Callable[[], Awaitable[None]],
    seconds: float,
    remaining: Callable[[], float],
) -> T:
    """The result of *step*; meanwhile *beat* every *seconds*.

    Raises TimeoutError once *remaining* says 0; *step* is cancelled then.
    """
    task = asyncio.ensure_future(step)
    try:
        while True:
            done, _ = await asyncio.wait({task}, timeout=min(seconds, remaining()))
            if done:
                return task.result()
            if remaining() <= 0.0:
                raise TimeoutError
            await beat()
    finally:
        task.cancel()


async def relay(stream: ServerStream[Message], exchange: Exchange) -> None:
    """Answer with the messages of *stream* as events, until it or its generation ends.

    Events of a generation have their `seq` as id, so that `Last-Event-ID` resumes. A
    browser's EventSource comes back by itself after the last event, too: 204 tells it
    to stop. A generation's events that end without the terminal one were cut: that is an error.
    """

    async def send(data: bytes) -> None:
        if not exchange.started:
            await exchange.start(200, EVENT_STREAM)
        await exchange.write(data)

    async def ping() -> None:
        await send(PING)

    seconds = exchange.settings.heartbeat_seconds
    is_unended = False
    try:
        while True:
            message = await with_heartbeat(stream.read(), ping, seconds, lambda: seconds + 1.0)
            if message is None:
                if is_unended:
                    raise ApiError("INTERNAL")
                break
            await send(_frame(message))
            if _is_terminal(message):
                break
            is_unended = isinstance(message, generation_service_pb2.WatchGenerationResponse)
    except ApiError as error:
        if not exchange.started:
            raise
        await exchange.write(message_frame(error.body()))
    if not exchange.started:
        if b"last-event-id" in exchange.headers:
            await exchange.start(204, (NO_STORE,))
        else:
            await exchange.start(200, EVENT_STREAM)
    await exchange.write(b"", more=False)


def _is_terminal(message: Message) -> bool:
    """Whether nothing may follow: the generation has ended."""
    return isinstance(
        message, generation_service_pb2.WatchGenerationResponse
    ) and message.event.WhichOneof("event") in {"completed", "failed"}


def _frame(message: Message) -> bytes:
    if isinstance(message, generation_service_pb2.WatchGenerationResponse):
        happened = message.event
        return event(happened.WhichOneof("event") or "event", encode(happened), happened.seq)
    return message_frame(encode(message))
