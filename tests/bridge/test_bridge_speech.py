"""`/v1/audio/speech`: a sound that is heard while it is made, or not at all."""

import asyncio
import base64
import json

import httpx
import openai
import pytest

from reapi.v1 import generation_pb2, generation_service_pb2
from tests.bridge.scripted_core import (
    GENERATION_ID,
    WAIT,
    Event,
    FakeCore,
    accepted,
    attempt,
    completed,
    failed,
    status,
)
from tests.fix_bridge import Bridge, StartBridge

URL = "/v1/audio/speech"
ASK = {"model": "gpt-4o-mini-tts", "input": "Good morning.", "voice": "coral"}
PARTS = (b"ID3 first", b" second", b" third")
SOUND = b"".join(PARTS)


def sounds(*parts: bytes, last: bool = True) -> list[Event]:
    """A sound in parts; the last, which is empty, ends it."""
    found, offset = [], 0
    for part in (*parts, *((b"",) if last else ())):
        partial = generation_service_pb2.Partial(
            media_type="audio/mpeg", offset=offset, data=part, last=not part
        )
        found.append(Event(seq=3, partial=partial))
        offset += len(part)
    return found


def stored(*parts: bytes) -> list[Event]:
    """A sound that was made before, from the store."""
    found, offset = [], 0
    for part in parts:
        output = generation_service_pb2.Output(offset=offset, data=part)
        if not offset:
            output.asset.CopyFrom(generation_pb2.Asset(media_type="audio/wav"))
        found.append(Event(seq=4, output=output))
        offset += len(part)
    return found


def heard(*parts: bytes) -> list[Event]:
    """The events of a sound that is made now; its Output is without bytes."""
    asset = generation_pb2.Asset(media_type="audio/mpeg", size_bytes=len(b"".join(parts)))
    output = generation_service_pb2.Output(asset=asset, last=True)
    return [accepted(), attempt(channel="speech-a"), *sounds(*parts), Event(output=output)]


