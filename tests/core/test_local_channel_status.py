"""Metadata and statuses: the same over a real grpc.aio channel and over a LocalChannel."""

import asyncio
from typing import Any

import pytest
from fix_local_channel import Peer, echo, failure, text, within
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc import StatusCode, aio
from grpc_status import rpc_status


async def test_metadata_travels_both_ways(peer: Peer) -> None:
    seen: list[Any] = []

    async def handler(request: StringValue, context: Any) -> StringValue:
        seen.extend(context.invocation_metadata())
        await context.send_initial_metadata((("initial", "1"), ("initial", "2")))
        context.set_trailing_metadata((("trailing", "3"), ("raw-bin", b"\x00\xff")))
        return request

    sent = (("a", "1"), ("a", "2"), ("x-bin", b"\x00\x01"), ("empty", ""), ("spaced", " b "))
    call = peer.unary_unary(handler)(text(), metadata=sent)
    await within(call)

    assert [tuple(entry) for entry in seen if entry.key != "user-agent"] == list(sent)
    assert list(await call.initial_metadata()) == [("initial", "1"), ("initial", "2")]
    trailing = await call.trailing_metadata()
    assert sorted(trailing) == [("raw-bin", b"\x00\xff"), ("trailing", "3")]


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ((("a", b"text"),), [("a", "text")]),
        (aio.Metadata(("a", "1")), [("a", "1")]),
        ([("te", "x"), ("content-type", "x"), ("grpc-timeout", "1S"), ("b", "2")], [("b", "2")]),
        ((("user-agent", "mine"),), []),
        (None, []),
    ],
)
async def test_metadata_arrives_as_text_without_what_the_transport_owns(
    peer: Peer, sent: Any, arrives: list[tuple[str, str]]
) -> None:
    seen: list[Any] = []

    async def handler(request: StringValue, context: Any) -> StringValue:
        seen.extend(context.invocation_metadata())
        return request

    await within(peer.unary_unary(handler)(text(), metadata=sent))

    assert [tuple(entry) for entry in seen if entry.key != "user-agent"] == arrives


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("Upper", "1", aio.InternalError),
        (":pseudo", "1", aio.InternalError),
        ("a b", "1", aio.InternalError),
        ("", "1", aio.InternalError),
        ("a", "line\nbreak", aio.InternalError),
        ("a", "café", aio.InternalError),
        ("a", b"\xff", aio.InternalError),
        ("a-bin", "text", TypeError),
        ("a", 1, TypeError),
    ],
)
async def test_illegal_metadata_never_leaves_the_caller(
    peer: Peer, key: str, value: Any, error: type[Exception], capfd: pytest.CaptureFixture[str]
) -> None:
    stub = peer.unary_unary(echo)

    with pytest.raises(error):
        await within(stub(text(), metadata=((key, value),)))


async def test_too_much_metadata_is_refused(peer: Peer) -> None:
    error = await failure(peer.unary_unary(echo)(text(), metadata=(("k", "v" * 17_000),)))

    assert error.code() is StatusCode.RESOURCE_EXHAUSTED


async def test_an_abort_reaches_the_caller_before_the_handler_has_unwound(peer: Peer) -> None:
    answered, unwound = asyncio.Event(), asyncio.Event()

    async def handler(_request: StringValue, context: Any) -> None:
        try:
            await context.abort(StatusCode.NOT_FOUND, "gone", (("why", "x"), ("raw-bin", b"\xff")))
        finally:
            await answered.wait()
            unwound.set()

    error = await failure(peer.unary_unary(handler)(text()))

    assert (error.code(), error.details()) == (StatusCode.NOT_FOUND, "gone")
    assert sorted(error.trailing_metadata()) == [("raw-bin", b"\xff"), ("why", "x")]
    answered.set()
    await within(unwound.wait())


