"""One service, behind a real grpc.aio channel and behind a LocalChannel: `peer` runs a test twice.

A test gives its handlers as functions; messages are `StringValue`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc import aio

from core.local.channel import LocalChannel
from core.local.server import LocalServer

Kind: TypeAlias = Literal["real", "local"]
SECONDS_MAX = 10  # nothing in these tests waits longer


class Handlers(grpc.GenericRpcHandler):
    """Finds a method's handler at each call, so that a test may add it when it likes."""

    def __init__(self) -> None:
        self.by_path: dict[str, Any] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self.by_path.get(handler_call_details.method)


class Gate(aio.ServerInterceptor):
    """An interceptor that a test may replace: `how` gets the continuation and the details."""

    def __init__(self) -> None:
        self.how: Callable[..., Awaitable[Any]] | None = None

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        if self.how is None:
            return await continuation(handler_call_details)
        return await self.how(continuation, handler_call_details)


@dataclass
class Peer:
    """A channel to a server that serves what the test adds."""

    kind: Kind
    server: aio.Server
    channel: aio.Channel
    handlers: Handlers
    gates: tuple[Gate, Gate]  # outer, inner
    unhandled: list[BaseException] = field(default_factory=list)

    @property
    def local(self) -> bool:
        return self.kind == "local"

    def unary_unary(self, behaviour: Any, path: str = "/t.T/UU") -> Any:
        self.handlers.by_path[path] = grpc.unary_unary_rpc_method_handler(behaviour, *_SERVER)
        return self.channel.unary_unary(path, *_CLIENT)

    def unary_stream(self, behaviour: Any, path: str = "/t.T/US") -> Any:
        self.handlers.by_path[path] = grpc.unary_stream_rpc_method_handler(behaviour, *_SERVER)
        return self.channel.unary_stream(path, *_CLIENT)

    def stream_unary(self, behaviour: Any, path: str = "/t.T/SU") -> Any:
        self.handlers.by_path[path] = grpc.stream_unary_rpc_method_handler(behaviour, *_SERVER)
        return self.channel.stream_unary(path, *_CLIENT)

    def stream_stream(self, behaviour: Any, path: str = "/t.T/SS") -> Any:
        self.handlers.by_path[path] = grpc.stream_stream_rpc_method_handler(behaviour, *_SERVER)
        return self.channel.stream_stream(path, *_CLIENT)

    async def idle(self) -> None:
        """Return when what the channel was told before has reached the server and come back."""
        await self.unary_unary(echo, "/t.T/Idle")(text())


_SERVER = (StringValue.FromString, StringValue.SerializeToString)
_CLIENT = (StringValue.SerializeToString, StringValue.FromString)


@contextlib.asynccontextmanager
async def connected(
    kind: Kind, register: Callable[[aio.Server], None] | None = None, **options: Any
) -> AsyncIterator[Peer]:
    """Yield a peer of *kind*. *register* adds servicers; *options* go to LocalServer."""
    handlers, gates = Handlers(), (Gate(), Gate())
    unhandled: list[BaseException] = []
    server: aio.Server
    channel: aio.Channel
    if kind == "real":
        server = aio.server(interceptors=gates)
        port = server.add_insecure_port("127.0.0.1:0")
        channel = aio.insecure_channel(f"127.0.0.1:{port}")
    else:
        options.setdefault("on_unhandled", lambda _method, error: unhandled.append(error))
        server = LocalServer(gates, **options)
        channel = LocalChannel(server)
    server.add_generic_rpc_handlers((handlers,))
    if register is not None:
        register(server)
    await server.start()
    async with channel:
        yield Peer(kind, server, channel, handlers, gates, unhandled)
    await server.stop(None)


@pytest.fixture(params=["real", "local"])
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    async with connected(request.param) as connected_peer:
        yield connected_peer


@pytest.fixture
async def local() -> AsyncIterator[Peer]:
    async with connected("local") as connected_peer:
        yield connected_peer


def text(value: str = "") -> StringValue:
    return StringValue(value=value)


async def echo(request: StringValue, _context: Any) -> StringValue:
    return request


async def within(awaitable: Awaitable[Any]) -> Any:
    """Await *awaitable*, but not for ever."""
    async with asyncio.timeout(SECONDS_MAX):
        return await awaitable


async def failure(awaitable: Awaitable[Any]) -> aio.AioRpcError:
    """Return the status with which *awaitable* fails."""
    with pytest.raises(aio.AioRpcError) as caught:
        await within(awaitable)
    return caught.value


async def read_all(call: Any) -> list[str]:
    """Read a stream by hand to its end."""
    values = []
    while (message := await within(call.read())) is not aio.EOF:
        values.append(message.value)
    return values


async def spin() -> None:
    """Let everything run that can run without the world outside. Only for LocalChannel."""
    for _ in range(50):
        await asyncio.sleep(0)
