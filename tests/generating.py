"""Generate calls as tests make them."""

from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from tests.fix_core import METADATA

SECONDS = 10


def start(prompt: str = "a lighthouse", **changes: Any) -> pb.GenerateRequest:
    spec = pb.GenerationSpec(model="gpt-image-2")
    spec.parameters.prompt = prompt
    for name, value in changes.pop("spec", {}).items():
        setattr(spec, name, value)
    return pb.GenerateRequest(start=pb.GenerateStart(spec=spec, **changes))


def reason_of(error: grpc.RpcError) -> ErrorInfo:
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    info = ErrorInfo()
    assert Status.FromString(details).details[0].Unpack(info)
    return info


def failed_reason(event: pb.GenerationEvent) -> str:
    info = ErrorInfo()
    event.failed.status.details[0].Unpack(info)
    return info.reason


async def generate(channel: Any, *messages: pb.GenerateRequest) -> list[pb.GenerationEvent]:
    call = rpc.GenerationServiceStub(channel).Generate(metadata=METADATA, timeout=SECONDS)
    try:
        await call.initial_metadata()
        for message in messages:
            await call.write(message)
        return [response.event async for response in call]
    finally:
        call.cancel()


def kinds(events: list[pb.GenerationEvent]) -> list[str]:
    return [event.WhichOneof("event") for event in events]
