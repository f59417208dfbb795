"""Interceptors, shutdown and generated stubs: the same over both kinds of channel."""

import asyncio
from typing import Any

import grpc
import pytest
from fix_local_channel import Kind, Peer, connected, echo, failure, text, within
from google.protobuf.wrappers_pb2 import StringValue
from grpc import ChannelConnectivity, StatusCode, aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


class Held:
    """A handler that holds its call until released; `how` tells how it ended."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.ended = asyncio.Event()
        self.how = "running"

    def behaviour(self) -> Any:
        async def handler(request: StringValue, _context: Any) -> StringValue:
            self.entered.set()
            try:
                await self.release.wait()
                self.how = "returned"
            except asyncio.CancelledError:
                self.how = "cancelled"
                raise
            finally:
                self.ended.set()
            return request

        return handler


async def test_interceptors_run_in_order_and_see_the_call(peer: Peer) -> None:
    order: list[Any] = []

    async def outer(continuation: Any, details: Any) -> Any:
        order.append(("outer", details.method, dict(details.invocation_metadata).get("who")))
        handler = await continuation(details)
        order.append("outer, after")
        return handler

    async def inner(continuation: Any, details: Any) -> Any:
        order.append("inner")
        return await continuation(details)

    peer.gates[0].how, peer.gates[1].how = outer, inner
    await within(peer.unary_unary(echo)(text(), metadata=(("who", "me"),)))

    assert order == [("outer", "/t.T/UU", "me"), "inner", "outer, after"]


async def test_an_interceptor_may_wrap_the_handler(peer: Peer) -> None:
    async def wrapping(continuation: Any, details: Any) -> Any:
        handler = await continuation(details)

        async def wrapped(request: StringValue, context: Any) -> StringValue:
            response: StringValue = await handler.unary_unary(request, context)
            response.value = f"wrapped {response.value}"
            return response

        return grpc.unary_unary_rpc_method_handler(
            wrapped, handler.request_deserializer, handler.response_serializer
        )

    peer.gates[0].how = wrapping

    assert (await within(peer.unary_unary(echo)(text("x")))).value == "wrapped x"


async def test_an_interceptor_may_answer_in_place_of_the_handler(peer: Peer) -> None:
    async def denying(_continuation: Any, _details: Any) -> Any:
        async def deny(_request: bytes, context: Any) -> None:
            await context.abort(StatusCode.UNAUTHENTICATED, "who are you?")

        return grpc.unary_unary_rpc_method_handler(deny)

    peer.gates[0].how = denying
    error = await failure(peer.unary_unary(echo)(text()))

    assert (error.code(), error.details()) == (StatusCode.UNAUTHENTICATED, "who are you?")


async def test_an_interceptor_may_not_ask_for_another_method(peer: Peer) -> None:
    class Details(grpc.HandlerCallDetails):
        method = "/t.T/Other"
        invocation_metadata = ()

    async def redirecting(continuation: Any, _details: Any) -> Any:
        return await continuation(Details())

    peer.unary_unary(echo, "/t.T/Other")
    peer.gates[0].how = redirecting

    assert (await failure(peer.unary_unary(echo)(text()))).code() is StatusCode.UNKNOWN


async def test_an_interceptor_that_finds_nothing_makes_the_method_unimplemented(
    peer: Peer,
) -> None:
    async def hiding(_continuation: Any, _details: Any) -> None:
        return None

    peer.gates[1].how = hiding

    assert (await failure(peer.unary_unary(echo)(text()))).code() is StatusCode.UNIMPLEMENTED


async def test_an_interceptor_that_fails_ends_the_call_unknown(peer: Peer) -> None:
    async def failing(_continuation: Any, _details: Any) -> None:
        raise ValueError("sunset over Bern")

    peer.gates[0].how = failing

    assert (await failure(peer.unary_unary(echo)(text()))).code() is StatusCode.UNKNOWN


async def test_stop_lets_running_calls_end_and_refuses_new_ones(peer: Peer) -> None:
    held = Held()
    stub = peer.unary_unary(held.behaviour())
    call = stub(text("kept"))
    await within(held.entered.wait())

    stopping = asyncio.ensure_future(peer.server.stop(8))
    refused = StatusCode.OK
    while refused is StatusCode.OK:  # a real server takes a moment to hear of it
        probe = peer.unary_unary(echo, "/t.T/Probe")(text())
        refused = await within(probe.code())
    held.release.set()

    # A real server also ends calls that never ran CANCELLED.
    assert refused is StatusCode.UNAVAILABLE or (not peer.local and refused is StatusCode.CANCELLED)
    assert (await within(call)).value == "kept"
    await within(stopping)
    assert not await within(peer.server.wait_for_termination(5))


async def test_stop_cuts_what_outlasts_the_grace(peer: Peer) -> None:
    held = Held()
    call = peer.unary_unary(held.behaviour())(text())
    await within(held.entered.wait())

    stopping = asyncio.ensure_future(peer.server.stop(0.1))
    error = await failure(call)
    await within(stopping)
    await within(held.ended.wait())

    assert (error.code(), error.details()) == (StatusCode.UNAVAILABLE, "Cancelling all calls")
    assert held.how == "cancelled"


async def test_a_server_that_runs_has_not_terminated(peer: Peer) -> None:
    assert await within(peer.server.wait_for_termination(0.01))


async def test_a_closed_channel_cancels_its_calls_and_opens_no_more(peer: Peer) -> None:
    held = Held()
    stub = peer.unary_unary(held.behaviour())
    call = stub(text())
    await within(held.entered.wait())

    await within(peer.channel.channel_ready())
    assert peer.channel.get_state() is ChannelConnectivity.READY
    changed = asyncio.ensure_future(peer.channel.wait_for_state_change(ChannelConnectivity.READY))
    await within(peer.channel.close())
    with pytest.raises(asyncio.CancelledError):
        await within(call)
    await within(held.ended.wait())
    with pytest.raises(aio.UsageError):
        await within(changed)

    assert held.how == "cancelled"
    assert peer.channel.get_state() is ChannelConnectivity.SHUTDOWN
    with pytest.raises(aio.UsageError):
        stub(text())


async def test_a_channel_closed_with_grace_lets_its_calls_end(peer: Peer) -> None:
    held = Held()
    call = peer.unary_unary(held.behaviour())(text("kept"))
    await within(held.entered.wait())

    closing = asyncio.ensure_future(peer.channel.close(8))
    await asyncio.sleep(0)
    held.release.set()

    assert (await within(call)).value == "kept"
    await within(closing)


@pytest.mark.parametrize("kind", ["real", "local"])
async def test_generated_stubs_call_a_generated_servicer(kind: Kind) -> None:
    servicer = health.aio.HealthServicer()
    await servicer.set("jobs", health_pb2.HealthCheckResponse.SERVING)

    def register(server: aio.Server) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)

    async with connected(kind, register) as peer:
        stub = health_pb2_grpc.HealthStub(peer.channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="jobs"))
        found = [(await within(watch.read())).status]
        await servicer.set("jobs", health_pb2.HealthCheckResponse.NOT_SERVING)
        found.append((await within(watch.read())).status)
        watch.cancel()
        error = await failure(stub.Check(health_pb2.HealthCheckRequest(service="nobody")))

    assert found == [
        health_pb2.HealthCheckResponse.SERVING,
        health_pb2.HealthCheckResponse.NOT_SERVING,
    ]
    assert error.code() is StatusCode.NOT_FOUND
