"""Replicate's API of predictions, for official models.

POST /v1/models/{owner}/{name}/predictions    makes a prediction; `Prefer: wait` waits for its end
POST /v1/predictions                          the same; `version` is the model's name
GET  /v1/predictions                          lists predictions, newest first, by cursor
GET  /v1/predictions/{id}                     shows one
POST /v1/predictions/{id}/cancel              cancels one
GET  /v1/webhooks/default/secret              what webhooks are signed with
GET  /hosted/…                                results for an hour, behind signed links

A prompt holding the marker `moderation_blocked` or `moderation_blocked_output` fails with E005 once
it has run, `moderation_blocked_one` loses the first of several images.
"""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from typing import Final

from simulator.account import Account
from simulator.answer import Answer, Incoming
from simulator.faults import Fault
from simulator.hosting import PREFIX
from simulator.images import ImageCache
from simulator.jobs import Job, JobBook
from simulator.replicate_errors import ReplicateError, ReplicateRejected, plain, throttled
from simulator.replicate_models import MODELS
from simulator.replicate_predictions import Predictions
from simulator.replicate_signing import Signer
from simulator.videos import VideoCache, available

ALL: Final = "/v1/predictions"
ONE: Final = f"{ALL}/{{id}}"
CANCEL: Final = f"{ONE}/cancel"
SIGNING: Final = "/v1/webhooks/default/secret"
HOSTED: Final = f"{PREFIX}{{file}}"
LONGEST_WAIT: Final = 60.0

_MODEL: Final = re.compile(r"/v1/models/([a-z0-9-]+/[a-z0-9.-]+)/predictions")
_ONE: Final = re.compile(r"/v1/predictions/([a-z0-9]{1,64})(/cancel)?")
_WAIT: Final = re.compile(r"wait(?:=([0-9]{1,2}))?")
_OPERATIONS: Final[Mapping[tuple[str, str], str]] = {
    ("POST", ALL): "submit",
    ("GET", ALL): "list",
    ("GET", ONE): "poll",
    ("POST", CANCEL): "cancel",
}


