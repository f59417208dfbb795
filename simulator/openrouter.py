"""OpenRouter: images in the answer, and video jobs.

POST /api/v1/images                        makes images, answered with base64
POST /api/v1/videos                        makes a job
GET  /api/v1/videos/{id}                   shows it
GET  /api/v1/videos/{id}/content?index=0   gives the video, to whoever has the key

A prompt holding the marker `moderation_blocked` is refused when it is sent, with
`moderation_blocked_output` its job fails. Callbacks are sent to loopback only.
"""

import json
import re
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

from simulator.answer import Answer, Incoming
from simulator.endpoint_fields import Problem
from simulator.endpoint_orders import Order, read_order, shrunk
from simulator.faults import Fault
from simulator.hosting import COMPRESSION, Links, file_answer
from simulator.images import VARIANTS, ImageCache, Recipe
from simulator.jobs import JobBook
from simulator.limits import TokenBucket
from simulator.openrouter_jobs import MESSAGES, OpenRouterError, VideoJobs, inputs_of
from simulator.openrouter_models import IMAGES
from simulator.videos import NoEncoder, VideoCache, VideoRecipe

IMAGE: Final = "/api/v1/images"
VIDEO: Final = "/api/v1/videos"
ONE: Final = "/api/v1/videos/{id}"
CONTENT: Final = "/api/v1/videos/{id}/content"

_ONE: Final = re.compile(r"/api/v1/videos/([^/]{1,64})(/content)?")
_OPERATIONS: Final[Mapping[tuple[str, str], str]] = {
    ("POST", VIDEO): "submit",
    ("GET", ONE): "poll",
    ("GET", CONTENT): "file",
    ("HEAD", CONTENT): "file",
}


