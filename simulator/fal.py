"""fal's queue and Platform API, on one host.

POST /{endpoint id}                                makes a request; ?fal_webhook= is told its end
GET  /{owner}/{app}/requests/{id}/status           where it stands: 202, and 200 once it has ended
GET  /{owner}/{app}/requests/{id}                  its output, or its error with that one's status
PUT  /{owner}/{app}/requests/{id}/cancel           202 while it can be asked for, else 400
GET  /v1/models/requests/by-endpoint               requests of an endpoint, newest first
GET  /.well-known/jwks.json                        the keys that webhooks are signed with
GET  /hosted/…                                     results, behind signed links, without a key

A prompt holding the marker `moderation_blocked` or `moderation_blocked_output` fails once it has
run, `moderation_blocked_one` loses the first of several images. What is listed of a request's input
are words of the protocol and numbers, never texts or files.
"""

import json
import time
from collections.abc import Mapping
from typing import Final

from simulator.account import Account
from simulator.answer import Answer, Incoming
from simulator.fal_endpoints import ENDPOINTS
from simulator.fal_errors import FalError, FalRejected, plain, platform_error, scripted
from simulator.fal_queue import FalQueue, Told, app_of
from simulator.fal_signing import Signer
from simulator.faults import Fault
from simulator.hosting import PREFIX
from simulator.images import ImageCache
from simulator.jobs import JobBook
from simulator.videos import VideoCache, available

LIST: Final = "/v1/models/requests/by-endpoint"
KEYS: Final = "/.well-known/jwks.json"
HOSTED: Final = f"{PREFIX}{{file}}"
_APPS: Final = frozenset(app_of(endpoint) for endpoint in ENDPOINTS)
_OPERATIONS: Final[Mapping[tuple[str, str], str]] = {
    ("GET", ""): "poll",
    ("GET", "/status"): "poll",
    ("PUT", "/cancel"): "cancel",
}


class Fal(Account):
    """One account of fal, known by its key."""

    def __init__(self, credential: str, images: ImageCache, videos: VideoCache) -> None:
        super().__init__(images, videos)
        self._authorization = f"Key {credential}"
        self._signer = Signer()
        self._queue = FalQueue(self._shelf.links, self._signer)

    @property
    def book(self) -> JobBook:
        """The requests of the account."""
        return self._queue.book

    async def close(self) -> None:
        """Stop calling webhooks."""
        await self._queue.callbacks.close()

    def route(self, path: str) -> str:
        """Give the path with ids left out, or `(other)`."""
        if path in {LIST, KEYS} or path.removeprefix("/") in ENDPOINTS:
            return path
        if path.startswith(PREFIX):
            return HOSTED
        app, _, rest = _parts(path)
        return f"/{app}/requests/{{id}}{rest}" if app else "(other)"

    def operation(self, method: str, path: str) -> str:
        """Say what a call is for."""
        if path.startswith(PREFIX):
            return "file"
        if (method, path) == ("GET", LIST):
            return "list"
        if method == "POST" and path.removeprefix("/") in ENDPOINTS:
            return "submit"
        app, _, rest = _parts(path)
        return _OPERATIONS.get((method, rest), "call") if app else "call"

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy API would."""
        if incoming.path.startswith(PREFIX):
            return await self._shelf.answer(incoming, time.time())
        if (incoming.method, incoming.path) == ("GET", KEYS):
            return _told((200, self._signer.key_set(), {}), incoming)
        known = incoming.headers.get("authorization", "") == self._authorization
        if incoming.path == LIST:
            return self._listed(incoming, known=known)
        try:
            if not known:
                raise FalRejected(plain(401))
            return _told(self._asked(incoming), incoming, self._made(incoming))
        except FalRejected as rejected:
            outcome = "moderated" if rejected.error.moderated else "error"
            return _refusal(rejected.error, outcome)

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status."""
        headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        if fault.status < 400:
            # A success, or a redirection to nowhere, that says nothing.
            return Answer(fault.status, headers, (b"",), outcome="faulted")
        return _refusal(scripted(fault.status, fault.code), "faulted", headers)

    def failure_event(self, fault: Fault) -> bytes:
        """Give an event; the simulated queue has no streams."""
        return b"data: " + json.dumps(scripted(fault.status, fault.code).document()).encode()

    def too_large(self, limit: int) -> Answer:
        """Answer 413."""
        del limit
        return _refusal(plain(413), "error")

    def _asked(self, incoming: Incoming) -> Told:
        app, request_id, _ = _parts(incoming.path)
        match self.operation(incoming.method, incoming.path):
            case "submit":
                self._requests.resize(incoming.knobs.requests_per_minute)
                if not self._requests.take(incoming.now):
                    raise FalRejected(plain(429))
                endpoint = incoming.path.removeprefix("/")
                if ENDPOINTS[endpoint].kind == "video" and not available():
                    raise FalRejected(_NO_ENCODER)
                return self._queue.create(endpoint, incoming)
            case "poll" if incoming.path.endswith("/status"):
                return self._queue.status(app, request_id, incoming)
            case "poll":
                return self._queue.result(app, request_id, incoming)
            case "cancel":
                return self._queue.cancel(app, request_id, incoming)
        raise FalRejected(plain(404))

    def _made(self, incoming: Incoming) -> int:
        return int(self.operation(incoming.method, incoming.path) == "submit")

    def _listed(self, incoming: Incoming, *, known: bool) -> Answer:
        headers = {"content-type": "application/json"}
        if not known:
            return Answer(401, headers, (platform_error(401),), outcome="error")
        try:
            document = self._queue.by_endpoint(incoming)
        except ValueError:
            return Answer(400, headers, (platform_error(400),), outcome="error")
        return _told((200, document, {}), incoming)


def _parts(path: str) -> tuple[str, str, str]:
    """Give app, request id and the rest (`/status`, `/cancel` or nothing); empty if it is none."""
    app, found, rest = path.removeprefix("/").partition("/requests/")
    request_id, _, action = rest.partition("/")
    if not found or app not in _APPS or not request_id or action not in {"", "status", "cancel"}:
        return "", "", ""
    return app, request_id, f"/{action}" if action else ""


def _told(told: Told, incoming: Incoming, made: int = 0) -> Answer:
    status, document, headers = told
    return Answer(
        status=status,
        headers={"content-type": "application/json", **headers},
        frames=(json.dumps(document).encode(),),
        made=made,
        wait_s=incoming.knobs.latency_ms / 1_000,
    )


def _refusal(error: FalError, outcome: str, headers: Mapping[str, str] | None = None) -> Answer:
    known = {"content-type": "application/json", **error.headers(), **(headers or {})}
    return Answer(error.status, known, (json.dumps(error.document()).encode(),), outcome=outcome)


_NO_ENCODER: Final = FalError(
    501, "This simulator cannot make videos: PyAV is missing. Install it with 'reapi[demo]'."
)
