"""What OpenRouter sends of images and of video jobs, and what it means.

Composed from its OpenAPI file, as written down in providers.md 8.6.
"""

from dataclasses import replace
from uuid import UUID

import orjson

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask, FieldRule, Final, Hosted, Kind, Report, Usage
from core.providers.jobs import Broken, Made, Stopped, Working
from tests.providers.job_tape import JobTape
from tests.providers.tape import Tape
from tests.providers.tapes_openai_images import IMAGE, PIXEL

ASK = Ask("gemini-3-pro-image", Kind.IMAGE, Body("a red fox"))
VIDEO_ASK = Ask("veo-3.1", Kind.VIDEO, Body("a red fox runs"))
MARK = UUID("6f1ad3f0-8c57-4a2e-9d54-0b6c7e8f9a10")
ID = "job_01HX7ZK9"
CONTENT = f"http://provider/v1/videos/{ID}/content?index=0"


def images(*data: object) -> bytes:
    usage = {"prompt_tokens": 13, "completion_tokens": 1290, "total_tokens": 1303, "cost": 0.04}
    return orjson.dumps({"created": 1763750000, "data": [*data], "usage": usage})


ITEM = {"b64_json": PIXEL, "media_type": "image/png"}
USED = Report(Usage(13, 0, 1290))

IMAGE_TAPES = (
    Tape("OpenRouter's image", "openrouter_images", ASK, images(ITEM), (Final(0, IMAGE), USED)),
    Tape(
        "OpenRouter's images, one of them missing",
        "openrouter_images",
        replace(ASK, count=3),
        images(ITEM, {"media_type": "image/png"}, ITEM),
        (Final(0, IMAGE), Final(1, IMAGE), USED),
    ),
)


def job(status: str, **fields: object) -> bytes:
    return orjson.dumps(
        {
            "id": ID,
            "polling_url": f"https://openrouter.ai/api/v1/videos/{ID}",
            "status": status,
            "generation_id": "gen-1",
            "unsigned_urls": [],
            **fields,
        }
    )


def broken(fault: Fault) -> Broken:
    return Broken(UpstreamError(fault))


MADE = Made(
    [Hosted(0, Body(CONTENT), {"authorization": "Bearer key-never-shown"})],
    Report(),
)
TAPES = (
    *IMAGE_TAPES,
    JobTape(
        "OpenRouter's video",
        "openrouter_videos",
        VIDEO_ASK,
        job("pending"),
        ID,
        {
            "pending": (job("pending"), Working(is_queued=True)),
            "in progress": (job("in_progress"), Working()),
            "completed": (
                job("completed", unsigned_urls=["https://openrouter.ai/x"], usage={"cost": 0.5}),
                MADE,
            ),
            "completed with nothing": (job("completed"), broken(Fault.INVALID_RESPONSE)),
            "failed": (job("failed", error="Provider returned error"), broken(Fault.SERVER_ERROR)),
            "refused": (
                job("failed", error="The video was flagged by moderation"),
                broken(Fault.CONTENT_POLICY),
            ),
            "failed with an object": (
                job("failed", error={"code": 429, "message": "slow"}),
                broken(Fault.RATE_LIMITED),
            ),
            "expired": (job("expired"), broken(Fault.SERVER_ERROR)),
            "cancelled": (job("cancelled"), Stopped()),
        },
        b"",
        MARK,
        b"",
        fields={"prompt": FieldRule("prompt")},
        is_marked=False,
    ),
)