class Replicate(Account):
    """One account of Replicate, known by its token."""

    def __init__(self, credential: str, images: ImageCache, videos: VideoCache) -> None:
        super().__init__(images, videos)
        self._authorization = f"Bearer {credential}"
        self._signer = Signer()
        self._predictions = Predictions(self._shelf.links, self._signer)

    @property
    def book(self) -> JobBook:
        """The predictions of the account."""
        return self._predictions.book

    async def close(self) -> None:
        """Stop calling webhooks."""
        await self._predictions.callbacks.close()

    def route(self, path: str) -> str:
        """Give the path with ids left out, or `(other)`."""
        if path in {ALL, SIGNING} or _model_of(path):
            return path
        if path.startswith(PREFIX):
            return HOSTED
        found = _ONE.fullmatch(path)
        if found is None:
            return "(other)"
        return CANCEL if found[2] else ONE

    def operation(self, method: str, path: str) -> str:
        """Say what a call is for."""
        route = self.route(path)
        if route == HOSTED:
            return "file"
        if method == "POST" and _model_of(path):
            return "submit"
        return _OPERATIONS.get((method, route), "call")

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy API would."""
        if incoming.path.startswith(PREFIX):
            return await self._shelf.answer(incoming, time.time())
        try:
            if incoming.headers.get("authorization", "") != self._authorization:
                raise ReplicateRejected(plain(401))
            if self.operation(incoming.method, incoming.path) == "submit":
                return await self._created(incoming)
            return _told(200, self._asked(incoming), incoming)
        except ReplicateRejected as rejected:
            return _refusal(rejected.error, "error")

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status."""
        headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        if fault.status < 400:
            # A success, or a redirection to nowhere, that says nothing.
            return Answer(fault.status, headers, (b"",), outcome="faulted")
        error = throttled(fault.retry_after or 5) if fault.status == 429 else plain(fault.status)
        return _refusal(error, "faulted", headers)

    def failure_event(self, fault: Fault) -> bytes:
        """Give an event; simulated predictions are not streamed."""
        return b"event: error\ndata: " + plain(fault.status).body() + b"\n\n"

    def too_large(self, limit: int) -> Answer:
        """Answer 413."""
        del limit
        return _refusal(plain(413), "error")

    async def _created(self, incoming: Incoming) -> Answer:
        self._requests.resize(incoming.knobs.requests_per_minute)
        if not self._requests.take(incoming.now):
            raise ReplicateRejected(throttled(max(1, round(self._requests.reset_after(1.0)))))
        given = _object(incoming.body)
        model = _model_of(incoming.path) or str(given.get("version", ""))
        if model not in MODELS:
            raise ReplicateRejected(plain(404 if _model_of(incoming.path) else 422))
        if MODELS[model].kind == "video" and not available():
            raise ReplicateRejected(_NO_ENCODER)
        job = self._predictions.create(model, given, incoming)
        await _rest(job, incoming)
        shown = self._predictions.view(job, time.monotonic())
        return _told(201, _without_id(shown, incoming.empty), incoming, made=1)

    def _asked(self, incoming: Incoming) -> dict[str, object]:
        found = _ONE.fullmatch(incoming.path)
        prediction_id = found[1] if found else ""
        match self.operation(incoming.method, incoming.path):
            case "list":
                return self._predictions.list(incoming)
            case "poll":
                job = self._predictions.find(prediction_id)
                return self._predictions.view(job, incoming.now, incoming.empty)
            case "cancel":
                job = self._predictions.cancel(prediction_id, incoming.now)
                return self._predictions.view(job, incoming.now)
        if (incoming.method, incoming.path) == ("GET", SIGNING):
            return {"key": self._signer.secret}
        raise ReplicateRejected(plain(404))


async def _rest(job: Job, incoming: Incoming) -> None:
    """Hold the answer until the end of the job, if that was asked for."""
    wait = _WAIT.fullmatch(incoming.headers.get("prefer", ""))
    if wait is None:
        return
    longest = min(float(wait[1] or LONGEST_WAIT), LONGEST_WAIT)
    await asyncio.sleep(max(0.0, min(job.ended - incoming.now, longest)))


def _model_of(path: str) -> str:
    """Give the model whose predictions a path leads to, empty if it is none that is known."""
    found = _MODEL.fullmatch(path)
    return found[1] if found is not None and found[1] in MODELS else ""


def _object(body: bytes) -> Mapping[str, object]:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        # `from None`: the decoder's error carries the whole text.
        raise ReplicateRejected(plain(400)) from None
    if not isinstance(values, dict):
        raise ReplicateRejected(plain(400))
    return values


def _told(status: int, document: Mapping[str, object], incoming: Incoming, made: int = 0) -> Answer:
    return Answer(
        status=status,
        headers={"content-type": "application/json"},
        frames=(json.dumps(document).encode(),),
        made=made,
        wait_s=incoming.knobs.latency_ms / 1_000,
    )


def _refusal(
    error: ReplicateError, outcome: str, headers: Mapping[str, str] | None = None
) -> Answer:
    known = {"content-type": "application/problem+json", **error.headers(), **(headers or {})}
    return Answer(error.status, known, (error.body(),), outcome=outcome)


def _without_id(shown: dict[str, object], variant: str | None) -> dict[str, object]:
    """Give a success that does not say which prediction it made."""
    match variant:
        case None:
            return shown
        case "no_image":
            return shown | {"id": ""}
        case "null_image":
            return shown | {"id": None}
    return {"status": shown["status"]}


_NO_ENCODER: Final = ReplicateError(
    501, "This simulator cannot make videos: PyAV is missing. Install it with 'reapi[demo]'."
)
