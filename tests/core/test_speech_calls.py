"""Speech: heard while it is made, charged by the character, and once at most."""

import asyncio

import grpc
import pytest

from core.body import Body
from core.catalog.loader import embedded_files, load
from core.engine.records import Listing
from core.errors import Fault, Phase, UpstreamError
from core.model import Acknowledged, Final, Sound
from reapi.v1 import generation_pb2 as resource
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from tests.fix_core import METADATA, build_core, served
from tests.generating import SECONDS, failed_reason, generate, kinds, start
from tests.providers.tapes_speech import WAV, pieces

TEXT = "Good morning."
MICROS = 15
"""What a character costs."""
CUT = UpstreamError(Fault.LOST, Phase.BODY, 200)
PARTS = (WAV[:100], WAV[100:900], WAV[900:])
SPOKEN = (Acknowledged(200), *pieces(*PARTS))
BEGUN = SPOKEN[:2]


@pytest.fixture
async def core():
    names = [(what, name) for what in ("URL", "KEY") for name in "ABC"]
    env = {f"SIMULATOR_{what}_SPEECH_{name}": "http://127.0.0.1:1" for what, name in names}
    made = build_core(known=load(embedded_files(), env))
    for name in ("speech-a", "speech-b", "speech-c"):
        made.upstream.play(name, SPOKEN)
    await made.credit(1)
    yield made
    await made.engine.drain(5)


@pytest.fixture(params=["real", "local"])
async def channel(request, core):
    async with served(core, request.param) as opened:
        yield opened


def say(text=TEXT, *, partials=1, **changes):
    spec = {"model": "gpt-4o-mini-tts", "partial_count": partials, **changes.pop("spec", {})}
    request = start(text, spec=spec, **changes)
    request.start.spec.parameters.output_format = "wav"
    return request


async def micros(core) -> tuple[int, int]:
    found = await core.ledger.balance(core.account)
    assert found is not None
    return found.posted_micros, found.held_micros


def heard(events) -> bytes:
    return b"".join(event.partial.data for event in events if event.HasField("partial"))


async def test_a_sound_is_heard_in_parts_then_stored_and_charged_by_the_character(channel, core):
    events = await generate(channel, say())
    done = events[-1].completed.generation

    partials = ["partial"] * (len(PARTS) + 1)
    assert kinds(events) == ["accepted", "attempt", *partials, "output", "usage", "completed"]
    assert heard(events) == WAV
    assert [event.partial.last for event in events[2:6]] == [False, False, False, True]
    assert [event.partial.offset for event in events[2:6]] == [0, 100, 900, len(WAV)]
    assert {event.partial.media_type for event in events[2:6]} == {"audio/wav"}
    assert done.charged_micros == MICROS * len(TEXT)
    assert done.kind == resource.KIND_AUDIO
    assert done.duration.ToMilliseconds() == 32
    assert done.assets[0].uri.endswith("/0.wav")
    assert await micros(core) == (1000 - MICROS * len(TEXT), 0)
    name = done.assets[0].uri.partition("/media/")[2]
    assert b"".join([chunk async for chunk in core.store.read(name)]) == WAV


async def test_who_did_not_ask_to_hear_it_gets_the_whole_only(channel, core):
    events = await generate(channel, say(partials=0, spec={"inline_outputs": True}))

    assert kinds(events) == ["accepted", "attempt", "output", "usage", "completed"]
    assert events[2].output.data == WAV


async def test_what_was_heard_is_not_sent_again(channel, core):
    events = await generate(channel, say(spec={"inline_outputs": True}))
    (output,) = [event.output for event in events if event.HasField("output")]

    assert heard(events) == WAV
    assert (output.data, output.last, output.asset.size_bytes) == (b"", True, len(WAV))


async def test_a_replay_has_the_bytes_of_the_store(channel, core):
    request = say(spec={"inline_outputs": True, "request_id": "one"})
    first = await generate(channel, request)
    await core.settled()  # until then the parts themselves are there
    again = await generate(channel, request)

    assert again[0].accepted.replayed
    assert heard(again) == b""
    assert b"".join(event.output.data for event in again if event.HasField("output")) == WAV
    assert again[-1].completed.generation.name == first[-1].completed.generation.name
    assert core.upstream.asked == ["speech-a"]
    assert await micros(core) == (1000 - MICROS * len(TEXT), 0)


async def test_before_the_first_part_another_channel_speaks(channel, core):
    core.upstream.play("speech-a", (Acknowledged(200), CUT))
    core.upstream.play("speech-b", (UpstreamError(Fault.QUOTA, Phase.FIRST_BYTE, 401),))
    events = await generate(channel, say())

    assert core.upstream.asked == ["speech-a", "speech-b", "speech-c"]
    assert heard(events) == WAV
    assert await micros(core) == (1000 - MICROS * len(TEXT), 0)


async def test_after_the_first_part_no_other_channel_may(channel, core):
    core.upstream.play("speech-a", (*BEGUN, CUT))
    events = await generate(channel, say())

    assert core.upstream.asked == ["speech-a"]
    assert heard(events) == PARTS[0]
    assert failed_reason(events[-1]) == "STREAM_INTERRUPTED"
    assert await micros(core) == (1000, 0)
    assert core.store.objects == {}


async def test_where_nobody_listens_a_cut_sound_is_made_again_elsewhere(channel, core):
    core.upstream.play("speech-a", (*BEGUN, CUT))
    events = await generate(channel, say(partials=0))

    assert core.upstream.asked == ["speech-a", "speech-b"]
    assert events[-1].completed.generation.attempt_count == 2
    assert await micros(core) == (1000 - MICROS * len(TEXT), 0)


