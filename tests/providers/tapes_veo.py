"""What Google's operations send for Veo, on both its APIs, and what it means.

No answer here was recorded: bodies are composed from Google's reference and google-genai, as
written down in providers.md 2.4 and 2.5.
"""

from collections.abc import Mapping
from uuid import UUID

import orjson

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask, FieldRule, Final, Hosted, Kind, Report
from core.providers.jobs import Broken, Made, Working
from tests.providers.job_tape import JobTape
from tests.providers.tapes_openai_images import IMAGE, PIXEL

ASK = Ask("veo-3.1", Kind.VIDEO, Body("a red fox runs"))
MARK = UUID("6f1ad3f0-8c57-4a2e-9d54-0b6c7e8f9a10")
ID = "9f3c2d71-0b6e-4f4a-a1f5-7d2b8c9e0a13"
VERTEX_NAME = (
    "projects/ours/locations/us-central1/publishers/google/models/veo-3.1-generate-001/operations/"
    + ID
)
SHORT_ID = "abc123xyz456"
GEMINI_NAME = f"models/veo-3.1-generate-preview/operations/{SHORT_ID}"
FILE = "https://generativelanguage.googleapis.com/v1beta/files/xyz:download?alt=media"
KEYS = {"x-goog-api-key": "key-never-shown"}
VERTEX_FIELDS: Mapping[str, FieldRule] = {
    "prompt": FieldRule("prompt"),
    "negative_prompt": FieldRule("parameters.negativePrompt"),
    "aspect_ratio": FieldRule("parameters.aspectRatio", omit=frozenset({"auto"})),
    "resolution": FieldRule("parameters.resolution"),
    "duration": FieldRule("parameters.durationSeconds"),
    "seed": FieldRule("parameters.seed"),
    "with_audio": FieldRule("parameters.generateAudio"),
    "output_count": FieldRule("parameters.sampleCount"),
    "input:first_frame": FieldRule("image"),
    "input:last_frame": FieldRule("lastFrame"),
    "input:image": FieldRule("referenceImages[]"),
}
GEMINI_FIELDS = {
    name: rule for name, rule in VERTEX_FIELDS.items() if name not in {"with_audio", "output_count"}
}
REASON = "The video may violate Google's usage guidelines. Support codes: 58061214"


def operation(name: str, **fields: object) -> bytes:
    return orjson.dumps({"name": name, **fields})


def done(name: str, **response: object) -> bytes:
    return operation(name, done=True, response={"@type": "type.googleapis.com/any", **response})


def failed(name: str, code: object, message: str) -> bytes:
    return operation(name, done=True, error={"code": code, "message": message})


def inline(*videos: str) -> list[dict[str, str]]:
    return [{"bytesBase64Encoded": data, "mimeType": "video/mp4"} for data in videos]


def samples(*uris: str) -> list[dict[str, object]]:
    return [{"video": {"uri": uri, "encoding": "video/mp4"}} for uri in uris]


def endings(name: str) -> dict[str, tuple[bytes, Broken]]:
    """How an operation ends without a video, on both."""
    refused = Broken(UpstreamError(Fault.CONTENT_POLICY))
    return {
        "failed": (
            failed(name, 13, "An internal error has occurred."),
            Broken(UpstreamError(Fault.SERVER_ERROR)),
        ),
        "failed by overload": (
            failed(name, 14, "The model is overloaded."),
            Broken(UpstreamError(Fault.OVERLOADED)),
        ),
        "refused": (failed(name, 3, f"The prompt could not be submitted. {REASON}"), refused),
        "done without a response": (
            operation(name, done=True),
            Broken(UpstreamError(Fault.INVALID_RESPONSE)),
        ),
    }


TAPES = (
    JobTape(
        "Veo's operation on Vertex",
        "veo_vertex",
        ASK,
        operation(VERTEX_NAME),
        ID,
        {
            "running": (operation(VERTEX_NAME), Working()),
            "running, with a word": (operation(VERTEX_NAME, done=False, metadata={}), Working()),
            "done": (
                done(VERTEX_NAME, raiMediaFilteredCount=0, videos=inline(PIXEL)),
                Made([Final(0, IMAGE)], Report()),
            ),
            "done, one of two filtered": (
                done(VERTEX_NAME, raiMediaFilteredCount=1, videos=inline(PIXEL)),
                Made([Final(0, IMAGE)], Report()),
            ),
            "filtered": (
                done(VERTEX_NAME, raiMediaFilteredCount=1, raiMediaFilteredReasons=[REASON]),
                Broken(UpstreamError(Fault.CONTENT_POLICY)),
            ),
            **endings(VERTEX_NAME),
        },
        b"",
        MARK,
        b"",
        fields=VERTEX_FIELDS,
        is_marked=False,
    ),
    JobTape(
        "Veo's operation on the Developer API",
        "veo_gemini",
        ASK,
        operation(GEMINI_NAME),
        SHORT_ID,
        {
            "running": (operation(GEMINI_NAME), Working()),
            "done": (
                done(GEMINI_NAME, generateVideoResponse={"generatedSamples": samples(FILE)}),
                Made([Hosted(0, Body(FILE), KEYS)], Report()),
            ),
            "filtered": (
                done(
                    GEMINI_NAME,
                    generateVideoResponse={
                        "raiMediaFilteredCount": 1,
                        "raiMediaFilteredReasons": [REASON],
                    },
                ),
                Broken(UpstreamError(Fault.CONTENT_POLICY)),
            ),
            **endings(GEMINI_NAME),
        },
        b"",
        MARK,
        b"",
        fields=GEMINI_FIELDS,
        is_marked=False,
    ),
)
