"""An in-process gRPC channel: the generated stubs call the generated servicers without a socket.

`LocalChannel(LocalServer(...))` behaves like a `grpc.aio` channel to a `grpc.aio` server; one test
suite runs over both (tests/core/test_local_channel_*.py). Messages are serialised and parsed, so
nothing is shared; deadlines, cancellation, status, metadata and flow control are those of grpcio
1.85, including what surprises:

- Leaving an `async for`, closing its iterator or dropping a stream call does not end the call:
  only `cancel()` or the deadline does. Cancel in `finally`.
- A cancelled call's handler reads a normal end of requests first and gets CancelledError after.
- `code()` of a stream waits until its messages are read. `context.cancelled()` and
  `context.done()` stay False in a cancelled handler.

Deliberate differences, each safer or free:

- An exception that escapes a handler never reaches the client or a log: UNKNOWN and a fixed text
  (real: the exception's text, and a traceback in the log). `on_unhandled` sees it.
- CancelledError that escapes a handler whose client still waits ends the call CANCELLED (real: the
  client hangs until its deadline). abort(OK) and wrongly typed metadata are refused at once (same).
- A request or response that cannot be serialised or parsed raises (real: logs, then sends an empty
  message or gives None). A request is serialised when it is passed, so changing it later is without
  effect (real: serialised a little later). Invalid metadata raises at the call, not at its await.
- Too few or too many messages for a method's shape end it UNIMPLEMENTED, as gRPC specifies (real:
  hangs). A second task that reads or writes the same stream gets UsageError (real: hangs).
- A generator given as requests, or returned by a handler, is closed when the call ends (real: left
  to the garbage collector). `timeout <= 0` never enters the handler (real: either).
- No `user-agent`, no transport in `peer()` ("local:"), empty `debug_error_string`.

Not offered: sync handlers, client interceptors, compression, call credentials, use from another
event loop. Read-ahead differs: see `Pipe`.
"""

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable
from types import TracebackType
from typing import Generic, Self, TypeVar

import grpc
from grpc import ChannelConnectivity, StatusCode, aio

from core.local import metadata as md
from core.local.call import (
    LOCALLY_CANCELLED,
    StreamStreamCall,
    StreamUnaryCall,
    UnaryStreamCall,
    UnaryUnaryCall,
    encode,
)
from core.local.handover import parsed_type
from core.local.pipe import Pipe
from core.local.rpc import Rpc, Status, too_large
from core.local.server import LocalServer

Req = TypeVar("Req")
Res = TypeVar("Res")


class LocalChannel(aio.Channel):
    """A channel to a `LocalServer` of the same process and event loop, for the generated stubs."""

    def __init__(self, server: LocalServer) -> None:
        self.server = server
        self._closed = asyncio.Event()

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[Req], bytes] | None = None,
        response_deserializer: Callable[[bytes], Res] | None = None,
        *,
        _registered_method: bool | None = None,
    ) -> aio.UnaryUnaryMultiCallable[Req, Res]:
        return _UnaryUnary(self, method, request_serializer, response_deserializer)

    def unary_stream(
        self,
        method: str,
        request_serializer: Callable[[Req], bytes] | None = None,
        response_deserializer: Callable[[bytes], Res] | None = None,
        *,
        _registered_method: bool | None = None,
    ) -> aio.UnaryStreamMultiCallable[Req, Res]:
        return _UnaryStream(self, method, request_serializer, response_deserializer)

    def stream_unary(
        self,
        method: str,
        request_serializer: Callable[[Req], bytes] | None = None,
        response_deserializer: Callable[[bytes], Res] | None = None,
        *,
        _registered_method: bool | None = None,
    ) -> aio.StreamUnaryMultiCallable[Req, Res]:
        return _StreamUnary(self, method, request_serializer, response_deserializer)

    def stream_stream(
        self,
        method: str,
        request_serializer: Callable[[Req], bytes] | None = None,
        response_deserializer: Callable[[bytes], Res] | None = None,
        *,
        _registered_method: bool | None = None,
    ) -> aio.StreamStreamMultiCallable[Req, Res]:
        return _StreamStream(self, method, request_serializer, response_deserializer)

    async def close(self, grace: float | None = None) -> None:
        """Refuse new calls, let this channel's end within *grace* seconds, cancel the rest."""
        self._closed.set()
        calls = [rpc for rpc in self.server.calls() if rpc.owner is self]
        tasks = [rpc.task for rpc in calls if rpc.task is not None]
        if tasks and grace:
            await asyncio.wait(tasks, timeout=grace)
        for rpc in calls:
            rpc.cancel(LOCALLY_CANCELLED)

    def get_state(
        self,
        try_to_connect: bool = False,  # noqa: FBT001, FBT002 - grpc.aio's signature
    ) -> ChannelConnectivity:
        del try_to_connect
        return ChannelConnectivity.SHUTDOWN if self.closed else ChannelConnectivity.READY

    async def wait_for_state_change(self, last_observed_state: ChannelConnectivity) -> None:
        """Wait until the state differs. Once the channel is closed: UsageError."""
        if last_observed_state is ChannelConnectivity.READY:
            await self._closed.wait()
        await self.channel_ready()

    async def channel_ready(self) -> None:
        """Return at once, or raise UsageError if the channel is closed."""
        if self.closed:
            raise aio.UsageError("Channel is closed.")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()


