"""The whole contract and every route, found by walking them, with a canary in every text.

What is new in the contract or in the bridge is asked for without a change here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from reapi.v1 import generation_service_pb2
from rest_bridge import image_fields, job_fields
from rest_bridge.router import Router
from rest_bridge.routes import Route, build_routes
from rest_bridge.transcoding import CONTRACT
from tests.privacy.canaries import Canaries
from tests.privacy.tainted_rest import GENERATIONS, MODEL, Maker, Tainted, as_json, as_text

SECONDS = 30
DEEPEST = 3
"""How often a message may stand in itself."""
TYPED_BY_OWNERS: Mapping[str, str] = {
    "AdminService.CreateAccount: name": "account name",
    "ApiKeyService.CreateApiKey: api_key.display_name": "key name",
}
"""Texts that are kept, with the name under which the search knows them."""
TOLD_AGAIN = frozenset({("ApiKeyService", "key name")})
"""Which of them a service tells their owner in other answers."""
_VARIABLE = re.compile(r"\{[a-z_.]+(?:=([^}]*))?\}")

Path = tuple[FieldDescriptor, ...]


def methods() -> list[MethodDescriptor]:
    """Every RPC of the contract."""
    services = (service for file in CONTRACT for service in file.services_by_name.values())
    return [method for service in services for method in service.methods]


def texts(message: Descriptor, above: Path = ()) -> Iterator[Path]:
    """Every text and every bytes below *message*, as the fields that lead there."""
    for field in message.fields if not message.full_name.startswith("google.") else ():
        path, inner = (*above, field), field.message_type
        if inner is None:
            if field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}:
                yield path
        elif [each.message_type for each in above].count(inner) < DEEPEST:
            yield from texts(inner, path)


def put(message: Message, path: Path, word: str) -> None:
    """Write *word* where *path* leads, into a new item of each list and map on the way."""
    *above, last = path
    into: Any = message
    for field in above:
        if field.message_type.GetOptions().map_entry:
            into = _Entry(getattr(into, field.name), field.message_type)
        elif field.is_repeated:
            into = getattr(into, field.name).add()
        elif isinstance(into, _Entry):
            into = into.value(word)
        else:
            into = getattr(into, field.name)
            into.SetInParent()
    value = word.encode() if last.type == FieldDescriptor.TYPE_BYTES else word
    if isinstance(into, _Entry):
        into.put(last.name, value)
    elif last.is_repeated:
        getattr(into, last.name).append(value)
    else:
        setattr(into, last.name, value)


class _Entry:
    """One entry of a map on its way into it."""

    def __init__(self, into: Any, entry: Descriptor) -> None:
        self._into = into
        self._of_messages = entry.fields_by_name["value"].message_type is not None

    def value(self, key: str) -> Any:
        return self._into[key]

    def put(self, name: str, word: Any) -> None:
        if self._of_messages:
            self._into[word].SetInParent()
        else:
            self._into[word if name == "key" else "key"] = word


def name_of(method: MethodDescriptor, path: Path = ()) -> str:
    """What a field is called in findings."""
    return f"{method.containing_service.name}.{method.name}: {'.'.join(f.name for f in path)}"


def every_text() -> set[str]:
    """The names of all texts of all requests."""
    return {name_of(method, path) for method in methods() for path in texts(method.input_type)}


class Walker:
    """Calls every method with everything filled in, and once for each text alone."""

    def __init__(self, channel: grpc.aio.Channel, key: str, token: str, canaries: Canaries) -> None:
        self._channel = channel
        self._key, self._token = key, token
        self._canaries = canaries
        self.strangers: set[str] = set()
        self.called: set[str] = set()

    async def everything(self) -> None:
        """Make all the calls, one after the other."""
        for method in methods():
            found = list(texts(method.input_type))
            for paths in (found, *([path] for path in found)):
                await self._call(method, paths)

    async def _call(self, method: MethodDescriptor, paths: list[Path]) -> None:
        own: set[str] = set()
        request = message_factory.GetMessageClass(method.input_type)()
        _begin(request)
        for path in paths:
            name = name_of(method, path)
            word = self._canaries.plant(TYPED_BY_OWNERS.get(name, name))
            own.add(word)
            put(request, path, word)
            self.called.add(name)
        service = method.containing_service
        key = self._token if service.name == "AdminService" else self._key
        try:
            answers = [each async for each in self._answers(method, request, f"Bearer {key}")]
        except grpc.aio.AioRpcError as error:
            head = repr(error.trailing_metadata()).encode()
            answers = [head + (error.details() or "").encode()]
        found = self._canaries.where(self._canaries.words_in(b"".join(answers)) - own)
        self.strangers |= {name for name in found if (service.name, name) not in TOLD_AGAIN}

    async def _answers(
        self, method: MethodDescriptor, request: Message, authorization: str
    ) -> "Any":
        path = f"/{method.containing_service.full_name}/{method.name}"
        call = self._channel.stream_stream(path)(
            iter([request.SerializeToString()]),
            metadata=(("authorization", authorization),),
            timeout=SECONDS,
        )
        try:
            async for answer in call:
                yield answer
        finally:
            call.cancel()


def _begin(request: Message) -> None:
    """What a request must have in order to come further than its first check."""
    spec = getattr(request, "spec", None) or getattr(getattr(request, "start", None), "spec", None)
    if isinstance(spec, generation_service_pb2.GenerationSpec):
        spec.model = MODEL
        spec.parameters.prompt = "a lighthouse"
        spec.parameters.quality = "low"


# ---- routes


def routes() -> list[tuple[str, str]]:
    """Every method and template of the bridge."""
    router = build_routes(grpc.aio.insecure_channel("127.0.0.1:1"))
    return sorted({(method, route.template) for method, route in _leaves(router)})


def _leaves(router: Router[Route]) -> Iterator[tuple[str, Route]]:
    ahead = [router._root]
    while ahead:
        node = ahead.pop()
        ahead += [each for each in (*node.literals.values(), node.one, node.many) if each]
        for by_method in node.leaves.values():
            for method, (route, _) in by_method.items():
                yield method, route


def asked(maker: Maker) -> Iterator[Tainted]:
    """Each route with a canary for each variable of its path, and in its body."""
    for method, template in routes():
        path = _VARIABLE.sub(lambda found: (found[1] or "*").replace("**", "*"), template)
        body = as_text("application/json", json.dumps({"CANARY": "CANARY", "prompt": "CANARY"}))
        path = path.replace("*", "CANARY")
        yield maker.make(f"route {method} {template}", body, path, method)


def fields(maker: Maker) -> Iterator[Tainted]:
    """Each field that the bridge knows by name, with a word of the caller's in it."""
    for path, known in (
        (GENERATIONS, image_fields.FIELDS),
        ("/v1/images/edits", image_fields.FIELDS),
        ("/v1/videos", job_fields.FIELDS),
        ("/api/v1/images/generations", job_fields.FIELDS),
        ("/api/v1/audio/generations", job_fields.FIELDS),
    ):
        for name in known:
            yield maker.make(f"field {name} of {path}", as_json(**{name: "CANARY"}), path)
