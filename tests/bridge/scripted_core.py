"""A core that plays what a test wrote down, and the events that it can play."""

import asyncio
import hashlib
import io
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from PIL import Image

from reapi.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    billing_service_pb2,
    billing_service_pb2_grpc,
    generation_pb2,
    generation_service_pb2,
    generation_service_pb2_grpc,
    model_service_pb2,
    model_service_pb2_grpc,
)
from tests.bridge.scripted_quotes import QuotingCore

GOOD_KEY = "rk_live_good"
OPERATOR_TOKEN = "ra_good"
NAME = "generations/0190a1b2c3d4e5f60718293a4b5c6d7e"
GENERATION_ID = "gen_0190a1b2c3d4e5f60718293a4b5c6d7e"
CREATED = 1_700_000_000
WAIT = 5.0
"""Seconds after which a test that waits for something has failed."""

Event = generation_service_pb2.GenerationEvent
Generation = generation_pb2.Generation
Step = Event | Callable[[], Awaitable[None]] | grpc.StatusCode
RpcStatus = status_pb2.Status


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 6)) -> bytes:
    """A real little picture."""
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(out, kind)
    return out.getvalue()


def status(
    reason: str, message: str = "", retry: float | None = None, **metadata: str
) -> RpcStatus:
    """A google.rpc.Status as core makes it."""
    info = error_details_pb2.ErrorInfo(reason=reason, domain="reapi", metadata=metadata)
    found = RpcStatus(code=13, message=message, details=[_packed(info)])
    if retry is not None:
        info_retry = error_details_pb2.RetryInfo()
        info_retry.retry_delay.FromNanoseconds(int(retry * 1e9))
        found.details.append(_packed(info_retry))
    return found


def _packed(message: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo) -> AnyMessage:
    found = AnyMessage()
    found.Pack(message)
    return found


def generation(**changes: object) -> generation_pb2.Generation:
    """A generation that succeeded, unless *changes* say otherwise."""
    found = generation_pb2.Generation(
        name=NAME,
        model="gpt-image-2",
        state=generation_pb2.Generation.STATE_SUCCEEDED,
        channel="openai-a",
        attempt_count=1,
        charged_micros=7_500,
        output_format="png",
        size="1024x1024",
        quality="high",
        background="opaque",
        usage=generation_pb2.Usage(
            input_text_tokens=10, input_image_tokens=5, output_tokens=100, output_image_tokens=90
        ),
    )
    found.create_time.seconds = CREATED
    for name, value in changes.items():
        if value is None:
            found.ClearField(name)
        else:
            setattr(found, name, value)
    return found


def accepted(**changes: object) -> Event:
    running = generation(charged_micros=None, usage=None, channel="", attempt_count=0)
    running.state = generation_pb2.Generation.STATE_RUNNING
    for name in ("size", "quality", "background", "output_format"):
        running.ClearField(name)
    for name, value in changes.items():
        setattr(running, name, value)
    limit = generation_service_pb2.RateLimit(limit_requests=60, remaining_requests=59)
    limit.reset.FromMilliseconds(1_000)
    return Event(
        seq=1, accepted=generation_service_pb2.Accepted(generation=running, rate_limit=limit)
    )


def attempt(number: int = 1, channel: str = "openai-a") -> Event:
    return Event(seq=2, attempt=generation_service_pb2.Attempt(number=number, channel=channel))


def outputs(data: bytes, index: int = 0, piece: int = 1 << 20) -> list[Event]:
    """A final output in pieces."""
    asset = generation_pb2.Asset(
        output_index=index,
        uri=f"http://media.test/media/tasks/x/y/{index}.png",
        media_type="image/png",
        size_bytes=len(data),
        sha256=hashlib.sha256(data).digest(),
    )
    return [
        Event(
            seq=4,
            output=generation_service_pb2.Output(
                output_index=index,
                asset=asset if offset == 0 else None,
                offset=offset,
                data=data[offset : offset + piece],
                last=offset + piece >= len(data),
            ),
        )
        for offset in range(0, len(data), piece)
    ]


def completed(**changes: object) -> Event:
    return Event(
        seq=9, completed=generation_service_pb2.Completed(generation=generation(**changes))
    )


def failed(why: RpcStatus) -> Event:
    ended = generation(charged_micros=0, state=generation_pb2.Generation.STATE_FAILED, usage=None)
    return Event(seq=9, failed=generation_service_pb2.Failed(status=why, generation=ended))


def success(*pictures: bytes) -> list[Step]:
    """The events of a generation that delivers *pictures*."""
    finals = [event for index, data in enumerate(pictures) for event in outputs(data, index)]
    usage = generation_service_pb2.UsageReport(charged_micros=7_500)
    return [accepted(), attempt(), *finals, Event(seq=8, usage=usage), completed()]