def events_of(text: str) -> list[dict[str, object]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


@pytest.fixture
def gate(fake_core: FakeCore) -> asyncio.Event:
    """A script that says one part, waits for the gate, and goes on."""
    event = asyncio.Event()

    async def wait() -> None:
        await event.wait()

    fake_core.script = [
        accepted(),
        attempt(channel="speech-a"),
        *sounds(PARTS[0], last=False),
        wait,
        *sounds(*PARTS[1:]),
        completed(),
    ]
    return event


async def test_the_answer_is_the_sound(bridge: Bridge, fake_core: FakeCore) -> None:
    fake_core.script = [*heard(*PARTS), completed()]
    answer = await bridge.http.post(URL, json=ASK)

    assert (answer.status_code, answer.content) == (200, SOUND)
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["x-reapi-generation"] == GENERATION_ID
    assert answer.headers["x-reapi-channel"] == "speech-a"
    assert "x-reapi-credits" not in answer.headers
    assert "content-length" not in answer.headers


async def test_the_headers_name_the_channel_that_speaks(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    begun = [accepted(channel="speech-a", attempt_count=1), attempt(), attempt(2, "speech-b")]
    fake_core.script = [*begun, *sounds(*PARTS), completed()]
    answer = await bridge.http.post(URL, json=ASK)

    assert answer.headers["x-reapi-channel"] == "speech-b"
    assert answer.headers["x-reapi-attempts"] == "2"


async def test_everything_is_asked_in_the_words_of_the_contract(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fake_core.script = [*heard(*PARTS), completed()]
    await bridge.openai.audio.speech.create(
        **{**ASK, "voice": {"id": "voice_1"}},
        instructions="Whisper.",
        response_format="flac",
        speed=1.5,
        extra_headers={"x-reapi-routing": "only=speech-a"},
        extra_body={"pitch": 3},
    )
    start = fake_core.calls[0].start
    assert start is not None
    spec = start.spec

    assert (spec.model, spec.parameters.prompt) == (ASK["model"], ASK["input"])
    assert (spec.parameters.voice, spec.parameters.output_format) == ("voice_1", "flac")
    assert spec.parameters.extras["instructions"].text == "Whisper."
    assert spec.parameters.extras["speed"].number == 1.5
    assert spec.parameters.extras["pitch"].integer == 3
    assert (spec.inline_outputs, spec.partial_count, spec.endpoint) == (True, 1, URL)
    assert list(spec.routing.only_channels) == ["speech-a"]


@pytest.mark.parametrize("key", ["", "mine"])
async def test_only_who_means_to_come_back_is_waited_for(
    bridge: Bridge, fake_core: FakeCore, key: str
) -> None:
    fake_core.script = [*heard(*PARTS), completed()]
    await bridge.http.post(URL, json=ASK, headers={"idempotency-key": key} if key else {})
    start = fake_core.calls[0].start

    assert start is not None
    assert start.detached is bool(key)


async def test_the_first_part_is_there_before_the_second_is_made(
    bridge: Bridge, gate: asyncio.Event
) -> None:
    async with bridge.openai.audio.speech.with_streaming_response.create(**ASK) as answer:
        parts = answer.iter_bytes()
        first = await asyncio.wait_for(anext(parts), WAIT)
        gate.set()
        rest = [part async for part in parts]

    assert first == PARTS[0]
    assert first + b"".join(rest) == SOUND


async def test_events_carry_the_sound(bridge: Bridge, fake_core: FakeCore) -> None:
    fake_core.script = [*heard(*PARTS), completed()]
    answer = await bridge.http.post(URL, json={**ASK, "stream_format": "sse"})
    *deltas, done = events_of(answer.text)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [event["type"] for event in deltas] == ["speech.audio.delta"] * 3
    assert b"".join(base64.b64decode(str(event["audio"])) for event in deltas) == SOUND
    usage = {"input_tokens": 10, "output_tokens": 100, "total_tokens": 110}
    assert done == {"type": "speech.audio.done", "usage": usage}
    assert "id:" not in answer.text


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
async def test_a_replay_comes_from_the_store(
    bridge: Bridge, fake_core: FakeCore, stream_format: str
) -> None:
    fake_core.script = [accepted(), *stored(*PARTS), completed()]
    answer = await bridge.http.post(URL, json={**ASK, "stream_format": stream_format})

    if stream_format == "audio":
        assert (answer.content, answer.headers["content-type"]) == (SOUND, "audio/wav")
    else:
        *deltas, _ = events_of(answer.text)
        assert b"".join(base64.b64decode(str(event["audio"])) for event in deltas) == SOUND


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
async def test_what_fails_before_the_first_part_is_a_plain_error(
    bridge: Bridge, fake_core: FakeCore, stream_format: str
) -> None:
    why = status("CONTENT_POLICY_VIOLATION", "No.", parameter="prompt")
    fake_core.script = [accepted(), attempt(), failed(why)]
    with pytest.raises(openai.BadRequestError) as caught:
        await bridge.openai.audio.speech.create(**ASK, stream_format=stream_format)

    assert (caught.value.code, caught.value.param) == ("moderation_blocked", "input")


@pytest.mark.parametrize(
    ("ours", "theirs"), [("prompt", "input"), ("output_format", "response_format"), ("x", "x")]
)
async def test_errors_name_what_the_caller_named(
    bridge: Bridge, fake_core: FakeCore, ours: str, theirs: str
) -> None:
    fake_core.script = [failed(status("INVALID_PARAMETER", "Too long.", parameter=ours))]
    answer = await bridge.http.post(URL, json=ASK)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, theirs)


async def test_a_sound_that_breaks_off_never_ends_well(bridge: Bridge, fake_core: FakeCore) -> None:
    why = status("STREAM_INTERRUPTED", "The provider failed.")
    fake_core.script = [accepted(), attempt(), *sounds(*PARTS, last=False), failed(why)]
    with pytest.raises(httpx.RemoteProtocolError):
        await bridge.http.post(URL, json=ASK)

    assert bridge.defects == []


async def test_a_sound_that_was_heard_and_not_paid_for_never_ends_well(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    why = status("STORAGE_UNAVAILABLE", "It could not be stored.")
    fake_core.script = [accepted(), attempt(), *sounds(*PARTS), failed(why)]
    with pytest.raises(httpx.RemoteProtocolError):
        await bridge.http.post(URL, json=ASK)


async def test_events_that_break_off_end_with_the_error(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    why = status("STREAM_INTERRUPTED", "The provider failed.")
    fake_core.script = [accepted(), attempt(), *sounds(PARTS[0], last=False), failed(why)]
    answer = await bridge.http.post(URL, json={**ASK, "stream_format": "sse"})
    *_, last = events_of(answer.text)

    assert isinstance(last["error"], dict)
    assert last["error"]["code"] == "stream_interrupted"
    assert "speech.audio.done" not in answer.text


async def test_events_are_kept_alive_while_nothing_is_said(
    start_bridge: StartBridge, gate: asyncio.Event
) -> None:
    bridge = await start_bridge(heartbeat_seconds=0.02)
    async with bridge.http.stream("POST", URL, json={**ASK, "stream_format": "sse"}) as answer:
        lines = answer.aiter_lines()
        async with asyncio.timeout(WAIT):
            while await anext(lines) != ": ping":
                pass
        gate.set()
        assert [line async for line in lines][-2].startswith("data: ")


async def test_a_silent_core_is_waited_for_no_longer_than_the_limit(
    start_bridge: StartBridge, fake_core: FakeCore
) -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    fake_core.script = [accepted(), attempt(), for_ever]
    bridge = await start_bridge(sync_seconds=0.2)
    answer = await bridge.http.post(URL, json=ASK)

    assert (answer.status_code, answer.headers["x-should-retry"]) == (504, "false")
    assert answer.json()["error"]["code"] == "still_running"


async def test_a_caller_who_leaves_ends_the_call(
    bridge: Bridge, fake_core: FakeCore, gate: asyncio.Event
) -> None:
    async with bridge.http.stream("POST", URL, json=ASK) as answer:
        await anext(answer.aiter_bytes())
    call = await fake_core.called()
    async with asyncio.timeout(WAIT):
        await call.cancelled.wait()


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"input": None}, "missing_required_parameter", "input"),
        ({"input": ""}, "missing_required_parameter", "input"),
        ({"voice": None}, "missing_required_parameter", "voice"),
        ({"voice": {}}, "missing_required_parameter", "voice"),
        ({"model": None}, "missing_required_parameter", "model"),
        ({"input": 3}, "invalid_type", "input"),
        ({"voice": ["coral"]}, "invalid_type", "voice"),
        ({"voice": {"id": 3}}, "invalid_type", "voice.id"),
        ({"response_format": 3}, "invalid_type", "response_format"),
        ({"stream_format": "tape"}, "invalid_value", "stream_format"),
        ({"instructions": [None]}, "invalid_type", "instructions[0]"),
    ],
)
async def test_a_request_that_is_wrong_in_itself_is_refused(
    bridge: Bridge, changes: dict[str, object], code: str, param: str
) -> None:
    answer = await bridge.http.post(URL, json={**ASK, **changes})

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)


async def test_a_bad_key_beats_a_bad_body(bridge: Bridge) -> None:
    answer = await bridge.http.post(URL, content=b"{", headers={"authorization": "Bearer wrong"})

    assert answer.status_code == 401


async def test_a_task_says_what_to_say_in_its_own_words(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    body = {
        "model": "gpt-4o-mini-tts",
        "prompt": "Good morning.",
        "voice": "coral",
        "instructions": "Whisper.",
        "output_format": "wav",
        "speed": 2,
    }
    answer = await bridge.http.post("/api/v1/audio/generations", json=body)
    start = fake_core.calls[0].start
    assert start is not None
    parameters = start.spec.parameters

    assert answer.json()["status"] == "processing"
    assert start.until_accepted
    assert (parameters.prompt, parameters.voice) == ("Good morning.", "coral")
    assert parameters.extras["instructions"].text == "Whisper."
    assert parameters.extras["speed"].integer == 2
    assert start.spec.endpoint == "/api/v1/audio/generations"
    assert start.spec.partial_count == 0
