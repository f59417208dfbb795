"""The handler's side of a local call: grpc.aio's ServicerContext and request iterator."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol

import grpc
from grpc import StatusCode, aio

from core.local import metadata as md
from core.local.handover import HandoverWatch
from core.local.rpc import OK, CallerGone, Rpc, Status


class RichStatus(Protocol):
    """A grpc.Status, such as `grpc_status.rpc_status.to_status` makes."""

    code: StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


class LocalContext:
    """What a handler may ask of its call, as grpc.aio's own context answers it."""

    __slots__ = (
        "_abort",
        "_callbacks",
        "_code",
        "_details",
        "_handler",
        "_rpc",
        "_trailing",
        "_watch",
    )

    def __init__(
        self,
        rpc: Rpc,
        handler: "grpc.RpcMethodHandler[Any, Any]",
        watch: HandoverWatch | None,
    ) -> None:
        self._rpc = rpc
        self._handler = handler
        self._watch = watch
        self._abort: aio.AbortError | None = None
        self._code: StatusCode | None = None
        self._details = ""
        self._trailing: md.Metadata = ()
        self._callbacks: list[Callable[[Any], None]] | None = None

    # Messages and metadata.

    async def read(self) -> Any:
        """Return the next request, or `aio.EOF`. A handler of a dead call reads EOF first."""
        rpc = self._rpc
        if self._abort is not None:
            raise self._abort
        if rpc.status is not None:
            await asyncio.sleep(0)  # where the CancelledError arrives, if it has not yet
        pipe = rpc.request_stream()
        while not pipe.items:
            if pipe.closed:
                return aio.EOF
            await pipe.arrival(rpc.loop)
        return self.parse(pipe.pop())

    async def write(self, message: object) -> None:
        """Send one response; returns when there is room for another."""
        rpc = self._rpc
        if rpc.ended is not None or rpc.status is not None or self._abort is not None:
            await self.check_running()
        self.respond(message)
        pipe = rpc.responses
        if pipe is not None and pipe.ahead >= rpc.limits.window_bytes:
            await pipe.drained(rpc.loop)

    async def send_initial_metadata(
        self, initial_metadata: aio.Metadata | tuple[tuple[str, str | bytes], ...]
    ) -> None:
        """Send the initial metadata, once and before the first response."""
        rpc = self._rpc
        if rpc.ended is not None or rpc.status is not None or self._abort is not None:
            await self.check_running()
        if rpc.initial is not None:
            raise aio.UsageError("Send initial metadata failed: already sent")
        metadata = md.received(initial_metadata)
        if md.size(metadata) > md.METADATA_BYTES_MAX:
            details = "Received metadata larger than max"
            rpc.fail(Status(StatusCode.RESOURCE_EXHAUSTED, details, ()))
        rpc.send_initial(metadata)

    def invocation_metadata(self) -> md.Metadata:
        return self._rpc.metadata

    # The end of the call.

    async def abort(
        self,
        code: StatusCode,
        details: str = "",
        trailing_metadata: tuple[tuple[str, str | bytes], ...] = (),
    ) -> NoReturn:
        """End the call with an error; the client sees it before the handler has unwound."""
        if self._abort is not None:
            raise aio.UsageError("Abort already called!")
        if type(trailing_metadata) is not tuple:
            raise TypeError("trailing_metadata must be a tuple.")  # grpc.aio refuses others too
        if code is StatusCode.OK:
            raise ValueError("abort() needs an error code.")
        if trailing_metadata:
            self.set_trailing_metadata(trailing_metadata)
        if details:
            self.set_details(details)
        self.set_code(code)
        self._abort = aio.AbortError("Locally aborted.")
        self._rpc.finish(Status(code, self._details, self._trailing))
        raise self._abort

    async def abort_with_status(self, status: RichStatus) -> NoReturn:
        await self.abort(status.code, status.details, status.trailing_metadata)

    def set_trailing_metadata(
        self, trailing_metadata: aio.Metadata | tuple[tuple[str, str | bytes], ...]
    ) -> None:
        self._trailing = md.received(trailing_metadata)

    def trailing_metadata(self) -> md.Metadata:
        return self._trailing

    def set_code(self, code: StatusCode) -> None:
        if type(code) is not StatusCode:
            raise TypeError("code must be a grpc.StatusCode.")
        self._code = code

    def code(self) -> StatusCode | None:
        return self._code

    def set_details(self, details: str) -> None:
        if type(details) is not str:
            raise TypeError("details must be str.")
        self._details = details

    def details(self) -> str:
        return self._details

    # What a handler may know.

    def done(self) -> bool:
        """Return whether the handler's status is decided. A client's cancel does not count."""
        return self._rpc.ended is not None

    def cancelled(self) -> bool:
        """Return whether the handler set CANCELLED. A client's cancel does not count."""
        return self._code is StatusCode.CANCELLED

    def time_remaining(self) -> float | None:
        return self._rpc.time_remaining()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call *callback* with this context after the handler has ended."""
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append(callback)

    def peer(self) -> str:
        return "local:"

    def peer_identities(self) -> None:
        return None

    def peer_identity_key(self) -> None:
        return None

    def auth_context(self) -> Mapping[str, list[bytes]]:
        return {}

    def set_compression(self, compression: grpc.Compression) -> None:
        """Do nothing: no bytes leave the process."""

    def disable_next_message_compression(self) -> None:
        """Do nothing: no bytes leave the process."""

    # What the server does with it.

    def parse(self, data: Any) -> Any:
        """Return the request that *data* is."""
        deserialize = self._handler.request_deserializer
        return data if deserialize is None else deserialize(data)

    def respond(self, message: object) -> None:
        """Send one response without waiting for room."""
        rpc = self._rpc
        if rpc.response_type is not None and type(message) is rpc.response_type:
            rpc.deliver(message, message.ByteSize())
            return
        serialize = self._handler.response_serializer
        data = message if serialize is None else serialize(message)
        if type(data) is not bytes:
            raise TypeError("A response must be serialised to bytes.")
        if self._watch is not None:
            self._watch.note(message)
        rpc.deliver(data, len(data))

    def answer(self, message: object) -> None:
        """Send the only response, unless the handler has set an error (an abort sets one)."""
        if self._code is None or self._code is StatusCode.OK:
            self.respond(message)

    async def check_running(self) -> None:
        """Raise, if the call has ended, what the handler may not ignore."""
        if self._abort is not None:
            raise self._abort
        if self._rpc.status is not None:
            await asyncio.sleep(0)  # where the CancelledError arrives, if it has not yet
            raise CallerGone("The call is over.")
        if self._rpc.ended is not None:
            raise aio.UsageError("RPC already finished.")

    def conclude(self) -> None:
        """End the call as the handler left it; an abort that it swallowed stands."""
        if self._watch is not None:
            self._watch.verify()
        if self._code is None and not self._details and not self._trailing:
            self._rpc.finish(OK)
        else:
            code = self._code or StatusCode.OK
            self._rpc.finish(Status(code, self._details, self._trailing))

    def release(self) -> None:
        """Run the handler's done callbacks, each on its own. May raise HandoverViolation."""
        if self._callbacks is not None:
            for callback in self._callbacks:
                self._rpc.loop.call_soon(callback, self)
        if self._watch is not None:
            self._watch.verify()


class RequestIterator:
    """The stream of requests that a handler iterates over. Ends at the client's half-close."""

    __slots__ = ("_context",)

    def __init__(self, context: LocalContext) -> None:
        self._context = context

    def __aiter__(self) -> "RequestIterator":
        return self

    async def __anext__(self) -> Any:
        request = await self._context.read()
        if request is aio.EOF:
            raise StopAsyncIteration
        return request
