"""The official SDKs of OpenAI and ElevenLabs, unmodified, against the simulated speech."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import httpx
import openai
import pytest
from elevenlabs.client import AsyncElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.errors import UnprocessableEntityError
from elevenlabs.types import VoiceSettings
from openai import AsyncAzureOpenAI, AsyncOpenAI

from simulator import Fault, SimulatedChannel, Simulator
from tests.sounds import FORMATS, assert_sounds

pytestmark = pytest.mark.prove

KEYS = {
    "openai": "sk-sim-speech-0123456789",
    "elevenlabs": "el-sim-0123456789",
    "azurespeech": "az",
}
TEXT = "The quick brown fox jumps over the lazy dog, and then it sleeps."
SECONDS = 4.3
VOICE = "21m00Tcm4TlvDq8ikWAM"


@pytest.fixture
async def speakers() -> AsyncIterator[Simulator]:
    channels = [SimulatedChannel(name, key, name) for name, key in KEYS.items()]
    async with Simulator(channels) as opened:
        yield opened


@pytest.fixture
async def client(speakers: Simulator) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=f"{speakers.base_url('openai')}/v1", api_key=KEYS["openai"], max_retries=0
    ) as opened:
        yield opened


@pytest.fixture
async def eleven(speakers: Simulator) -> AsyncIterator[AsyncElevenLabs]:
    async with httpx.AsyncClient(timeout=20) as http:
        url = speakers.base_url("elevenlabs")
        yield AsyncElevenLabs(base_url=url, api_key=KEYS["elevenlabs"], httpx_client=http)


def azure(speakers: Simulator, key: str = KEYS["azurespeech"]) -> AsyncAzureOpenAI:
    return AsyncAzureOpenAI(
        azure_endpoint=speakers.base_url("azurespeech"),
        api_key=key,
        api_version="2025-04-01-preview",
        max_retries=0,
    )


async def spoken(client: AsyncOpenAI, **fields) -> bytes:
    wanted = {"model": "gpt-4o-mini-tts", "input": TEXT, "voice": "alloy", **fields}
    return (await client.audio.speech.create(**wanted)).content


async def collected(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


@pytest.mark.parametrize("sound_format", FORMATS)
async def test_openai_speaks_every_format(client, sound_format):
    assert_sounds(await spoken(client, response_format=sound_format), sound_format, SECONDS)


async def test_a_sound_is_as_long_as_its_text_and_its_speed_say(client):
    assert_sounds(await spoken(client, input=TEXT * 2), "mp3", 8.5)
    assert_sounds(await spoken(client, speed=2.0), "mp3", 2.1)


async def test_pieces_come_while_the_sound_is_made(client, speakers):
    speakers.configure(speakers.knobs("openai").__class__(partial_interval_ms=60_000))
    streaming = client.audio.speech.with_streaming_response
    async with (
        asyncio.timeout(10),
        streaming.create(model="tts-1", input=TEXT, voice="nova") as answer,
    ):
        assert answer.headers["content-type"] == "audio/mpeg"
        first = await anext(answer.iter_bytes(64))

    assert first.startswith(b"ID3")


async def test_events_carry_the_same_sound_and_what_it_took(client):
    fields = {"model": "gpt-4o-mini-tts", "input": TEXT, "voice": "alloy"}
    async with client.audio.speech.with_streaming_response.create(
        **fields, stream_format="sse"
    ) as answer:
        lines = [line async for line in answer.iter_lines() if line]

    *deltas, done = [json.loads(line.removeprefix("data: ")) for line in lines]
    sound = b"".join(base64.b64decode(event["audio"]) for event in deltas)
    assert sound == await spoken(client)
    assert done["type"] == "speech.audio.done"
    assert done["usage"]["total_tokens"] > 0


@pytest.mark.parametrize(
    ("fields", "error", "code"),
    [
        ({"model": "tts-9"}, openai.BadRequestError, "invalid_value"),
        ({"voice": "nobody"}, openai.BadRequestError, "invalid_value"),
        ({"input": ""}, openai.BadRequestError, "empty_string"),
        ({"input": "x" * 4097}, openai.BadRequestError, "string_above_max_length"),
        ({"speed": 5.0}, openai.BadRequestError, "decimal_above_max_value"),
        ({"response_format": "ogg"}, openai.BadRequestError, "invalid_value"),
        ({"input": "moderation_blocked"}, openai.BadRequestError, "content_policy_violation"),
        ({"extra_body": {"pitch": 1}}, openai.BadRequestError, "unknown_parameter"),
    ],
)
async def test_openai_refuses_in_its_own_words(client, fields, error, code):
    with pytest.raises(error) as caught:
        await spoken(client, **fields)

    assert caught.value.code == code


async def test_a_cut_sound_is_an_error(client, speakers):
    for fault in (Fault("cut", after=2), Fault("status", after=2), Fault("reset", after=700)):
        await speakers.set_fault("openai", fault)
        with pytest.raises((openai.APIConnectionError, httpx.TransportError)):
            await spoken(client)


@pytest.mark.parametrize("sound_format", FORMATS)
async def test_azure_speaks_under_the_name_of_its_deployment(speakers, sound_format):
    async with azure(speakers) as client:
        sound = await spoken(client, model="speech", response_format=sound_format)

    assert_sounds(sound, sound_format, SECONDS)
    assert speakers.calls.newest()[-1].path == "/openai/deployments/{name}/audio/speech"


async def test_azure_has_its_own_refusals(speakers):
    async with azure(speakers) as client:
        with pytest.raises(openai.NotFoundError) as unknown:
            await spoken(client, model="gpt-4o-mini-tts")
        with pytest.raises(openai.BadRequestError) as filtered:
            await spoken(client, model="speech", input="moderation_blocked")
    async with azure(speakers, "wrong") as client:
        with pytest.raises(openai.AuthenticationError):
            await spoken(client, model="speech")

    assert unknown.value.code == "DeploymentNotFound"
    assert filtered.value.code == "content_filter"


async def test_azure_takes_the_deployment_as_the_model_at_its_newer_address(speakers):
    url = f"{speakers.base_url('azurespeech')}/openai/v1"
    headers = {"api-key": KEYS["azurespeech"]}
    async with AsyncOpenAI(
        base_url=url, api_key="unused", default_headers=headers, max_retries=0
    ) as client:
        assert_sounds(await spoken(client, model="speech"), "mp3", SECONDS)


@pytest.mark.parametrize(
    ("output_format", "sound_format"),
    [
        ("mp3_44100_128", "mp3"),
        ("opus_48000_64", "opus"),
        ("wav_24000", "wav"),
        ("pcm_24000", "pcm"),
    ],
)
async def test_elevenlabs_speaks(eleven, output_format, sound_format):
    pieces = eleven.text_to_speech.convert(VOICE, text=TEXT, output_format=output_format)

    assert_sounds(await collected(pieces), sound_format, SECONDS)


async def test_elevenlabs_streams(eleven):
    settings = VoiceSettings(speed=1.2)
    pieces = eleven.text_to_speech.stream(
        VOICE, text=TEXT, model_id="eleven_flash_v2_5", voice_settings=settings
    )

    assert_sounds(await collected(pieces), "mp3", 3.6)


async def test_elevenlabs_says_what_it_took(eleven):
    async with eleven.text_to_speech.with_raw_response.convert(VOICE, text=TEXT) as answer:
        assert answer.headers["character-cost"] == str(len(TEXT))
        await collected(answer.data)


@pytest.mark.parametrize(
    ("fields", "error", "code"),
    [
        ({"voice_id": "short"}, ApiError, "voice_not_found"),
        ({"text": "x" * 10_001}, ApiError, "max_character_limit_exceeded"),
        ({"model_id": "eleven_v0"}, ApiError, "model_not_found"),
        ({"text": ""}, ApiError, "invalid_parameters"),
        ({"output_format": "mp9_1"}, UnprocessableEntityError, "enum"),
    ],
)
async def test_elevenlabs_refuses_in_each_of_its_shapes(eleven, fields, error, code):
    with pytest.raises(error) as caught:
        await collected(
            eleven.text_to_speech.convert(**{"voice_id": VOICE, "text": TEXT, **fields})
        )

    detail = caught.value.body["detail"]
    found = detail[0]["type"] if isinstance(detail, list) else detail["status"]
    assert found == code


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "quota_exceeded", ApiError),
        (401, "invalid_api_key", ApiError),
        (429, "too_many_concurrent_requests", ApiError),
        (429, "system_busy", ApiError),
        (422, None, UnprocessableEntityError),
        (500, None, ApiError),
    ],
)
async def test_elevenlabs_fails_as_told(eleven, speakers, status, code, error):
    await speakers.set_fault("elevenlabs", Fault("status", status=status, code=code))
    options = {"max_retries": 0}
    with pytest.raises(error) as caught:
        await collected(eleven.text_to_speech.convert(VOICE, text=TEXT, request_options=options))

    assert caught.value.status_code == status
    if code is not None:
        assert caught.value.body["detail"]["status"] == code
