"""Topaz Labs' video API: an order, its acceptance, an upload, a job, a link.

POST   /video/                        makes a request: free, with an estimate
PATCH  /video/{id}/accept             reserves the credits, tells where to put the file
PUT    /upload/{id}/{part}            takes the file, behind a signed link and without a key
PATCH  /video/{id}/complete-upload/   starts the job
GET    /video/{id}/status             shows it, with a fresh link when it is complete
DELETE /video/{id}                    cancels it, and refunds what was not done
GET    /video/history                 lists requests with what they really cost
GET    /video/status                  tells whether the service is up
GET    /hosted/…                      results, behind signed links

The upload is another host's at Topaz; here it is the same port. Faults meet it as operation
`file`, `accept` and `complete-upload` as `call`. A file that is not what the order said of it
fails its job, with a full refund. Webhooks (bodies are not documented, so inferred) are sent to
loopback only.
"""

import asyncio
import json
import re
import time
from typing import Final

from simulator.account import Account
from simulator.answer import Answer, Incoming
from simulator.asked import Asked, Unacceptable
from simulator.faults import Fault
from simulator.hosting import PREFIX, LinkRefused
from simulator.images import ImageCache
from simulator.jobs import JobBook
from simulator.topaz_jobs import MESSAGES, TopazError, TopazJobs
from simulator.topaz_request import look_at
from simulator.videos import VideoCache

CREATE: Final = "/video/"
HISTORY: Final = "/video/history"
HEALTH: Final = "/video/status"
ACCEPT: Final = "/video/{id}/accept"
COMPLETE: Final = "/video/{id}/complete-upload/"
STATUS: Final = "/video/{id}/status"
ONE: Final = "/video/{id}"
UPLOAD: Final = "/upload/{file}"
HOSTED: Final = f"{PREFIX}{{file}}"

_ONE: Final = re.compile(r"/video/([^/]+)(/accept|/complete-upload/|/status)?")
_UPLOAD: Final = re.compile(r"/upload/([^/]+)/([0-9]+)")
_OPERATIONS: Final = {
    ("POST", CREATE): "submit",
    ("GET", STATUS): "poll",
    ("GET", HISTORY): "list",
    ("DELETE", ONE): "cancel",
    ("PUT", UPLOAD): "file",
    ("GET", HOSTED): "file",
    ("HEAD", HOSTED): "file",
}


class Topaz(Account):
    """One account of Topaz, known by its API key."""

    def __init__(self, credential: str, images: ImageCache, videos: VideoCache) -> None:
        super().__init__(images, videos)
        self._key = credential
        self._jobs = TopazJobs(self._shelf.links)

    @property
    def book(self) -> JobBook:
        """The jobs that were started: what is not accepted is none."""
        return self._jobs.book

    async def close(self) -> None:
        """Stop calling webhooks."""
        await self._jobs.callbacks.close()

    def route(self, path: str) -> str:
        """Give the path with its id left out, or `(other)`."""
        if path in {CREATE, HISTORY, HEALTH}:
            return path
        if path.startswith(PREFIX):
            return HOSTED
        if _UPLOAD.fullmatch(path):
            return UPLOAD
        found = _ONE.fullmatch(path)
        return f"/video/{{id}}{found[2] or ''}" if found is not None else "(other)"

    def operation(self, method: str, path: str) -> str:
        """Say what a call is for."""
        return _OPERATIONS.get((method, self.route(path)), "call")

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy API would."""
        route = self.route(incoming.path)
        if route == HOSTED:
            return await self._shelf.answer(incoming, time.time())
        if route == UPLOAD:
            return await self._put(incoming)
        try:
            if incoming.headers.get("x-api-key", "") != self._key:
                raise TopazError(401)
            status, document = self._said(incoming, route)
        except TopazError as error:
            return _refusal(error.status, error.message, "error")
        except Unacceptable as wrong:
            return _refusal(400, f"Invalid input: {wrong.field} {wrong.why}", "error")
        return Answer(
            status=status,
            headers={"content-type": "application/json"},
            frames=(b"" if document is None else json.dumps(document).encode(),),
            made=int(route == COMPLETE),
            wait_s=incoming.knobs.latency_ms / 1_000,
        )

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status."""
        if fault.status < 400:
            return Answer(fault.status, {}, (b"",), outcome="faulted")
        message = MESSAGES.get(fault.status, "The request could not be completed.")
        headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        return _refusal(fault.status, message, "faulted", headers)

    def failure_event(self, fault: Fault) -> bytes:
        """Give what a stream fails with: there are none."""
        return self.failure(fault).frames[0]

    def too_large(self, limit: int) -> Answer:
        """Answer 413."""
        return _refusal(413, f"The body is larger than {limit} bytes.", "error")

    def _said(self, incoming: Incoming, route: str) -> tuple[int, dict[str, object] | None]:
        found = _ONE.fullmatch(incoming.path)
        job_id = found[1] if found is not None else ""
        match incoming.method, route:
            case "POST", "/video/":
                self._requests.resize(incoming.knobs.requests_per_minute)
                if not self._requests.take(incoming.now):
                    raise TopazError(429)
                return 200, self._jobs.create(Asked.parse(incoming.body), incoming)
            case "PATCH", "/video/{id}/accept":
                return 202, self._jobs.accept(job_id, incoming)
            case "PATCH", "/video/{id}/complete-upload/":
                return 202, self._jobs.complete(job_id, Asked.parse(incoming.body), incoming)
            case "GET", "/video/{id}/status":
                return 200, self._jobs.status(job_id, incoming)
            case "GET", "/video/history":
                return 200, self._jobs.history(incoming)
            case "GET", "/video/status":
                return 200, {"isAvailable": True, "availabilityMessage": "", "supportedModels": []}
            case "DELETE", "/video/{id}":
                said = self._jobs.cancel(job_id, incoming)
                return (204, None) if said is None else (200, said)
        raise TopazError(404)

    async def _put(self, incoming: Incoming) -> Answer:
        """Take a file, as an object store does."""
        found = _UPLOAD.fullmatch(incoming.path)
        assert found is not None
        try:
            if incoming.method != "PUT":
                raise LinkRefused(405, "MethodNotAllowed")
            self._jobs.check_upload(incoming.path, incoming.query, time.time())
            film = await asyncio.to_thread(look_at, incoming.body)
            etag = self._jobs.uploaded(found[1], incoming.body, film)
        except LinkRefused as refused:
            return refused.answer()
        return Answer(200, {"etag": f'"{etag}"'}, (b"",))


def _refusal(
    status: int, message: str, outcome: str, headers: dict[str, str] | None = None
) -> Answer:
    sent = {**(headers or {}), "content-type": "application/json"}
    return Answer(status, sent, (json.dumps({"message": message}).encode(),), outcome=outcome)
