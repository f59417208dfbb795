"""OpenAI's speech protocol, POST /v1/audio/speech, beside the images of the same key.

The answer is the sound, in pieces as it is made (`partial_interval_ms` between them), or events
that carry it (`stream_format` sse; not for tts-1). Voices, formats and limits are the API's own;
a WAV announces no length. An input holding the marker `moderation_blocked` is refused.
"""

import base64
import json
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from simulator.answer import Answer, Incoming
from simulator.images import ImageCache
from simulator.openai_errors import NOT_JSON, ApiError, Rejected, invalid, scripted
from simulator.openai_fields import Fields, missing
from simulator.openai_images import OpenAIImages
from simulator.sounds import SoundCache, SoundRecipe, available, pieces_of, recipe_for

SPEECH: Final = "/v1/audio/speech"
MODELS: Final = ("gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15", "tts-1", "tts-1-hd")
VOICES: Final = (
    *("alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer"),
    *("verse", "marin", "cedar"),
)
MEDIA_TYPES: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
MAX_CHARS: Final = 4_096
NO_ENCODER: Final = "This sound cannot be simulated without PyAV: pip install 'reapi[demo]'."

_FIELDS: Final = frozenset(
    {"input", "instructions", "model", "response_format", "speed", "stream_format", "voice"}
)


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """A valid call. `characters` is how long its text is."""

    recipe: SoundRecipe
    characters: int
    as_events: bool
    is_refused: bool = field(repr=False)


class OpenAI(OpenAIImages):
    """The images and the speech API of one OpenAI organisation, known by its key."""

    def __init__(self, credential: str, images: ImageCache) -> None:
        super().__init__(credential, images)
        self._sounds = SoundCache()

    def route(self, path: str) -> str:
        """Give one of the paths, or `(other)`."""
        return path if path == SPEECH else super().route(path)

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy API would."""
        if incoming.path != SPEECH or incoming.method != "POST":
            return await super().answer(incoming)
        request_id = f"req_{uuid4().hex}"
        try:
            self._authenticate(incoming)
            self._meter(incoming)
            request = read_speech(_fields(incoming))
            if request.is_refused:
                raise Rejected(scripted(400, "content_policy_violation", request_id))
            if not available(request.recipe.sound_format):
                raise Rejected(ApiError(501, NO_ENCODER, "server_error"))
        except Rejected as rejected:
            return self._refusal(rejected.error, request_id, incoming.now)
        sound = await self._sounds.sound(request.recipe)
        pieces = pieces_of(b"" if incoming.empty else sound, request.recipe.pieces)
        media_type = MEDIA_TYPES[request.recipe.sound_format]
        frames = _events(pieces, request.characters) if request.as_events else pieces
        return Answer(
            200,
            {
                **self._headers(request_id),
                "content-type": "text/event-stream" if request.as_events else media_type,
            },
            frames,
            streamed=True,
            has_events=request.as_events,
            made=0 if incoming.empty else 1,
            wait_s=incoming.knobs.latency_ms / 1_000,
            interval_s=incoming.knobs.partial_interval_ms / 1_000,
        )


def read_speech(fields: Fields) -> SpeechRequest:
    """Check a call; raises Rejected."""
    model = fields.choice("model", MODELS, "")
    if not model:
        raise missing("model")
    fields.refuse_unknown(_FIELDS)
    text = fields.limited("input", MAX_CHARS)
    voice = fields.choice("voice", VOICES, "")
    if not voice:
        raise missing("voice")
    sound_format = fields.choice("response_format", tuple(MEDIA_TYPES), "mp3")
    stream_format = fields.choice("stream_format", ("sse", "audio"), "audio")
    speed = fields.number("speed", 0.25, 4.0, 1.0)
    instructions = fields.text("instructions", "")
    if model.startswith("tts-1") and (stream_format == "sse" or instructions):
        name = "stream_format" if stream_format == "sse" else "instructions"
        raise invalid(f"'{name}' is not supported by the model '{model}'.", name, None)
    return SpeechRequest(
        recipe_for(text, sound_format, speed, voice),
        len(text),
        stream_format == "sse",
        "moderation_blocked" in text,
    )


def _fields(incoming: Incoming) -> Fields:
    try:
        values = json.loads(incoming.body)
    except (ValueError, RecursionError):
        # `from None`: the decoder's error carries the whole text.
        raise invalid(NOT_JSON, None, None) from None
    if not isinstance(values, dict):
        raise invalid(NOT_JSON, None, None)
    if isinstance(values.get("voice"), dict):
        values["voice"] = values["voice"].get("id")
    return Fields(values, from_form=False)


def _events(pieces: tuple[bytes, ...], characters: int) -> tuple[bytes, ...]:
    """Give the events that carry *pieces*, and the last one."""
    deltas = [
        {"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()}
        for piece in pieces
    ]
    given, made = -(-characters // 4), 10 * len(pieces)
    usage = {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}
    done = {"type": "speech.audio.done", "usage": usage}
    return tuple(b"data: " + json.dumps(event).encode() + b"\n\n" for event in (*deltas, done))
