"""What WaveSpeed's predictions send, and what it means.

Composed from its documentation and SDK, as written down in providers.md 8.4.
"""

from uuid import UUID

import orjson

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask, FieldRule, Hosted, Kind, Report
from core.providers.jobs import Broken, Made, Stopped, Working
from tests.providers.job_tape import JobTape

ASK = Ask("seedance-2.0", Kind.VIDEO, Body("a red fox runs"))
MARK = UUID("6f1ad3f0-8c57-4a2e-9d54-0b6c7e8f9a10")
ID = "5a9b1e7c4d2f4f0f8a3b6c7d8e9f0a1b"
VIDEO = "https://cdn.wavespeed.example/fox.mp4"
SECOND = "https://cdn.wavespeed.example/fox-2.png"


def answered(data: object, code: int = 200) -> bytes:
    return orjson.dumps({"code": code, "message": "success", "data": data})


def prediction(status: str, **fields: object) -> bytes:
    return answered(
        {
            "id": ID,
            "model": "bytedance/seedance-2.0/text-to-video",
            "status": status,
            "outputs": [],
            "urls": {"get": f"https://api.wavespeed.ai/api/v3/predictions/{ID}/result"},
            "has_nsfw_contents": [],
            "error": "",
            "timings": {"inference": 0},
            "created_at": "2026-11-21T08:00:00Z",
            **fields,
        }
    )


def broken(fault: Fault) -> Broken:
    return Broken(UpstreamError(fault))


TAPES = (
    JobTape(
        "WaveSpeed's prediction",
        "wavespeed",
        ASK,
        prediction("created"),
        ID,
        {
            "created": (prediction("created"), Working(is_queued=True)),
            "processing": (prediction("processing"), Working()),
            "completed": (
                prediction("completed", outputs=[VIDEO], has_nsfw_contents=[False]),
                Made([Hosted(0, Body(VIDEO))], Report()),
            ),
            "completed, flagged, and one output that is none": (
                prediction("completed", outputs=["x", VIDEO, SECOND], has_nsfw_contents=[True]),
                Made([Hosted(0, Body(VIDEO)), Hosted(1, Body(SECOND))], Report()),
            ),
            "completed with nothing": (prediction("completed"), broken(Fault.INVALID_RESPONSE)),
            "refused": (
                prediction("failed", code=1200, error="Content flagged"),
                broken(Fault.CONTENT_POLICY),
            ),
            "refused, in words": (
                prediction("failed", error="Content flagged as potentially sensitive."),
                broken(Fault.CONTENT_POLICY),
            ),
            "a file that could not be fetched": (
                prediction("failed", code=1402, error="no"),
                broken(Fault.BAD_REQUEST),
            ),
            "unavailable": (
                prediction("failed", code=5003, error="busy"),
                broken(Fault.OVERLOADED),
            ),
            "failed": (prediction("failed", error="oh"), broken(Fault.SERVER_ERROR)),
            "timeout": (prediction("timeout"), broken(Fault.SERVER_ERROR)),
            "cancelled": (prediction("cancelled"), Stopped()),
        },
        b"",
        MARK,
        b"",
        fields={"prompt": FieldRule("prompt")},
        is_marked=False,
    ),
)
