"""ExplainGeneration: how a generation was served, while it runs and afterwards."""

import asyncio
from uuid import uuid4

import grpc
import pytest

from core.body import Body
from core.caller import Caller
from core.errors import MEANING, Fault, Phase, UpstreamError
from core.model import Acknowledged, AttemptState
from core.policy.health import Standing
from core.services.explain import STATES
from reapi.v1 import error_reason_pb2
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from tests.fix_core import DELIVERY, METADATA
from tests.generating import SECONDS, generate, reason_of, start

BROKEN = UpstreamError(Fault.SERVER_ERROR, Phase.FIRST_BYTE, 500, detail=Body("a canary"))
Trace = pb.AttemptTrace


async def explain(channel, name: str) -> pb.ExplainGenerationResponse:
    request = pb.ExplainGenerationRequest(name=name)
    return await rpc.GenerationServiceStub(channel).ExplainGeneration(request, metadata=METADATA)


async def test_every_attempt_is_told_with_its_phases_and_its_reason(channel, core):
    core.upstream.play("openai-a", (BROKEN,))
    made = (await generate(channel, start()))[-1].completed.generation

    found = await explain(channel, made.name)

    first, second = found.attempts
    assert (found.generation.name, found.generation.attempt_count) == (made.name, 2)
    assert (first.number, first.channel, first.state) == (1, "openai-a", Trace.STATE_FAILED)
    assert (first.fault, first.phase, first.http_status) == ("server_error", "first_byte", 500)
    assert first.reason == error_reason_pb2.ERROR_REASON_UPSTREAM_ERROR
    assert not first.HasField("acknowledge_time")
    assert (second.number, second.state, second.fault) == (2, Trace.STATE_DONE, "")
    assert second.reason == error_reason_pb2.ERROR_REASON_UNSPECIFIED
    times = [
        made.create_time,
        *(first.start_time, first.end_time),
        *(second.start_time, second.acknowledge_time, second.first_byte_time, second.end_time),
    ]
    assert times == sorted(times, key=lambda time: time.ToNanoseconds())


async def test_how_the_channel_stood_and_how_many_there_were_is_told(channel, core):
    for _ in range(3):
        core.upstream.play("openai-a", (BROKEN,))
        await generate(channel, start())
    assert core.fleet.health.of("openai-a", "image.generate").ejected_until is not None

    made = (await generate(channel, start()))[-1].completed.generation
    (only,) = (await explain(channel, made.name)).attempts

    assert (only.standing, only.candidate_count) == (Standing.HEALTHY, 3)
    assert only.channel != "openai-a"
    assert (only.shard, only.hedge) == (0, False)


async def test_the_price_inputs_are_those_of_the_acceptance(channel):
    made = (await generate(channel, start()))[-1].completed.generation

    price = (await explain(channel, made.name)).price

    assert len(price.catalogue_version) == 64
    assert (price.quoted_micros, price.charged_micros) == (7000, 7000)
    assert (price.requested_count, price.delivered_count) == (1, 1)
    assert (price.size, price.quality) == ("1024x1024", "high")
    assert price.usage.output_tokens == 100
    assert not price.HasField("duration")


async def test_a_running_generation_is_explained_as_far_as_it_is(channel, core):
    wait = asyncio.Event()
    core.upstream.play("openai-a", (BROKEN,))
    core.upstream.play("openai-b", (Acknowledged(200), wait, *DELIVERY))
    core.upstream.play("openai-c", (Acknowledged(200), wait, *DELIVERY))
    call = rpc.GenerationServiceStub(channel).Generate(metadata=METADATA, timeout=SECONDS)
    await call.initial_metadata()
    await call.write(start())
    accepted = (await call.read()).event.accepted.generation
    while (await call.read()).event.attempt.number != 2:
        pass
    async with asyncio.timeout(SECONDS):
        while True:
            found = await explain(channel, accepted.name)
            if found.attempts[-1].state == Trace.STATE_SUBMITTED:
                break
    wait.set()

    first, second = found.attempts
    assert (first.state, first.fault) == (Trace.STATE_FAILED, "server_error")
    assert second.HasField("acknowledge_time")
    assert not second.HasField("end_time")
    assert not found.price.HasField("charged_micros")
    assert (await call.read()).event.HasField("output")
    call.cancel()


async def test_a_failed_generation_says_what_each_attempt_would_have_told(channel, core):
    for name, fault in (
        ("openai-a", Fault.AUTH),
        ("openai-b", Fault.RATE_LIMITED),
        ("openai-c", Fault.CONTENT_POLICY),
    ):
        core.upstream.play(name, (UpstreamError(fault, Phase.FIRST_BYTE, 400),))
    events = await generate(channel, start())

    found = await explain(channel, events[-1].failed.generation.name)

    assert len(found.attempts) > 1 or found.attempts[0].channel == "openai-c"
    for item in found.attempts:
        told = error_reason_pb2.ErrorReason.Name(item.reason).removeprefix("ERROR_REASON_")
        assert told == MEANING[Fault(item.fault)].reason
    assert (found.price.charged_micros, found.price.delivered_count) == (0, 0)


async def test_nothing_of_a_provider_but_its_channels_name_is_told(channel, core):
    core.upstream.play("openai-a", (BROKEN,))
    made = (await generate(channel, start()))[-1].completed.generation

    found = await explain(channel, made.name)

    (row,) = core.records.generations_by_id.values()
    assert row.attempts[1].mark.bytes not in found.SerializeToString()
    for item in found.attempts:
        texts = {field.name for field, value in item.ListFields() if isinstance(value, str)}
        assert texts <= {"channel", "fault", "phase", "standing"}
    assert b"canary" not in found.SerializeToString()


async def test_a_generation_of_another_account_is_not_found(channel, core):
    made = (await generate(channel, start()))[-1].completed.generation
    core.gate.caller = Caller(uuid4(), uuid4())

    for name in (made.name, "generations/" + "0" * 32, "x"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await explain(channel, name)
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        assert reason_of(caught.value).reason == "GENERATION_NOT_FOUND"


async def test_a_deleted_generation_is_explained_no_more(channel):
    made = (await generate(channel, start()))[-1].completed.generation
    stub = rpc.GenerationServiceStub(channel)
    await stub.DeleteGeneration(pb.DeleteGenerationRequest(name=made.name), metadata=METADATA)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await explain(channel, made.name)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_every_state_and_every_fault_has_a_word_of_the_contract():
    assert set(STATES) == set(AttemptState)
    names = {name.removeprefix("ERROR_REASON_") for name, _ in error_reason_pb2.ErrorReason.items()}
    assert {meaning.reason for meaning in MEANING.values()} <= names