class OpenRouter:
    """One account of OpenRouter, known by its key."""

    def __init__(self, credential: str, images: ImageCache, videos: VideoCache) -> None:
        self._authorization = f"Bearer {credential}"
        self._requests = TokenBucket(1.0)
        self._images = images
        self._videos = videos
        self._links = Links()
        self._jobs = VideoJobs(credential, self._links)

    @property
    def book(self) -> JobBook:
        """The video jobs of the account."""
        return self._jobs.book

    def serve_at(self, base_url: str) -> None:
        """Learn where the channel listens."""
        self._links.base_url = base_url

    async def close(self) -> None:
        """Stop calling callbacks."""
        await self._jobs.close()

    def route(self, path: str) -> str:
        """Give the path with its id left out, or `(other)`."""
        if path in {IMAGE, VIDEO}:
            return path
        found = _ONE.fullmatch(path)
        if found is None:
            return "(other)"
        return CONTENT if found[2] else ONE

    def operation(self, method: str, path: str) -> str:
        """Say what a call is for."""
        return _OPERATIONS.get((method, self.route(path)), "call")

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy API would."""
        try:
            if incoming.headers.get("authorization", "") != self._authorization:
                raise OpenRouterError(401)
            return await self._answered(incoming)
        except OpenRouterError as error:
            outcome = "moderated" if error.reasons else "error"
            return _refusal(error.status, error.message, outcome, reasons=error.reasons)
        except Problem as problem:
            return _refusal(400, _sentence(problem), "error")

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status; code `moderation` is a 403 with reasons."""
        headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        if fault.status < 400:
            return Answer(fault.status, headers, (b"",), outcome="faulted")
        message = MESSAGES.get(fault.status, "The request could not be completed.")
        reasons = ("violence",) if fault.code == "moderation" else ()
        return _refusal(fault.status, message, "faulted", headers, reasons)

    def failure_event(self, fault: Fault) -> bytes:
        """Give what a stream fails with: there are none here."""
        return self.failure(fault).frames[0]

    def too_large(self, limit: int) -> Answer:
        """Answer 413."""
        return _refusal(413, f"The body is larger than {limit} bytes.", "error")

    async def _answered(self, incoming: Incoming) -> Answer:
        found = _ONE.fullmatch(incoming.path)
        job_id = found[1] if found is not None else ""
        operation = self.operation(incoming.method, incoming.path)
        if operation == "poll":
            return _told(200, self._jobs.show(job_id, incoming), incoming)
        if operation == "file":
            return await self._content(job_id, incoming)
        if incoming.method != "POST" or incoming.path not in {IMAGE, VIDEO}:
            raise OpenRouterError(404)
        self._requests.resize(incoming.knobs.requests_per_minute)
        if not self._requests.take(incoming.now):
            raise OpenRouterError(429)
        if operation == "submit":
            return _told(202, self._jobs.create(incoming), incoming, made=1)
        return await self._drawn(incoming)

    async def _drawn(self, incoming: Incoming) -> Answer:
        name, given = inputs_of(incoming.body, IMAGES)
        order = shrunk(read_order(name, IMAGES[name], given), incoming.knobs)
        if order.refused_at in {"input", "output"}:
            raise OpenRouterError(403, ("violence",))
        count = 0 if incoming.empty == "no_data" else order.count
        items = [await self._item(order, incoming, index) for index in range(count)]
        tokens = {"prompt_tokens": 10, "completion_tokens": 1_000 * order.count}
        usage = {**tokens, "total_tokens": sum(tokens.values()), "cost": 0.04 * order.count}
        document = {"created": int(time.time()), "data": items, "usage": usage}
        return _told(200, document, incoming, made=0 if incoming.empty else order.count)

    async def _item(self, order: Order, incoming: Incoming, index: int) -> dict[str, object]:
        media_type = f"image/{order.image_format}"
        match incoming.empty:
            case "no_image":
                return {"media_type": media_type}
            case "null_image":
                return {"b64_json": None, "media_type": media_type}
        recipe = Recipe(
            width=order.width,
            height=order.height,
            image_format=order.image_format,
            compression=COMPRESSION,
            transparent=False,
            variant=(order.variant + index) % VARIANTS,
        )
        data = await self._images.base64(incoming.knobs.picture(recipe))
        return {"b64_json": data.decode(), "media_type": media_type}

    async def _content(self, job_id: str, incoming: Incoming) -> Answer:
        order = self._jobs.order_of(job_id, incoming)
        if parse_qs(incoming.query).get("index", ["0"]) != ["0"]:
            raise OpenRouterError(404)
        recipe = VideoRecipe(order.width, order.height, order.seconds, order.sound, order.variant)
        try:
            data = await self._videos.mp4(recipe)
        except NoEncoder:
            raise OpenRouterError(501) from None
        return file_answer(data, "video/mp4", incoming.headers.get("range"))


def _sentence(problem: Problem) -> str:
    """Say what is wrong with an input; the words are inferred."""
    match problem.kind:
        case "missing":
            return f"{problem.name} is required"
        case "one_of":
            return f"{problem.name} is not one of the values that the provider supports"
        case _:
            return f"{problem.name} is invalid: {problem.kind}"


def _told(status: int, document: Mapping[str, object], incoming: Incoming, made: int = 0) -> Answer:
    return Answer(
        status=status,
        headers={"content-type": "application/json"},
        frames=(json.dumps(document).encode(),),
        made=made,
        wait_s=incoming.knobs.latency_ms / 1_000,
    )


def _refusal(
    status: int,
    message: str,
    outcome: str,
    headers: Mapping[str, str] | None = None,
    reasons: tuple[str, ...] = (),
) -> Answer:
    error: dict[str, object] = {"code": status, "message": message}
    if reasons:
        error["metadata"] = {"reasons": reasons, "provider_name": "simulated"}
    sent = {**(headers or {}), "content-type": "application/json"}
    body = json.dumps({"error": error, "user_id": "user_simulated"}).encode()
    return Answer(status, sent, (body,), outcome=outcome)
