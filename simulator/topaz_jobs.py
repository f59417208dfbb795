"""Topaz' requests: made, accepted, uploaded, started, cancelled; and what each cost.

Facts: Topaz' OpenAPI file, Video API 1.0.0; refusals in a wrong state are inferred.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import md5
from typing import Final
from uuid import uuid4

from simulator.answer import Incoming
from simulator.asked import Asked
from simulator.callbacks import Callbacks
from simulator.faults import Fault
from simulator.hosting import LinkRefused, Links, video_name
from simulator.images import VARIANTS
from simulator.jobs import Job, JobBook, TooManyJobs
from simulator.topaz_request import EnhanceOrder, Film, read_request
from simulator.videos import VideoRecipe, available

KEPT: Final = 10_000
# Four hours, Topaz' limit for a job.
LASTS: Final = 14_400.0
UPLOAD_SECONDS: Final = 86_400
MESSAGES: Final[Mapping[int, str]] = {
    400: "Invalid input",
    401: "Unauthorized",
    402: "Insufficient credits",
    403: "Forbidden",
    404: "Not Found",
    409: "The request is not in a state that allows this",
    429: "Too many requests",
    500: "Internal Server Error",
    501: "This simulator cannot make videos: PyAV is missing. pip install 'reapi[demo]'",
    503: "Service Unavailable",
}
_STATUSES: Final = {
    "queued": "initializing",
    "running": "processing",
    "succeeded": "complete",
    "failed": "failed",
    "expired": "failed",
    "cancelled": "canceled",
}
_DIFFERENT: Final = ("INVALID_INPUT", "The uploaded file does not match the request.")
_FAILED: Final = ("INTERNAL", "Processing failed. Credits have been refunded.")


class TopazError(Exception):
    """A call is refused with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
        self.message = MESSAGES[status]


@dataclass(slots=True)
class Request:
    """One request; `job` is there once it was started."""

    id: str
    order: EnhanceOrder
    made_at: float
    fault: Fault | None
    is_accepted: bool = False
    is_cancelled: bool = False
    etag: str = ""
    size: int = 0
    film: Film | None = None
    job: Job | None = None
    # (operation, credits), as the history tells them.
    transactions: list[tuple[str, int]] = field(default_factory=list)


