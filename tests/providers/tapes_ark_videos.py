"""What Ark's video generation tasks send for Seedance, and what it means.

Composed from ModelArk's reference and ByteDance's SDK, as written down in providers.md 3.3;
the task that succeeded is a real one, with another link.
"""

from uuid import UUID

import orjson

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask, Hosted, Kind, Report, Usage
from core.providers.jobs import Broken, Found, Made, Stopped, Working
from tests.providers.job_tape import JobTape

ASK = Ask("seedance-2.0", Kind.VIDEO, Body("a red fox runs"))
MARK = UUID("6f1ad3f0-8c57-4a2e-9d54-0b6c7e8f9a10")
SEED = 0x7E8F9A10
ID = "cgt-20260128154500-x7k2p"
VIDEO = "https://ark-content.tos.example/fox.mp4?X-Tos-Signature=a%2Fb"
REFUSED = {
    "code": "OutputVideoSensitiveContentDetected",
    "message": "The request failed because the output video may contain sensitive information.",
}


def task(status: str, **fields: object) -> dict[str, object]:
    return {
        "id": ID,
        "model": "doubao-seedance-2-0-260128",
        "status": status,
        "created_at": 1778754737,
        "updated_at": 1778755025,
        "service_tier": "default",
        "execution_expires_after": 172800,
        "generate_audio": True,
        "draft": False,
        "priority": 0,
        "error": None,
        **fields,
    }


def done(**fields: object) -> dict[str, object]:
    return task(
        "succeeded",
        **{
            "content": {"video_url": VIDEO, "last_frame_url": "https://ark.tos.example/last.png"},
            "usage": {"completion_tokens": 108900, "total_tokens": 108900},
            "seed": 1276,
            "resolution": "720p",
            "ratio": "16:9",
            "duration": 5,
            "framespersecond": 24,
            **fields,
        },
    )


def page(*tasks: object, total: int | None = None) -> bytes:
    return orjson.dumps({"total": len(tasks) if total is None else total, "items": [*tasks]})


MADE = Made([Hosted(0, Body(VIDEO))], Report(Usage(output_tokens=108900), seconds=5.0))
OTHER = task("running", id="cgt-other", created_at=1778754700, seed=7)

TAPES = (
    JobTape(
        "Seedance's task",
        "ark_videos",
        ASK,
        orjson.dumps({"id": ID}),
        ID,
        {
            "queued": (orjson.dumps(task("queued")), Working(is_queued=True)),
            "running": (orjson.dumps(task("running")), Working()),
            "succeeded": (orjson.dumps(done()), MADE),
            "succeeded without a video": (
                orjson.dumps(done(content={})),
                Broken(UpstreamError(Fault.INVALID_RESPONSE)),
            ),
            "failed": (
                orjson.dumps(task("failed", error=REFUSED)),
                Broken(UpstreamError(Fault.CONTENT_POLICY)),
            ),
            "expired": (
                orjson.dumps(task("expired")),
                Broken(UpstreamError(Fault.SERVER_ERROR)),
            ),
            "cancelled": (orjson.dumps(task("cancelled")), Stopped()),
        },
        b"{}",
        MARK,
        page(done(safety_identifier=MARK.hex), OTHER),
        Found(ID, is_last=True, oldest=1778754700.0),
    ),
    JobTape(
        "Seedance's task, found by its seed",
        "ark_videos",
        ASK,
        orjson.dumps({"id": ID, "safety_identifier": MARK.hex}),
        ID,
        {"queued": (orjson.dumps(task("queued", seed=SEED)), Working(is_queued=True))},
        orjson.dumps(task("cancelled")),
        MARK,
        page(OTHER, task("running", seed=SEED), total=120),
        Found(ID, is_last=False, oldest=1778754700.0),
    ),
)
