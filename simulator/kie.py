"""kie.ai: tasks of many providers' models, and Veo by calls of its own.

POST /api/v1/jobs/createTask             makes a task
GET  /api/v1/jobs/recordInfo?taskId=     shows it
POST /api/v1/veo/generate                makes a task of Veo
GET  /api/v1/veo/record-info?taskId=     shows it
GET  /api/v1/chat/credit                 tells the balance
GET  /hosted/…                           results, behind signed links

Errors are answered with HTTP 200 and their `code` in the body, also wrong inputs, whose code is
500; only what is in front of the API answers otherwise: a caller whose User-Agent is no browser's
gets its bare 403. A `status` fault is such a code in a 200, with code `http` also the HTTP status,
with code `robot` the bare 403. A prompt holding the marker `moderation_blocked` or
`moderation_blocked_output` fails once it has run.
"""

import json
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

from simulator.account import Account
from simulator.answer import Answer, Incoming
from simulator.endpoint_fields import Problem
from simulator.faults import Fault
from simulator.hosting import PREFIX
from simulator.images import ImageCache
from simulator.jobs import JobBook
from simulator.kie_tasks import MESSAGES, KieError, Tasks
from simulator.videos import VideoCache

CREATE: Final = "/api/v1/jobs/createTask"
SHOW: Final = "/api/v1/jobs/recordInfo"
VEO_CREATE: Final = "/api/v1/veo/generate"
VEO_SHOW: Final = "/api/v1/veo/record-info"
CREDIT: Final = "/api/v1/chat/credit"
HOSTED: Final = f"{PREFIX}{{file}}"
ROBOT: Final = b"error code: 1010"

_OPERATIONS: Final[Mapping[tuple[str, str], str]] = {
    ("POST", CREATE): "submit",
    ("POST", VEO_CREATE): "submit",
    ("GET", SHOW): "poll",
    ("GET", VEO_SHOW): "poll",
}


class Kie(Account):
    """One account of kie.ai, known by its key."""

    def __init__(self, credential: str, images: ImageCache, videos: VideoCache) -> None:
        super().__init__(images, videos)
        self._authorization = f"Bearer {credential}"
        self._tasks = Tasks(self._shelf.links)

    @property
    def book(self) -> JobBook:
        """The tasks of the account."""
        return self._tasks.book

    async def close(self) -> None:
        """Stop calling callbacks."""
        await self._tasks.close()

    def route(self, path: str) -> str:
        """Give a path of the protocol, or `(other)`."""
        if path.startswith(PREFIX):
            return HOSTED
        return path if path in {CREATE, SHOW, VEO_CREATE, VEO_SHOW, CREDIT} else "(other)"

    def operation(self, method: str, path: str) -> str:
        """Say what a call is for."""
        route = self.route(path)
        return "file" if route == HOSTED else _OPERATIONS.get((method, route), "call")

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy API would."""
        route = self.route(incoming.path)
        if route == HOSTED:
            return await self._shelf.answer(incoming, time.time())
        if not incoming.headers.get("user-agent", "").startswith("Mozilla/5.0 "):
            return Answer(403, {"content-type": "text/plain"}, (ROBOT,), outcome="error")
        operation = self.operation(incoming.method, incoming.path)
        try:
            if incoming.headers.get("authorization", "") != self._authorization:
                raise KieError(401)
            data = self._data(incoming, route, operation)
        except KieError as error:
            return _coded(error.code, error.message, "error")
        except Problem as problem:
            return _coded(500, _sentence(problem), "error")
        document = {"code": 200, "msg": "success", "data": data}
        return Answer(
            status=200,
            headers={"content-type": "application/json"},
            frames=(json.dumps(document).encode(),),
            made=int(operation == "submit"),
            wait_s=incoming.knobs.latency_ms / 1_000,
        )

    def failure(self, fault: Fault) -> Answer:
        """Give the code of the scripted status, in an HTTP 200 but for code `http`."""
        headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        if fault.status < 400:
            return Answer(fault.status, headers, (b"",), outcome="faulted")
        if fault.code == "robot":
            return Answer(403, {"content-type": "text/plain"}, (ROBOT,), outcome="faulted")
        message = MESSAGES.get(fault.status, "The request could not be completed.")
        status = fault.status if fault.code == "http" else 200
        return _coded(fault.status, message, "faulted", status, headers)

    def failure_event(self, fault: Fault) -> bytes:
        """Give what a stream fails with: there are none."""
        return self.failure(fault).frames[0]

    def too_large(self, limit: int) -> Answer:
        """Answer 413."""
        return _coded(413, f"The body is larger than {limit} bytes.", "error", 413)

    def _data(self, incoming: Incoming, route: str, operation: str) -> object:
        task_id = parse_qs(incoming.query).get("taskId", [""])[0]
        if operation == "submit":
            self._requests.resize(incoming.knobs.requests_per_minute)
            if not self._requests.take(incoming.now):
                raise KieError(429)
            create = self._tasks.create if route == CREATE else self._tasks.create_veo
            return create(incoming)
        if operation == "poll":
            show = self._tasks.show if route == SHOW else self._tasks.show_veo
            return show(task_id, incoming)
        if (incoming.method, route) == ("GET", CREDIT):
            return 1_000
        raise KieError(404)


def _sentence(problem: Problem) -> str:
    """Say what is wrong with an input, in the words that were seen."""
    match problem.kind:
        case "missing":
            return f"{problem.name} This field is required"
        case "wrong_type":
            return f"{problem.name} it must be a {problem.limit}"
        case "one_of":
            return f"{problem.name} is not within the range of allowed options"
        case _:
            return f"{problem.name} is invalid"


def _coded(
    code: int, message: str, outcome: str, status: int = 200, headers: dict[str, str] | None = None
) -> Answer:
    sent = {**(headers or {}), "content-type": "application/json"}
    body = json.dumps({"code": code, "msg": message, "data": None}).encode()
    return Answer(status, sent, (body,), outcome=outcome)
