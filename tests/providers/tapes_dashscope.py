"""What DashScope sends for HappyHorse's and Vidu's videos, and what it means.

Composed from Model Studio's references, as written down in providers.md 4; the answers of Vidu's
task are those of its own page there.
"""

from uuid import UUID

import orjson

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask, FieldRule, Hosted, Kind, Report
from core.providers.jobs import Broken, Made, Stopped, Working
from tests.providers.job_tape import JobTape

ASK = Ask("happy-horse-1.0", Kind.VIDEO, Body("a red fox runs"))
MARK = UUID("6f1ad3f0-8c57-4a2e-9d54-0b6c7e8f9a10")
ID = "0385dc79-5ff8-4d82-bcb6-0a1b2c3d4e5f"
REQUEST_ID = "4909100c-7b5a-9f92-bfe5-0a1b2c3d4e5f"
VIDEO = "https://dashscope-result.oss-cn-beijing.aliyuncs.com/fox.mp4?Expires=1776764196"
FIELDS = {"prompt": FieldRule("input.prompt")}
REFUSED = {
    "code": "DataInspectionFailed",
    "message": "Output data may contain inappropriate content.",
}


def task(status: str, usage: object = None, **output: object) -> dict[str, object]:
    document: dict[str, object] = {
        "request_id": REQUEST_ID,
        "output": {"task_id": ID, "task_status": status, **output},
    }
    return document if usage is None else {**document, "usage": usage}


def done(**usage: object) -> dict[str, object]:
    return task(
        "SUCCEEDED",
        {
            "duration": 5,
            "input_video_duration": 0,
            "output_video_duration": 5,
            "video_count": 1,
            "SR": 720,
            "ratio": "16:9",
            **usage,
        },
        submit_time="2026-04-20 17:55:17.075",
        scheduled_time="2026-04-20 17:55:17.129",
        end_time="2026-04-20 17:56:36.658",
        orig_prompt="a red fox runs",
        video_url=VIDEO,
    )


def error(code: str, message: str = "no") -> dict[str, object]:
    return {"code": code, "message": message, "request_id": REQUEST_ID}


MADE = Made([Hosted(0, Body(VIDEO))], Report(seconds=5.0))

TAPES = (
    JobTape(
        "HappyHorse's task",
        "dashscope",
        ASK,
        orjson.dumps(task("PENDING")),
        ID,
        {
            "pending": (orjson.dumps(task("PENDING")), Working(is_queued=True)),
            "suspended": (orjson.dumps(task("SUSPENDED")), Working(is_queued=True)),
            "running": (orjson.dumps(task("RUNNING")), Working()),
            "succeeded": (orjson.dumps(done()), MADE),
            "succeeded, at Vidu": (
                orjson.dumps(done(size="960*528", fps=24, audio=False, SR="540")),
                MADE,
            ),
            "succeeded without a video": (
                orjson.dumps(task("SUCCEEDED")),
                Broken(UpstreamError(Fault.INVALID_RESPONSE)),
            ),
            "refused": (
                orjson.dumps(task("FAILED", **REFUSED)),
                Broken(UpstreamError(Fault.CONTENT_POLICY)),
            ),
            "failed": (
                orjson.dumps(task("FAILED", **error("InternalError.Timeout"))),
                Broken(UpstreamError(Fault.SERVER_ERROR)),
            ),
            "cancelled": (orjson.dumps(task("CANCELED")), Stopped()),
        },
        orjson.dumps({"request_id": REQUEST_ID}),
        MARK,
        b"",
        fields=FIELDS,
        is_marked=False,
    ),
)
