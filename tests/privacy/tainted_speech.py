"""Requests for speech, with a canary in every field."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.proof.requests import Body, Maker, Tainted, as_json, as_text

SPEECH, TASKS = "/v1/audio/speech", "/api/v1/audio/generations"
MODEL = "gpt-4o-mini-tts"


def saying(**fields: Any) -> Body:
    """What OpenAI's SDK sends; CANARY is replaced by a canary of its own."""
    given = {"model": MODEL, "input": "CANARY", "voice": "alloy", "instructions": "CANARY"}
    return as_text("application/json", json.dumps({**given, **fields}))


def good(maker: Maker) -> Iterator[Tainted]:
    """Requests that are served."""
    yield maker.make("speech", saying(), SPEECH)
    yield maker.make("speech, events", saying(stream_format="sse"), SPEECH)
    yield maker.make("speech, task", as_json(model=MODEL, user=None, instructions="CANARY"), TASKS)


WRONG: Mapping[str, dict[str, Any]] = {
    "voice": {"voice": "CANARY"},
    "voice id": {"voice": {"id": "CANARY", "CANARY": "CANARY"}},
    "format": {"response_format": "CANARY"},
    "stream format": {"stream_format": "CANARY"},
    "speed": {"speed": "CANARY"},
    "unknown field": {"CANARY": "CANARY"},
    "long input": {"input": "CANARY" + "x" * 4_096},
    "long instructions": {"instructions": "CANARY" + "x" * 4_096},
    "nested instructions": {"instructions": {"CANARY": ["CANARY"]}},
    "moderation": {"input": "moderation_blocked CANARY"},
}


def refused(maker: Maker) -> Iterator[Tainted]:
    """Requests that are wrong in themselves."""
    for name, fields in WRONG.items():
        yield maker.make(f"wrong {name} of speech", saying(**fields), SPEECH)
    yield maker.make("cut json of speech", as_text("application/json", '{"input": "CANARY'), SPEECH)
