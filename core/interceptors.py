"""What surrounds every RPC: authentication, error mapping, one log event.

One interceptor does all three, because each layer of wrapping costs every call. It is a
supervision boundary: the one place in `core` where unexpected exceptions are caught. No
exception text reaches a peer or the log.
"""

import asyncio
import hmac
import inspect
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, NoReturn, Protocol, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from grpc import aio

from core.caller import NOBODY, OPERATOR, Caller, Whence, enter_call, identified
from core.errors import GatewayError, Reason
from core.log import CallEnded, Emit, defect
from core.permissions import OPEN, OPTIONAL, permit
from core.status import DETAILS_KEY, code_of, to_status
from storage.pool import StorageUnavailable

# Requests and responses of every method pass through here: Any is what they have in common.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Found: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Context: TypeAlias = "aio.ServicerContext[Any, Any]"
Behaviour = Callable[[Any, Any], Any]
Locate: TypeAlias = Callable[[Mapping[str, Any], str], Whence]
"""Where a call comes from, by its metadata and its peer."""

UNARY_SECONDS = 60.0
"""A unary call without a deadline of its own ends after this."""

_OPEN_SERVICES = ("/grpc.reflection.",)
_ADMIN = "/reapi.v1.AdminService/"
_ACCOUNT = "/reapi.v1.AccountService/"
_REQUEST_ID = re.compile(r"req_[0-9a-f]{32}\Z")
"""What bridges call a request. It is logged and kept, so no caller's text may pass for one."""


class Authenticator(Protocol):
    """Turns a bearer token into a caller."""

    async def authenticate(self, token: str) -> Caller:
        """Raise GatewayError API_KEY_INVALID or SESSION_INVALID, or STORAGE_UNAVAILABLE."""
        ...


class Boundary(aio.ServerInterceptor):
    """Authenticates, maps errors to rich statuses, and emits one CallEnded."""

    def __init__(
        self,
        authenticator: Authenticator,
        emit: Emit,
        admin_token: str,
        whence: Locate = lambda _metadata, _peer: Whence(),
    ) -> None:
        self._authenticator = authenticator
        self._emit = emit
        self._admin_token = admin_token
        self._whence = whence
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Found]],
        details: grpc.HandlerCallDetails,
    ) -> Found:
        """Wrap the method's handler, once for each method."""
        wrapped = self._wrapped.get(details.method)
        if wrapped is not None:
            return wrapped
        handler = await continuation(details)
        if handler is None:
            return None
        wrapped = self._wrap(details.method, handler)
        self._wrapped[details.method] = wrapped
        return wrapped

    def _wrap(self, method: str, handler: Handler) -> Handler:
        """The same handler inside the boundary; responses stream by `context.write`."""
        request, response = _lenient(handler.request_deserializer), handler.response_serializer
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                self._guard(method, handler.unary_unary, unary=True), request, response
            )
        if handler.stream_unary:
            return grpc.stream_unary_rpc_method_handler(
                self._guard(method, handler.stream_unary), request, response
            )
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                self._guard(method, _written(handler.unary_stream)), request, response
            )
        assert handler.stream_stream
        return grpc.stream_stream_rpc_method_handler(
            self._guard(method, _written(handler.stream_stream)), request, response
        )

    def _guard(self, method: str, behaviour: Behaviour, *, unary: bool = False) -> Any:
        """Build the coroutine that grpc calls. Its type differs by shape, hence Any."""

        async def guarded(request: Any, context: Context) -> Any:
            started = time.monotonic()
            error: GatewayError | None = None
            request_id = ""
            try:
                metadata = dict(context.invocation_metadata() or ())
                token = str(metadata.get("authorization", ""))
                whence = self._whence(metadata, context.peer())
                request_id = _request_id(metadata, whence)
                place = (whence.address, whence.user_agent, whence.subject)
                enter_call(NOBODY, request_id, *place)  # a key may be tied to networks
                identified(await self._identify(method, token))
                if unary and context.time_remaining() is None:
                    async with asyncio.timeout(UNARY_SECONDS):
                        return await behaviour(request, context)
                return await behaviour(request, context)
            except GatewayError as failure:
                error = failure
            except StorageUnavailable:
                error = GatewayError(
                    Reason.STORAGE_UNAVAILABLE, "The database cannot be reached.", retry_after=1
                )
            except TimeoutError:
                error = GatewayError(Reason.DEADLINE_EXCEEDED, "The call took too long.")
            except asyncio.CancelledError:
                # Must not escape: grpc.aio would then send no status at all (runtime.md A 4).
                error = GatewayError(Reason.CANCELLED, "The call was cancelled.")
            except aio.AbortError:
                raise
            except Exception as defective:  # noqa: BLE001 - the supervision boundary of RPCs
                self._emit(defect(method, defective))
                error = GatewayError(Reason.INTERNAL, "The gateway failed.")
            finally:
                self._report(method, request_id, started, error)
            await _abort(context, error)
            return None

        return guarded

    async def _identify(self, method: str, authorization: str) -> Caller:
        is_open = method in OPEN or method.startswith(_OPEN_SERVICES)
        if is_open and (method not in OPTIONAL or not authorization):
            return NOBODY
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise _nobody(method)
        if method.startswith(_ADMIN):
            if hmac.compare_digest(token.encode(), self._admin_token.encode()):
                return OPERATOR
            await self._authenticator.authenticate(token)
            raise GatewayError(
                Reason.PERMISSION_DENIED,
                "Only the operator may do this.",
                metadata={"permission": "admin"},
            )
        caller = await self._authenticator.authenticate(token)
        permit(method, caller)
        return caller

    def _report(
        self, method: str, request_id: str, started: float, error: GatewayError | None
    ) -> None:
        code = "OK" if error is None else code_of(error.reason).name
        reason = "" if error is None else str(error.reason)
        milliseconds = (time.monotonic() - started) * 1000
        self._emit(CallEnded(method, code, reason, request_id, milliseconds))


