"""What Topaz' video API sends, and what it means.

Composed from its OpenAPI file, as written down in providers.md 7.1.
"""

from uuid import UUID

import orjson

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask, Hosted, Input, Kind, Report, Role
from core.providers.jobs import Broken, Made, Stopped, Working
from tests.providers.job_tape import JobTape

FILM = Input(
    Role.VIDEO, Body(b"the film's bytes"), "video/mp4", 1280, 720, "video", 4.0, None, frames=96
)
ASK = Ask("enhance-video-1.0", Kind.VIDEO, Body(""), (FILM,), parameters={"upscale_factor": "2"})
MARK = UUID("6f1ad3f0-8c57-4a2e-9d54-0b6c7e8f9a10")
ID = "123e4567-e89b-12d3-a456-426614174000"
VIDEO = "https://videocloud.example/enhanced.mp4?X-Amz-Signature=a%2Fb"


def status(name: str, **fields: object) -> bytes:
    return orjson.dumps(
        {
            "status": name,
            "progress": 82,
            "estimates": {"cost": [10, 12], "time": [600, 700]},
            "outputSize": "10 GB",
            "averageFps": 1.2,
            "message": "Processing",
            **fields,
        }
    )


TAPES = (
    JobTape(
        "Topaz' request",
        "topaz",
        ASK,
        orjson.dumps({"requestId": ID, "estimates": {"cost": [10, 12], "time": [600, 700]}}),
        ID,
        {
            "requested": (status("requested", progress=0), Working(is_queued=True, percent=0)),
            "accepted": (status("accepted"), Working(is_queued=True, percent=82)),
            "initializing": (status("initializing"), Working(is_queued=True, percent=82)),
            "processing": (status("processing"), Working(percent=82)),
            "postprocessing": (status("postprocessing"), Working(percent=82)),
            "canceling": (status("canceling"), Working(percent=82)),
            "complete": (
                status("complete", download={"url": VIDEO, "expiresIn": 86400000}),
                Made([Hosted(0, Body(VIDEO))], Report()),
            ),
            "complete without a link": (
                status("complete", download={}),
                Broken(UpstreamError(Fault.INVALID_RESPONSE)),
            ),
            "failed": (status("failed"), Broken(UpstreamError(Fault.SERVER_ERROR))),
            "failed by its input": (
                status("failed", errorCode="INVALID_INPUT", message="no video"),
                Broken(UpstreamError(Fault.BAD_REQUEST)),
            ),
            "canceled": (status("canceled"), Stopped()),
        },
        orjson.dumps({"message": "Cancellation in progress. Partial credits have been refunded."}),
        MARK,
        b"",
        upstream_model="prob-4",
        is_marked=False,
    ),
)
