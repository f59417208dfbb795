"""The contract as its callers use it, over either transport: fields in, fields out, reasons."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import httpx
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from reapi.v1 import (
    account_service_pb2_grpc,
    admin_service_pb2_grpc,
    api_key_service_pb2_grpc,
    billing_service_pb2_grpc,
    chat_service_pb2_grpc,
    generation_service_pb2_grpc,
    model_service_pb2_grpc,
    usage_service_pb2_grpc,
    webhook_service_pb2_grpc,
)
from rest_bridge.errors import RENDERINGS
from rest_bridge.transcoding import CONTRACT, Binding, bindings

STUBS: Mapping[str, ModuleType] = {
    "AccountService": account_service_pb2_grpc,
    "AdminService": admin_service_pb2_grpc,
    "ApiKeyService": api_key_service_pb2_grpc,
    "BillingService": billing_service_pb2_grpc,
    "ChatService": chat_service_pb2_grpc,
    "GenerationService": generation_service_pb2_grpc,
    "ModelService": model_service_pb2_grpc,
    "UsageService": usage_service_pb2_grpc,
    "WebhookService": webhook_service_pb2_grpc,
}
METHODS: Mapping[str, MethodDescriptor] = {
    method.name: method
    for file in CONTRACT
    for service in file.services_by_name.values()
    for method in service.methods
}
"""Every RPC of the contract; their names are unique in it."""
BINDINGS: Mapping[str, Binding] = {binding.rpc.name: binding for binding in bindings()}
"""The REST route of those that have one."""
_PIECE = re.compile(r"\{([a-z_.]+)(?:=[^}]*)?\}")
_LINK = re.compile(r"https?://[^\s\"<>]+")
SECONDS = 60


class Refused(Exception):
    """A call that failed, as its caller hears of it."""

    def __init__(self, reason: str, metadata: Mapping[str, str], status: str, text: str) -> None:
        super().__init__(reason, status)
        self.reason = reason
        """Of REST: what its code stands for."""
        self.metadata = dict(metadata)
        self.status = status
        """gRPC's code, or HTTP's status."""
        self.text = text

    @property
    def shown(self) -> tuple[str, str, str]:
        """All that a caller can tell two refusals apart by, but for where a path is repeated."""
        return self.reason, self.status, self.text


class Wire(Protocol):
    """One way to the contract."""

    async def call(self, rpc: str, fields: Mapping[str, Any], credential: str) -> dict[str, Any]:
        """Make a call; raises Refused. The messages of a stream are in `stream`."""


@dataclass(frozen=True)
class GrpcWire:
    """The generated stubs, over a channel."""

    channel: aio.Channel
    metadata: tuple[tuple[str, str], ...] = ()

    async def call(self, rpc: str, fields: Mapping[str, Any], credential: str) -> dict[str, Any]:
        method = METHODS[rpc]
        service = method.containing_service.name
        stub = getattr(STUBS[service], f"{service}Stub")(self.channel)
        request = message_factory.GetMessageClass(method.input_type)()
        json_format.ParseDict(dict(fields), request)
        more = (("authorization", f"Bearer {credential}"),) if credential else ()
        metadata = (*self.metadata, *more)
        asked = iter((request,)) if method.client_streaming else request
        call = getattr(stub, rpc)(asked, metadata=metadata, timeout=SECONDS)
        try:
            if method.server_streaming:
                return {"stream": [_shown(message) async for message in call]}
            return _shown(await call)
        except aio.AioRpcError as error:
            raise _refused_of(error) from None
        finally:
            call.cancel()


@dataclass(frozen=True)
class RestWire:
    """JSON over HTTP, by the annotations of the contract."""

    http: httpx.AsyncClient

    async def call(self, rpc: str, fields: Mapping[str, Any], credential: str) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {credential}"} if credential else {}
        answer = await self.http.request(**asked_over_rest(rpc, fields), headers=headers)
        if answer.status_code == 200:
            if answer.headers["content-type"].startswith("text/event-stream"):
                return {"stream": answer.text}
            found: dict[str, Any] = answer.json()
            return found
        raise refused_by(answer)


def asked_over_rest(rpc: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Method, URL, query and body of a call."""
    binding = BINDINGS[rpc]
    left: dict[str, Any] = json.loads(json.dumps(fields))

    def taken(piece: re.Match[str]) -> str:
        *outer, last = piece[1].split(".")
        place = left
        for name in outer:
            place = place[name]
        return str(place.pop(last))

    url = _PIECE.sub(taken, binding.template)
    if binding.body == "*":
        return {"method": binding.method, "url": url, "json": left}
    body = {"json": left.pop(binding.body, {})} if binding.body else {}
    return {"method": binding.method, "url": url, "params": left, **body}