def _nobody(method: str) -> GatewayError:
    """The error for a call without a credential."""
    if method.startswith(_ACCOUNT):
        return GatewayError(
            Reason.API_KEY_MISSING,
            "You are not signed in. Send the session's token as `Authorization: Bearer rs_…`.",
        )
    return GatewayError(
        Reason.API_KEY_MISSING,
        "You did not provide an API key. Send it as `Authorization: Bearer rk_live_…`.",
    )


class _Malformed:
    """What stands for a message that could not be parsed: whoever looks at it is refused.

    grpc would answer with the parser's exception, before anybody was authenticated.
    """

    def __getattr__(self, name: str) -> NoReturn:
        raise GatewayError(Reason.MALFORMED_REQUEST, "The message could not be parsed.")


def _lenient(parse: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    if parse is None:
        return None

    def parsed(data: bytes) -> Any:
        try:
            return parse(data)
        except DecodeError:
            return _Malformed()

    return parsed


def _request_id(metadata: Mapping[str, Any], whence: Whence) -> str:
    """The id that a bridge gave the request, or a new one."""
    told = str(metadata.get("x-request-id", "")) if whence.is_believed else ""
    return told if _REQUEST_ID.match(told) else f"req_{secrets.token_hex(16)}"


async def _abort(context: Context, error: GatewayError) -> None:
    """End the call with a rich status. Raises AbortError, as grpc wants."""
    status = to_status(error)
    await context.abort(
        code_of(error.reason), status.message, ((DETAILS_KEY, status.SerializeToString()),)
    )


def _written(behaviour: Behaviour) -> Behaviour:
    """Drive an async generator by `context.write`; leave other behaviours as they are."""
    if not inspect.isasyncgenfunction(behaviour):
        return behaviour

    async def written(request: Any, context: Context) -> None:
        async with aclosing(behaviour(request, context)) as responses:
            async for response in responses:
                await context.write(response)

    return written
