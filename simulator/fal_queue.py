"""fal's queue: requests made, looked at, read, cancelled, and listed by the Platform API.

Facts: providers.md 8.1. That a pending status is answered with 202 is inferred, as is that inputs
are checked by the app, when it runs: the queue takes whatever JSON it is sent.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf
from typing import Final
from urllib.parse import parse_qs
from uuid import uuid4

from simulator.answer import Incoming
from simulator.ark_fields import MAX_URL_CHARS, is_web_url
from simulator.callbacks import Callbacks
from simulator.endpoint_fields import Problem
from simulator.endpoint_orders import Order, outputs, read_order, shrunk
from simulator.fal_endpoints import ENDPOINTS
from simulator.fal_errors import FalError, FalRejected, input_error, model_error, named, plain
from simulator.fal_signing import Signer
from simulator.hosting import Links
from simulator.jobs import Job, JobBook, TooManyJobs

MAX_PAGE: Final = 100
_NAMESPACES: Final = frozenset({"workflows", "comfy"})

Told = tuple[int, Mapping[str, object], Mapping[str, str]]
"""An answer: HTTP status, JSON, headers."""


@dataclass(frozen=True, slots=True)
class Request:
    """What one request asks for: an order, or why it will be refused."""

    endpoint: str
    order: Order | None
    error: FalError | None
    shown: Mapping[str, object] = field(repr=False)
    gateway_id: str = field(default_factory=lambda: str(uuid4()))


class FalQueue:
    """The requests of one account."""

    def __init__(self, links: Links, signer: Signer) -> None:
        self.book = JobBook()
        self.callbacks = Callbacks(self._webhook, signer.headers)
        self._links = links
        # Jobs live by the monotonic clock; what is shown of them, by the calendar.
        self._epoch = time.time() - time.monotonic()

    def create(self, endpoint: str, incoming: Incoming) -> Told:
        """Take a request in; raises FalRejected."""
        if endpoint not in ENDPOINTS:
            raise FalRejected(plain(404))
        request = _read(endpoint, _object(incoming.body), incoming)
        webhook = parse_qs(incoming.query).get("fal_webhook", [""])[0]
        job = Job(
            id=str(uuid4()),
            order=request,
            marks={"seed": request.order.seed if request.order else None},
            submitted=incoming.now,
            expires=inf,
        )
        fault = incoming.job_fault
        failed = request.error
        if fault is not None and fault.fails_job:
            failed = named(fault.code or "internal_server_error")
        if failed is not None:
            job.order = replace(request, error=failed)
            job.error = failed.kind, ""
        try:
            self.book.submit(job, incoming.knobs, fault)
        except TooManyJobs:  # the real queue takes without limit
            raise FalRejected(plain(429)) from None
        if len(webhook) <= MAX_URL_CHARS and is_web_url(webhook):
            self.callbacks.watch(job, webhook)
        return 200, _without_id(self._told(job, incoming.now), incoming.empty), {}

    def status(self, app: str, request_id: str, incoming: Incoming) -> Told:
        """Tell where a request stands; raises FalRejected."""
        job = self._found(app, request_id)
        told = self._told(job, incoming.now)
        return (200 if told["status"] == "COMPLETED" else 202), told, {}

    def result(self, app: str, request_id: str, incoming: Incoming) -> Told:
        """Give the output, or the error's own status; raises FalRejected."""
        job = self._found(app, request_id)
        request = _request(job)
        match job.status(incoming.now):
            case "queued" | "running":
                raise FalRejected(FalError(400, "Request is still in progress"))
            case "cancelled":
                raise FalRejected(named("client_cancelled"))
            case "failed" if request.error is not None:
                raise FalRejected(request.error)
        return 200, self._output(job, incoming.empty), {"x-fal-billable-units": "1"}

    def cancel(self, app: str, request_id: str, incoming: Incoming) -> Told:
        """Ask for a cancellation: what is queued is stopped, what runs goes on."""
        job = self._found(app, request_id)
        match job.status(incoming.now):
            case "queued":
                job.cancelled_at = incoming.now
            case "running":
                pass
            case _:
                return 400, {"status": "ALREADY_COMPLETED"}, {}
        return 202, {"status": "CANCELLATION_REQUESTED"}, {}

    def by_endpoint(self, incoming: Incoming) -> dict[str, object]:
        """List requests, newest first, as the Platform API does: by endpoint, a page at a time.

        Cursors are numbers of requests to pass over. Raises ValueError of a wrong parameter.
        """
        query = parse_qs(incoming.query)
        wanted = {one for value in query.get("endpoint_id", ()) for one in value.split(",")}
        limit, passed = int(query.get("limit", ["50"])[0]), int(query.get("cursor", ["0"])[0])
        if not wanted or not 1 <= limit <= MAX_PAGE or passed < 0:
            raise ValueError
        jobs = [job for job in self.book.newest_first() if _request(job).endpoint in wanted]
        if incoming.empty:
            jobs = []
        page = jobs[passed : passed + limit]
        more = passed + limit < len(jobs)
        expanded = "payloads" in query.get("expand", [""])[0].split(",")
        return {
            "items": [self._item(job, incoming.now, expanded=expanded) for job in page],
            "has_more": more,
            "next_cursor": str(passed + limit) if more else None,
        }

    def _found(self, app: str, request_id: str) -> Job:
        job = self.book.find(request_id)
        if job is None or app_of(_request(job).endpoint) != app:
            raise FalRejected(FalError(404, "Request not found"))
        return job

    def _told(self, job: Job, now: float) -> dict[str, object]:
        request = _request(job)
        url = f"{self._links.base_url}/{app_of(request.endpoint)}/requests/{job.id}"
        told: dict[str, object] = {
            "request_id": job.id,
            "gateway_request_id": request.gateway_id,
            "response_url": url,
            "status_url": f"{url}/status",
            "cancel_url": f"{url}/cancel",
        }
        match job.status(now):
            case "queued":
                return {"status": "IN_QUEUE", "queue_position": 0, **told}
            case "running":
                return {"status": "IN_PROGRESS", "logs": None, **told}
            case "cancelled":
                end: dict[str, object] = {
                    "error": "Request was cancelled",
                    "error_type": "client_cancelled",
                }
                return {"status": "COMPLETED", "logs": None, **end, **told}
        end = {"metrics": {"inference_time": round(job.ended - job.started, 3)}}
        if request.error is not None and request.error.error_type:
            end |= {"error": request.error.detail, "error_type": request.error.error_type}
        return {"status": "COMPLETED", "logs": None, **end, **told}

    def _output(self, job: Job, empty: str | None) -> dict[str, object]:
        order = _request(job).order
        assert order is not None
        folder, since = f"files/{job.id}", job.ended + self._epoch
        made = [
            {
                "url": each.url,
                "content_type": each.content_type,
                "file_name": each.url.partition("?")[0].rpartition("/")[2],
                "file_size": None,
                "width": each.width,
                "height": each.height,
            }
            for each in outputs(order, self._links, folder, since, job.link_seconds)
        ]
        match empty:
            case "no_data":
                made = []
            case "no_image":
                made = [{} for _ in made]
            case "null_image":
                made = [each | {"url": None} for each in made]
        seed = {} if order.seed is None else {"seed": order.seed}
        if order.kind == "video":
            return {
                "video": {**made[0], "duration": float(order.seconds)} if made else None,
                **seed,
            }
        return {"images": made, "description": "", **seed}

    def _item(self, job: Job, now: float, *, expanded: bool) -> dict[str, object]:
        request, status = _request(job), job.status(now)
        ended = job.since(now) if status not in {"queued", "running"} else None
        item: dict[str, object] = {
            "request_id": job.id,
            "endpoint_id": request.endpoint,
            "sent_at": self._date(job.submitted),
            "started_at": self._date(job.started) if now >= job.started else None,
            "ended_at": None if ended is None else self._date(ended),
            "status_code": None if ended is None else getattr(request.error, "status", 200),
        }
        return item | {"json_input": dict(request.shown)} if expanded else item

    def _webhook(self, job: Job, now: float) -> bytes | None:
        """Give what is posted: of requests that have ended."""
        match job.status(now):
            case "succeeded":
                status, payload = "OK", self._output(job, None)
            case "failed":
                error = _request(job).error
                assert error is not None
                status, payload = "ERROR", error.document()
            case _:
                return None
        ids = {"request_id": job.id, "gateway_request_id": _request(job).gateway_id}
        return json.dumps({**ids, "status": status, "payload": payload}).encode()

    def _date(self, moment: float) -> str:
        return datetime.fromtimestamp(moment + self._epoch, UTC).isoformat().replace("+00:00", "Z")