def refused_by(answer: httpx.Response) -> Refused:
    """What an HTTP answer says."""
    said = answer.json()["error"]
    code = said["code"]
    reason = [reason for reason, row in RENDERINGS.items() if row.code == code][-1]
    if reason == "API_KEY_INVALID" and "didn't" in said["message"]:
        reason = "API_KEY_MISSING"  # one code for both, in OpenAI's words
    return Refused(reason, {}, str(answer.status_code), said["message"])


def _refused_of(error: aio.AioRpcError) -> Refused:
    info = error_details_pb2.ErrorInfo()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            assert isinstance(value, bytes)
            for detail in status_pb2.Status.FromString(value).details:
                detail.Unpack(info)
    return Refused(info.reason, info.metadata, error.code().name, error.details() or "")


def _shown(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return found


@dataclass
class Caller:
    """Somebody with a credential, or nobody yet."""

    wire: Wire
    credential: str = field(default="", repr=False)

    async def ask(self, rpc: str, **fields: Any) -> dict[str, Any]:
        return await self.wire.call(rpc, fields, self.credential)

    async def refused(self, rpc: str, **fields: Any) -> str:
        """The reason of a call that must fail."""
        return (await self.refusal(rpc, **fields)).reason

    async def refusal(self, rpc: str, **fields: Any) -> Refused:
        try:
            answer = await self.ask(rpc, **fields)
        except Refused as refusal:
            return refusal
        raise AssertionError(f"{rpc} was not refused: {sorted(answer)}")

    def holding(self, credential: str) -> "Caller":
        return Caller(self.wire, credential)


@dataclass(frozen=True)
class Inbox:
    """The mails that the demo's service took."""

    simulator_url: str

    async def mails(self, to: str) -> list[dict[str, Any]]:
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as http:
            answer = await http.get(f"{self.simulator_url}/_mail/messages", params={"to": to})
        found: list[dict[str, Any]] = answer.json()["messages"]
        return found

    async def mail(self, to: str, subject: str, seconds: float = 20) -> dict[str, Any]:
        """The last mail with these words in its subject; waits for one."""
        found: list[dict[str, Any]] = []

        async def came() -> bool:
            mails = await self.mails(to)
            found[:] = [mail for mail in mails if subject.lower() in mail["subject"].lower()]
            return bool(found)

        await until(came, f"no mail {subject!r} came", seconds)
        return found[-1]

    async def token(self, to: str, page: str, *, after: int = 0) -> str:
        """The token in the last link to *page* that was mailed; waits for more than *after*."""
        tokens: list[str] = []

        async def came() -> bool:
            links = [link for mail in await self.mails(to) for link in _LINK.findall(mail["text"])]
            tokens[:] = [
                parse_qs(urlsplit(link).query)["token"][0]
                for link in links
                if urlsplit(link).path == page and "token" in parse_qs(urlsplit(link).query)
            ]
            return len(tokens) > after

        await until(came, f"no mail with a link to {page} came")
        return tokens[-1]


async def until(done: Callable[[], Any], complaint: str, seconds: float = 20) -> None:
    """Ask *done* until it is true."""
    try:
        async with asyncio.timeout(seconds):
            while not await done():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(complaint) from None
