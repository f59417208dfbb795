"""Ark, as Volcengine Ark and BytePlus ModelArk speak it: Seedream's images and Seedance's tasks.

POST   /api/v3/images/generations                 JSON or a stream; links or base64
POST   /api/v3/contents/generations/tasks         makes a task
GET    /api/v3/contents/generations/tasks         lists tasks
GET    /api/v3/contents/generations/tasks/{id}    shows one
DELETE /api/v3/contents/generations/tasks/{id}    cancels one that is queued, forgets a finished one
GET    /hosted/…                                  results, behind signed links, without a key

A prompt holding the marker `moderation_blocked` is refused when it is sent,
`moderation_blocked_output` when its images or video are done, `moderation_blocked_one` for the
first image of a group only. Callback URLs are called on loopback only.
"""

import json
import time
from typing import Final

from simulator.account import Account
from simulator.answer import Answer, Incoming
from simulator.ark_errors import ArkError, ArkRejected, known, scripted, told
from simulator.ark_fields import Parameters
from simulator.ark_image_request import read_image_request
from simulator.ark_images import ArkImages, is_refused
from simulator.ark_tasks import ArkTasks, new_request_id
from simulator.faults import Fault
from simulator.hosting import PREFIX
from simulator.images import ImageCache
from simulator.jobs import JobBook
from simulator.videos import VideoCache

IMAGES: Final = "/api/v3/images/generations"
TASKS: Final = "/api/v3/contents/generations/tasks"
TASK: Final = f"{TASKS}/{{id}}"
HOSTED: Final = f"{PREFIX}{{file}}"
MAX_TASK_BYTES: Final = 64 << 20

_OPERATIONS: Final = {
    ("POST", TASKS): "submit",
    ("GET", TASKS): "list",
    ("GET", TASK): "poll",
    ("DELETE", TASK): "cancel",
}


class Ark(Account):
    """One account of Ark, known by its API key."""

    def __init__(self, credential: str, images: ImageCache, videos: VideoCache) -> None:
        super().__init__(images, videos)
        self._authorization = f"Bearer {credential}"
        self._images = ArkImages(images, self._shelf.links)
        self._tasks = ArkTasks(self._shelf.links)

    @property
    def book(self) -> JobBook:
        """The tasks of the account."""
        return self._tasks.book

    async def close(self) -> None:
        """Stop calling callbacks."""
        await self._tasks.callbacks.close()

    def route(self, path: str) -> str:
        """Give the path with its id left out, or `(other)`."""
        if path in {IMAGES, TASKS}:
            return path
        if path.startswith(PREFIX):
            return HOSTED
        task_id = path.removeprefix(f"{TASKS}/")
        return TASK if task_id != path and task_id and "/" not in task_id else "(other)"

    def operation(self, method: str, path: str) -> str:
        """Say what a call is for."""
        route = self.route(path)
        return "file" if route == HOSTED else _OPERATIONS.get((method, route), "call")

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy API would."""
        if self.route(incoming.path) == HOSTED:
            return await self._shelf.answer(incoming, time.time())
        request_id = new_request_id()
        try:
            self._authenticate(incoming)
            if self.route(incoming.path) == IMAGES and incoming.method == "POST":
                return await self._draw(incoming, request_id)
            return self._task(incoming, request_id)
        except ArkRejected as rejected:
            outcome = "moderated" if rejected.error.moderated else "error"
            return _refusal(rejected.error, request_id, outcome)

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status."""
        request_id = new_request_id()
        headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        if fault.status < 400:
            # A success, or a redirection to nowhere, that says nothing.
            headers["x-request-id"] = request_id
            return Answer(fault.status, headers, (b"",), outcome="faulted")
        return _refusal(scripted(fault.status, fault.code), request_id, "faulted", headers)

    def failure_event(self, fault: Fault) -> bytes:
        """Give the event with which a stream of images fails half-way."""
        error = scripted(fault.status, fault.code)
        members = {"code": error.code, "message": told(error.message, new_request_id())}
        return b"data: " + json.dumps({"error": members}).encode() + b"\n\n"

    def too_large(self, limit: int) -> Answer:
        """Answer 413."""
        return _refusal(_too_large(limit), new_request_id(), "error")

    def _authenticate(self, incoming: Incoming) -> None:
        if incoming.headers.get("authorization", "") != self._authorization:
            raise ArkRejected(known(401, "AuthenticationError"))

    def _meter(self, incoming: Incoming) -> None:
        """Count what makes something; reading is free."""
        self._requests.resize(incoming.knobs.requests_per_minute)
        if not self._requests.take(incoming.now):
            raise ArkRejected(known(429, "RateLimitExceeded.EndpointRPMExceeded"))

    async def _draw(self, incoming: Incoming, request_id: str) -> Answer:
        self._meter(incoming)
        request = read_image_request(Parameters.parse(incoming.body))
        if request.refused_at == "input":
            raise ArkRejected(known(400, "InputTextSensitiveContentDetected"))
        frames = await self._images.frames(request, incoming, time.time(), request_id)
        refused = sum(is_refused(request, index) for index in range(request.count))
        return Answer(
            status=200,
            headers={
                "content-type": "text/event-stream" if request.stream else "application/json",
                "x-request-id": request_id,
            },
            frames=frames,
            streamed=request.stream,
            outcome="moderated" if refused == request.count else "ok",
            made=0 if incoming.empty else request.count - refused,
            wait_s=incoming.knobs.latency_ms / 1_000,
            interval_s=incoming.knobs.partial_interval_ms / 1_000,
        )

    def _task(self, incoming: Incoming, request_id: str) -> Answer:
        operation = self.operation(incoming.method, incoming.path)
        task_id = incoming.path.rpartition("/")[2]
        match operation:
            case "submit":
                self._meter(incoming)
                if len(incoming.body) > MAX_TASK_BYTES:
                    raise ArkRejected(_too_large(MAX_TASK_BYTES))
                document = self._tasks.create(incoming)
            case "poll":
                document = self._tasks.get(task_id, incoming)
            case "list":
                document = self._tasks.list(incoming)
            case "cancel":
                document = self._tasks.delete(task_id, incoming)
            case _:
                raise ArkRejected(known(404, "ResourceNotFound"))
        return Answer(
            status=200,
            headers={"content-type": "application/json", "x-request-id": request_id},
            frames=(json.dumps(document).encode(),),
            made=int(operation == "submit"),
            wait_s=incoming.knobs.latency_ms / 1_000,
        )


def _too_large(limit: int) -> ArkError:
    return ArkError(413, "RequestEntityTooLarge", f"The body is larger than {limit} bytes.")


def _refusal(
    error: ArkError, request_id: str, outcome: str, headers: dict[str, str] | None = None
) -> Answer:
    sent = {**(headers or {}), "content-type": "application/json", "x-request-id": request_id}
    return Answer(error.status, sent, (error.body(request_id),), outcome=outcome)