def app_of(endpoint: str) -> str:
    """Give the first two parts of an endpoint's id, three of some: its requests stand below."""
    parts = endpoint.split("/")
    return "/".join(parts[: 3 if parts[0] in _NAMESPACES else 2])


def _read(endpoint: str, given: Mapping[str, object], incoming: Incoming) -> Request:
    known = ENDPOINTS[endpoint]
    try:
        order = shrunk(read_order(endpoint, known, given), incoming.knobs)
    except Problem as problem:
        return Request(endpoint, None, input_error(problem), {})
    single = order.refused_at == "one" and order.count == 1
    if order.refused_at in {"input", "output"} or single:
        return Request(endpoint, order, model_error("content_policy_violation"), order.shown)
    return Request(endpoint, order, None, order.shown)


def _object(body: bytes) -> Mapping[str, object]:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        # `from None`: the decoder's error carries the whole text.
        raise FalRejected(plain(422)) from None
    if not isinstance(values, dict):
        raise FalRejected(plain(422))
    return values


def _request(job: Job) -> Request:
    assert isinstance(job.order, Request)
    return job.order


def _without_id(told: dict[str, object], variant: str | None) -> dict[str, object]:
    """Give a success that does not say which request it made."""
    match variant:
        case None:
            return told
        case "no_image":
            return told | {"request_id": ""}
        case "null_image":
            return told | {"request_id": None}
    return {"status": "IN_QUEUE"}