class _Method(Generic[Req, Res]):
    """One method of a stub: opens its calls."""

    __slots__ = ("_channel", "_deserialize", "_path", "_response_type", "_serialize")

    def __init__(
        self,
        channel: LocalChannel,
        path: str,
        serialize: Callable[[Req], bytes] | None,
        deserialize: Callable[[bytes], Res] | None,
    ) -> None:
        self._channel = channel
        self._path = path
        self._serialize = serialize
        self._deserialize = deserialize
        handover = channel.server.isolation == "handover"
        self._response_type = parsed_type(deserialize) if handover else None

    def _open(
        self,
        timeout: float | None,
        metadata: md.MetadataLike | None,
        credentials: grpc.CallCredentials | None,
    ) -> Rpc:
        channel = self._channel
        if channel.closed:
            raise aio.UsageError("Channel is closed.")
        if credentials is not None:
            raise aio.UsageError("A local channel carries no call credentials.")
        rpc = Rpc(self._path, md.received(metadata), timeout, channel.server.limits)
        rpc.owner = channel
        rpc.response_type = self._response_type
        return rpc

    def _start(self, rpc: Rpc) -> None:
        if md.size(rpc.metadata) > md.METADATA_BYTES_MAX:
            rpc.finish(Status(StatusCode.RESOURCE_EXHAUSTED, _METADATA_TOO_LARGE, ()))
        if rpc.request is not None and len(rpc.request) > rpc.limits.message_bytes_max:
            rpc.finish(too_large("SERVER", len(rpc.request), rpc.limits.message_bytes_max))
        self._channel.server.serve(rpc)


_METADATA_TOO_LARGE = f"received metadata size exceeds hard limit ({md.METADATA_BYTES_MAX})"


class _UnaryUnary(_Method[Req, Res], aio.UnaryUnaryMultiCallable[Req, Res]):
    __slots__ = ()

    def __call__(
        self,
        request: Req,
        *,
        timeout: float | None = None,
        metadata: md.MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> UnaryUnaryCall[Req, Res]:
        del wait_for_ready, compression  # always ready; no bytes leave the process
        data = encode(self._serialize, request)
        rpc = self._open(timeout, metadata, credentials)
        rpc.request = data
        self._start(rpc)
        return UnaryUnaryCall(rpc, self._serialize, self._deserialize)


class _UnaryStream(_Method[Req, Res], aio.UnaryStreamMultiCallable[Req, Res]):
    __slots__ = ()

    def __call__(
        self,
        request: Req,
        *,
        timeout: float | None = None,
        metadata: md.MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> UnaryStreamCall[Req, Res]:
        del wait_for_ready, compression  # always ready; no bytes leave the process
        data = encode(self._serialize, request)
        rpc = self._open(timeout, metadata, credentials)
        rpc.request = data
        rpc.responses = Pipe()
        self._start(rpc)
        return UnaryStreamCall(rpc, self._serialize, self._deserialize)


class _StreamUnary(_Method[Req, Res], aio.StreamUnaryMultiCallable[Req, Res]):
    __slots__ = ()

    def __call__(
        self,
        request_iterator: AsyncIterable[Req] | Iterable[Req] | None = None,
        timeout: float | None = None,
        metadata: md.MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,  # noqa: FBT001 - grpc.aio's signature
        compression: grpc.Compression | None = None,
    ) -> StreamUnaryCall[Req, Res]:
        del wait_for_ready, compression  # always ready; no bytes leave the process
        rpc = self._open(timeout, metadata, credentials)
        rpc.requests = Pipe()
        self._start(rpc)
        call = StreamUnaryCall(rpc, self._serialize, self._deserialize)
        if request_iterator is not None:
            call.feed(request_iterator)
        return call


class _StreamStream(_Method[Req, Res], aio.StreamStreamMultiCallable[Req, Res]):
    __slots__ = ()

    def __call__(
        self,
        request_iterator: AsyncIterable[Req] | Iterable[Req] | None = None,
        timeout: float | None = None,
        metadata: md.MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,  # noqa: FBT001 - grpc.aio's signature
        compression: grpc.Compression | None = None,
    ) -> StreamStreamCall[Req, Res]:
        del wait_for_ready, compression  # always ready; no bytes leave the process
        rpc = self._open(timeout, metadata, credentials)
        rpc.requests = Pipe()
        rpc.responses = Pipe()
        self._start(rpc)
        call = StreamStreamCall(rpc, self._serialize, self._deserialize)
        if request_iterator is not None:
            call.feed(request_iterator)
        return call