class TopazJobs:
    """The requests of one account. Methods answer with the JSON document of a success."""

    def __init__(self, links: Links) -> None:
        self.book = JobBook()
        self.callbacks = Callbacks(self._told)
        self._links = links
        self._requests: OrderedDict[str, Request] = OrderedDict()
        self._epoch = time.time() - time.monotonic()

    def create(self, asked: Asked, incoming: Incoming) -> dict[str, object]:
        """Make a request; raises TopazError and Unacceptable."""
        if not available():
            raise TopazError(501)
        order = read_request(asked)
        request = Request(str(uuid4()), order, incoming.now, incoming.job_fault)
        self._requests[request.id] = request
        if len(self._requests) > KEPT:
            self._requests.popitem(last=False)
        shown: dict[str, object] = {"requestId": request.id, "estimates": _estimates(order)}
        match incoming.empty:
            case "no_data":
                return {}
            case "no_image":
                return {**shown, "requestId": ""}
            case "null_image":
                return {**shown, "requestId": None}
        return shown

    def accept(self, request_id: str, incoming: Incoming) -> dict[str, object]:
        """Reserve the credits."""
        request = self._found(request_id)
        if request.is_accepted or request.is_cancelled:
            raise TopazError(409)
        request.is_accepted = True
        request.transactions.append(("reserve", request.order.cost[0]))
        name = "1"
        now = incoming.now + self._epoch
        url = self._links.link(request.id, name, now, UPLOAD_SECONDS)
        urls: list[object] = [url.replace("/hosted/", "/upload/", 1)]
        match incoming.empty:
            case "no_data":
                return {}
            case "no_image":
                urls = []
            case "null_image":
                urls = [None]
        return {"uploadId": uuid4().hex, "urls": urls}

    def check_upload(self, path: str, query: str, now: float) -> None:
        """Check the signature of an upload's link; raises LinkRefused."""
        self._links.open(path.replace("/upload/", "/hosted/", 1), query, now)

    def uploaded(self, request_id: str, data: bytes, film: Film | None) -> str:
        """Note what was uploaded, and give its ETag; again is allowed until the job starts."""
        request = self._requests.get(request_id)
        if request is None or request.job is not None:
            raise LinkRefused(404, "NoSuchKey")
        request.film, request.size = film, len(data)
        request.etag = md5(data, usedforsecurity=False).hexdigest()
        return request.etag

    def complete(self, request_id: str, asked: Asked, incoming: Incoming) -> dict[str, object]:
        """Start the job."""
        request = self._found(request_id)
        if not request.is_accepted or request.is_cancelled or request.job is not None:
            raise TopazError(409)
        parts = asked.objects("uploadResults")
        if len(parts) != 1 or parts[0].integer("partNum", 1, 1) != 1:
            raise asked.wrong("uploadResults", "must name every part")
        if not request.etag or parts[0].text("eTag", 64).strip('"') != request.etag:
            raise asked.wrong("uploadResults[0].eTag", "is not that of the part")
        job = Job(
            id=request.id,
            order=request.order,
            marks={},
            submitted=incoming.now,
            expires=incoming.now + LASTS,
        )
        film, said = request.film, request.order
        if film is None or request.size != said.size or not film.resembles(said.film):
            job.error = _DIFFERENT
        elif request.fault is not None and request.fault.fails_job:
            job.error = (request.fault.code or _FAILED[0], _FAILED[1])
        try:
            self.book.submit(job, incoming.knobs, request.fault)
        except TooManyJobs:
            raise TopazError(429) from None
        request.job = job
        if said.webhook_url is not None:
            self.callbacks.watch(job, said.webhook_url)
        return {"message": "Processing has been queued"}

    def status(self, request_id: str, incoming: Incoming) -> dict[str, object]:
        """Show where a request stands."""
        request = self._found(request_id)
        shown = self._view(request, incoming.now)
        match incoming.empty if "download" in shown else None:
            case "no_data":
                del shown["download"]
            case "no_image":
                shown["download"] = {}
            case "null_image":
                shown["download"] = {"url": None}
        return shown

    def cancel(self, request_id: str, incoming: Incoming) -> dict[str, object] | None:
        """Stop a request; None if that was asked before."""
        request, job = self._found(request_id), self._found(request_id).job
        if request.is_cancelled:
            return None
        if job is not None:
            if job.status(incoming.now) not in {"queued", "running"}:
                raise TopazError(409)
            job.cancelled_at = incoming.now
        request.is_cancelled = True
        return {"message": "Cancellation in progress. Partial credits have been refunded."}

    def history(self, incoming: Incoming) -> dict[str, object]:
        """List the requests, newest first, with what was reserved, committed and given back."""
        newest = list(reversed(self._requests.values()))[:50]
        return {"result": [self._line(one, incoming.now) for one in newest], "nextCursor": None}

    def _found(self, request_id: str) -> Request:
        request = self._requests.get(request_id)
        if request is None:
            raise TopazError(404)
        return request

    def _stands(self, request: Request, now: float) -> str:
        if request.job is not None:
            return _STATUSES[request.job.status(now)]
        if request.is_cancelled:
            return "canceled"
        return "accepted" if request.is_accepted else "requested"

    def _view(self, request: Request, now: float) -> dict[str, object]:
        status, job = self._stands(request, now), request.job
        shown: dict[str, object] = {
            "status": status,
            "progress": _progress(job, now),
            "estimates": _estimates(request.order),
            "message": status.capitalize(),
        }
        if status == "complete":
            assert job is not None
            seconds = job.link_seconds
            wall = now + self._epoch
            shown["download"] = {
                "url": self._links.link(f"topaz/{job.id}", _result(request), wall, seconds),
                "expiresIn": seconds * 1_000,
                "expiresAt": int((wall + seconds) * 1_000),
            }
        elif status == "failed" and job is not None and job.error is not None:
            shown["errorCode"], shown["message"] = job.error
        return shown

    def _line(self, request: Request, now: float) -> dict[str, object]:
        status, cost = self._stands(request, now), request.order.cost[0]
        told = list(request.transactions)
        if told and status == "complete":
            told.append(("commit", cost))
        elif told and status == "canceled":
            done = cost * _progress(request.job, now) // 100
            told += [("commit", done), ("rollback", 0)] if done else [("rollback", cost)]
        elif told and status == "failed":
            told.append(("rollback", cost))
        return {
            "id": request.id,
            "status": status,
            "ts": {"requested": int((request.made_at + self._epoch) * 1_000)},
            "estimates": _estimates(request.order),
            "transactions": [{"operation": what, "amount": amount} for what, amount in told],
        }

    def _told(self, job: Job, now: float) -> bytes:
        return json.dumps({"requestId": job.id, "status": _STATUSES[job.status(now)]}).encode()


def _estimates(order: EnhanceOrder) -> dict[str, list[int]]:
    low, high = order.cost
    return {"cost": [low, high], "time": [low * 6, high * 6]}


def _progress(job: Job | None, now: float) -> int:
    if job is None or now <= job.started:
        return 0
    until = min(now, job.cancelled_at or now)
    if until >= job.ended:
        return 100
    return int(100 * (until - job.started) / (job.ended - job.started))


def _result(request: Request) -> str:
    """Give the name of the enhanced video: as long as the file was, and with even sides."""
    order, film = request.order, request.film
    assert film is not None
    recipe = VideoRecipe(
        width=max(2, order.width - order.width % 2),
        height=max(2, order.height - order.height % 2),
        seconds=max(1, round(film.seconds)),
        audio=film.has_audio and order.keeps_audio,
        variant=int(request.etag[:4], 16) % VARIANTS,
    )
    return video_name(recipe)
