"""What Recraft's image endpoint sends, and what it means.

No answer here was recorded: bodies are composed from the examples of Recraft's API reference
(https://www.recraft.ai/docs/api-reference/getting-started and .../endpoints).
"""

from dataclasses import replace

import orjson

from core.body import Body
from core.model import Ask, Hosted, Kind, Report
from tests.providers.tape import Tape

ASK = Ask("recraft-v3", Kind.IMAGE, Body("a red fox"))
THREE = replace(ASK, count=3)


def url(number: int) -> str:
    return f"https://img.recraft.ai/v7Kq/rs:fit:1024:1024:0/raw:1/plain/abs://images/{number}"


def answer(*data: object) -> bytes:
    return orjson.dumps({"created": 1763750000, "credits": 40 * len(data), "data": [*data]})


def hosted(output: int, number: int | None = None) -> Hosted:
    return Hosted(output, Body(url(output if number is None else number)))


TAPES = (
    Tape("Recraft's image", "recraft", ASK, answer({"url": url(0)}), (hosted(0), Report())),
    Tape(
        "Recraft's images, one of them missing",
        "recraft",
        THREE,
        answer({"url": url(0)}, {"b64_json": None}, {"url": url(2)}),
        (hosted(0), hosted(1, 2), Report()),
    ),
)
