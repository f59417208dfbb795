"""The edges where gateways go wrong: cancels, lost leases, partial results, broken stores."""

import asyncio

import grpc
import pytest

from core.body import Body
from core.engine.records import Listing
from core.errors import Fault, Phase, UpstreamError
from core.media import probe
from core.model import Acknowledged, Final, Preview, Report
from reapi.v1 import generation_pb2 as resource
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from tests.fix_core import DELIVERY, METADATA, PNG, jpeg
from tests.generating import SECONDS, failed_reason, generate, kinds, reason_of, start


class Gated:
    """Commits that wait at a gate; the first one tells that it is there."""

    def __init__(self, commits):
        self._commits = commits
        self.arrived, self.gate = asyncio.Event(), asyncio.Event()

    async def commit(self, commit):
        self.arrived.set()
        await self.gate.wait()
        return await self._commits.commit(commit)


@pytest.mark.parametrize("detached", [False, True])
async def test_a_caller_who_leaves_during_the_hold(channel, core, detached):
    gated = core.engine._books._commits = Gated(core.committer)
    call = rpc.GenerationServiceStub(channel).Generate(metadata=METADATA, timeout=SECONDS)
    await call.initial_metadata()
    await call.write(start(detached=detached))
    await asyncio.wait_for(gated.arrived.wait(), SECONDS)
    call.cancel()
    async with asyncio.timeout(SECONDS):  # the server has noticed
        while core.admission.calls and not any(
            type(event).__name__ == "CallEnded" for event in core.emitted
        ):
            await asyncio.sleep(0.001)
    gated.gate.set()
    await core.settled()
    (row,) = await core.records.generations(core.account, Listing(10))

    if detached:
        assert (row.state, await core.balance()) == ("succeeded", (993, 0))
        assert row.orphaned_at is not None
    else:
        assert (row.state, await core.balance()) == ("cancelled", (1000, 0))
        assert core.upstream.asked == []
    assert (core.admission.calls, core.admission.bytes) == (0, 0)


async def test_a_cancel_message_stops_an_attached_call_before_the_next_channel(channel, core):
    release = asyncio.Event()
    core.upstream.play("openai-a", (release, UpstreamError(Fault.SERVER_ERROR)))
    call = rpc.GenerationServiceStub(channel).Generate(metadata=METADATA, timeout=SECONDS)
    await call.initial_metadata()
    await call.write(start())
    await asyncio.wait_for(core.upstream.started.wait(), SECONDS)
    (live,) = core.engine._live.values()
    await call.write(pb.GenerateRequest(cancel=pb.GenerateCancel()))
    async with asyncio.timeout(SECONDS):
        while not live.cancel_asked:
            await asyncio.sleep(0.001)
    release.set()
    events = [response.event async for response in call]

    assert failed_reason(events[-1]) == "CANCELLED"
    assert core.upstream.asked == ["openai-a"]
    assert await core.balance() == (1000, 0)


async def test_without_a_lease_no_other_channel_is_asked(channel, core):
    core.upstream.play("openai-a", (UpstreamError(Fault.SERVER_ERROR),))
    core.engine._attempts._holds = lambda epoch: "openai-a" not in core.upstream.asked
    events = await generate(channel, start())

    assert failed_reason(events[-1]) == "REQUEST_NOT_RETAINED"
    assert core.upstream.asked == ["openai-a"]


async def test_some_outputs_of_a_cut_stream_are_a_success_charged_for_those(channel, core):
    script = (
        Acknowledged(200),
        Preview(0, 0, "image/png", Body(PNG)),
        Final(0, Body(PNG)),
        UpstreamError(Fault.LOST, Phase.BODY),
    )
    core.upstream.play("openai-a", script)
    asked = start(spec={"partial_count": 1})
    asked.start.spec.parameters.output_count = 3
    events = await generate(channel, asked)
    done = events[-1].completed.generation

    assert (done.delivered_count, done.requested_count, done.charged_micros) == (1, 3, 7000)
    assert await core.balance() == (993, 0)


@pytest.mark.parametrize("others", ["fail", "deliver"])
async def test_of_several_outputs_the_broken_ones_are_asked_of_others_or_left_out(
    channel, core, others
):
    finals = (Final(0, Body(PNG)), Final(1, Body(b"<html>")), Final(2, Body(PNG)))
    core.upstream.play("openai-a", (*finals, Report()))
    if others == "fail":
        core.upstream.play("openai-b", (UpstreamError(Fault.SERVER_ERROR),))
        core.upstream.play("openai-c", (UpstreamError(Fault.SERVER_ERROR),))
    asked = start()
    asked.start.spec.parameters.output_count = 3
    events = await generate(channel, asked)
    count = 3 if others == "deliver" else 2

    outputs = [e.output.output_index for e in events if e.WhichOneof("event") == "output"]
    assert outputs == list(range(count))
    assert [ask.count for ask in core.upstream.asks] == ([3, 1] if count == 3 else [3, 1, 1])
    assert await core.balance() == (1000 - 7 * count, 0)


