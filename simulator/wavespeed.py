"""WaveSpeed: predictions of many providers' models.

POST   /api/v3/{model_id}?webhook=…           makes a prediction
GET    /api/v3/predictions/{id}/result        shows it
DELETE /api/v3/predictions/{id}               deletes it
GET    /api/v3/webhook/secret                 what webhooks are signed with
POST   /api/v3/media/uploads                  is known, and refused: nothing is kept here
GET    /hosted/…                              results, behind signed links

A prompt holding the marker `moderation_blocked` or `moderation_blocked_output` fails with 1200 once
it has run; one with `moderation_blocked_one` is made, and flagged in `has_nsfw_contents`. Webhooks
are sent to loopback only.
"""

import json
import re
import time
from typing import Final
from urllib.parse import parse_qs

from simulator.account import Account
from simulator.answer import Answer, Incoming
from simulator.endpoint_fields import Problem
from simulator.faults import Fault
from simulator.hosting import PREFIX
from simulator.images import ImageCache
from simulator.jobs import JobBook
from simulator.videos import VideoCache
from simulator.wavespeed_models import MODELS
from simulator.wavespeed_predictions import MESSAGES, Predictions, WaveSpeedError

BASE: Final = "/api/v3/"
RESULT: Final = "/api/v3/predictions/{id}/result"
ONE: Final = "/api/v3/predictions/{id}"
SIGNING: Final = "/api/v3/webhook/secret"
HOSTED: Final = f"{PREFIX}{{file}}"

_PREDICTION: Final = re.compile(r"/api/v3/predictions/([^/]{1,64})(/result)?")


class WaveSpeed(Account):
    """One account of WaveSpeed, known by its key."""

    def __init__(self, credential: str, images: ImageCache, videos: VideoCache) -> None:
        super().__init__(images, videos)
        self._authorization = f"Bearer {credential}"
        self._predictions = Predictions(self._shelf.links)

    @property
    def book(self) -> JobBook:
        """The predictions of the account."""
        return self._predictions.book

    async def close(self) -> None:
        """Stop calling webhooks."""
        await self._predictions.close()

    def route(self, path: str) -> str:
        """Give the path with its id left out, or `(other)`."""
        if path.startswith(PREFIX):
            return HOSTED
        if path == SIGNING or path.removeprefix(BASE) in MODELS:
            return path
        found = _PREDICTION.fullmatch(path)
        if found is None:
            return "(other)"
        return RESULT if found[2] else ONE

    def operation(self, method: str, path: str) -> str:
        """Say what a call is for."""
        route = self.route(path)
        match method, route:
            case _, "/hosted/{file}":
                return "file"
            case "GET", "/api/v3/predictions/{id}/result":
                return "poll"
            case "DELETE", "/api/v3/predictions/{id}":
                return "cancel"
        return "submit" if method == "POST" and route.removeprefix(BASE) in MODELS else "call"

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy API would."""
        if self.route(incoming.path) == HOSTED:
            return await self._shelf.answer(incoming, time.time())
        operation = self.operation(incoming.method, incoming.path)
        try:
            if incoming.headers.get("authorization", "") != self._authorization:
                raise WaveSpeedError(401)
            data = self._data(operation, incoming)
        except WaveSpeedError as error:
            return _refusal(error.status, error.message, "error")
        except Problem as problem:
            return _refusal(400, _sentence(problem), "error")
        document = {"code": 200, "message": "success", "data": data}
        return Answer(
            status=200,
            headers={"content-type": "application/json"},
            frames=(json.dumps(document).encode(),),
            made=int(operation == "submit"),
            wait_s=incoming.knobs.latency_ms / 1_000,
        )

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status; code `low_balance` is a 403 about money."""
        headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        if fault.status < 400:
            return Answer(fault.status, headers, (b"",), outcome="faulted")
        message = MESSAGES.get(fault.status, "The request could not be completed.")
        if fault.code == "low_balance":
            message = MESSAGES[402]
        return _refusal(fault.status, message, "faulted", headers)

    def failure_event(self, fault: Fault) -> bytes:
        """Give what a stream fails with: there are none."""
        return self.failure(fault).frames[0]

    def too_large(self, limit: int) -> Answer:
        """Answer 413."""
        return _refusal(413, f"The body is larger than {limit} bytes.", "error")

    def _data(self, operation: str, incoming: Incoming) -> object:
        found = _PREDICTION.fullmatch(incoming.path)
        prediction_id = found[1] if found is not None else ""
        match operation:
            case "submit":
                self._requests.resize(incoming.knobs.requests_per_minute)
                if not self._requests.take(incoming.now):
                    raise WaveSpeedError(429)
                webhook = parse_qs(incoming.query).get("webhook", [None])[0]
                return self._predictions.create(incoming.path.removeprefix(BASE), webhook, incoming)
            case "poll":
                return self._predictions.result(prediction_id, incoming)
            case "cancel":
                self._predictions.delete(prediction_id)
                return None
        if (incoming.method, incoming.path) == ("GET", SIGNING):
            return {"secret": self._predictions.secret}
        raise WaveSpeedError(404)


def _sentence(problem: Problem) -> str:
    """Say what is wrong with an input; the words are inferred."""
    match problem.kind:
        case "missing":
            return f"{problem.name} is required"
        case "one_of":
            return f"{problem.name} is not one of the allowed values"
        case _:
            return f"{problem.name} is invalid: {problem.kind}"


def _refusal(
    status: int, message: str, outcome: str, headers: dict[str, str] | None = None
) -> Answer:
    sent = {**(headers or {}), "content-type": "application/json"}
    body = json.dumps({"code": status, "message": message}).encode()
    return Answer(status, sent, (body,), outcome=outcome)
