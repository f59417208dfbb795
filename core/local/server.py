"""A gRPC server without a socket: registered like `grpc.aio.server`, called by `LocalChannel`."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn, TypeAlias

import grpc
from google.protobuf.message import Message
from grpc import StatusCode, aio

from core.local import metadata as md
from core.local.context import LocalContext, RequestIterator
from core.local.handover import HandoverViolation, HandoverWatch, Isolation
from core.local.rpc import CallerGone, Limits, Rpc, Status

MESSAGE_BYTES_MAX = 4 * 1024 * 1024  # gRPC's default for a received message
WINDOW_BYTES = 256 * 1024
# How long `stop` waits for handlers that it has cancelled.
CANCELLED_HANDLER_SECONDS = 5.0

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Found: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Continuation: TypeAlias = Callable[[grpc.HandlerCallDetails], Awaitable[Found]]

_METHOD_NOT_FOUND = Status(StatusCode.UNIMPLEMENTED, "Method not found!", ())
_NO_REQUEST = Status(StatusCode.UNIMPLEMENTED, "No request.", ())
_INVALID_METADATA = Status(StatusCode.INTERNAL, "Invalid metadata", ())
_HANDLER_CANCELLED = Status(StatusCode.CANCELLED, "The handler was cancelled.", ())
_STOPPING = Status(StatusCode.UNAVAILABLE, "The server is stopping.", ())
_UNEXPECTED = "Unexpected error."
_UNFINISHED = Status(StatusCode.UNKNOWN, _UNEXPECTED, ())


class _CallDetails(grpc.HandlerCallDetails):
    __slots__ = ("invocation_metadata", "method")

    def __init__(self, method: str, invocation_metadata: md.Metadata) -> None:
        self.method = method
        self.invocation_metadata = invocation_metadata


class LocalServer(aio.Server):
    """Runs handlers and server interceptors for `LocalChannel`s of the same event loop.

    *message_bytes_max* bounds each message of both directions, *window_bytes* how far a writer may
    be ahead of its reader; *isolation*: see `core.local.handover`. *on_unhandled* is told of each
    exception a handler let escape, with the method's path; the client learns only UNKNOWN (or the
    code the handler had set) and a fixed text.
    """

    def __init__(
        self,
        interceptors: Sequence[aio.ServerInterceptor] = (),
        *,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
        window_bytes: int = WINDOW_BYTES,
        isolation: Isolation = "wire",
        on_unhandled: Callable[[str, BaseException], None] | None = None,
    ) -> None:
        if isolation == "checked" and on_unhandled is None:
            raise ValueError("A checked server tells its violations to on_unhandled.")
        self.limits = Limits(message_bytes_max, window_bytes)
        self.isolation: Isolation = isolation
        self._on_unhandled = on_unhandled
        self._registered: dict[str, Handler] = {}
        self._generic: list[grpc.GenericRpcHandler] = []
        self._find = _chain(interceptors, self._lookup) if interceptors else None
        self._context = contextvars.copy_context()
        self._running: set[Rpc] = set()
        self._stopping = False
        self._stopped = asyncio.Event()
        self._owned: dict[int, Message] = {}

    # Registration, as the generated add_…Servicer_to_server functions do it.

    def add_generic_rpc_handlers(
        self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]
    ) -> None:
        self._generic.extend(generic_rpc_handlers)

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, Handler]
    ) -> None:
        for name, handler in method_handlers.items():
            self._registered[f"/{service_name}/{name}"] = handler

    def add_insecure_port(self, address: str) -> NoReturn:
        raise aio.UsageError(f"A local server has no port: {address}.")

    def add_secure_port(self, address: str, server_credentials: object) -> NoReturn:
        del server_credentials
        raise aio.UsageError(f"A local server has no port: {address}.")

    # Life.

    async def start(self) -> None:
        """Do nothing: a local server serves from its construction to `stop`."""

    async def stop(self, grace: float | None) -> None:
        """Refuse new calls, let running ones end within *grace* seconds, then cancel them.

        Calls that are cut end UNAVAILABLE, as with a real server; their handlers get
        CancelledError and CANCELLED_HANDLER_SECONDS to clean up.
        """
        self._stopping = True
        if grace:
            await _wait(self._running, grace)
        for rpc in tuple(self._running):
            rpc.kill(StatusCode.UNAVAILABLE, "Cancelling all calls")
        await _wait(self._running, CANCELLED_HANDLER_SECONDS)
        self._stopped.set()

    async def wait_for_termination(self, timeout: float | None = None) -> bool:
        """Wait until `stop` has ended. Returns True if *timeout* seconds passed before."""
        try:
            await asyncio.wait_for(self._stopped.wait(), timeout)
        except TimeoutError:
            return True
        return False

    # Calls.

    def serve(self, rpc: Rpc) -> None:
        """Start the handler of *rpc*, unless the call has ended already."""
        if rpc.status is None and self._stopping:
            rpc.finish(_STOPPING)
        if rpc.status is None:
            self._running.add(rpc)
            context = self._context.copy()
            rpc.task = rpc.loop.create_task(self._serve(rpc), context=context)

    def calls(self) -> set[Rpc]:
        """Return the calls whose handlers run."""
        return set(self._running)

    def _lookup(self, details: grpc.HandlerCallDetails) -> Found:
        handler = self._registered.get(details.method)
        if handler is not None:
            return handler
        for generic in self._generic:
            handler = generic.service(details)
            if handler is not None:
                return handler
        return None

    async def _serve(self, rpc: Rpc) -> None:
        context: LocalContext | None = None
        try:
            if rpc.status is not None:
                return  # over before it began
            details = _CallDetails(rpc.method, rpc.metadata)
            handler = self._lookup(details) if self._find is None else await self._find(details)
            if handler is None:
                rpc.finish(_METHOD_NOT_FOUND)
                return
            watch = HandoverWatch(self._owned) if self.isolation == "checked" else None
            context = LocalContext(rpc, handler, watch)
            await _run(handler, context, rpc)
            context.conclude()
        except (aio.AbortError, CallerGone):
            pass  # the status is decided
        except asyncio.CancelledError:
            rpc.finish(_HANDLER_CANCELLED)
            raise
        except md.InvalidMetadata:
            rpc.finish(_INVALID_METADATA)
        except Exception as error:  # noqa: BLE001 - the supervision boundary of every handler
            self._unhandled(rpc, context, error)
        finally:
            self._running.discard(rpc)
            if rpc.ended is None:
                rpc.finish(_UNFINISHED)
            if context is not None:
                self._release(rpc, context)

    def _unhandled(self, rpc: Rpc, context: LocalContext | None, error: Exception) -> None:
        code = context.code() if context is not None else None
        if code is None or code is StatusCode.OK:
            code = StatusCode.UNKNOWN
        trailing = context.trailing_metadata() if context is not None else ()
        rpc.finish(Status(code, _UNEXPECTED, trailing))
        if self._on_unhandled is not None:
            self._on_unhandled(rpc.method, error)

    def _release(self, rpc: Rpc, context: LocalContext) -> None:
        try:
            context.release()
        except HandoverViolation as error:
            self._unhandled(rpc, context, error)


def _chain(
    interceptors: Sequence[aio.ServerInterceptor],
    lookup: Callable[[grpc.HandlerCallDetails], Found],
) -> Continuation:
    """Return the interceptors as one continuation, the first one outermost. Built once."""

    async def found(details: grpc.HandlerCallDetails) -> Found:
        if type(details) is not _CallDetails:
            raise TypeError("An interceptor must pass on the details it was given.")  # as grpcio
        return lookup(details)

    continuation: Continuation = found
    for interceptor in reversed(interceptors):
        continuation = partial(interceptor.intercept_service, continuation)
    return continuation


async def _run(handler: Handler, context: LocalContext, rpc: Rpc) -> None:
    """Give *handler* its request or requests, and send what it returns, yields or writes."""
    streaming = handler.request_streaming
    request: Any
    if streaming:
        request = RequestIterator(context)
    elif rpc.request is not None:
        request, rpc.request = context.parse(rpc.request), None
    else:
        request = await context.read()
        if request is aio.EOF:
            rpc.finish(_NO_REQUEST)
            return
    behaviour: Any
    if handler.response_streaming:
        behaviour = handler.stream_stream if streaming else handler.unary_stream
        produced = behaviour(request, context)
        if hasattr(produced, "__aiter__"):
            await _stream(produced, context, rpc)
        else:
            await produced  # a coroutine that writes
    else:
        behaviour = handler.stream_unary if streaming else handler.unary_unary
        context.answer(await behaviour(request, context))


async def _stream(produced: Any, context: LocalContext, rpc: Rpc) -> None:
    """Send what a handler yields: *produced* is an async iterable of responses."""
    pipe = rpc.responses
    try:
        async for message in produced:
            if rpc.ended is not None or rpc.status is not None:
                await context.check_running()
            context.respond(message)
            if pipe is not None and pipe.ahead >= rpc.limits.window_bytes:
                await pipe.drained(rpc.loop)
    finally:
        # A real server leaves an unfinished generator to the garbage collector.
        aclose = getattr(produced, "aclose", None)
        if aclose is not None:
            await aclose()


async def _wait(running: set[Rpc], seconds: float) -> None:
    tasks = {rpc.task for rpc in running if rpc.task is not None} - {asyncio.current_task()}
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
