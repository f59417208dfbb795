"""What OpenAI's images on Azure send: OpenAI's bodies, and now and then the filter's results.

Composed from providers.md 8.3; `content_filter_results` in an answer are inferred there.
"""

from dataclasses import replace

import orjson

from core.model import Final
from tests.providers.tape import Tape
from tests.providers.tapes_openai_images import ASK, IMAGE, PIXEL, REPORT, USAGE
from tests.providers.tapes_openai_images import TAPES as OPENAI

SAFE = {"hate": {"filtered": False, "severity": "safe"}}

TAPES = (
    *(replace(tape, name=f"Azure's {tape.name}", dialect="azure_images") for tape in OPENAI[2:4]),
    Tape(
        "Azure's image with what its filter found",
        "azure_images",
        ASK,
        orjson.dumps(
            {
                "created": 1763750000,
                "background": "opaque",
                "output_format": "png",
                "quality": "high",
                "size": "1024x1024",
                "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}],
                "data": [{"b64_json": PIXEL, "content_filter_results": SAFE}],
                "usage": USAGE,
            }
        ),
        (Final(0, IMAGE), REPORT),
    ),
)