async def test_an_abort_keeps_the_details_and_trailers_that_were_set_before(peer: Peer) -> None:
    async def handler(_request: StringValue, context: Any) -> None:
        context.set_details("set before")
        context.set_trailing_metadata((("k", "v"),))
        await context.abort(StatusCode.NOT_FOUND)

    error = await failure(peer.unary_unary(handler)(text()))

    assert error.details() == "set before"
    assert list(error.trailing_metadata()) == [("k", "v")]


async def test_a_swallowed_abort_still_ends_the_call(peer: Peer) -> None:
    async def handler(_request: StringValue, context: Any) -> StringValue:
        for details in ("first", "second"):
            with pytest.raises((aio.AbortError, aio.UsageError)):
                await context.abort(StatusCode.NOT_FOUND, details)
        return text("as if nothing happened")

    error = await failure(peer.unary_unary(handler)(text()))

    assert (error.code(), error.details()) == (StatusCode.NOT_FOUND, "first")


async def test_a_rich_status_arrives_whole(peer: Peer) -> None:
    async def handler(_request: StringValue, context: Any) -> None:
        detail = AnyMessage()
        detail.Pack(error_details_pb2.ErrorInfo(reason="NO_CREDITS", domain="test"))
        status = status_pb2.Status(
            code=code_pb2.RESOURCE_EXHAUSTED, message="rich", details=[detail]
        )
        await context.abort_with_status(rpc_status.to_status(status))

    error = await failure(peer.unary_unary(handler)(text()))

    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    assert (error.code(), error.details()) == (StatusCode.RESOURCE_EXHAUSTED, "rich")
    assert info.reason == "NO_CREDITS"


@pytest.mark.parametrize("response", [text("discarded"), None])
async def test_a_code_that_was_set_discards_the_response(
    peer: Peer, response: StringValue | None
) -> None:
    async def handler(_request: StringValue, context: Any) -> StringValue | None:
        context.set_code(StatusCode.FAILED_PRECONDITION)
        context.set_details("not now")
        return response

    error = await failure(peer.unary_unary(handler)(text()))

    assert (error.code(), error.details()) == (StatusCode.FAILED_PRECONDITION, "not now")


@pytest.mark.parametrize("code", [None, StatusCode.NOT_FOUND])
async def test_an_escaping_exception_ends_the_call_unknown_or_as_the_handler_set(
    peer: Peer, code: StatusCode | None
) -> None:
    async def handler(_request: StringValue, context: Any) -> None:
        context.set_trailing_metadata((("k", "v"),))
        if code is not None:
            context.set_code(code)
        raise ValueError("sunset over Bern")

    error = await failure(peer.unary_unary(handler)(text()))

    assert error.code() is (code or StatusCode.UNKNOWN)
    assert list(error.trailing_metadata()) == [("k", "v")]


@pytest.mark.parametrize("broken", ["response", "trailers", "abort"])
async def test_what_cannot_be_sent_ends_the_call_in_an_error(peer: Peer, broken: str) -> None:
    async def handler(_request: StringValue, context: Any) -> None:
        if broken == "trailers":
            context.set_trailing_metadata((("Upper", "x"),))
        elif broken == "abort":
            await context.abort(StatusCode.NOT_FOUND, "x", [("a", "list, not a tuple")])

    error = await failure(peer.unary_unary(handler)(text(), timeout=5))

    expected = StatusCode.INTERNAL if broken == "trailers" else StatusCode.UNKNOWN
    assert error.code() is expected


async def test_details_beyond_the_metadata_limit_replace_the_error(peer: Peer) -> None:
    async def handler(_request: StringValue, context: Any) -> None:
        await context.abort(StatusCode.NOT_FOUND, "é" * 3_000)  # 18,000 bytes percent-encoded

    error = await failure(peer.unary_unary(handler)(text()))

    assert error.code() is StatusCode.RESOURCE_EXHAUSTED


async def test_an_unknown_method_is_unimplemented(peer: Peer) -> None:
    stub: Any = peer.channel.unary_unary("/t.T/Nobody", StringValue.SerializeToString)

    error = await failure(stub(text()))

    assert (error.code(), error.details()) == (StatusCode.UNIMPLEMENTED, "Method not found!")
