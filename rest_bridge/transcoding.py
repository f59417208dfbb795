"""REST for every RPC that carries a google.api.http annotation, found by walking descriptors.

The rules are those of google/api/http.proto: pieces of the path and the query set
fields of the request, `body` says which field the JSON body is. Answers use proto
field names, int64 as strings, enums by name. Server streams are server-sent events.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

import grpc
from google.api import annotations_pb2, http_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.message import Message

from reapi.v1 import (
    account_service_pb2,
    admin_service_pb2,
    api_key_service_pb2,
    billing_service_pb2,
    chat_service_pb2,
    generation_pb2,
    generation_service_pb2,
    model_service_pb2,
    usage_service_pb2,
    webhook_service_pb2,
)
from rest_bridge.browser import BrowserSession
from rest_bridge.credentials import Credentials
from rest_bridge.errors import ApiError
from rest_bridge.event_stream import relay
from rest_bridge.exchange import Exchange
from rest_bridge.headers import headers_of_generation
from rest_bridge.json_values import parse_object
from rest_bridge.proto_json import decode, decode_text, encode
from rest_bridge.quote_tokens import quote_token
from rest_bridge.replaced_sessions import OPENS, ReplacedSessions
from rest_bridge.routing_header import routing
from rest_bridge.rpc_errors import api_error
from rest_bridge.server_stream import ServerStream

CONTRACT: Sequence[FileDescriptor] = (
    account_service_pb2.DESCRIPTOR,
    admin_service_pb2.DESCRIPTOR,
    api_key_service_pb2.DESCRIPTOR,
    billing_service_pb2.DESCRIPTOR,
    chat_service_pb2.DESCRIPTOR,
    generation_service_pb2.DESCRIPTOR,
    model_service_pb2.DESCRIPTOR,
    usage_service_pb2.DESCRIPTOR,
    webhook_service_pb2.DESCRIPTOR,
)
"""The files of the contract that have services."""

_VERBS: Mapping[str, str] = {
    "get": "GET",
    "put": "PUT",
    "post": "POST",
    "delete": "DELETE",
    "patch": "PATCH",
}
_LONGEST_QUERY_FIELDS = 200


@dataclass(frozen=True, slots=True)
class Binding:
    """One HTTP method and path template of an RPC."""

    method: str
    template: str
    body: str
    """`*`: the JSON body is the request; a name: that field; empty: there is none."""
    rpc: MethodDescriptor


def bindings(files: Sequence[FileDescriptor] = CONTRACT) -> Iterator[Binding]:
    """Every annotated RPC of *files*, additional bindings included."""
    for file in files:
        for service in file.services_by_name.values():
            for rpc in service.methods:
                options = rpc.GetOptions()
                if options.HasExtension(annotations_pb2.http):
                    yield from _rules(options.Extensions[annotations_pb2.http], rpc)


def _rules(rule: http_pb2.HttpRule, rpc: MethodDescriptor) -> Iterator[Binding]:
    pattern = rule.WhichOneof("pattern")
    if pattern in _VERBS:
        yield Binding(_VERBS[pattern], getattr(rule, pattern), rule.body, rpc)
    for more in rule.additional_bindings:
        yield from _rules(more, rpc)


class Transcoder:
    """One binding as a handler."""

    def __init__(
        self, channel: grpc.aio.Channel, binding: Binding, credentials: Credentials
    ) -> None:
        rpc = binding.rpc
        is_operators = rpc.containing_service.file is admin_service_pb2.DESCRIPTOR
        self._check = credentials.check_operator if is_operators else credentials.check
        self._binding = binding
        self._starts = rpc.input_type is generation_service_pb2.CreateGenerationRequest.DESCRIPTOR
        self._request = message_factory.GetMessageClass(rpc.input_type)
        self._response = message_factory.GetMessageClass(rpc.output_type)
        opens = self._response in OPENS
        self._replaced = ReplacedSessions(channel) if opens else None
        path = f"/{rpc.containing_service.full_name}/{rpc.name}"
        serialize, parse = self._request.SerializeToString, self._response.FromString
        self._unary = channel.unary_unary(path, serialize, parse)
        self._stream = channel.unary_stream(path, serialize, parse)

    async def __call__(self, exchange: Exchange) -> None:
        """Read the request, make the call, answer with its JSON."""
        browser = BrowserSession(exchange)
        metadata = exchange.metadata(starts=self._starts)
        try:
            request = await self._read(exchange)
        except ApiError:
            # A bad key beats a bad body.
            if browser.by_cookie or b"authorization" in exchange.headers:
                await self._check(exchange)
            raise
        browser.complete(request)
        settings = exchange.settings
        if self._binding.rpc.server_streaming:
            call = self._stream(request, metadata=metadata, timeout=settings.stream_seconds)
            async with ServerStream[Message](call, exchange) as stream:
                await relay(stream, exchange)
            return
        try:
            response = await self._unary(request, metadata=metadata, timeout=settings.unary_seconds)
        except grpc.aio.AioRpcError as error:
            raise browser.told(api_error(error)) from None
        generation = getattr(response, "generation", None)
        headers = (
            headers_of_generation(generation)
            if isinstance(generation, generation_pb2.Generation)
            else ()
        )
        if self._replaced is not None:
            await self._replaced.end(browser, response, exchange)
        headers = [*headers, *browser.headers_of(response)]
        await exchange.json(encode(response), headers)

    async def _read(self, exchange: Exchange) -> Message:
        request = self._request()
        _read_headers(exchange, request)
        body = self._binding.body
        if body:
            data = await exchange.body(exchange.settings.unary_bytes)
            into = request if body == "*" else getattr(request, body)
            decode(parse_object(data) if data.strip() else {}, into, "" if body == "*" else body)
        self._read_query(exchange, request)
        for field, value in exchange.arguments.items():
            decode_text(request, field, [value])
        if isinstance(request, generation_service_pb2.CreateGenerationRequest):
            request.spec.endpoint = exchange.endpoint
            request.spec.retry_number = exchange.retry_number()
            request.spec.quote_token = quote_token(exchange, request.spec.quote_token)
            wish = routing(exchange)
            if wish is not None and not request.spec.HasField("routing"):
                request.spec.routing.CopyFrom(wish)
        elif isinstance(request, generation_service_pb2.WatchGenerationRequest):
            _resume(exchange, request)
        return request

    def _read_query(self, exchange: Exchange, request: Message) -> None:
        query: bytes = exchange.scope.get("query_string", b"")
        if not query:
            return
        if self._binding.body == "*":
            raise ApiError("UNKNOWN_PARAMETER", "This endpoint takes no query parameters.")
        texts: dict[str, list[str]] = {}
        try:
            pairs = parse_qsl(
                query.decode("latin-1"),
                keep_blank_values=True,
                max_num_fields=_LONGEST_QUERY_FIELDS,
            )
        except ValueError:
            pairs = None
        if pairs is None:
            raise ApiError("MALFORMED_REQUEST", "We could not parse the query of your request.")
        for name, value in pairs:
            texts.setdefault(name, []).append(value)
        for name, values in texts.items():
            decode_text(request, name, values)


def _read_headers(exchange: Exchange, request: Message) -> None:
    """What headers say about a request; its JSON may say otherwise."""
    key = exchange.idempotency_key()
    if key and isinstance(request, generation_service_pb2.CreateGenerationRequest):
        request.spec.request_id = key
    elif key and "request_id" in request.DESCRIPTOR.fields_by_name:
        decode_text(request, "request_id", [key])


def _resume(exchange: Exchange, request: generation_service_pb2.WatchGenerationRequest) -> None:
    """`Last-Event-ID` resumes a watch after that event.

    A browser repeats its URL when it comes back: of an `after_seq` in it the later one counts.
    """
    value = exchange.headers.get(b"last-event-id", b"").strip()
    if not value:
        return
    if not value.isdigit() or len(value) > 18:
        raise ApiError(
            "INVALID_PARAMETER",
            "The header Last-Event-ID must be the id of an event.",
            parameter="Last-Event-ID",
        )
    request.after_seq = max(request.after_seq, int(value))
