"""What a LocalChannel does on purpose otherwise than a real channel, and what only it promises."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from fix_local_channel import Peer, connected, echo, failure, read_all, spin, text, within
from google.protobuf.wrappers_pb2 import StringValue
from grpc import StatusCode, aio

from core.local.channel import LocalChannel
from core.local.metadata import Metadatum
from core.local.rpc import Rpc
from core.local.server import LocalServer

SECRET = "sunset over Bern"


async def listening(requests: Any, _context: Any) -> StringValue:
    async for _ in requests:
        pass
    return text()


# Exceptions.


@pytest.mark.parametrize("streaming", [False, True])
async def test_the_text_of_an_escaping_exception_stays_in_the_server(
    local: Peer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    streaming: bool,
) -> None:
    caplog.set_level(logging.DEBUG)

    async def handler(_request: StringValue, _context: Any) -> StringValue:
        raise ValueError(SECRET)

    async def generator(_request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
        yield text("first")
        raise ValueError(SECRET)

    if streaming:
        error = await failure(read_all(local.unary_stream(generator)(text())))
    else:
        error = await failure(local.unary_unary(handler)(text()))
    await spin()

    assert error.details() == "Unexpected error."
    assert SECRET not in str(error) + caplog.text + "".join(capfd.readouterr())
    assert [str(found) for found in local.unhandled] == [SECRET]


async def test_the_text_of_a_failing_request_iterator_is_not_printed(
    local: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def failing() -> AsyncIterator[StringValue]:
        yield text()
        raise ValueError(SECRET)

    with pytest.raises(asyncio.CancelledError):
        await within(local.stream_unary(listening)(failing()))
    gc.collect()
    await spin()

    assert SECRET not in caplog.text


async def test_a_call_shows_neither_metadata_nor_details(local: Peer) -> None:
    async def handler(_request: StringValue, context: Any) -> None:
        await context.abort(StatusCode.NOT_FOUND, SECRET)

    call = local.unary_unary(handler)(text(SECRET), metadata=(("authorization", SECRET),))
    running = repr(call)
    await failure(call)

    assert running == "<UnaryUnaryCall /t.T/UU running>"
    assert repr(call) == "<UnaryUnaryCall /t.T/UU NOT_FOUND>"
    assert repr(Metadatum("authorization", SECRET)) == "Metadatum('authorization')"


async def test_illegal_metadata_is_refused_without_showing_it(local: Peer) -> None:
    with pytest.raises(aio.InternalError) as caught:
        local.unary_unary(echo)(text(), metadata=(("authorization", f"{SECRET}\n"),))

    assert SECRET not in str(caught.value)


async def test_a_handler_that_raises_cancelled_error_does_not_leave_the_client_hanging(
    local: Peer,
) -> None:
    async def handler(_request: StringValue, _context: Any) -> None:
        raise asyncio.CancelledError

    error = await failure(local.unary_unary(handler)(text()))

    assert error.code() is StatusCode.CANCELLED


@pytest.mark.parametrize("wrong", ["ok", "code", "details"])
async def test_an_abort_without_an_error_code_is_refused(local: Peer, wrong: str) -> None:
    async def handler(_request: StringValue, context: Any) -> None:
        code = {"ok": StatusCode.OK, "code": 5}.get(wrong, StatusCode.ABORTED)
        await context.abort(code, 5 if wrong == "details" else "x")

    error = await failure(local.unary_unary(handler)(text()))

    assert error.code() is StatusCode.UNKNOWN
    assert isinstance(local.unhandled[0], TypeError if wrong != "ok" else ValueError)


@pytest.mark.parametrize("handler", [lambda _request, _context: text(), lambda *_: None])
async def test_a_handler_that_is_not_async_is_refused(local: Peer, handler: Any) -> None:
    assert (await failure(local.unary_unary(handler)(text()))).code() is StatusCode.UNKNOWN
    assert (await failure(local.unary_stream(handler)(text()).read())).code() is StatusCode.UNKNOWN


# Messages.


async def test_a_request_of_the_wrong_type_raises(local: Peer) -> None:
    with pytest.raises(TypeError):
        local.unary_unary(echo)("a string")
    call = local.stream_unary(listening)()
    raw: Any = local.channel.unary_unary("/t.T/UU")
    with pytest.raises(TypeError):
        await within(call.write("a string"))
    with pytest.raises(TypeError):
        raw("no serialiser, no bytes")


async def test_a_request_is_serialised_when_it_is_passed(local: Peer) -> None:
    request = text("before")
    call = local.unary_unary(echo)(request)
    request.value = "after"

    assert (await within(call)).value == "before"


async def test_a_request_that_cannot_be_parsed_never_reaches_the_handler(local: Peer) -> None:
    local.unary_unary(echo)
    stub: Any = local.channel.unary_unary("/t.T/UU", None, StringValue.FromString)

    assert (await failure(stub(b"\xff\xff"))).code() is StatusCode.UNKNOWN


async def test_methods_without_serialisers_carry_bytes(local: Peer) -> None:
    async def handler(request: bytes, _context: Any) -> bytes:
        return request + b"!"

    local.handlers.by_path["/t.T/Raw"] = grpc.unary_unary_rpc_method_handler(handler)
    stub: Any = local.channel.unary_unary("/t.T/Raw")

    assert await within(stub(b"raw")) == b"raw!"


async def test_the_wrong_number_of_messages_is_unimplemented(local: Peer) -> None:
    async def silent(_request: StringValue, _context: Any) -> None:
        return None

    async def chatty(_request: StringValue, context: Any) -> None:
        await context.write(text("one"))
        await context.write(text("two"))

    wires = (StringValue.SerializeToString, StringValue.FromString)
    for behaviour in (silent, chatty):
        local.unary_stream(behaviour, "/t.T/M")
        error = await failure(local.channel.unary_unary("/t.T/M", *wires)(text()))
        assert error.code() is StatusCode.UNIMPLEMENTED
    local.unary_unary(echo, "/t.T/M")
    call: Any = local.channel.stream_unary("/t.T/M", *wires)()
    await within(call.done_writing())
    assert (await failure(call)).code() is StatusCode.UNIMPLEMENTED


async def test_initial_metadata_beyond_the_limit_ends_the_call(local: Peer) -> None:
    async def handler(request: StringValue, context: Any) -> StringValue:
        await context.send_initial_metadata((("k", "v" * 17_000),))
        return request

    error = await failure(local.unary_unary(handler)(text()))

    assert error.code() is StatusCode.RESOURCE_EXHAUSTED


async def test_the_message_limit_is_a_setting() -> None:
    async with connected("local", message_bytes_max=100) as peer:
        stub = peer.unary_unary(echo)

        assert (await within(stub(text("x" * 98)))).value == "x" * 98
        assert (await failure(stub(text("x" * 99)))).code() is StatusCode.RESOURCE_EXHAUSTED


async def test_the_handler_sees_a_local_peer_without_identity(local: Peer) -> None:
    seen: list[Any] = []

    async def handler(request: StringValue, context: Any) -> StringValue:
        seen.append((context.peer(), context.auth_context(), context.peer_identity_key()))
        return request

    call = local.unary_unary(handler)(text())
    await within(call)

    assert seen == [("local:", {}, None)]
    assert await call.debug_error_string() == ""


# Cleaning up.


async def test_a_handlers_generator_is_closed_when_the_client_goes(local: Peer) -> None:
    closed = asyncio.Event()

    kept: list[AsyncIterator[StringValue]] = []  # so that only an explicit close can end it

    async def generator() -> AsyncIterator[StringValue]:
        try:
            while True:
                yield text("x" * 1000)
        finally:
            await asyncio.sleep(0)  # cleaning up is not interrupted again
            closed.set()

    def handler(_request: StringValue, _context: Any) -> AsyncIterator[StringValue]:
        kept.append(generator())
        return kept[0]

    call = local.unary_stream(handler)(text())
    await within(call.read())
    call.cancel()

    await within(closed.wait())


async def test_a_request_generator_is_closed_when_the_call_is_answered(local: Peer) -> None:
    closed = asyncio.Event()

    async def requests() -> AsyncIterator[StringValue]:
        try:
            yield text()
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def handler(requests: Any, _context: Any) -> Any:
        return await anext(requests)

    await within(local.stream_unary(handler)(requests()))

    await within(closed.wait())


async def test_an_exception_in_a_done_callback_harms_nobody(local: Peer) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))

    def failing(_call: Any) -> None:
        raise ValueError(SECRET)

    async def handler(request: StringValue, context: Any) -> StringValue:
        context.add_done_callback(failing)
        return request

    call = local.unary_unary(handler)(text("fine"))
    call.add_done_callback(failing)

    assert (await within(call)).value == "fine"
    await spin()
    assert len(told) == 2


async def test_a_deadline_that_has_passed_never_enters_the_handler(local: Peer) -> None:
    entered = []

    async def handler(request: StringValue, _context: Any) -> StringValue:
        entered.append(request)
        return request

    for timeout in (0, -1):
        await failure(local.unary_unary(handler)(text(), timeout=timeout))
    await spin()

    assert entered == []


async def test_ended_calls_leave_no_objects_and_no_tasks(local: Peer) -> None:
    async def generate(requests: Any, context: Any) -> AsyncIterator[StringValue]:
        await context.send_initial_metadata(())
        async for request in requests:
            yield request
            yield request
            break

    def alive() -> list[Rpc]:
        return [found for found in gc.get_objects() if type(found) is Rpc]

    gc.collect()
    before = alive()  # a gateway that other tests share may have calls of its own
    gc.disable()  # what is counted below must go by reference counting alone
    try:
        for read in (1, 2, 3):
            call = local.stream_stream(generate)(timeout=300)
            await within(call.initial_metadata())
            await within(call.write(text()))
            for _ in range(read):
                await within(call.read())
            call.cancel()
        await within(local.unary_unary(echo)(text(), timeout=300))
        await read_all(local.stream_stream(generate)([text()], timeout=300))
        del call
        await spin()
        left = [found for found in alive() if found not in before]
    finally:
        gc.enable()

    assert left == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


# The server.


async def test_stop_waits_for_the_clean_up_of_the_handlers_it_cuts(local: Peer) -> None:
    clean = asyncio.Event()
    entered = asyncio.Event()

    async def handler(_request: StringValue, _context: Any) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            clean.set()

    call = local.unary_unary(handler)(text())
    await within(entered.wait())
    await within(local.server.stop(None))

    assert clean.is_set()
    assert (await failure(call)).code() is StatusCode.UNAVAILABLE


async def test_a_handler_may_stop_the_server_it_runs_in(local: Peer) -> None:
    async def handler(request: StringValue, _context: Any) -> StringValue:
        await local.server.stop(3600)
        return request

    call = local.unary_unary(handler)(text())

    assert (await failure(call)).code() is StatusCode.UNAVAILABLE


async def test_closing_a_channel_leaves_the_calls_of_others_alone(local: Peer) -> None:
    release = asyncio.Event()

    async def handler(request: StringValue, _context: Any) -> StringValue:
        await release.wait()
        return request

    call = local.unary_unary(handler)(text("kept"))
    assert isinstance(local.server, LocalServer)
    await LocalChannel(local.server).close()
    release.set()

    assert (await within(call)).value == "kept"


async def test_a_stopped_server_refuses_calls(local: Peer) -> None:
    await within(local.server.stop(None))

    assert (await failure(local.unary_unary(echo)(text()))).code() is StatusCode.UNAVAILABLE


async def test_a_local_server_has_no_port_and_a_local_channel_no_credentials() -> None:
    server = LocalServer()
    with pytest.raises(aio.UsageError):
        server.add_insecure_port("127.0.0.1:0")
    with pytest.raises(aio.UsageError):
        server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(b"", b"")]))
    stub: Any = LocalChannel(server).unary_unary("/t.T/UU")
    with pytest.raises(aio.UsageError):
        stub(b"", credentials=grpc.access_token_call_credentials("token"))
