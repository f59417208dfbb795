"""Reads the body of `/audio/speech` (openai.md 1.5)."""

from collections.abc import Mapping
from typing import Final

from rest_bridge.attachments import wrong_type
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.job_fields import Job
from rest_bridge.json_values import JsonObject, param_value, parse_object
from rest_bridge.request_bodies import JSON, expect

SSE: Final = "sse"
_STREAM_FORMATS: Final = ("audio", SSE)
_REQUIRED: Final = ("model", "input", "voice")
_PARAMETERS: Mapping[str, str] = {
    "input": "prompt",
    "voice": "voice",
    "response_format": "output_format",
}
"""OpenAI's names of texts that the contract has fields for."""


async def read_speech(exchange: Exchange) -> tuple[Job, str]:
    """What to say, and how it is streamed: `audio` or `sse`.

    Null means absent. Raises INVALID_TYPE, MISSING_PARAMETER, INVALID_PARAMETER.
    """
    expect(exchange, JSON)
    body = parse_object(await exchange.body(exchange.settings.json_bytes))
    stream_format = _text(body, "stream_format") or _STREAM_FORMATS[0]
    if stream_format not in _STREAM_FORMATS:
        raise ApiError(
            "INVALID_PARAMETER",
            "Invalid value for 'stream_format'. Supported values are: 'audio' and 'sse'.",
            parameter="stream_format",
        )
    if isinstance(voice := body.get("voice"), dict):
        body["voice"] = _text(voice, "id", "voice.id")
    job = Job({ours: theirs for theirs, ours in _PARAMETERS.items()})
    texts = {name: _text(body, name) for name in ("model", *_PARAMETERS)}
    for name in _REQUIRED:
        if not texts[name]:
            raise ApiError(
                "MISSING_PARAMETER", f"Missing required parameter: '{name}'.", parameter=name
            )
    job.model = texts.pop("model")
    for name, text in texts.items():
        if text:
            setattr(job.parameters, _PARAMETERS[name], text)
    for name, value in body.items():
        if value is not None:
            job.parameters.extras[name].CopyFrom(param_value(value, name))
    return job, stream_format


def _text(body: JsonObject, name: str, shown: str = "") -> str:
    """Take a text out of *body*; empty if it is absent."""
    value = body.pop(name, None)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong_type(shown or name, "a string")
    return value
