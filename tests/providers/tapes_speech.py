"""What OpenAI's, Azure's and ElevenLabs' speech APIs are asked and send, and what it means.

No answer here was recorded: sounds are what `tests.sounds` can decode, error bodies are composed
from the API references and the SDKs, as written down in providers.md 1.5, 1.8, 8.3 and 9.2.
"""

import struct
from dataclasses import dataclass, replace

import orjson

from core.body import Body, Secret
from core.model import Ask, Channel, Deadlines, Final, Kind, Piece, Sound

ASK = Ask(
    "gpt-4o-mini-tts",
    Kind.AUDIO,
    Body("Good morning."),
    partials=1,
    parameters={"voice": "coral", "output_format": "wav"},
)
DETAILED = replace(
    ASK,
    parameters={**ASK.parameters, "speed": 1.5},
    texts={"instructions": Body("Speak like a pirate.")},
)
SAMPLES = bytes(range(256)) * 6
WAV = (
    b"RIFF\xff\xff\xff\xffWAVEfmt "
    + struct.pack("<IHHIIHH", 16, 1, 1, 24_000, 48_000, 2, 16)
    + b"data\xff\xff\xff\xff"
    + SAMPLES
)
EASY = Deadlines(3.0, 3.0, 3.0, 3.0, 10.0)


@dataclass(frozen=True)
class Speaker:
    """A channel of each provider, at *base*, and where it is asked."""

    name: str
    dialect: str
    options: dict[str, str]
    path: str

    def channel(self, base: str = "http://127.0.0.1:1/v1", deadlines: Deadlines = EASY) -> Channel:
        return Channel(
            self.name,
            self.dialect,
            "their-model",
            base,
            Secret("sk-speech"),
            deadlines=deadlines,
            options=self.options,
        )


OPENAI = Speaker("openai", "openai_speech", {}, "/audio/speech")
AZURE = Speaker("azure", "azure_speech", {}, "/openai/v1/audio/speech")
CLASSIC = Speaker(
    "azure classic",
    "azure_speech",
    {"api_version": "2025-04-01-preview"},
    "/openai/deployments/their-model/audio/speech?api-version=2025-04-01-preview",
)
ELEVENLABS = Speaker(
    "elevenlabs",
    "elevenlabs_speech",
    {"voice.coral": "21m00Tcm4TlvDq8ikWAM"},
    "/text-to-speech/21m00Tcm4TlvDq8ikWAM?output_format=wav_24000",
)
SPEAKERS = (OPENAI, AZURE, CLASSIC, ELEVENLABS)


def pieces(*parts: bytes) -> list[Piece]:
    """What a sound that came in *parts* stands for."""
    found: list[Piece] = []
    offset = 0
    for part in parts:
        found.append(Sound(0, "audio/wav", offset, Body(part)))
        offset += len(part)
    end = Sound(0, "audio/wav", offset, Body(b""), last=True)
    return [*found, end, Final(0, Body(b"".join(parts)))]


def openai_error(kind: str, code: str | None, parameter: str | None = None) -> bytes:
    """The envelope of OpenAI's errors."""
    error = {"message": "no", "type": kind, "param": parameter, "code": code}
    return orjson.dumps({"error": error})


def old_detail(status: str) -> bytes:
    """An error of ElevenLabs in its older shape."""
    return orjson.dumps({"detail": {"status": status, "message": "no"}})


def new_detail(code: str, parameter: str | None = None) -> bytes:
    """One in its newer shape."""
    error = {"type": "validation_error", "code": code, "message": "no", "param": parameter}
    return orjson.dumps({"detail": {**error, "request_id": "1"}})


def listed_detail(*location: str) -> bytes:
    """One of its framework."""
    return orjson.dumps({"detail": [{"loc": location, "msg": "no", "type": "missing"}]})
