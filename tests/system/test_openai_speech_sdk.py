"""OpenAI's own Python SDK lets the running gateway speak."""

import base64
import json
import threading
import time

import httpx
import openai
import pytest
from openai import OpenAI

from tests.patience import wait_until
from tests.sounds import FORMATS, assert_sounds

pytestmark = pytest.mark.prove

MODEL = "gpt-4o-mini-tts"
CHANNELS = ("speech-a", "speech-b", "speech-c")
TEXT = "The quick brown fox jumps over the lazy dog, and then it sleeps."
SECONDS = 4.3
PRICE = 0.015
"""Credits a character."""
CREDITS = 100
MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


through_every_bridge = pytest.mark.parametrize("gateway", ["local", "tcp", "unix"], indirect=True)
"""The gateway's own bridge, and others over real gRPC."""


@pytest.fixture(params=["local"])
def gateway(request, healthy_gateway):
    """The running gateway, through its own bridge if a test says no other."""
    way = request.param
    found = healthy_gateway if way == "local" else request.getfixturevalue(f"{way}_bridge")
    yield found
    for channel in CHANNELS:
        found.settings_of(channel, partial_interval_ms=0)


@pytest.fixture
def anywhere(gateway):
    """A client of an account of its own."""
    _, key = gateway.account(str(CREDITS))
    with OpenAI(base_url=gateway.v1, api_key=key, max_retries=0, timeout=20) as client:
        yield client


@pytest.fixture
def client(anywhere):
    """One that is served by the first channel, even if another test has broken it."""
    return anywhere.with_options(default_headers={"x-reapi-routing": "only=speech-a"})


def speak(client, **fields):
    wanted = {"model": MODEL, "input": TEXT, "voice": "alloy", **fields}
    return client.audio.speech.create(**wanted)


def streamed(client, **fields):
    wanted = {"model": MODEL, "input": TEXT, "voice": "alloy", **fields}
    return client.audio.speech.with_streaming_response.create(**wanted)


def spent(gateway, client) -> float:
    """Credits that are gone; nothing is held."""
    found = gateway.balance(client.api_key)
    assert found["held"] == "0"
    return round(CREDITS - float(found["credits"]), 3)


def calls(gateway) -> list[int]:
    counts = gateway.calls()
    return [counts[name] for name in CHANNELS]


def asked_since(gateway, before) -> list[int]:
    return [now - then for now, then in zip(calls(gateway), before, strict=True)]


@pytest.mark.parametrize("sound_format", FORMATS)
def test_every_format_is_a_sound_of_its_kind_charged_by_the_character(
    client, gateway, sound_format
):
    answer = speak(client, response_format=sound_format)

    assert_sounds(answer.content, sound_format, SECONDS)
    assert answer.response.headers["content-type"] == MEDIA_TYPES[sound_format]
    assert answer.response.headers["x-reapi-generation"].startswith("gen_")
    assert answer.response.headers["x-reapi-channel"] == "speech-a"
    assert spent(gateway, client) == round(PRICE * len(TEXT), 3)


@through_every_bridge
def test_the_sound_begins_before_it_is_made(client, gateway):
    gateway.settings_of("speech-a", partial_interval_ms=100)
    started = time.monotonic()
    with streamed(client) as answer:
        parts = answer.iter_bytes()
        first = next(parts)
        first_at = time.monotonic() - started
        sound = first + b"".join(parts)
        last_at = time.monotonic() - started

    assert last_at - first_at > 1.2  # of 16 pauses
    assert first_at < last_at / 2
    assert_sounds(sound, "mp3", SECONDS)


@through_every_bridge
def test_events_carry_the_sound(client, gateway):
    with streamed(client, stream_format="sse") as answer:
        lines = [line for line in answer.iter_lines() if line.startswith("data: ")]
    *deltas, done = [json.loads(line[6:]) for line in lines]

    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert_sounds(b"".join(base64.b64decode(event["audio"]) for event in deltas), "mp3", SECONDS)
    assert done["type"] == "speech.audio.done"
    assert spent(gateway, client) == round(PRICE * len(TEXT), 3)


@pytest.mark.parametrize(
    "dead",
    [
        {"speech-a": {"kind": "status", "status": 500}},
        {"speech-a": {"kind": "refuse"}, "speech-b": {"kind": "status", "status": 401}},
        {
            "speech-a": {"kind": "garbage"},
            "speech-b": {"kind": "status", "status": 429, "code": "system_busy"},
        },
        {"speech-a": {"kind": "empty"}, "speech-b": {"kind": "reset"}},
        {"speech-a": {"kind": "cut", "after": 0}, "speech-c": {"kind": "status", "status": 404}},
    ],
)
def test_another_channel_speaks_when_others_are_dead(anywhere, gateway, dead):
    for channel, fault in dead.items():
        gateway.fault(channel, **fault)
    before = calls(gateway)
    answer = speak(anywhere)

    assert_sounds(answer.content, "mp3", SECONDS)
    assert answer.response.headers["x-reapi-channel"] in set(CHANNELS) - set(dead)
    # Those that failed before may be known to be dead, and are not asked again.
    assert max(asked_since(gateway, before)) == 1
    assert spent(gateway, anywhere) == round(PRICE * len(TEXT), 3)


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_channel_speaks(anywhere, gateway, channel):
    answer = speak(anywhere, extra_headers={"x-reapi-routing": f"only={channel}"})

    assert_sounds(answer.content, "mp3", SECONDS)
    assert answer.response.headers["x-reapi-channel"] == channel


