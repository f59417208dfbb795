"""GenerationService.Generate, over a real channel and over the local one."""

import asyncio

import grpc
import pytest

from core.body import Body
from core.engine.records import Listing
from core.errors import Fault, GatewayError, Phase, Reason, UpstreamError
from core.model import Acknowledged, Preview
from reapi.v1 import billing_service_pb2, billing_service_pb2_grpc
from reapi.v1 import generation_pb2 as resource
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from tests.fix_core import DELIVERY, KEY, METADATA, PNG
from tests.generating import SECONDS, failed_reason, generate, kinds, reason_of, start


async def test_a_generation_streams_its_life_and_is_charged_once(channel, core):
    events = await generate(channel, start())

    assert kinds(events) == ["accepted", "attempt", "output", "usage", "completed"]
    numbers = [event.seq for event in events]
    assert numbers == sorted(set(numbers))
    assert {seq >> 32 for seq in numbers} == {7}
    done = events[-1].completed.generation
    assert done.state == resource.Generation.STATE_SUCCEEDED
    assert done.charged_micros == 7000
    assert done.assets[0].uri.startswith("http://gateway.test/media/tasks/")
    assert await core.balance() == (993, 0)


async def test_inline_outputs_carry_the_bytes(channel):
    events = await generate(channel, start(spec={"inline_outputs": True}))
    output = events[2].output

    assert (output.data, output.last, output.asset.size_bytes) == (PNG, True, len(PNG))


async def test_the_body_is_asked_for_only_after_authentication(channel, core):
    core.gate.wait = asyncio.Event()
    call = rpc.GenerationServiceStub(channel).Generate(metadata=METADATA, timeout=SECONDS)
    waiting = asyncio.ensure_future(call.initial_metadata())
    await asyncio.sleep(0)

    assert not waiting.done()
    core.gate.wait.set()
    await asyncio.wait_for(waiting, SECONDS)
    await call.write(start())
    assert kinds([response.event async for response in call])[-1] == "completed"


async def test_a_late_body_is_waited_for_and_holds_nothing_meanwhile(channel, core):
    call = rpc.GenerationServiceStub(channel).Generate(metadata=METADATA, timeout=SECONDS)
    await call.initial_metadata()

    assert await core.balance() == (1000, 0)
    assert core.admission.calls == 1
    await call.write(start())
    assert kinds([response.event async for response in call])[-1] == "completed"


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((), "API_KEY_MISSING"),
        ((("authorization", "Basic abc"),), "API_KEY_MISSING"),
        ((("authorization", "Bearer rk_live_bad"),), "API_KEY_INVALID"),
    ],
)
async def test_a_bad_key_is_refused_before_anything_is_read(channel, core, metadata, reason):
    call = rpc.GenerationServiceStub(channel).Generate(metadata=metadata, timeout=SECONDS)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()

    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert reason_of(caught.value).reason == reason
    assert core.upstream.asked == []


async def test_a_lost_database_is_unavailable_and_not_a_bad_key(channel, core):
    core.gate.failure = GatewayError(Reason.STORAGE_UNAVAILABLE, "gone", retry_after=1)
    stub = billing_service_pb2_grpc.BillingServiceStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetBalance(
            billing_service_pb2.GetBalanceRequest(), metadata=METADATA, timeout=SECONDS
        )

    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_an_end_of_the_stream_before_the_attachments_commits_nothing(channel, core):
    call = rpc.GenerationServiceStub(channel).Generate(metadata=METADATA, timeout=SECONDS)
    await call.initial_metadata()
    await call.write(start(attachment_sizes=[len(PNG)]))
    chunk = pb.AttachmentChunk(attachment_index=0, data=PNG[:10])
    await call.write(pb.GenerateRequest(chunk=chunk))
    await call.done_writing()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()

    assert reason_of(caught.value).reason == "MALFORMED_REQUEST"
    assert core.upstream.asked == []
    assert await core.balance() == (1000, 0)
    assert core.admission.bytes == 0


async def test_attachments_arrive_in_chunks(channel, core):
    begin = start(attachment_sizes=[len(PNG)])
    item = begin.start.spec.parameters.inputs.add()
    item.attachment_index = 0
    item.parameter = "image"
    chunks = [
        pb.GenerateRequest(chunk=pb.AttachmentChunk(attachment_index=0, data=PNG[i : i + 20]))
        for i in range(0, len(PNG), 20)
    ]
    events = await generate(channel, begin, *chunks)

    assert kinds(events)[-1] == "completed"
    assert core.upstream.asks[0].inputs[0].data.reveal() == PNG


