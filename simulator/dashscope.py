"""DashScope, as Alibaba's Model Studio (Bailian) speaks it: HappyHorse's videos, and Vidu's.

POST /api/v1/services/aigc/video-generation/video-synthesis   makes a task
GET  /api/v1/tasks/{id}                                       shows one
GET  /api/v1/tasks/                                           lists those of a day
POST /api/v1/tasks/{id}/cancel                                cancels one that is PENDING
GET  /hosted/…                                                results, behind signed links, no key

A channel is an account of one region: another region's key is not known to it. A prompt holding the
marker `moderation_blocked` is refused when it is sent, `moderation_blocked_output` when its video
is done. `GET /_jobs` shows of a task whether it asked for the watermark, which is the default.
"""

import json
import time
from typing import Final
from uuid import uuid4

from simulator.account import Account
from simulator.answer import Answer, Incoming
from simulator.dashscope_errors import (
    DashScopeError,
    DashScopeRejected,
    known,
    scripted,
    synchronous,
)
from simulator.dashscope_tasks import DashScopeTasks
from simulator.faults import Fault
from simulator.hosting import PREFIX
from simulator.images import ImageCache
from simulator.jobs import JobBook
from simulator.videos import VideoCache

SYNTHESIS: Final = "/api/v1/services/aigc/video-generation/video-synthesis"
TASKS: Final = "/api/v1/tasks"
TASK: Final = f"{TASKS}/{{id}}"
CANCEL: Final = f"{TASK}/cancel"
HOSTED: Final = f"{PREFIX}{{file}}"
MAX_TASK_BYTES: Final = 64 << 20

_OPERATIONS: Final = {
    ("POST", SYNTHESIS): "submit",
    ("GET", TASKS): "list",
    ("GET", TASK): "poll",
    ("POST", CANCEL): "cancel",
}


class DashScope(Account):
    """One account of Model Studio in one region, known by its API key."""

    def __init__(self, credential: str, images: ImageCache, videos: VideoCache) -> None:
        super().__init__(images, videos)
        self._authorization = f"Bearer {credential}"
        self._tasks = DashScopeTasks(self._shelf.links)

    @property
    def book(self) -> JobBook:
        """The tasks of the account."""
        return self._tasks.book

    def route(self, path: str) -> str:
        """Give the path with its id left out, or `(other)`."""
        if path == SYNTHESIS:
            return path
        if path.startswith(PREFIX):
            return HOSTED
        # The SDK puts a slash behind some paths, and DashScope does not mind.
        match path.removesuffix("/").removeprefix(TASKS).split("/"):
            case [""] if path.startswith(TASKS):
                return TASKS
            case ["", task_id] if task_id and path.startswith(TASKS):
                return TASK
            case ["", task_id, "cancel"] if task_id and path.startswith(TASKS):
                return CANCEL
        return "(other)"

    def operation(self, method: str, path: str) -> str:
        """Say what a call is for."""
        route = self.route(path)
        return "file" if route == HOSTED else _OPERATIONS.get((method, route), "call")

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy API would."""
        if self.route(incoming.path) == HOSTED:
            return await self._shelf.answer(incoming, time.time())
        request_id = str(uuid4())
        try:
            return self._answer(incoming, request_id)
        except DashScopeRejected as rejected:
            outcome = "moderated" if rejected.error.moderated else "error"
            return _refusal(rejected.error, request_id, outcome)

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status."""
        headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        if fault.status < 400:
            # A success, or a redirection to nowhere, that says nothing.
            return Answer(fault.status, headers, (b"",), outcome="faulted")
        error = scripted(fault.status, fault.code)
        return _refusal(error, str(uuid4()), "faulted", headers)

    def failure_event(self, fault: Fault) -> bytes:
        """Give the error's body: nothing here is a stream."""
        return scripted(fault.status, fault.code).body(str(uuid4()))

    def too_large(self, limit: int) -> Answer:
        """Answer 413."""
        del limit
        return _refusal(known(413, "BadRequest.TooLarge").error, str(uuid4()), "error")

    def _answer(self, incoming: Incoming, request_id: str) -> Answer:
        if incoming.headers.get("authorization", "") != self._authorization:
            raise known(401, "InvalidApiKey")
        operation = self.operation(incoming.method, incoming.path)
        task_id = incoming.path.removeprefix(f"{TASKS}/").partition("/")[0]
        match operation:
            case "submit":
                document = self._submit(incoming, request_id)
            case "poll":
                document = self._tasks.get(task_id, incoming)
            case "list":
                document = self._tasks.list(incoming)
            case "cancel":
                document = self._tasks.cancel(task_id, incoming)
            case _:
                raise known(404, "NotFound")
        return Answer(
            status=200,
            headers={"content-type": "application/json"},
            frames=(json.dumps({"request_id": request_id, **document}).encode(),),
            made=int(operation == "submit"),
            wait_s=incoming.knobs.latency_ms / 1_000,
        )

    def _submit(self, incoming: Incoming, request_id: str) -> dict[str, object]:
        if incoming.headers.get("x-dashscope-async", "") != "enable":
            raise synchronous()
        # Only what makes something is counted; reading is free.
        self._requests.resize(incoming.knobs.requests_per_minute)
        if not self._requests.take(incoming.now):
            raise known(429, "Throttling.RateQuota")
        if len(incoming.body) > MAX_TASK_BYTES:
            raise known(413, "BadRequest.TooLarge")
        return self._tasks.create(incoming, request_id)


def _refusal(
    error: DashScopeError, request_id: str, outcome: str, headers: dict[str, str] | None = None
) -> Answer:
    sent = {**(headers or {}), "content-type": "application/json"}
    return Answer(error.status, sent, (error.body(request_id),), outcome=outcome)
