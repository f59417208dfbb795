"""ElevenLabs' text to speech: POST /v1/text-to-speech/{voice_id} and …/stream.

The answer is the sound, in pieces as it is made (`partial_interval_ms` between them), with the
headers `request-id` and `character-cost`. The path without `stream` gives WAV too. Errors come in
the three shapes that the service has (`simulator.elevenlabs_errors`); a text holding the marker
`moderation_blocked` is refused, in words that are inferred.
"""

import json
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs
from uuid import uuid4

from simulator.answer import Answer, Incoming
from simulator.elevenlabs_errors import (
    Refused,
    new_shape,
    old_shape,
    scripted,
    unprocessable,
)
from simulator.faults import Fault
from simulator.images import ImageCache
from simulator.limits import TokenBucket
from simulator.sounds import SoundCache, SoundRecipe, available, pieces_of, recipe_for

CONVERT: Final = "/v1/text-to-speech/{voice_id}"
STREAM: Final = "/v1/text-to-speech/{voice_id}/stream"
VOICE_IDS: Final = re.compile(r"[A-Za-z0-9]{20}")
MODELS: Final[Mapping[str, int]] = {
    "eleven_multilingual_v2": 10_000,
    "eleven_v3": 5_000,
    "eleven_turbo_v2_5": 40_000,
    "eleven_flash_v2_5": 40_000,
}
"""The characters that a call may have, by model."""
MEDIA_TYPES: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}

_PATH: Final = re.compile(r"/v1/text-to-speech/([A-Za-z0-9_-]{1,64})(/stream)?")
_FORMAT: Final = re.compile(r"(mp3|opus|pcm|wav)_[0-9]{4,5}(_[0-9]{2,3})?")


class ElevenLabs:
    """One ElevenLabs workspace, known by its key."""

    def __init__(self, credential: str, images: ImageCache) -> None:
        del images  # it makes none
        self._key = credential
        self._requests = TokenBucket(1.0)
        self._sounds = SoundCache()

    def route(self, path: str) -> str:
        """Give the path without the voice, or `(other)`."""
        found = _PATH.fullmatch(path)
        if found is None:
            return "(other)"
        return STREAM if found[2] else CONVERT

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy service would."""
        try:
            recipe, characters = self._accepted(incoming)
        except Refused as refused:
            return _answered(refused.status, refused.body, refused.outcome)
        data = b"" if incoming.empty else await self._sounds.sound(recipe)
        return Answer(
            200,
            {
                **_headers(),
                "content-type": MEDIA_TYPES[recipe.sound_format],
                "character-cost": str(characters),
                "current-concurrent-requests": "1",
                "maximum-concurrent-requests": "15",
                "history-item-id": uuid4().hex[:20],
            },
            pieces_of(data, recipe.pieces),
            streamed=True,
            has_events=False,
            made=0 if incoming.empty else 1,
            wait_s=incoming.knobs.latency_ms / 1_000,
            interval_s=incoming.knobs.partial_interval_ms / 1_000,
        )

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status."""
        if fault.status < 400:
            return Answer(fault.status, _headers(), (b"",), outcome="faulted")
        answer = _answered(fault.status, scripted(fault.status, fault.code), "faulted")
        if fault.retry_after is None:
            return answer
        headers = {**answer.headers, "retry-after": str(fault.retry_after)}
        return Answer(answer.status, headers, answer.frames, outcome="faulted")

    def failure_event(self, fault: Fault) -> bytes:
        """Never asked: a sound has no events."""
        raise AssertionError(fault.kind)

    def too_large(self, limit: int) -> Answer:
        """Answer 413."""
        return _answered(413, old_shape("payload_too_large", f"More than {limit} bytes."), "error")

    def _accepted(self, incoming: Incoming) -> tuple[SoundRecipe, int]:
        """Check a request: URL, key, rate, body, voice; raises Refused."""
        found = _PATH.fullmatch(incoming.path)
        if found is None or incoming.method != "POST":
            raise Refused(404, json.dumps({"detail": "Not Found"}).encode())
        if incoming.headers.get("xi-api-key", "") != self._key:
            raise Refused(401, scripted(401, None))
        self._requests.resize(incoming.knobs.requests_per_minute)
        if not self._requests.take(incoming.now):
            raise Refused(429, scripted(429, "rate_limit_exceeded"))
        fields = _fields(incoming.body)
        model, text = fields.get("model_id") or "eleven_multilingual_v2", fields["text"]
        assert isinstance(text, str)
        if not isinstance(model, str) or model not in MODELS:
            raise Refused(400, scripted(400, "model_not_found"))
        if len(text) > MODELS[model]:
            raise Refused(400, scripted(400, "max_character_limit_exceeded"))
        if not VOICE_IDS.fullmatch(found[1]):
            raise Refused(404, scripted(404, "voice_not_found"))
        if "moderation_blocked" in text:
            raise Refused(403, scripted(403, "content_against_policy"), "moderated")
        sound_format = _sound_format(incoming.query, is_stream=bool(found[2]))
        return (
            recipe_for(text, sound_format, _speed(fields), found[1]),
            len(text),
        )


def _fields(body: bytes) -> dict[str, object]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(422, unprocessable("JSON decode error", "json_invalid", "body", 0)) from None
    if not isinstance(fields, dict) or not isinstance(fields.get("text"), str):
        raise Refused(422, unprocessable("Field required", "missing", "body", "text"))
    if not fields["text"]:
        raise Refused(400, new_shape("invalid_parameters", "The text is empty.", "text"))
    return fields


def _speed(fields: Mapping[str, object]) -> float:
    settings = fields.get("voice_settings")
    speed = settings.get("speed", 1.0) if isinstance(settings, dict) else 1.0
    if not isinstance(speed, int | float) or not 0.7 <= speed <= 1.2:
        raise Refused(
            400, new_shape("invalid_parameters", "Speed must be 0.7 to 1.2.", "voice_settings")
        )
    return float(speed)


def _sound_format(query: str, *, is_stream: bool) -> str:
    name = parse_qs(query).get("output_format", ["mp3_44100_128"])[0]
    found = _FORMAT.fullmatch(name)
    if found is None or (is_stream and found[1] == "wav"):
        raise Refused(
            422, unprocessable("Input should be a known format", "enum", "query", "output_format")
        )
    if not available(found[1]):
        raise Refused(501, old_shape("not_simulated", "pip install 'reapi[demo]' for this format."))
    return found[1]


def _answered(status: int, body: bytes, outcome: str) -> Answer:
    return Answer(
        status, {**_headers(), "content-type": "application/json"}, (body,), outcome=outcome
    )


def _headers() -> dict[str, str]:
    return {"request-id": uuid4().hex[:20], "server": "uvicorn"}