@dataclass
class Call:
    """What core saw of one Generate call."""

    metadata: dict[str, str | bytes]
    start: generation_service_pb2.GenerateStart | None = None
    attachments: dict[int, bytearray] = field(default_factory=dict)
    chunk_sizes: list[int] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)


class FakeCore(
    QuotingCore,
    generation_service_pb2_grpc.GenerationServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
    billing_service_pb2_grpc.BillingServiceServicer,
    admin_service_pb2_grpc.AdminServiceServicer,
    health_pb2_grpc.HealthServicer,
):
    """Plays what the test wrote down, and remembers what it was asked."""

    def __init__(self) -> None:
        self.script: list[Step] = success(picture())
        self.refusal: RpcStatus | None = None
        """With which the next calls are refused before admission."""
        self.admit = asyncio.Event()
        self.admit.set()
        self.calls: list[Call] = []
        self._arrived: asyncio.Queue[Call] = asyncio.Queue()
        self.requests: list[object] = []
        self.metadata: dict[str, str | bytes] = {}
        """Of the newest of them."""
        self.abandoned: asyncio.Queue[str] = asyncio.Queue()
        self.serving = True
        self.assets: dict[str, bytes] = {}
        self.library = [generation()]
        """What can be read, newest first."""
        self.explanation = generation_service_pb2.ExplainGenerationResponse()

    async def called(self) -> Call:
        """The next Generate call, once its key was found good."""
        async with asyncio.timeout(WAIT):
            return await self._arrived.get()

    async def waiting(self) -> Call:
        """The next Generate call, once its script waits for something."""
        call = await self.called()
        async with asyncio.timeout(WAIT):
            await call.waiting.wait()
        return call

    async def _authenticate(self, context: grpc.aio.ServicerContext) -> dict[str, str | bytes]:
        metadata = dict(context.invocation_metadata() or ())
        if "authorization" not in metadata:
            await refuse(context, status("API_KEY_MISSING", "You didn't provide an API key."))
        if metadata["authorization"] != f"Bearer {GOOD_KEY}":
            await refuse(context, status("API_KEY_INVALID", "Incorrect API key provided."))
        return metadata

    async def _asked(self, request: object, context: grpc.aio.ServicerContext) -> None:
        self.metadata = await self._authenticate(context)
        self.requests.append(request)

    async def Generate(self, request_iterator, context):
        call = Call(await self._authenticate(context))
        self.calls.append(call)
        self._arrived.put_nowait(call)
        try:
            await self.admit.wait()
            if self.refusal is not None:
                await refuse(context, self.refusal)
            await context.send_initial_metadata(())
            await self._receive(request_iterator, call)
            told = True
            for step in self.script:
                if isinstance(step, Event):
                    if told:
                        yield generation_service_pb2.GenerateResponse(event=step)
                    if step.HasField("accepted") and call.start.until_accepted:
                        told = False
                elif isinstance(step, grpc.StatusCode):
                    await context.abort(step, "the words of gRPC, not for callers")
                else:
                    # A handler that is cancelled while it sends never learns of it here.
                    call.waiting.set()
                    await step()
        except asyncio.CancelledError:
            call.cancelled.set()
            raise

    async def _receive(self, request_iterator, call: Call) -> None:
        async for message in request_iterator:
            if message.HasField("start"):
                call.start = message.start
            else:
                chunk = message.chunk
                call.attachments.setdefault(chunk.attachment_index, bytearray()).extend(chunk.data)
                call.chunk_sizes.append(len(chunk.data))
            assert call.start is not None
            arrived = sum(len(data) for data in call.attachments.values())
            if arrived == sum(call.start.attachment_sizes):
                return
        await asyncio.Event().wait()  # end of input without a start: the call was cancelled

    async def AbandonGeneration(self, request, context):
        await self._authenticate(context)
        self.abandoned.put_nowait(request.name)
        return generation_service_pb2.AbandonGenerationResponse()

    async def CreateGeneration(self, request, context):
        await self._asked(request, context)
        return generation_service_pb2.CreateGenerationResponse(generation=generation())

    async def GetGeneration(self, request, context):
        await self._asked(request, context)
        found = await self._find(request.name, context)
        return generation_service_pb2.GetGenerationResponse(generation=found)

    async def ExplainGeneration(self, request, context):
        await self._asked(request, context)
        self.explanation.generation.CopyFrom(await self._find(request.name, context))
        return self.explanation

    async def DeleteGeneration(self, request, context):
        await self._asked(request, context)
        self.library.remove(await self._find(request.name, context))
        return generation_service_pb2.DeleteGenerationResponse(deleted_asset_count=1)

    async def _find(self, name: str, context: grpc.aio.ServicerContext) -> Generation:
        """A generation of the library under any rendering of its id."""
        plain = re.sub("(gen|task|video)_", "", name.removeprefix("generations/"), count=1)
        for found in self.library:
            if found.name == f"generations/{plain}":
                return found
        await refuse(context, status("GENERATION_NOT_FOUND", "No such generation."))
        raise AssertionError

    async def CancelGeneration(self, request, context):
        await self._asked(request, context)
        return generation_service_pb2.CancelGenerationResponse(generation=generation())

    async def ListGenerations(self, request, context):
        await self._asked(request, context)
        items = [
            found for found in self.library if not request.kinds or found.kind in request.kinds
        ]
        if request.oldest_first:
            items.reverse()
        if request.page_token == "bad":
            wrong = status("INVALID_PARAMETER", "No token of ours.", parameter="page_token")
            await refuse(context, wrong)
        if request.page_token:
            items = items[items.index(await self._find(request.page_token, context)) + 1 :]
        size = request.page_size or 20
        return generation_service_pb2.ListGenerationsResponse(
            generations=items[:size],
            next_page_token="another" if len(items) > size else "",
        )

    async def WatchGeneration(self, request, context):
        await self._asked(request, context)
        try:
            for step in self.script:
                if isinstance(step, Event):
                    if step.seq > request.after_seq:
                        yield generation_service_pb2.WatchGenerationResponse(event=step)
                elif isinstance(step, grpc.StatusCode):
                    await context.abort(step, "the words of gRPC, not for callers")
                else:
                    await step()
        except asyncio.CancelledError:
            self.abandoned.put_nowait("watch cancelled")
            raise

    async def ReadAsset(self, request, context):
        data = self.assets.get(request.path)
        if data is None:
            await refuse(context, status("ASSET_NOT_FOUND", "No such output."))
            return
        assert "authorization" not in dict(context.invocation_metadata() or ())
        asset = generation_pb2.Asset(
            media_type="image/png", size_bytes=len(data), sha256=hashlib.sha256(data).digest()
        )
        yield generation_service_pb2.ReadAssetResponse(asset=asset)
        end = len(data) if request.limit == 0 else request.offset + request.limit
        wanted = data[request.offset : end]
        for offset in range(0, len(wanted), 1000):
            yield generation_service_pb2.ReadAssetResponse(data=wanted[offset : offset + 1000])

    async def ListModels(self, request, context):
        await self._authenticate(context)
        soon = model_service_pb2.Model.STATUS_COMING_SOON
        if not request.page_token:
            return model_service_pb2.ListModelsResponse(
                models=[_model("gpt-image-2"), _model("later", soon)], next_page_token="2"
            )
        return model_service_pb2.ListModelsResponse(models=[_model("acme/draw")])

    async def GetModel(self, request, context):
        await self._authenticate(context)
        if request.name not in {"models/gpt-image-2", "models/acme/draw"}:
            await refuse(context, status("MODEL_NOT_FOUND", "The model does not exist."))
        return model_service_pb2.GetModelResponse(model=_model(request.name[7:]))

    async def GetBalance(self, request, context):
        await self._authenticate(context)
        return billing_service_pb2.GetBalanceResponse(credits="4993.5")

    async def ListChannels(self, request, context):
        metadata = dict(context.invocation_metadata() or ())
        if metadata.get("authorization") != f"Bearer {OPERATOR_TOKEN}":
            await self._authenticate(context)
            await refuse(context, status("PERMISSION_DENIED", "Only the operator may do this."))
        return admin_service_pb2.ListChannelsResponse()

    async def Check(self, request, context):
        answer = health_pb2.HealthCheckResponse
        return answer(status=answer.SERVING if self.serving else answer.NOT_SERVING)


def _model(
    name: str, state: "model_service_pb2.Model.Status" = model_service_pb2.Model.STATUS_ACTIVE
) -> model_service_pb2.Model:
    found = model_service_pb2.Model(name=f"models/{name}", id=name, owner="acme", status=state)
    found.create_time.seconds = CREATED
    return found


async def refuse(context: grpc.aio.ServicerContext, why: RpcStatus) -> None:
    """End a call as core's interceptor does."""
    await context.abort(
        grpc.StatusCode.INTERNAL,
        why.message,
        (("grpc-status-details-bin", why.SerializeToString()),),
    )


def add_to(server: grpc.aio.Server, fake_core: FakeCore) -> None:
    generation_service_pb2_grpc.add_GenerationServiceServicer_to_server(fake_core, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(fake_core, server)
    billing_service_pb2_grpc.add_BillingServiceServicer_to_server(fake_core, server)
    admin_service_pb2_grpc.add_AdminServiceServicer_to_server(fake_core, server)
    health_pb2_grpc.add_HealthServicer_to_server(fake_core, server)
