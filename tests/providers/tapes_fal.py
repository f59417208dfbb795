"""What fal's queue and Platform API send, and what it means.

Composed from fal's references and its clients, as written down in providers.md 8.1; the output of
Seedance is of the shape that its page shows, with another link.
"""

from collections.abc import Mapping
from uuid import UUID

import orjson

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask, FieldRule, Hosted, Kind, Report
from core.providers.jobs import Broken, Elsewhere, Found, JobState, Made, Stopped, Working
from core.providers.wire import Call
from tests.providers.job_tape import JobTape

ASK = Ask("seedance-2.0", Kind.VIDEO, Body("a red fox runs"))
MARK = UUID("6f1ad3f0-8c57-4a2e-9d54-0b6c7e8f9a10")
SEED = 0x7E8F9A10
ID = "764cabcf-b745-4b3e-ae38-1200304cf45b"
ENDPOINT = "bytedance/seedance&id=1/text-to-video"
BASE = "https://queue.fal.run/bytedance/seedance/requests"
VIDEO = "https://v3.fal.media/files/penguin/fox.mp4"
PICTURE = "https://v3.fal.media/files/lion/fox.png"
FIELDS = {
    "prompt": FieldRule("prompt"),
    "duration": FieldRule("duration", form="{}"),
    "seed": FieldRule("seed"),
}
OUTCOME = Elsewhere(
    Call(
        "GET",
        f"/bytedance/seedance%26id%3D1/requests/{ID}",
        {"authorization": "Key key-never-shown"},
    )
)


def status(word: str, **fields: object) -> bytes:
    urls = {
        "response_url": f"{BASE}/{ID}",
        "status_url": f"{BASE}/{ID}/status",
        "cancel_url": f"{BASE}/{ID}/cancel",
    }
    return orjson.dumps({"status": word, "request_id": ID, **urls, **fields})


def detail(kind: str, name: str = "prompt", message: str = "It is not valid.") -> bytes:
    """The error of a model."""
    return orjson.dumps({"detail": [{"loc": ["body", name], "msg": message, "type": kind}]})


def item(**fields: object) -> dict[str, object]:
    return {
        "request_id": ID,
        "endpoint_id": ENDPOINT,
        "sent_at": "2026-11-21T10:00:00Z",
        "started_at": "2026-11-21T10:00:01Z",
        "json_input": {"prompt": "a red fox runs", "seed": SEED},
        **fields,
    }


def page(*items: object, more: bool = False, cursor: str | None = None) -> bytes:
    return orjson.dumps({"items": [*items], "has_more": more, "next_cursor": cursor})


OTHER = item(
    request_id="other",
    sent_at="2026-11-21T09:00:00Z",
    ended_at="2026-11-21T09:58:00Z",
    json_input={"prompt": "a red fox runs", "seed": 7},
)

OUTCOMES: Mapping[str, tuple[bytes, JobState]] = {
    "a video": (
        orjson.dumps({"video": {"url": VIDEO, "content_type": "video/mp4"}, "seed": SEED}),
        Made([Hosted(0, Body(VIDEO))], Report()),
    ),
    "a video that says how long it is": (
        orjson.dumps({"video": {"url": VIDEO, "width": 1280, "height": 720, "duration": 5.04}}),
        Made([Hosted(0, Body(VIDEO))], Report(size="1280x720", seconds=5.04)),
    ),
    "images": (
        orjson.dumps({"images": [{"url": PICTURE}, {"url": f"{PICTURE}?2"}], "description": ""}),
        Made([Hosted(0, Body(PICTURE)), Hosted(1, Body(f"{PICTURE}?2"))], Report()),
    ),
    "no images": (orjson.dumps({"images": []}), Broken(UpstreamError(Fault.INVALID_RESPONSE))),
    "an image without a link": (
        orjson.dumps({"images": [{"url": None}]}),
        Broken(UpstreamError(Fault.INVALID_RESPONSE)),
    ),
    "no video": (orjson.dumps({"video": None}), Broken(UpstreamError(Fault.INVALID_RESPONSE))),
}

TAPES = (
    JobTape(
        "a request of fal",
        "fal",
        ASK,
        status("IN_QUEUE", queue_position=0, gateway_request_id=ID),
        ID,
        {
            "queued": (status("IN_QUEUE", queue_position=3), Working(is_queued=True)),
            "running": (status("IN_PROGRESS", logs=[]), Working()),
            "completed": (status("COMPLETED", logs=[], metrics={"inference_time": 9.1}), OUTCOME),
            "completed, with its url only": (
                orjson.dumps({"status": "COMPLETED", "response_url": f"{BASE}/{ID}"}),
                OUTCOME,
            ),
            "completed and cancelled": (
                status("COMPLETED", error="Cancelled", error_type="client_cancelled"),
                Stopped(),
            ),
            "completed and timed out": (
                status("COMPLETED", error="Request timed out", error_type="request_timeout"),
                Broken(UpstreamError(Fault.OVERLOADED)),
            ),
        },
        b'{"status":"CANCELLATION_REQUESTED"}',
        MARK,
        page(item(), OTHER),
        # The one that ended first, whenever it was sent.
        Found(ID, is_last=True, oldest=1795255080.0),
        outcomes=OUTCOMES,
        fields=FIELDS,
        upstream_model=ENDPOINT,
        is_cancelled=False,
    ),
    JobTape(
        "a request of fal, on a page that is not the last",
        "fal",
        ASK,
        status("IN_QUEUE", queue_position=0),
        ID,
        {"queued": (status("IN_QUEUE", queue_position=0), Working(is_queued=True))},
        b'{"status":"CANCELLATION_REQUESTED"}',
        MARK,
        page(OTHER, item(ended_at="2026-11-21T10:02:00Z"), more=True, cursor="Mg=="),
        Found(ID, is_last=False, oldest=1795255080.0, cursor="cursor=Mg%3D%3D"),
        fields=FIELDS,
        upstream_model=ENDPOINT,
        is_cancelled=False,
    ),
    JobTape(
        "a request of fal, of an endpoint without a seed",
        "fal",
        ASK,
        status("IN_QUEUE", queue_position=0),
        ID,
        {"queued": (status("IN_QUEUE", queue_position=0), Working(is_queued=True))},
        b'{"status":"CANCELLATION_REQUESTED"}',
        MARK,
        b"",
        fields={"prompt": FieldRule("prompt")},
        upstream_model=ENDPOINT,
        is_marked=False,
        is_cancelled=False,
    ),
)