async def test_a_listener_who_leaves_pays_nothing(channel, core):
    silence = asyncio.Event()
    core.upstream.play("speech-a", (*BEGUN, silence))
    call = rpc.GenerationServiceStub(channel).Generate(metadata=METADATA, timeout=SECONDS)
    await call.initial_metadata()
    await call.write(say())
    async for response in call:
        if response.event.HasField("partial"):
            break
    call.cancel()
    await core.settled()
    (row,) = await core.records.generations(core.account, Listing(10))

    assert (row.state, row.charged_micros) == ("cancelled", 0)
    assert core.upstream.closed == 1
    assert await micros(core) == (1000, 0)


async def test_a_channel_that_bills_all_the_same_is_heard_to_the_end(channel, core):
    more = asyncio.Event()
    core.upstream.play("speech-a", (UpstreamError(Fault.AUTH, Phase.FIRST_BYTE, 401),))
    core.upstream.play("speech-b", (*BEGUN, more, *SPOKEN[2:]))
    call = rpc.GenerationServiceStub(channel).Generate(metadata=METADATA, timeout=SECONDS)
    await call.initial_metadata()
    await call.write(say())
    async for response in call:
        if response.event.HasField("partial"):
            break
    (live,) = core.engine._live.values()
    call.cancel()
    async with asyncio.timeout(SECONDS):
        while not live.cancel_asked:
            await asyncio.sleep(0.001)
    more.set()
    await core.settled()

    assert await micros(core) == (1000 - MICROS * len(TEXT), 0)


async def test_a_wish_to_cancel_ends_it_at_once(channel, core):
    core.upstream.play("speech-a", (*BEGUN, asyncio.Event()))
    stub = rpc.GenerationServiceStub(channel)
    call = stub.Generate(metadata=METADATA, timeout=SECONDS)
    await call.initial_metadata()
    await call.write(say(detached=True))
    events = []
    async for response in call:
        events.append(response.event)
        if response.event.HasField("partial"):
            name = events[0].accepted.generation.name
            await stub.CancelGeneration(
                pb.CancelGenerationRequest(name=name), metadata=METADATA, timeout=SECONDS
            )

    assert failed_reason(events[-1]) == "CANCELLED"
    assert core.upstream.asked == ["speech-a"]
    assert await micros(core) == (1000, 0)


async def test_whoever_comes_later_hears_it_from_the_beginning(channel, core):
    rest = asyncio.Event()
    core.upstream.play("speech-a", (*BEGUN, rest, *SPOKEN[2:]))
    stub = rpc.GenerationServiceStub(channel)
    first = stub.Generate(metadata=METADATA, timeout=SECONDS)
    await first.initial_metadata()
    await first.write(say(detached=True))
    async for response in first:
        if response.event.HasField("accepted"):
            name = response.event.accepted.generation.name
        if response.event.HasField("partial"):
            break
    request = pb.WatchGenerationRequest(name=name, inline_outputs=True)
    watch = stub.WatchGeneration(request, metadata=METADATA, timeout=SECONDS)
    events = []
    async for response in watch:
        events.append(response.event)
        if response.event.HasField("partial"):
            rest.set()
    first.cancel()

    assert heard(events) == WAV
    assert b"".join(event.output.data for event in events) == b""


@pytest.mark.parametrize("what", ["instructions", "voice=verse", "output_format=aac", "speed"])
async def test_a_channel_that_cannot_is_passed_over(channel, core, what):
    request = say(partials=0)
    name, _, value = what.partition("=")
    parameters = request.start.spec.parameters
    match name:
        case "instructions":
            parameters.extras[name].text = "Whisper."
        case "speed":
            parameters.extras[name].number = 1.5
        case _:
            setattr(parameters, name, value)
    core.upstream.play("speech-a", (UpstreamError(Fault.AUTH, Phase.FIRST_BYTE, 401),))
    await generate(channel, request)

    assert "speech-b" not in core.upstream.asked


async def test_instructions_are_sealed_and_make_another_request(channel, core):
    def told(words):
        request = say(spec={"request_id": "one"})
        request.start.spec.parameters.extras["instructions"].text = words
        return request

    await generate(channel, told("Whisper."))
    (ask,) = core.upstream.asks

    assert ask.texts == {"instructions": Body("Whisper.")}
    assert "Whisper" not in repr(ask)
    assert "instructions" not in ask.parameters
    assert await refused(channel, told("Shout.")) is grpc.StatusCode.ALREADY_EXISTS


async def refused(channel, request) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await generate(channel, request)
    return caught.value.code()


@pytest.mark.parametrize("changes", [{"text": "x" * 4097}, {"voice": "nobody"}, {"speed": 9.0}])
async def test_what_the_model_does_not_take_is_refused(channel, core, changes):
    request = say(changes.get("text", TEXT))
    if "voice" in changes:
        request.start.spec.parameters.voice = changes["voice"]
    if "speed" in changes:
        request.start.spec.parameters.extras["speed"].number = changes["speed"]

    assert await refused(channel, request) is grpc.StatusCode.INVALID_ARGUMENT
    assert core.upstream.asked == []


async def test_a_final_of_another_type_is_not_delivered(channel, core):
    mp3 = Final(0, Body(b"ID3\x04\0\0\0\0\0\0" + bytes(90)))
    core.upstream.play("speech-a", (Acknowledged(200), Sound(0, "audio/wav", 0, Body(b"x")), mp3))
    events = await generate(channel, say())

    assert failed_reason(events[-1]) == "STREAM_INTERRUPTED"
    assert await micros(core) == (1000, 0)
