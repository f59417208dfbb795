"""The client's side of a local call: the call objects that grpc.aio's stubs return."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable
from enum import Enum
from functools import partial
from typing import Any, Generic, TypeVar, cast

from grpc import StatusCode, aio

from core.local.pipe import Pipe
from core.local.rpc import OK, Rpc

Req = TypeVar("Req")
Res = TypeVar("Res")

LOCALLY_CANCELLED = "Locally cancelled by application!"
_FINISHED = "RPC already finished."
_HALF_CLOSED = 'RPC is half closed after calling "done_writing".'
_MIXED = "The iterator and read/write APIs may not be mixed on a single RPC."


class _Style(Enum):
    UNKNOWN = 0
    ITERATOR = 1
    READER_WRITER = 2


class LocalCall(Generic[Req, Res]):
    """What all four shapes share: status, metadata, cancellation."""

    __slots__ = (
        "_deserialize",
        "_fed",
        "_half_closed",
        "_iterator",
        "_reading",
        "_response",
        "_rpc",
        "_serialize",
    )

    def __init__(
        self,
        rpc: Rpc,
        serialize: Callable[[Req], bytes] | None,
        deserialize: Callable[[bytes], Res] | None,
    ) -> None:
        self._rpc = rpc
        self._serialize = serialize
        self._deserialize = deserialize
        self._response: Res | None = None
        self._reading = _Style.UNKNOWN
        self._iterator: AsyncGenerator[Res, None] | None = None
        self._fed = False  # requests come from an iterator
        self._half_closed = False

    def cancel(self) -> bool:
        """Cancel the call and its handler. Returns False if the call had ended."""
        return self._rpc.cancel(LOCALLY_CANCELLED)

    def cancelled(self) -> bool:
        status = self._rpc.status
        return status is not None and status.code is StatusCode.CANCELLED

    def done(self) -> bool:
        return self._rpc.status is not None

    def time_remaining(self) -> float | None:
        return self._rpc.time_remaining()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call *callback* with this call when it has ended; at once if it has."""
        if self._rpc.status is not None:
            callback(self)
        else:
            self._rpc.when_over(partial(callback, self))

    async def initial_metadata(self) -> aio.Metadata:
        """Wait for the handler's initial metadata; empty if the call ended without."""
        rpc = self._rpc
        if rpc.initial is None:
            await rpc.until_initial()
        return aio.Metadata(*(rpc.initial or ()))

    async def trailing_metadata(self) -> aio.Metadata:
        if self._rpc.status is None:
            await self._rpc.until_status()
        return self._trailing()

    async def code(self) -> StatusCode:
        """Wait for the end of the call: of a stream, only reading its messages gets there."""
        rpc = self._rpc
        if rpc.status is None:
            await rpc.until_status()
        assert rpc.status is not None
        return rpc.status.code

    async def details(self) -> str:
        rpc = self._rpc
        if rpc.status is None:
            await rpc.until_status()
        assert rpc.status is not None
        return rpc.status.details

    async def debug_error_string(self) -> str:
        """Return nothing: there is no transport to debug."""
        return ""

    async def wait_for_connection(self) -> None:
        self._raise_for_status()

    def __repr__(self) -> str:
        status = self._rpc.status
        state = "running" if status is None else status.code.name
        return f"<{type(self).__name__} {self._rpc.method} {state}>"

    def _trailing(self) -> aio.Metadata:
        status = self._rpc.status
        return aio.Metadata(*status.trailing) if status is not None else aio.Metadata()

    def _raise_for_status(self) -> None:
        """Raise what an ended call owes its caller: CancelledError, AioRpcError or nothing."""
        rpc = self._rpc
        if rpc.cancelled_by_client:
            raise asyncio.CancelledError
        status = rpc.status
        if status is not None and status.code is not StatusCode.OK:
            initial = aio.Metadata(*(rpc.initial or ()))
            raise aio.AioRpcError(status.code, initial, self._trailing(), status.details)

    def _parse(self, item: object) -> Res:
        if type(item) is bytes and self._deserialize is not None:
            return self._deserialize(item)
        return cast(Res, item)  # handed over, or a stub that wants bytes


class _UnaryResponse(LocalCall[Req, Res]):
    __slots__ = ()

    def __await__(self) -> Generator[Any, None, Res]:
        """Wait for the response. May be awaited again. Cancelling the waiter cancels the call."""
        rpc = self._rpc
        if rpc.status is None:
            try:
                yield from rpc.until_status()
            except asyncio.CancelledError:
                self.cancel()
                raise
        if rpc.status is not OK:
            self._raise_for_status()
        if self._response is None:
            self._response = self._parse(rpc.response)
        return self._response