async def test_a_detached_generation_outlives_its_caller(channel, core):
    release = asyncio.Event()
    core.upstream.play("openai-a", (release, *DELIVERY))
    call = rpc.GenerationServiceStub(channel).Generate(metadata=METADATA, timeout=SECONDS)
    await call.initial_metadata()
    await call.write(start(detached=True))
    await asyncio.wait_for(core.upstream.started.wait(), SECONDS)
    call.cancel()
    release.set()
    await core.settled()

    assert await core.balance() == (993, 0)


async def test_a_call_until_accepted_ends_there_and_leaves_no_orphan(channel, core):
    release = asyncio.Event()
    core.upstream.play("openai-a", (release, *DELIVERY))
    first = await generate(channel, start(until_accepted=True, spec={"request_id": "one"}))
    again = await generate(channel, start(until_accepted=True, spec={"request_id": "one"}))
    (row,) = await core.records.generations(core.account, Listing(10))

    assert (kinds(first), kinds(again)) == (["accepted"], ["accepted"])
    assert [event.accepted.replayed for event in (*first, *again)] == [False, True]
    assert row.orphaned_at is None
    assert core.engine.running == 1
    release.set()
    await core.settled()
    assert await core.balance() == (993, 0)


async def test_cancelling_an_attached_call_stops_before_the_next_channel(channel, core):
    release = asyncio.Event()
    core.upstream.play("openai-a", (release, UpstreamError(Fault.SERVER_ERROR)))
    call = rpc.GenerationServiceStub(channel).Generate(metadata=METADATA, timeout=SECONDS)
    await call.initial_metadata()
    await call.write(start())
    await asyncio.wait_for(core.upstream.started.wait(), SECONDS)
    call.cancel()
    (live,) = core.engine._live.values()
    async with asyncio.timeout(SECONDS):
        while not live.cancel_asked:
            await asyncio.sleep(0.001)
    release.set()
    await core.settled()

    assert core.upstream.asked == ["openai-a"]
    assert await core.balance() == (1000, 0)


async def test_a_deadline_ends_the_call_and_not_the_charge_of_a_detached_generation(channel, core):
    release = asyncio.Event()
    core.upstream.play("openai-a", (release, *DELIVERY))
    call = rpc.GenerationServiceStub(channel).Generate(metadata=METADATA, timeout=0.5)
    await call.initial_metadata()
    await call.write(start(detached=True))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in call:
            pass

    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    release.set()
    await core.settled()
    assert await core.balance() == (993, 0)


async def test_a_hard_fault_moves_on_and_the_caller_learns_why(channel, core):
    core.upstream.play("openai-a", (UpstreamError(Fault.SERVER_ERROR, Phase.FIRST_BYTE, 500),))
    events = await generate(channel, start())

    assert kinds(events) == ["accepted", "attempt", "attempt", "output", "usage", "completed"]
    assert events[2].attempt.previous_fault == "server_error"
    assert events[-1].completed.generation.attempt_count == 2


async def test_when_all_channels_fail_nothing_is_charged(channel, core):
    for name in ("openai-a", "openai-b", "openai-c"):
        core.upstream.play(name, (UpstreamError(Fault.AUTH, Phase.FIRST_BYTE, 401),))
    events = await generate(channel, start())

    assert kinds(events)[-1] == "failed"
    assert failed_reason(events[-1]) == "UPSTREAM_ERROR"
    assert await core.balance() == (1000, 0)


async def test_after_a_preview_no_other_channel_may_answer(channel, core):
    preview = Preview(0, 0, "image/png", Body(PNG))
    core.upstream.play(
        "openai-a", (Acknowledged(200), preview, UpstreamError(Fault.LOST, Phase.BODY))
    )
    events = await generate(channel, start(spec={"partial_count": 1}))

    assert kinds(events) == ["accepted", "attempt", "partial", "failed"]
    assert failed_reason(events[-1]) == "STREAM_INTERRUPTED"
    assert core.upstream.asked == ["openai-a"]
    assert await core.balance() == (1000, 0)