@pytest.mark.parametrize("asked_for", ["jpeg", None])
async def test_another_format_than_was_asked_for_is_no_answer(channel, core, asked_for):
    wrong = PNG if asked_for else jpeg()
    core.upstream.play("openai-a", (Final(0, Body(wrong)), Report()))
    core.upstream.play("openai-b", (Final(0, Body(jpeg() if asked_for else PNG)), Report()))
    asked = start(spec={"inline_outputs": True})
    if asked_for:
        asked.start.spec.parameters.output_format = asked_for
    events = await generate(channel, asked)
    output = next(e.output for e in events if e.WhichOneof("event") == "output")

    assert core.upstream.asked == ["openai-a", "openai-b"]
    assert probe(output.data).media_type == ("image/jpeg" if asked_for else "image/png")


async def test_a_store_that_fails_half_way_keeps_nothing_and_charges_nothing(channel, core):
    put, names = core.store.put, []

    async def failing(name, data):
        names.append(name)
        if len(names) == 2:
            raise OSError("disk full")
        await put(name, data)

    core.store.put = failing
    core.upstream.play("openai-a", (Final(0, Body(PNG)), Final(1, Body(PNG)), Report()))
    asked = start()
    asked.start.spec.parameters.output_count = 2
    events = await generate(channel, asked)

    assert failed_reason(events[-1]) == "STORAGE_UNAVAILABLE"
    assert (core.store.objects, await core.balance()) == ({}, (1000, 0))


async def test_deleting_a_running_generation_deletes_what_arrives_later(channel, core):
    release = asyncio.Event()
    core.upstream.play("openai-a", (release, *DELIVERY))
    running = asyncio.ensure_future(generate(channel, start()))
    await asyncio.wait_for(core.upstream.started.wait(), SECONDS)
    (id_,) = core.engine._live
    stub = rpc.GenerationServiceStub(channel)
    name = f"generations/{id_.hex}"
    await stub.DeleteGeneration(pb.DeleteGenerationRequest(name=name), metadata=METADATA)
    release.set()
    events = await running
    await core.settled()

    assert kinds(events)[-1] == "completed"
    assert core.store.objects == {}
    uri = events[-1].completed.generation.assets[0].uri
    path = uri.removeprefix("http://gateway.test/media/")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ReadAsset(pb.ReadAssetRequest(path=path)).read()
    assert reason_of(caught.value).reason == "ASSET_NOT_FOUND"


@pytest.mark.parametrize("metadata", [METADATA, ()])
async def test_bytes_that_are_no_message_are_the_callers_fault_after_authentication(
    channel, metadata
):
    call = channel.unary_unary(
        "/reapi.v1.GenerationService/GetGeneration",
        request_serializer=bytes,
        response_deserializer=pb.GetGenerationResponse.FromString,
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"\x0a\x02\xff\xfe", metadata=metadata, timeout=SECONDS)

    expected = "MALFORMED_REQUEST" if metadata else "API_KEY_MISSING"
    assert reason_of(caught.value).reason == expected


@pytest.mark.parametrize("name", ["quote_token", "callback_url"])
async def test_what_cannot_be_what_it_should_be_is_refused_and_not_ignored(channel, core, name):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await generate(channel, start(spec={name: "x"}))

    assert dict(reason_of(caught.value).metadata) == {"parameter": name}
    assert await core.balance() == (1000, 0)


async def test_a_list_of_impossible_models_is_refused(channel):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.GenerationServiceStub(channel).ListGenerations(
            pb.ListGenerationsRequest(models=["\0"]), metadata=METADATA
        )

    assert dict(reason_of(caught.value).metadata) == {"parameter": "models"}


async def test_a_generation_deleted_while_watched_ends_with_a_terminal_event(channel, core):
    release = asyncio.Event()
    core.upstream.play("openai-a", (release, *DELIVERY))
    running = asyncio.ensure_future(generate(channel, start(detached=True)))
    await asyncio.wait_for(core.upstream.started.wait(), SECONDS)
    (id_,) = core.engine._live
    hidden = core.engine._live.pop(id_)  # as another process sees it: rows only
    stub = rpc.GenerationServiceStub(channel)
    watch = stub.WatchGeneration(
        pb.WatchGenerationRequest(name=f"gen_{id_.hex}"), metadata=METADATA, timeout=SECONDS
    )
    first = await watch.read()
    assert first.event.accepted.generation.state == resource.Generation.STATE_ACCEPTED
    await stub.DeleteGeneration(
        pb.DeleteGenerationRequest(name=f"gen_{id_.hex}"), metadata=METADATA
    )
    last = None
    while (message := await watch.read()) is not grpc.aio.EOF:
        last = message
    core.engine._live[id_] = hidden
    release.set()
    await running

    assert failed_reason(last.event) == "GENERATION_NOT_FOUND"
