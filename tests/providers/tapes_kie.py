"""What kie.ai's tasks send, and what it means.

Composed from its documentation and from answers observed, as written down in providers.md 8.5.
"""

from uuid import UUID

import orjson

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask, FieldRule, Hosted, Kind, Report
from core.providers.jobs import Broken, Made, Working
from tests.providers.job_tape import JobTape

ASK = Ask("seedance-2.0", Kind.VIDEO, Body("a red fox runs"))
MARK = UUID("6f1ad3f0-8c57-4a2e-9d54-0b6c7e8f9a10")
ID = "281e5b0f9a0c4d7e8f1a2b3c4d5e6f70"
VIDEO = "https://tempfile.example/fox.mp4"
FLAGGED = "The input or output was flagged as sensitive. Please try again with different inputs."


def answered(data: object, code: int = 200, msg: str = "success") -> bytes:
    return orjson.dumps({"code": code, "msg": msg, "data": data})


def record(state: str, **fields: object) -> bytes:
    return answered(
        {
            "taskId": ID,
            "model": "bytedance/seedance-2",
            "state": state,
            "param": '{"model":"bytedance/seedance-2"}',
            "resultJson": "",
            "failCode": "",
            "failMsg": "",
            "costTime": 15000,
            "completeTime": 1698765432000,
            "createTime": 1698765400000,
            "creditsConsumed": 6.0,
            **fields,
        }
    )


def veo(flag: object, **fields: object) -> bytes:
    return answered({"taskId": ID, "successFlag": flag, "response": None, **fields})


def broken(fault: Fault) -> Broken:
    return Broken(UpstreamError(fault))


MADE = Made([Hosted(0, Body(VIDEO))], Report())
TAPES = (
    JobTape(
        "kie's task",
        "kie",
        ASK,
        answered({"taskId": ID, "recordId": ID}),
        ID,
        {
            "waiting": (record("waiting"), Working(is_queued=True)),
            "queuing": (record("queuing"), Working(is_queued=True)),
            "generating": (record("generating"), Working()),
            "success": (record("success", resultJson=f'{{"resultUrls":["{VIDEO}"]}}'), MADE),
            "success without a result": (record("success"), broken(Fault.INVALID_RESPONSE)),
            "success with half a result": (
                record("success", resultJson='{"resultUrls":['),
                broken(Fault.INVALID_RESPONSE),
            ),
            "refused": (
                record("fail", failCode="400", failMsg=FLAGGED),
                broken(Fault.CONTENT_POLICY),
            ),
            "wrong": (
                record("fail", failCode="500", failMsg="duration it must be a string"),
                broken(Fault.BAD_REQUEST),
            ),
            "failed": (record("fail", failCode="501", failMsg="no"), broken(Fault.SERVER_ERROR)),
            "failed without a word": (record("fail"), broken(Fault.SERVER_ERROR)),
        },
        b"",
        MARK,
        b"",
        fields={"prompt": FieldRule("prompt")},
        is_marked=False,
    ),
    JobTape(
        "kie's task of Veo",
        "kie_veo",
        ASK,
        answered({"taskId": ID}),
        ID,
        {
            "running": (veo(0), Working()),
            "done": (veo(1, response={"taskId": ID, "resultUrls": [VIDEO]}), MADE),
            "done without a result": (veo(1), broken(Fault.INVALID_RESPONSE)),
            "refused": (
                veo(3, errorCode=400, errorMessage="flagged as violating content policies"),
                broken(Fault.CONTENT_POLICY),
            ),
            "failed": (veo(2, errorCode=501, errorMessage="no"), broken(Fault.SERVER_ERROR)),
        },
        b"",
        MARK,
        b"",
        fields={"prompt": FieldRule("prompt")},
        upstream_model="veo3",
        is_marked=False,
    ),
)
