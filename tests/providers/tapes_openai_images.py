"""What OpenAI's Images API sends, and what it means.

No answer here was recorded: bodies, events and error objects are composed from the API
reference and the SDKs' types, as written down in providers.md 1.3 (success), 1.4 (streams)
and 1.5 (errors; the moderation body is a real one, shortened). The image is a 1x1 PNG.
"""

from base64 import b64decode

import orjson

from core.body import Body
from core.model import Ask, Final, Kind, Preview, Report, Usage
from tests.providers.tape import Tape

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
IMAGE = Body(b64decode(PIXEL))
ASK = Ask("gpt-image-2", Kind.IMAGE, Body("a red fox"))
TWO = Ask("gpt-image-2", Kind.IMAGE, Body("two foxes"), count=2)
STREAMED = Ask("gpt-image-2", Kind.IMAGE, Body("a red fox"), partials=2)
STREAMED_TWO = Ask("gpt-image-2", Kind.IMAGE, Body("two foxes"), count=2, partials=1)

USAGE = {
    "total_tokens": 4169,
    "input_tokens": 13,
    "output_tokens": 4156,
    "input_tokens_details": {"text_tokens": 13, "image_tokens": 0},
    "output_tokens_details": {"image_tokens": 4156, "text_tokens": 0},
}
ECHO = {"background": "opaque", "output_format": "png", "quality": "high", "size": "1024x1024"}
REPORT = Report(Usage(13, 0, 4156, 4156), "1024x1024", "high", "opaque", "png")


def answer(count: int) -> bytes:
    return orjson.dumps(
        {"created": 1763750000, **ECHO, "data": [{"b64_json": PIXEL}] * count, "usage": USAGE}
    )


def event(name: str, **fields: object) -> bytes:
    data = {"type": name, "b64_json": PIXEL, "created_at": 1763750000, **ECHO, **fields}
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data))


def stream(family: str, partials: int, *, usage: object = USAGE) -> bytes:
    previews = [
        event(f"{family}.partial_image", partial_image_index=index) for index in range(partials)
    ]
    return b"".join([*previews, event(f"{family}.completed", usage=usage)])


def preview(output: int, index: int) -> Preview:
    return Preview(output, index, "image/png", IMAGE)


TAPES = (
    Tape("generation", "openai_images", ASK, answer(1), (Final(0, IMAGE), REPORT)),
    Tape(
        "generation of two",
        "openai_images",
        TWO,
        answer(2),
        (Final(0, IMAGE), Final(1, IMAGE), REPORT),
    ),
    Tape(
        "stream",
        "openai_images",
        STREAMED,
        stream("image_generation", 2),
        (preview(0, 0), preview(0, 1), Final(0, IMAGE), REPORT),
        events=True,
    ),
    Tape(
        "stream of two, with DONE",
        "openai_images",
        STREAMED_TWO,
        stream("image_generation", 1) + stream("image_generation", 1) + b"data: [DONE]\n\n",
        (
            preview(0, 0),
            Final(0, IMAGE),
            preview(1, 0),
            Final(1, IMAGE),
            Report(Usage(26, 0, 8312, 8312), "1024x1024", "high", "opaque", "png"),
        ),
        events=True,
    ),
    Tape(
        "stream of an edit",
        "openai_images",
        STREAMED,
        stream("image_edit", 1, usage=None),
        (
            preview(0, 0),
            Final(0, IMAGE),
            Report(None, "1024x1024", "high", "opaque", "png"),
        ),
        events=True,
    ),
)

MODERATION = {
    "error": {
        "message": "Your request was rejected by the safety system. safety_violations=[sexual].",
        "type": "image_generation_user_error",
        "param": None,
        "code": "moderation_blocked",
        "moderation_details": {"moderation_stage": "output", "categories": ["sexual"]},
    }
}


def error(kind: str, code: str | None, parameter: str | None = None) -> dict[str, object]:
    return {"error": {"message": "no", "type": kind, "param": parameter, "code": code}}
