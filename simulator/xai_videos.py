"""The video requests of one xAI account: made and polled. There is no list and no cancel."""

import json
import time
from http import HTTPStatus
from math import isfinite
from typing import Final
from uuid import uuid4

from simulator.answer import Incoming
from simulator.hosting import Links, video_name
from simulator.jobs import Job, JobBook, TooManyJobs
from simulator.videos import VideoRecipe, available
from simulator.xai_errors import (
    EXHAUSTED,
    MODERATED,
    REFUSED_PROMPT,
    UNKNOWN,
    XaiError,
    XaiRejected,
)
from simulator.xai_fields import Fields
from simulator.xai_video_request import VideoOrder, read_video_request

KEPT_SECONDS: Final = 86_400
_NO_ENCODER: Final = XaiError(
    501,
    "simulator-without-video",
    "This simulator cannot make videos: PyAV is missing. Install it with pip install 'reapi[demo]'",
)


class XaiVideos:
    """What was asked for and how it stands."""

    def __init__(self, links: Links) -> None:
        self.book = JobBook()
        self._links = links
        # Jobs live by the monotonic clock; links, by the calendar.
        self._epoch = time.time() - time.monotonic()

    def create(self, incoming: Incoming, kind: str) -> dict[str, object]:
        """Take a request to `/videos/{kind}`; raises XaiRejected."""
        if not available():
            raise XaiRejected(_NO_ENCODER)
        order = read_video_request(Fields.parse(incoming.body), kind)
        if order.refused_at == "input":
            raise XaiRejected(REFUSED_PROMPT)
        job = Job(
            id=str(uuid4()),
            order=order,
            marks={},
            submitted=incoming.now,
            expires=incoming.now + KEPT_SECONDS,
        )
        fault = incoming.job_fault
        if fault is not None and fault.fails_job:
            job.error = (fault.code or "internal_error", "The video could not be generated.")
        try:
            self.book.submit(job, incoming.knobs, fault)
        except TooManyJobs:
            raise XaiRejected(EXHAUSTED) from None
        match incoming.empty:
            case "no_data":
                return {}
            case "no_image" | "null_image" as variant:
                return {"request_id": "" if variant == "no_image" else None}
        return {"request_id": job.id}

    def get(self, request_id: str, incoming: Incoming) -> tuple[int, bytes]:
        """Give status and body of a poll; raises XaiRejected, also when the video is refused."""
        job = self.book.find(request_id)
        if job is None:
            raise XaiRejected(UNKNOWN)
        order = job.order
        assert isinstance(order, VideoOrder)
        match job.status(incoming.now):
            case "queued":
                return HTTPStatus.ACCEPTED, b""
            case "running":
                document: dict[str, object] = {
                    "status": "pending",
                    "progress": _progress(job, incoming.now),
                }
                return HTTPStatus.ACCEPTED, json.dumps(document).encode()
            case "failed":
                assert job.error is not None
                code, message = job.error
                error = {"code": code, "message": message}
                document = {"status": "failed", "error": error, "model": order.model}
            case "expired":
                document = {"status": "expired", "model": order.model}
            case _:
                if order.refused_at in {"output", "one"}:
                    raise XaiRejected(MODERATED)
                document = self._done(job, order, incoming.empty)
        return HTTPStatus.OK, json.dumps(document).encode()

    def _done(self, job: Job, order: VideoOrder, empty: str | None) -> dict[str, object]:
        kept = order.refused_at != "hidden"
        video: dict[str, object] = {
            "url": self._url(job, order) if kept else "",
            "duration": order.seconds,
            "respect_moderation": kept,
        }
        document: dict[str, object] = {
            "video": video,
            "model": order.model,
            "usage": {"cost_in_usd_ticks": order.ticks},
            "progress": 100,
        }
        if order.variant % 2 == 0:
            # Seen without it: a URL alone means that it is done.
            document["status"] = "done"
        match empty:
            case "no_data":
                del document["video"]
            case "no_image":
                del video["url"]
            case "null_image":
                video["url"] = None
        return document

    def _url(self, job: Job, order: VideoOrder) -> str:
        recipe = VideoRecipe(order.width, order.height, order.seconds, order.audio, order.variant)
        since = job.ended + self._epoch
        folder = f"xai-vidgen-bucket/{job.id}"
        return self._links.link(folder, video_name(recipe), since, job.link_seconds)


def _progress(job: Job, now: float) -> int:
    if not isfinite(job.ended):
        return 1
    return max(1, min(99, int(100 * (now - job.started) / (job.ended - job.started))))