def test_instructions_go_where_they_are_followed(anywhere, gateway):
    gateway.fault("speech-a", kind="status", status=500)
    answer = speak(anywhere, instructions="Whisper.", speed=2.0)

    assert answer.response.headers["x-reapi-channel"] == "speech-c"
    assert_sounds(answer.content, "mp3", SECONDS / 2)


@through_every_bridge
@pytest.mark.parametrize("fault", ["cut", "reset", "status"])
def test_a_sound_that_breaks_off_is_an_error_and_free(client, gateway, fault):
    gateway.fault("speech-a", kind=fault, after=4_000 if fault == "reset" else 3)
    gateway.settings_of("speech-a", partial_interval_ms=20)
    before = calls(gateway)
    with pytest.raises(openai.APIConnectionError):
        speak(client)

    assert asked_since(gateway, before) == [1, 0, 0]
    assert spent(gateway, client) == 0


@through_every_bridge
def test_events_that_break_off_say_so(client, gateway):
    gateway.fault("speech-a", kind="cut", after=3)
    gateway.settings_of("speech-a", partial_interval_ms=20)
    with streamed(client, stream_format="sse") as answer:
        lines = [line for line in answer.iter_lines() if line.startswith("data: ")]

    assert json.loads(lines[-1][6:])["error"]["code"] == "stream_interrupted"
    assert spent(gateway, client) == 0


@through_every_bridge
def test_a_listener_who_leaves_pays_nothing(client, gateway):
    gateway.settings_of("speech-a", partial_interval_ms=60_000)
    with streamed(client) as answer:
        id_ = answer.headers["x-reapi-generation"]
        next(answer.iter_bytes())

    def task():
        headers = gateway.headers(client.api_key)
        return httpx.get(f"{gateway.rest}/api/v1/tasks/{id_}", headers=headers, timeout=20).json()

    wait_until(lambda: task()["status"] == "failed", 10)
    assert task()["error"]["code"] == "cancelled"
    assert spent(gateway, client) == 0


@through_every_bridge
def test_who_has_a_key_may_leave_and_come_back(client, gateway):
    gateway.settings_of("speech-a", partial_interval_ms=100)
    headers = {"Idempotency-Key": "come back"}
    before = calls(gateway)
    with streamed(client, extra_headers=headers) as answer:
        next(answer.iter_bytes())
    again = speak(client, extra_headers=headers)
    later = speak(client, extra_headers=headers)

    assert_sounds(again.content, "mp3", SECONDS)
    assert later.content == again.content
    assert asked_since(gateway, before) == [1, 0, 0]
    assert spent(gateway, client) == round(PRICE * len(TEXT), 3)


def test_twins_with_one_key_hear_one_sound(client, gateway):
    gateway.settings_of("speech-a", partial_interval_ms=50)
    before, found = calls(gateway), []

    def one():
        found.append(speak(client, extra_headers={"Idempotency-Key": "twin"}).content)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(set(found)) == 1
    assert len(found) == 3
    assert asked_since(gateway, before) == [1, 0, 0]
    assert spent(gateway, client) == round(PRICE * len(TEXT), 3)


@pytest.mark.parametrize(
    ("fields", "error", "code", "param"),
    [
        ({"model": "tts-9"}, openai.NotFoundError, "model_not_found", "model"),
        ({"voice": "nobody"}, openai.BadRequestError, "invalid_value", "voice"),
        ({"input": "x" * 4_097}, openai.BadRequestError, "invalid_value", "input"),
        ({"input": ""}, openai.BadRequestError, "missing_required_parameter", "input"),
        ({"response_format": "ogg"}, openai.BadRequestError, "invalid_value", "response_format"),
        ({"speed": 5.0}, openai.BadRequestError, "invalid_value", "speed"),
        ({"extra_body": {"pitch": 1}}, openai.BadRequestError, "unknown_parameter", "pitch"),
        ({"input": "moderation_blocked"}, openai.BadRequestError, "moderation_blocked", None),
        ({"model": "gpt-image-2"}, openai.BadRequestError, "invalid_value", "model"),
    ],
)
def test_errors_are_the_sdk_s_own(client, gateway, fields, error, code, param):
    with pytest.raises(error) as caught:
        speak(client, **fields)

    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.response.headers["x-request-id"].startswith("req_")
    assert spent(gateway, client) == 0


def test_who_has_no_credits_hears_nothing(gateway):
    key = gateway.demo["poor_api_key"]
    with (
        OpenAI(base_url=gateway.v1, api_key=key, max_retries=0) as client,
        pytest.raises(openai.RateLimitError) as caught,
    ):
        speak(client)

    assert caught.value.code == "insufficient_quota"


def test_a_task_speaks_too(client, gateway):
    body = {"model": MODEL, "prompt": TEXT, "voice": "nova", "output_format": "wav"}
    headers = gateway.headers(client.api_key)
    with httpx.Client(base_url=gateway.rest, headers=headers, timeout=20) as http:
        made = http.post("/api/v1/audio/generations", json=body).json()

        def task():
            return http.get(f"/api/v1/tasks/{made['id']}").json()

        wait_until(lambda: task()["status"] == "completed", 10)
        (link,) = task()["output"]["audio_urls"]
        sound = http.get(link)

    assert made["status"] == "processing"
    assert link.endswith(".wav")
    assert sound.headers["content-type"] == "audio/wav"
    assert_sounds(sound.content, "wav", SECONDS)
    assert spent(gateway, client) == round(PRICE * len(TEXT), 3)
