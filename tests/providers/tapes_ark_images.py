"""What Ark's image generation sends for Seedream, and what it means.

No answer here was recorded: bodies, events and error objects are composed from ModelArk's
reference and ByteDance's SDK, as written down in providers.md 3.2 (success and streams) and
3.4 (errors; the 401 is a real one, shortened).
"""

import orjson

from core.body import Body
from core.model import Ask, Final, Hosted, Kind, Report, Usage
from tests.providers.tape import Tape
from tests.providers.tapes_openai_images import IMAGE, PIXEL

ASK = Ask("seedream-5.0-lite", Kind.IMAGE, Body("a red fox"))
THREE = Ask("seedream-5.0-lite", Kind.IMAGE, Body("three foxes"), count=3)

MODEL = "seedream-5-0-260128"
USAGE = {"generated_images": 1, "output_tokens": 16320, "total_tokens": 16320}
REPORT = Report(Usage(output_tokens=16320, output_image_tokens=16320), "2720x1536")
REFUSED = {
    "code": "OutputImageSensitiveContentDetected",
    "message": "The request failed because the output image may contain sensitive information.",
}
BROKEN = {"code": "InternalServiceError", "message": "The service encountered an internal error."}
UNAUTHORIZED = {
    "code": "AuthenticationError",
    "message": "the API key or AK/SK in the request is missing or invalid.",
    "param": "",
    "type": "Unauthorized",
}
DONE = b"data: [DONE]\n\n"


def url(number: int) -> str:
    return f"https://ark.tos.example/{number}.jpeg?X-Tos-Signature=a%2Fb"


def image(number: int) -> dict[str, object]:
    return {"url": url(number), "size": "2720x1536"}


def hosted(output: int, number: int | None = None) -> Hosted:
    return Hosted(output, Body(url(output if number is None else number)))


def answer(*items: object, usage: object = USAGE) -> bytes:
    return orjson.dumps({"model": MODEL, "created": 1763750000, "data": [*items], "usage": usage})


def event(kind: str, **fields: object) -> bytes:
    name = f"image_generation.{kind}"
    data = {"type": name, "model": MODEL, "created": 1763750000, **fields}
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data))


def succeeded(number: int) -> bytes:
    return event("partial_succeeded", image_index=number, **image(number))


def failed(number: int, error: object = REFUSED) -> bytes:
    return event("partial_failed", image_index=number, error=error)


COMPLETED = event("completed", usage=USAGE)

TAPES = (
    Tape("Seedream's image", "ark_images", ASK, answer(image(0)), (hosted(0), REPORT)),
    Tape(
        "Seedream's image inline",
        "ark_images",
        ASK,
        answer({"b64_json": PIXEL, "size": "2720x1536", "output_format": "png"}),
        (Final(0, IMAGE), Report(REPORT.usage, "2720x1536", output_format="png")),
    ),
    Tape(
        "Seedream's group, of which one is refused",
        "ark_images",
        THREE,
        answer(image(0), {"error": REFUSED}, image(2)),
        (hosted(0), hosted(1, 2), REPORT),
    ),
    Tape(
        "stream of Seedream's group",
        "ark_images",
        THREE,
        b"".join([*map(succeeded, range(3)), COMPLETED, DONE]),
        (hosted(0), hosted(1), hosted(2), REPORT),
        events=True,
    ),
    Tape(
        "stream of Seedream's group, of which one is refused",
        "ark_images",
        THREE,
        b"".join([failed(0), succeeded(1), succeeded(2), COMPLETED, DONE]),
        (hosted(0, 1), hosted(1, 2), REPORT),
        events=True,
    ),
)


def error(code: str, message: str = "no", kind: str = "", parameter: str = "") -> dict[str, object]:
    return {"error": {"code": code, "message": message, "param": parameter, "type": kind}}