async def test_moderation_is_final_and_shows_the_providers_words_to_the_live_caller_only(
    channel, core
):
    refusal = UpstreamError(
        Fault.CONTENT_POLICY,
        Phase.FIRST_BYTE,
        400,
        stage="input",
        detail=Body("violence, they say"),
    )
    core.upstream.play("openai-a", (refusal,))
    events = await generate(channel, start())
    failed = events[-1].failed

    assert failed_reason(events[-1]) == "CONTENT_POLICY_VIOLATION"
    assert "violence, they say" in failed.status.message
    assert "violence" not in str(core.records.__dict__)
    again = await rpc.GenerationServiceStub(channel).GetGeneration(
        pb.GetGenerationRequest(name=failed.generation.name), metadata=METADATA
    )
    assert "violence" not in again.generation.error.message


async def test_a_defect_fails_the_generation_and_gives_the_credits_back(channel, core):
    core.upstream.play("openai-a", (object(),))
    core.upstream.attempt = None  # type: ignore[assignment]  # the defect
    events = await generate(channel, start())

    assert failed_reason(events[-1]) == "INTERNAL"
    assert await core.balance() == (1000, 0)
    assert "Defect" in {type(event).__name__ for event in core.emitted}


async def test_the_same_request_id_returns_the_same_generation(channel, core):
    first = await generate(channel, start(spec={"request_id": "one"}))
    again = await generate(channel, start(spec={"request_id": "one", "inline_outputs": True}))

    assert again[0].accepted.replayed
    assert again[-1].completed.generation.name == first[-1].completed.generation.name
    assert [event.output.data for event in again if event.WhichOneof("event") == "output"] == [PNG]
    assert await core.balance() == (993, 0)


async def test_the_same_request_id_with_another_prompt_is_refused(channel, core):
    await generate(channel, start(spec={"request_id": "one"}))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await generate(channel, start("another", spec={"request_id": "one"}))

    assert reason_of(caught.value).reason == "IDEMPOTENCY_MISMATCH"


async def test_a_twin_waits_for_the_first_one(channel, core):
    release = asyncio.Event()
    core.upstream.play("openai-a", (release, *DELIVERY))
    spec = {"request_id": "twin"}
    first = asyncio.ensure_future(generate(channel, start(spec=spec)))
    await asyncio.wait_for(core.upstream.started.wait(), SECONDS)
    second = asyncio.ensure_future(generate(channel, start(spec=spec)))
    await asyncio.sleep(0.05)
    release.set()
    one, other = await asyncio.gather(first, second)

    assert one[-1].completed.generation.name == other[-1].completed.generation.name
    assert core.upstream.asked == ["openai-a"]


async def test_an_sdk_retry_claims_the_answer_that_got_lost(channel, core):
    first = await generate(channel, start())
    name = first[-1].completed.generation.name
    stub = rpc.GenerationServiceStub(channel)
    await stub.AbandonGeneration(pb.AbandonGenerationRequest(name=name), metadata=METADATA)
    again = await generate(channel, start(spec={"retry_number": 1}))
    third = await generate(channel, start(spec={"retry_number": 1}))

    assert again[-1].completed.generation.name == name
    assert third[-1].completed.generation.name != name
    assert await core.balance() == (986, 0)


async def test_out_of_credits_asks_nobody(channel, core):
    for _ in range(142):
        await generate(channel, start())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await generate(channel, start())

    info = reason_of(caught.value)
    assert info.reason == "INSUFFICIENT_CREDITS"
    assert dict(info.metadata) == {"needed_micros": "7000", "available_micros": "6000"}
    assert len(core.upstream.asked) == 142


async def test_every_call_leaves_one_event_without_content(channel, core):
    await generate(channel, start("a canary prompt"))
    ended = [event for event in core.emitted if type(event).__name__ == "CallEnded"]

    assert [(event.method, event.code, event.request_id) for event in ended] == [
        ("/reapi.v1.GenerationService/Generate", "OK", METADATA[1][1])
    ]
    assert "canary" not in str(core.emitted)
    assert KEY not in str(core.emitted)


async def test_a_process_that_stops_gives_back_what_it_cannot_finish(channel, core):
    core.upstream.play("openai-a", (asyncio.Event(), *DELIVERY))
    running = asyncio.ensure_future(generate(channel, start()))
    await asyncio.wait_for(core.upstream.started.wait(), SECONDS)
    await core.engine.stop(SECONDS)
    events = await running

    assert failed_reason(events[-1]) == "REQUEST_NOT_RETAINED"
    assert await core.balance() == (1000, 0)
    assert core.upstream.closed == 1
