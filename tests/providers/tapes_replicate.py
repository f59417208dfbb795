"""What Replicate sends of predictions, and what it means.

Composed from Replicate's HTTP reference and its clients, as written down in providers.md 8.2.
"""

from uuid import UUID

import orjson

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask, FieldRule, Hosted, Kind, Report
from core.providers.jobs import Broken, Found, Made, Stopped, Working
from tests.providers.job_tape import JobTape

ASK = Ask("veo-3.1", Kind.VIDEO, Body("a red fox runs"))
MARK = UUID("6f1ad3f0-8c57-4a2e-9d54-0b6c7e8f9a10")
SEED = 0x7E8F9A10
ID = "gm3qorzdhgbfurvjtvhg6dckhu"
VIDEO = "https://replicate.delivery/xezq/fox/tmp.mp4"
PICTURE = "https://replicate.delivery/xezq/fox/out-0.jpeg"
FLAGGED = (
    "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"
)
FIELDS = {"prompt": FieldRule("prompt"), "seed": FieldRule("seed")}


def prediction(status: str, **fields: object) -> dict[str, object]:
    return {
        "id": ID,
        "model": "google/veo-3.1",
        "version": "hidden",
        "status": status,
        "input": {"prompt": "a red fox runs", "seed": SEED},
        "output": None,
        "error": None,
        "logs": "",
        "metrics": {},
        "created_at": "2026-11-21T10:00:00.123Z",
        "started_at": None,
        "completed_at": None,
        "data_removed": False,
        "urls": {"get": f"https://api.replicate.com/v1/predictions/{ID}"},
        **fields,
    }


def told(status: str, **fields: object) -> bytes:
    return orjson.dumps(prediction(status, **fields))


def page(*items: object, after: str | None = None) -> bytes:
    return orjson.dumps({"previous": None, "next": after, "results": [*items]})


def made(*urls: str) -> Made:
    return Made([Hosted(index, Body(url)) for index, url in enumerate(urls)], Report())


EMPTY = Broken(UpstreamError(Fault.INVALID_RESPONSE))
OTHER = prediction("succeeded", id="other", created_at="2026-11-21T09:00:00Z", input={"seed": 7})
WIPED = prediction(
    "succeeded", id="old", created_at="2026-11-21T08:00:00Z", input={}, data_removed=True
)

TAPES = (
    JobTape(
        "a prediction of Replicate",
        "replicate",
        ASK,
        told("starting"),
        ID,
        {
            "starting": (told("starting"), Working(is_queued=True)),
            "processing": (told("processing"), Working()),
            "one link": (told("succeeded", output=VIDEO), made(VIDEO)),
            "a list of links": (
                told("succeeded", output=[PICTURE, f"{PICTURE}?1"]),
                made(PICTURE, f"{PICTURE}?1"),
            ),
            "an object with a link": (told("succeeded", output={"url": VIDEO}), made(VIDEO)),
            "nothing": (told("succeeded"), EMPTY),
            "an empty list": (told("succeeded", output=[]), EMPTY),
            "wiped": (told("succeeded", input={}, data_removed=True), EMPTY),
            "refused": (
                told("failed", error=FLAGGED),
                Broken(UpstreamError(Fault.CONTENT_POLICY)),
            ),
            "failed": (
                told("failed", error="Director: unexpected error handling prediction"),
                Broken(UpstreamError(Fault.SERVER_ERROR)),
            ),
            "in high demand": (
                told("failed", error="Service is unavailable due to high demand. (E003)"),
                Broken(UpstreamError(Fault.OVERLOADED)),
            ),
            "failed without a word": (
                told("failed"),
                Broken(UpstreamError(Fault.SERVER_ERROR)),
            ),
            "canceled": (told("canceled"), Stopped()),
            "aborted": (told("aborted"), Stopped()),
        },
        told("canceled"),
        MARK,
        page(prediction("processing"), OTHER, WIPED),
        Found(ID, is_last=True, oldest=1795248000.0),
        fields=FIELDS,
        upstream_model="google/veo&id=1",
    ),
    JobTape(
        "a prediction of Replicate, on a page that is not the last",
        "replicate",
        ASK,
        told("processing"),
        ID,
        {"starting": (told("starting"), Working(is_queued=True))},
        told("canceled"),
        MARK,
        page(
            prediction("processing"),
            OTHER,
            after="https://api.replicate.com/v1/predictions?cursor=cD0yMDI2",
        ),
        Found(ID, is_last=False, oldest=1795251600.0, cursor="cursor=cD0yMDI2"),
        fields=FIELDS,
        upstream_model="google/veo&id=1",
    ),
    JobTape(
        "a prediction of Replicate, of a model without a seed",
        "replicate",
        ASK,
        told("starting"),
        ID,
        {"starting": (told("starting"), Working(is_queued=True))},
        told("canceled"),
        MARK,
        b"",
        fields={"prompt": FieldRule("prompt")},
        upstream_model="openai/gpt-image-2",
        is_marked=False,
    ),
)
