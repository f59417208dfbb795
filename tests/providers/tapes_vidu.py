"""What Vidu sends of its tasks, and what it means.

Composed from Vidu's references, and of the list from public code, as in providers.md 5.
"""

from uuid import UUID

import orjson

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask, FieldRule, Hosted, Kind, Report
from core.providers.jobs import Broken, Found, Made, Stopped, Working
from tests.providers.job_tape import JobTape

ASK = Ask("vidu-q3-pro", Kind.VIDEO, Body("a red fox runs"))
MARK = UUID("6f1ad3f0-8c57-4a2e-9d54-0b6c7e8f9a10")
ID = "947408163912345678"
VIDEO = "https://prod-ss-vidu.s3.cn-northwest-1.amazonaws.com.cn/fox.mp4?X-Amz-Signature=a%2Fb"
FIELDS = {"prompt": FieldRule("prompt")}


def task(state: str, err_code: str = "", **fields: object) -> dict[str, object]:
    return {
        "id": ID,
        "state": state,
        "err_code": err_code,
        "credits": 0 if err_code else 45,
        "payload": MARK.hex,
        "bgm": False,
        "off_peak": False,
        "creations": [],
        **fields,
    }


def done(url: object = VIDEO) -> dict[str, object]:
    made = {"id": "1", "url": url, "cover_url": "https://vidu.example/1.jpg", "watermarked_url": ""}
    return task("success", creations=[made])


def listed(payload: str = "", **fields: object) -> dict[str, object]:
    created_at = "2026-01-01T15:41:31.968916Z"
    given = {"id": "1", "payload": payload, "created_at": created_at, "model": "viduq3-pro"}
    return task("processing", **{**given, **fields})


def page(*tasks: object, token: str = "") -> bytes:
    return orjson.dumps({"tasks": [*tasks], "next_page_token": token})


def error(reason: str, message: str = "no", code: int = 400) -> dict[str, object]:
    return {"code": code, "reason": reason, "message": message, "metadata": {"trace_id": "1"}}


CREATED = {
    "task_id": ID,
    "type": "text2video",
    "state": "created",
    "model": "viduq3-pro",
    "prompt": "a red fox runs",
    "images": [],
    "duration": 5,
    "seed": 123,
    "aspect_ratio": "16:9",
    "resolution": "540p",
    "movement_amplitude": "auto",
    "payload": MARK.hex,
    "off_peak": False,
    "credits": 45,
    "watermark": False,
    "created_at": "2026-01-01T15:41:31.968916Z",
}
MADE = Made([Hosted(0, Body(VIDEO))], Report())
OLDER = listed(created_at="2026-01-01T15:40:00Z")

TAPES = (
    JobTape(
        "Vidu's task",
        "vidu",
        ASK,
        orjson.dumps(CREATED),
        ID,
        {
            "created": (orjson.dumps(task("created")), Working(is_queued=True)),
            "queueing": (orjson.dumps(task("queueing")), Working(is_queued=True)),
            "processing": (orjson.dumps(task("processing")), Working()),
            "success": (orjson.dumps(done()), MADE),
            "success without a video": (
                orjson.dumps(task("success")),
                Broken(UpstreamError(Fault.INVALID_RESPONSE)),
            ),
            "refused": (
                orjson.dumps(task("failed", "CreationPolicyViolation")),
                Broken(UpstreamError(Fault.CONTENT_POLICY)),
            ),
            "failed": (
                orjson.dumps(task("failed", "InternalServiceFailure")),
                Broken(UpstreamError(Fault.SERVER_ERROR)),
            ),
            "cancelled": (orjson.dumps(task("failed", "UserCancelled")), Stopped()),
        },
        b"{}",
        MARK,
        page(listed(), listed(MARK.hex, id=ID), OLDER),
        Found(ID, is_last=True, oldest=1767282000.0),
        fields=FIELDS,
    ),
)
