"""Recraft: images, as links or in the answer.

POST /v1/images/generations    JSON, as OpenAI's
GET  /hosted/…                 results, behind signed links, without a key

A prompt holding the marker `moderation_blocked` is refused when it is sent. Errors of a request
are JSON with `code` and `message`, whose words are inferred; a wrong token and a wrong path are
answered in plain text. A `status` fault's `code` `moderated` or `not_enough_credits` picks another
error.
"""

import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from uuid import uuid4

from simulator.account import Account
from simulator.answer import Answer, Incoming
from simulator.endpoint_fields import Problem
from simulator.endpoint_orders import Order, outputs, read_order, shrunk
from simulator.faults import Fault
from simulator.hosting import COMPRESSION, PREFIX
from simulator.images import VARIANTS, ImageCache, Recipe
from simulator.jobs import JobBook
from simulator.recraft_model import MODELS
from simulator.videos import VideoCache

IMAGES: Final = "/v1/images/generations"
HOSTED: Final = f"{PREFIX}{{file}}"

_PLAIN: Final = {401: "request unauthorized", 404: "404 page not found"}
_MESSAGES: Final = {
    "invalid_body": "the body is not a JSON object",
    "invalid_model": "unknown model",
    "moderated": "the prompt does not pass moderation",
    "not_enough_credits": "not enough API units",
    "rate_limit_exceeded": "too many requests",
}


class RecraftError(Exception):
    """A call is refused: an HTTP status, and a code; never a value of the caller."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.message = message or _MESSAGES.get(code, HTTPStatus(status).phrase.lower())


class Recraft(Account):
    """One account of Recraft, known by its token."""

    def __init__(self, credential: str, images: ImageCache, videos: VideoCache) -> None:
        super().__init__(images, videos)
        self._authorization = f"Bearer {credential}"
        self._images = images
        self.book = JobBook()

    def route(self, path: str) -> str:
        """Give the path with its file left out, or `(other)`."""
        if path.startswith(PREFIX):
            return HOSTED
        return path if path == IMAGES else "(other)"

    def operation(self, method: str, path: str) -> str:
        """Say what a call is for: there are no jobs."""
        del method
        return "file" if path.startswith(PREFIX) else "call"

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy API would."""
        if incoming.path.startswith(PREFIX):
            return await self._shelf.answer(incoming, time.time())
        try:
            return await self._drawn(incoming)
        except RecraftError as error:
            return _refusal(error, "moderated" if error.code == "moderated" else "error")
        except Problem as problem:
            message = f"{problem.name}: {problem.kind.replace('_', ' ')}"
            return _refusal(RecraftError(400, "invalid_request_parameter", message), "error")

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status."""
        headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        if fault.status < 400:
            return Answer(fault.status, headers, (b"",), outcome="faulted")
        code = fault.code or ("rate_limit_exceeded" if fault.status == 429 else "internal_error")
        message = _MESSAGES.get(code, "the request failed")
        return _refusal(RecraftError(fault.status, code, message), "faulted", headers)

    def failure_event(self, fault: Fault) -> bytes:
        """Give what a stream fails with: there are none here."""
        return self.failure(fault).frames[0]

    def too_large(self, limit: int) -> Answer:
        """Answer 413."""
        message = f"the body is larger than {limit} bytes"
        return _refusal(RecraftError(413, "too_large", message), "error")

    async def _drawn(self, incoming: Incoming) -> Answer:
        if incoming.headers.get("authorization", "") != self._authorization:
            raise RecraftError(401)
        if (incoming.method, incoming.path) != ("POST", IMAGES):
            raise RecraftError(404)
        self._requests.resize(incoming.knobs.requests_per_minute)
        if not self._requests.take(incoming.now):
            raise RecraftError(429, "rate_limit_exceeded")
        order, is_inline = _order(incoming)
        if order.refused_at in {"input", "output"}:
            raise RecraftError(400, "moderated")
        count = 0 if incoming.empty == "no_data" else order.count
        if is_inline:
            items = [{"b64_json": await self._picture(order, index)} for index in range(count)]
        else:
            folder, since = f"inner/{uuid4().hex}", time.time()
            files = outputs(order, self._shelf.links, folder, since, incoming.knobs.link_seconds)
            items = [{"url": file.url} for file in files[:count]]
        kind = "b64_json" if is_inline else "url"
        data: list[Mapping[str, str | None]] = [*items]
        if incoming.empty in {"no_image", "null_image"}:
            data = [{} if incoming.empty == "no_image" else {kind: None} for _ in items]
        document = {"created": int(time.time()), "credits": 40 * order.count, "data": data}
        return Answer(
            status=200,
            headers={"content-type": "application/json"},
            frames=(json.dumps(document).encode(),),
            made=0 if incoming.empty else order.count,
            wait_s=incoming.knobs.latency_ms / 1_000,
        )

    async def _picture(self, order: Order, index: int) -> str:
        recipe = Recipe(
            width=order.width,
            height=order.height,
            image_format=order.image_format,
            compression=COMPRESSION,
            transparent=False,
            variant=(order.variant + index) % VARIANTS,
        )
        return (await self._images.base64(recipe)).decode()


def _order(incoming: Incoming) -> tuple[Order, bool]:
    """Read what is wanted, and whether in the answer itself."""
    try:
        body = json.loads(incoming.body)
    except (ValueError, RecursionError):
        # `from None`: the decoder's error carries the whole text.
        raise RecraftError(400, "invalid_body") from None
    if not isinstance(body, dict):
        raise RecraftError(400, "invalid_body")
    name = body.get("model", "recraftv3")
    endpoint = MODELS.get(name) if isinstance(name, str) else None
    if endpoint is None:
        raise RecraftError(400, "invalid_model")
    order = shrunk(read_order(name, endpoint, body), incoming.knobs)
    return order, body.get("response_format") == "b64_json"


def _refusal(error: RecraftError, outcome: str, headers: Mapping[str, str] | None = None) -> Answer:
    if error.status in _PLAIN:
        kind, body = "text/plain", _PLAIN[error.status].encode()
    else:
        kind = "application/json"
        body = json.dumps({"code": error.code, "message": error.message}).encode()
    return Answer(error.status, {**(headers or {}), "content-type": kind}, (body,), outcome=outcome)