class _StreamResponse(LocalCall[Req, Res]):
    __slots__ = ()

    async def read(self) -> Res | Any:
        """Return the next response, or `aio.EOF` after the last one of a call that ended well."""
        rpc = self._rpc
        if rpc.status is None and self._reading is not _Style.READER_WRITER:
            self._read_by(_Style.READER_WRITER)
        pipe = rpc.response_stream()
        while not pipe.items:
            if rpc.status is not None:
                self._raise_for_status()
                return aio.EOF
            await self._arrival(pipe)
        return self._parse(rpc.take())

    def __aiter__(self) -> AsyncGenerator[Res, None]:
        """Return the one iterator of this call. Leaving or closing it does not end the call."""
        self._read_by(_Style.ITERATOR)
        if self._iterator is None:
            self._iterator = self._responses()
        return self._iterator

    async def _responses(self) -> AsyncGenerator[Res, None]:
        rpc = self._rpc
        pipe = rpc.response_stream()
        while True:
            if pipe.items:
                yield self._parse(rpc.take())
            elif rpc.status is not None:
                self._raise_for_status()
                return
            else:
                await self._arrival(pipe)

    async def _arrival(self, pipe: Pipe) -> None:
        try:
            await pipe.arrival(self._rpc.loop)
        except asyncio.CancelledError:
            self.cancel()
            raise

    def _read_by(self, style: _Style) -> None:
        if self._reading is _Style.UNKNOWN:
            self._reading = style
        elif self._reading is not style:
            raise aio.UsageError(_MIXED)


class _StreamRequest(LocalCall[Req, Res]):
    __slots__ = ()

    async def write(self, request: Req) -> None:
        """Send one request; returns when there is room for another."""
        self._write_by_hand()
        await self._write(request)

    async def done_writing(self) -> None:
        """Tell the handler that no request follows. May be called again."""
        self._write_by_hand()
        self._half_close()

    def feed(self, requests: AsyncIterable[Req] | Iterable[Req]) -> None:
        """Send *requests* from a task of its own, then half-close."""
        self._fed = True
        rpc = self._rpc
        if rpc.status is None:
            rpc.pump = rpc.loop.create_task(self._feed(requests))
            rpc.pump.add_done_callback(_retrieve)

    async def _feed(self, requests: AsyncIterable[Req] | Iterable[Req]) -> None:
        try:
            if isinstance(requests, AsyncIterable):
                async for request in requests:
                    await self._write(request)
            else:
                for request in requests:
                    await self._write(request)
            self._half_close()
        finally:
            # An iterator that fails cancels the call; one that outlives it changes nothing.
            self._rpc.pump = None
            if not self._half_closed and self._rpc.ended is None:
                self.cancel()
            if isinstance(requests, AsyncGenerator):
                await requests.aclose()

    async def _write(self, request: Req) -> None:
        rpc = self._rpc
        if rpc.status is not None:
            raise asyncio.InvalidStateError(_FINISHED)
        if self._half_closed:
            raise asyncio.InvalidStateError(_HALF_CLOSED)
        if rpc.ended is not None:
            await asyncio.sleep(0)  # nobody reads it, but a loop of writes must not block
            return
        pipe = rpc.accept(encode(self._serialize, request))
        if pipe.ahead >= rpc.limits.window_bytes:
            try:
                await pipe.drained(rpc.loop)
            except asyncio.CancelledError:
                self.cancel()
                raise
            self._raise_for_status()

    def _half_close(self) -> None:
        if self._rpc.status is None and not self._half_closed:
            self._half_closed = True
            self._rpc.request_stream().close()

    def _write_by_hand(self) -> None:
        if self._fed:
            raise aio.UsageError(_MIXED)


class UnaryUnaryCall(_UnaryResponse[Req, Res], aio.UnaryUnaryCall[Req, Res]):
    __slots__ = ()


class UnaryStreamCall(_StreamResponse[Req, Res], aio.UnaryStreamCall[Req, Res]):
    __slots__ = ()


class StreamUnaryCall(
    _StreamRequest[Req, Res], _UnaryResponse[Req, Res], aio.StreamUnaryCall[Req, Res]
):
    __slots__ = ()


class StreamStreamCall(
    _StreamRequest[Req, Res], _StreamResponse[Req, Res], aio.StreamStreamCall[Req, Res]
):
    __slots__ = ()


def encode(serialize: Callable[[Req], bytes] | None, request: Req) -> bytes:
    """Return *request* as the wire carries it. Raises TypeError for what cannot be serialised."""
    data = request if serialize is None else serialize(request)
    if type(data) is not bytes:
        raise TypeError("A request must be serialised to bytes.")
    return data


def _retrieve(pump: asyncio.Task[None]) -> None:
    """Take the exception of a caller's iterator, so that asyncio does not print its text."""
    if not pump.cancelled():
        pump.exception()
