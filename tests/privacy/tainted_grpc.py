"""Native gRPC calls with a canary in every field, right and wrong ones."""

import asyncio
import base64
from contextlib import suppress

import grpc

from gateway.proof.canaries import Canaries
from gateway.proof.requests import MODEL
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from reapi.v1 import model_service_pb2, model_service_pb2_grpc
from tests.privacy.tainted_rest import tainted_png

SECONDS = 30
URIS = (
    "data:image/png;base64,PICTURE",
    "data:image/png;base64,CANARY!",
    "data:CANARY,CANARY",
    "CANARY://CANARY",
    "CANARY",
    "http://10.0.0.1/CANARY",
    "http://CANARY:CANARY@10.0.0.1/CANARY",
    "https://CANARY.localhost/CANARY",
    "http://[CANARY/",
)
"""Inputs by URL: one that holds a picture, and such as must not be fetched."""


class Caller:
    """Calls with canaries; what comes back may hold those of the call itself only."""

    def __init__(self, channel: grpc.aio.Channel, key: str, canaries: Canaries) -> None:
        self._channel = channel
        self._key = key
        self._canaries = canaries
        self._stub = rpc.GenerationServiceStub(channel)
        self.strangers: set[str] = set()
        """Fields of other calls that were found in an answer."""

    async def everything(self) -> None:
        """Make every kind of call."""
        await self._generate("grpc generate", MODEL)
        await self._generate("grpc with attachments", MODEL, attachments=2)
        await self._generate("grpc wrong model", "CANARY")
        await self._generate("grpc wrong size", MODEL, size="CANARY")
        await self._generate("grpc unknown extra", MODEL, extra="CANARY")
        await self._generate("grpc moderation", MODEL, prompt="moderation_blocked CANARY")
        await self._generate("grpc wrong key", MODEL, key="CANARY")
        for number, uri in enumerate(URIS):
            await self._generate(f"grpc uri {number}", MODEL, uri=uri)
        await self._cut_short("grpc cancelled")
        await self._unary("grpc create")
        await self._unknown_method("grpc unknown")

    async def _generate(self, name: str, model: str, attachments: int = 0, **how: str) -> None:
        own: set[str] = set()
        call = self._stub.Generate(metadata=self._metadata(name, own, how), timeout=SECONDS)
        try:
            await call.initial_metadata()
            start = self._start(name, model, attachments, own, how)
            # A call that was refused already takes no more: reading tells why.
            with suppress(asyncio.InvalidStateError):
                await call.write(pb.GenerateRequest(start=start))
                for index, size in enumerate(start.attachment_sizes):
                    picture = tainted_png(self._plant(f"{name}: attachment", own))
                    assert len(picture) == size
                    chunk = pb.AttachmentChunk(attachment_index=index, data=picture)
                    await call.write(pb.GenerateRequest(chunk=chunk))
            async for response in call:
                self._compare(response.SerializeToString(), own)
        except grpc.aio.AioRpcError as error:
            self._compare_error(error, own)
        finally:
            call.cancel()

    def _start(
        self, name: str, model: str, attachments: int, own: set[str], how: dict[str, str]
    ) -> pb.GenerateStart:
        size = len(tainted_png(self._plant("only for its length", set())))
        start = pb.GenerateStart(attachment_sizes=[size] * attachments)
        spec, parameters = start.spec, start.spec.parameters
        spec.model = self._text(model, f"{name}: model", own)
        spec.request_id = self._plant(f"{name}: request_id", own)
        spec.endpoint = self._plant(f"{name}: endpoint", own)
        spec.inline_outputs = True
        parameters.prompt = self._text(how.get("prompt", "CANARY"), f"{name}: prompt", own)
        parameters.end_user_id = self._plant(f"{name}: end user", own)
        if "size" in how:
            parameters.size = self._text(how["size"], f"{name}: size", own)
        if "extra" in how:
            extra = self._plant(f"{name}: extra", own)
            parameters.extras[extra].text = self._plant(f"{name}: extra's value", own)
        if "uri" in how:
            picture = tainted_png(self._plant(f"{name}: picture", own))
            uri = how["uri"].replace("PICTURE", base64.b64encode(picture).decode())
            parameters.inputs.add(
                uri=self._text(uri, f"{name}: uri", own),
                parameter=self._plant(f"{name}: parameter", own),
            )
        for index in range(attachments):
            parameters.inputs.add(
                attachment_index=index, parameter=self._plant(f"{name}: parameter", own)
            )
        return start

    async def _cut_short(self, name: str) -> None:
        own: set[str] = set()
        call = self._stub.Generate(metadata=self._metadata(name, own, {}), timeout=SECONDS)
        try:
            await call.initial_metadata()
            await call.write(pb.GenerateRequest(start=self._start(name, MODEL, 0, own, {})))
            await call.read()
        finally:
            call.cancel()
        with suppress(asyncio.CancelledError):
            await call.code()

    async def _unary(self, name: str) -> None:
        own: set[str] = set()
        metadata = self._metadata(name, own, {})
        spec = self._start(name, MODEL, 0, own, {}).spec
        created = await self._stub.CreateGeneration(
            pb.CreateGenerationRequest(spec=spec), metadata=metadata, timeout=SECONDS
        )
        self._compare(created.SerializeToString(), own)
        wrong = self._plant(f"{name}: name", own)
        models = model_service_pb2_grpc.ModelServiceStub(self._channel)
        for asked in (
            self._stub.GetGeneration(
                pb.GetGenerationRequest(name=wrong), metadata=metadata, timeout=SECONDS
            ),
            models.GetModel(
                model_service_pb2.GetModelRequest(name=f"models/{wrong}"),
                metadata=metadata,
                timeout=SECONDS,
            ),
        ):
            try:
                await asked
            except grpc.aio.AioRpcError as error:
                self._compare_error(error, own)

    async def _unknown_method(self, name: str) -> None:
        own: set[str] = set()
        path = f"/reapi.v1.GenerationService/{self._plant(f'{name}: method', own)}"
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(path)
        try:
            await call(
                self._plant(f"{name}: bytes", own).encode(),
                metadata=self._metadata(name, own, {}),
                timeout=SECONDS,
            )
        except grpc.aio.AioRpcError as error:
            self._compare_error(error, own)

    def _metadata(
        self, name: str, own: set[str], how: dict[str, str]
    ) -> tuple[tuple[str, str], ...]:
        key = self._text(how["key"], f"{name}: key", own) if "key" in how else self._key
        names = ("x-request-id", "baggage", "tracestate", "x-anything")
        planted = tuple((item, self._plant(f"{name}: {item}", own)) for item in names)
        return (("authorization", f"Bearer {key}"), *planted)

    def _plant(self, where: str, own: set[str]) -> str:
        word = self._canaries.plant(where)
        own.add(word)
        return word

    def _text(self, text: str, where: str, own: set[str]) -> str:
        return text.replace("CANARY", self._plant(where, own)) if "CANARY" in text else text

    def _compare(self, data: bytes, own: set[str]) -> None:
        self.strangers |= self._canaries.where(self._canaries.words_in(data) - own)

    def _compare_error(self, error: grpc.aio.AioRpcError, own: set[str]) -> None:
        trailing = b"".join(
            value if isinstance(value, bytes) else value.encode()
            for _, value in error.trailing_metadata()
        )
        self._compare((error.details() or "").encode() + trailing, own)
