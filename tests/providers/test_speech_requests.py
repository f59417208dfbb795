"""What the speech dialects ask, and what they make of errors."""

from dataclasses import replace

import orjson
import pytest

from core.body import Body
from core.errors import Fault, UpstreamError
from core.providers import DIALECTS
from core.providers.wire import Reply
from tests.providers.tapes_speech import (
    ASK,
    AZURE,
    CLASSIC,
    DETAILED,
    ELEVENLABS,
    OPENAI,
    SPEAKERS,
    listed_detail,
    new_detail,
    old_detail,
    openai_error,
)

every_speaker = pytest.mark.parametrize("speaker", SPEAKERS, ids=lambda speaker: speaker.name)


def asked(speaker, ask=ASK):
    call = DIALECTS[speaker.dialect].encode(ask, speaker.channel())
    assert isinstance(call.body, Body)
    return call, orjson.loads(call.body.reveal())


def refused(speaker, status, body, ask=ASK):
    reply = Reply(status, {}, Body(body), 0.0)
    with pytest.raises(UpstreamError) as caught:
        DIALECTS[speaker.dialect].read(reply, ask)
    return caught.value


@every_speaker
def test_each_is_asked_at_its_own_address_for_the_sound_that_is_expected(speaker):
    call, _ = asked(speaker)

    assert (call.method, call.path, call.sound) == ("POST", speaker.path, "audio/wav")
    assert not call.streams


def test_openai_is_told_everything_in_its_words():
    call, fields = asked(OPENAI, DETAILED)

    assert call.headers == {"authorization": "Bearer sk-speech"}
    assert fields == {
        "model": "their-model",
        "input": "Good morning.",
        "voice": "coral",
        "response_format": "wav",
        "speed": 1.5,
        "instructions": "Speak like a pirate.",
    }


@pytest.mark.parametrize("speaker", [AZURE, CLASSIC], ids=lambda speaker: speaker.name)
def test_azure_has_its_key_in_a_header_of_its_own(speaker):
    call, fields = asked(speaker)

    assert call.headers == {"api-key": "sk-speech"}
    assert fields["model"] == "their-model"


@pytest.mark.parametrize(
    ("status", "code", "fault"),
    [
        (400, "content_filter", Fault.CONTENT_POLICY),
        (401, "401", Fault.AUTH),
        (404, "DeploymentNotFound", Fault.NOT_FOUND),
        (408, "Timeout", Fault.TIMEOUT),
        (429, "NoCapacity", Fault.OVERLOADED),
    ],
)
def test_errors_of_azure(status, code, fault):
    body = orjson.dumps({"error": {"code": code, "message": "no"}})

    assert refused(AZURE, status, body).fault is fault


def test_elevenlabs_is_told_its_own_voice_and_model():
    ask = replace(ASK, parameters={"voice": "coral", "output_format": "mp3", "speed": 1.1})
    call, fields = asked(ELEVENLABS, ask)

    assert call.headers == {"xi-api-key": "sk-speech"}
    assert call.path == ("/text-to-speech/21m00Tcm4TlvDq8ikWAM/stream?output_format=mp3_44100_128")
    assert fields == {
        "text": "Good morning.",
        "model_id": "their-model",
        "voice_settings": {"speed": 1.1},
    }


@pytest.mark.parametrize(
    ("status", "code", "fault"),
    [
        (400, "content_policy_violation", Fault.CONTENT_POLICY),
        (401, "invalid_api_key", Fault.AUTH),
        (404, "model_not_found", Fault.NOT_FOUND),
        (429, "insufficient_quota", Fault.QUOTA),
        (429, "rate_limit_exceeded", Fault.RATE_LIMITED),
        (500, None, Fault.SERVER_ERROR),
        (503, "server_is_overloaded", Fault.OVERLOADED),
    ],
)
def test_errors_of_openai(status, code, fault):
    assert refused(OPENAI, status, openai_error("invalid_request_error", code)).fault is fault


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("input", "prompt"),
        ("response_format", "output_format"),
        ("voice", "voice"),
        ("instructions", "instructions"),
        ("speed", "speed"),
        ("secret", ""),
    ],
)
def test_parameters_that_openai_blames_are_ours(theirs, ours):
    error = refused(
        OPENAI, 400, openai_error("invalid_request_error", "invalid_value", theirs), DETAILED
    )

    assert (error.fault, error.parameter) == (Fault.BAD_REQUEST, ours)


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (401, old_detail("invalid_api_key"), Fault.AUTH),
        (401, old_detail("missing_permissions"), Fault.AUTH),
        (401, old_detail("quota_exceeded"), Fault.QUOTA),
        (401, old_detail("detected_unusual_activity"), Fault.AUTH),
        (400, old_detail("voice_not_found"), Fault.NOT_FOUND),
        (429, old_detail("too_many_concurrent_requests"), Fault.RATE_LIMITED),
        (429, new_detail("concurrent_limit_exceeded"), Fault.RATE_LIMITED),
        (429, new_detail("system_busy"), Fault.OVERLOADED),
        (429, b"busy", Fault.RATE_LIMITED),
        (403, new_detail("forbidden"), Fault.AUTH),
        (500, old_detail("internal_server_error"), Fault.SERVER_ERROR),
        (400, b"<html>", Fault.INVALID_RESPONSE),
        (200, b"{}", Fault.INVALID_RESPONSE),
        (200, old_detail("system_busy"), Fault.OVERLOADED),
    ],
)
def test_errors_of_elevenlabs(status, body, fault):
    assert refused(ELEVENLABS, status, body).fault is fault


@pytest.mark.parametrize(
    ("status", "body", "parameter"),
    [
        (400, old_detail("max_character_limit_exceeded"), "prompt"),
        (400, new_detail("invalid_parameters", "text"), "prompt"),
        (400, new_detail("invalid_parameters", "seed"), ""),
        (422, listed_detail("body", "text"), "prompt"),
        (422, listed_detail("path", "voice_id"), "voice"),
        (422, listed_detail(), ""),
    ],
)
def test_parameters_that_elevenlabs_blames_are_ours(status, body, parameter):
    error = refused(ELEVENLABS, status, body)

    assert (error.fault, error.parameter) == (Fault.BAD_REQUEST, parameter)
