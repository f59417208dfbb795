"""Vidu, as its own API speaks it: the videos of Q3.

POST /ent/v2/text2video, img2video, start-end2video, reference2video   make a task
GET  /ent/v2/tasks/{id}/creations                                      shows one
GET  /ent/v2/tasks                                                     lists tasks
POST /ent/v2/tasks/{id}/cancel                                         cancels one that is queued
GET  /ent/v2/credits                                                   shows the balance
GET  /hosted/…                                                         results, behind signed links

The key comes as `Authorization: Token …`. A prompt holding the marker `moderation_blocked` is
refused when it is sent, `moderation_blocked_output` when its video is done. Callback URLs are
called on loopback only, with signed headers. `payload` is shown wherever a task is.
"""

import json
import time
from typing import Final

from simulator.account import Account
from simulator.answer import Answer, Incoming
from simulator.faults import Fault
from simulator.hosting import PREFIX
from simulator.images import ImageCache
from simulator.jobs import JobBook
from simulator.videos import VideoCache
from simulator.vidu_errors import POLICY, ViduError, ViduRejected, known, scripted
from simulator.vidu_request import ENDPOINTS
from simulator.vidu_tasks import ViduTasks

BASE: Final = "/ent/v2"
TASKS: Final = f"{BASE}/tasks"
CREATIONS: Final = f"{TASKS}/{{id}}/creations"
CANCEL: Final = f"{TASKS}/{{id}}/cancel"
CREDITS: Final = f"{BASE}/credits"
HOSTED: Final = f"{PREFIX}{{file}}"
# A body is at most 20 MB on the newer pages.
MAX_BODY_BYTES: Final = 20 << 20

_OPERATIONS: Final = {
    **{("POST", f"{BASE}/{kind}"): "submit" for kind in ENDPOINTS},
    ("GET", TASKS): "list",
    ("GET", CREATIONS): "poll",
    ("POST", CANCEL): "cancel",
}


class Vidu(Account):
    """One account of Vidu, known by its API key."""

    def __init__(self, credential: str, images: ImageCache, videos: VideoCache) -> None:
        super().__init__(images, videos)
        self._authorization = f"Token {credential}"
        self._tasks = ViduTasks(credential, self._shelf.links)

    @property
    def book(self) -> JobBook:
        """The tasks of the account."""
        return self._tasks.book

    async def close(self) -> None:
        """Stop calling callbacks."""
        await self._tasks.callbacks.close()

    def route(self, path: str) -> str:
        """Give the path with its id left out, or `(other)`."""
        if path.startswith(PREFIX):
            return HOSTED
        if path in {TASKS, CREDITS} or ("POST", path) in _OPERATIONS:
            return path
        match path.removeprefix(f"{TASKS}/").split("/"):
            case [task_id, ("creations" | "cancel") as what] if task_id and path.startswith(TASKS):
                return CREATIONS if what == "creations" else CANCEL
        return "(other)"

    def operation(self, method: str, path: str) -> str:
        """Say what a call is for."""
        route = self.route(path)
        return "file" if route == HOSTED else _OPERATIONS.get((method, route), "call")

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy API would."""
        if self.route(incoming.path) == HOSTED:
            return await self._shelf.answer(incoming, time.time())
        try:
            return self._answer(incoming)
        except ViduRejected as rejected:
            moderated = rejected.error.reason in POLICY
            return _refusal(rejected.error, "moderated" if moderated else "error")

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status."""
        headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        if fault.status < 400:
            # A success, or a redirection to nowhere, that says nothing.
            return Answer(fault.status, headers, (b"",), outcome="faulted")
        return _refusal(scripted(fault.status, fault.code), "faulted", headers)

    def failure_event(self, fault: Fault) -> bytes:
        """Give the error's body: nothing here is a stream."""
        return scripted(fault.status, fault.code).body()

    def too_large(self, limit: int) -> Answer:
        """Answer 413; the reason is inferred."""
        return _refusal(_too_large(limit), "error")

    def _answer(self, incoming: Incoming) -> Answer:
        if incoming.headers.get("authorization", "") != self._authorization:
            raise known("Unauthorized")
        operation = self.operation(incoming.method, incoming.path)
        *_, task_id, last = incoming.path.split("/")
        match operation:
            case "submit":
                document = self._submit(last, incoming)
            case "poll":
                document = self._tasks.get(task_id, incoming)
            case "list":
                document = self._tasks.list(incoming)
            case "cancel":
                document = self._tasks.cancel(task_id, incoming)
            case _ if (incoming.method, incoming.path) == ("GET", CREDITS):
                document = self._tasks.credits(incoming)
            case _:
                raise known("NotFound")
        return Answer(
            status=200,
            headers={"content-type": "application/json"},
            frames=(json.dumps(document).encode(),),
            made=int(operation == "submit"),
            wait_s=incoming.knobs.latency_ms / 1_000,
        )

    def _submit(self, kind: str, incoming: Incoming) -> dict[str, object]:
        # Only what makes something is counted; reading is free.
        self._requests.resize(incoming.knobs.requests_per_minute)
        if not self._requests.take(incoming.now):
            raise known("TooManyRequests")
        if len(incoming.body) > MAX_BODY_BYTES:
            raise ViduRejected(_too_large(MAX_BODY_BYTES))
        return self._tasks.create(kind, incoming)


def _too_large(limit: int) -> ViduError:
    return ViduError(413, "BadRequest", f"the body is larger than {limit} bytes")


def _refusal(error: ViduError, outcome: str, headers: dict[str, str] | None = None) -> Answer:
    sent = {**(headers or {}), "content-type": "application/json"}
    return Answer(error.status, sent, (error.body(),), outcome=outcome)
