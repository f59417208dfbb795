"""What xAI's image endpoints send for Grok Imagine, and what it means.

No answer here was recorded: bodies are composed from the fields of xAI's SDK, as written down in
providers.md 6.1.
"""

import orjson

from core.body import Body
from core.model import Ask, Final, Hosted, Kind, Report
from tests.providers.tape import Tape
from tests.providers.tapes_openai_images import IMAGE, PIXEL

ASK = Ask("grok-imagine-1.0", Kind.IMAGE, Body("a red fox"))
THREE = Ask("grok-imagine-1.0", Kind.IMAGE, Body("three foxes"), count=3)
REPORT = Report(output_format="jpeg")


def url(number: int) -> str:
    return f"https://imgen.x.ai/xai-imgen/{number}.jpeg"


def image(number: int, **fields: object) -> dict[str, object]:
    return {
        "url": url(number),
        "b64_json": None,
        "mime_type": "image/jpeg",
        "revised_prompt": "",
        "respect_moderation": True,
        **fields,
    }


KEPT_BACK = image(0, url="", respect_moderation=False)


def hosted(output: int, number: int | None = None) -> Hosted:
    return Hosted(output, Body(url(output if number is None else number)))


def answer(*items: object) -> bytes:
    usage = {"cost_in_usd_ticks": 200_000_000 * len(items)}
    return orjson.dumps({"created": 1763750000, "data": [*items], "usage": usage})


TAPES = (
    Tape("Grok's image", "xai_images", ASK, answer(image(0)), (hosted(0), REPORT)),
    Tape(
        "Grok's images, of which one is kept back",
        "xai_images",
        THREE,
        answer(KEPT_BACK, image(1), image(2)),
        (hosted(0, 1), hosted(1, 2), REPORT),
    ),
    Tape(
        "Grok's image inline",
        "xai_images",
        ASK,
        answer(image(0, url=None, b64_json=PIXEL, mime_type="image/png")),
        (Final(0, IMAGE), Report(output_format="png")),
    ),
)
