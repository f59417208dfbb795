"""OpenAI's images protocol: POST /v1/images/generations and POST /v1/images/edits.

Answers as api.openai.com does: the same fields, refusals, headers, usage and stream events. A
prompt holding the marker `moderation_blocked` is refused by the safety system at its input
stage, one holding `moderation_blocked_output` at its output stage (in a stream: after the
previews). Edits are multipart only.
"""

import json
import time
from dataclasses import replace
from typing import Final
from uuid import uuid4

from simulator.answer import Answer, Incoming
from simulator.faults import Fault
from simulator.images import ImageCache, Recipe, variant_of
from simulator.limits import TokenBucket, go_duration
from simulator.multipart import FormError, boundary_of, parse_form
from simulator.openai_answers import Usage, body, completed_event, image_members, partial_event
from simulator.openai_errors import (
    NO_KEY,
    NOT_JSON,
    RATE_LIMITED,
    WRONG_KEY,
    ApiError,
    Rejected,
    invalid,
    masked,
    moderated,
    scripted,
)
from simulator.openai_fields import Fields
from simulator.openai_request import ImageRequest, edit_fields, read_request

GENERATIONS: Final = "/v1/images/generations"
EDITS: Final = "/v1/images/edits"

_TOKENS_PER_MINUTE: Final = 1_000_000_000
# Statuses that Cloudflare, not the API, answers: an HTML page.
_EDGE_STATUSES: Final = frozenset({502, 504, 520, 521, 522, 523, 524})
_EDGE_PAGE: Final = (
    b"<html>\r\n<head><title>%d</title></head>\r\n<body>\r\n<center><h1>%d</h1></center>\r\n"
    b"<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
)


class OpenAIImages:
    """The images API of one OpenAI organisation, known by its key."""

    def __init__(self, credential: str, images: ImageCache) -> None:
        self._authorization = f"Bearer {credential}"
        self._images = images
        self._requests = TokenBucket(1.0)
        self._tokens = TokenBucket(_TOKENS_PER_MINUTE)

    def route(self, path: str) -> str:
        """Give one of the two paths, or `(other)`."""
        return path if path in {GENERATIONS, EDITS} else "(other)"

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy API would."""
        request_id = _new_request_id()
        started = time.perf_counter()
        try:
            request = self._accepted(incoming)
        except Rejected as rejected:
            return self._refusal(rejected.error, request_id, incoming.now)
        if request.refused_at == "input":
            return self._refusal(moderated("input", request_id), request_id, incoming.now)
        if request.refused_at == "output" and not request.stream:
            refusal = self._refusal(moderated("output", request_id), request_id, incoming.now)
            return replace(refusal, wait_s=incoming.knobs.latency_ms / 1_000)
        frames = await self._frames(request, incoming, request_id)
        headers = self._headers(request_id)
        waited = incoming.knobs.latency_ms / 1_000
        headers["openai-processing-ms"] = str(
            round((time.perf_counter() - started + waited) * 1_000)
        )
        headers["content-type"] = "text/event-stream" if request.stream else "application/json"
        blocked = request.refused_at is not None
        return Answer(
            status=200,
            headers=headers,
            frames=frames,
            streamed=request.stream,
            outcome="moderated" if blocked else "ok",
            made=0 if blocked or incoming.empty else request.n,
            wait_s=waited,
            interval_s=incoming.knobs.partial_interval_ms / 1_000,
        )

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status, with the headers the API sends along."""
        request_id = _new_request_id()
        if fault.status in _EDGE_STATUSES:
            page = _EDGE_PAGE % (fault.status, fault.status)
            return Answer(fault.status, {"content-type": "text/html"}, (page,), outcome="faulted")
        headers = self._headers(request_id)
        if fault.status < 400:
            # A success, or a redirection to nowhere, that says nothing.
            return Answer(fault.status, headers, (b"",), outcome="faulted")
        error = scripted(fault.status, fault.code, request_id)
        retry_after = fault.retry_after
        if error.code == "rate_limit_exceeded":
            headers["x-ratelimit-remaining-requests"] = "0"
            # Out of money has no delay after which a retry would help; too fast has one.
            retry_after = 1 if retry_after is None else retry_after
        if retry_after is not None:
            headers["retry-after"] = str(retry_after)
            headers["retry-after-ms"] = str(retry_after * 1_000)
        return _answered(error, headers, "faulted")

    def failure_event(self, fault: Fault) -> bytes:
        """Give the error event of a stream that fails half-way."""
        return scripted(fault.status, fault.code, _new_request_id()).event()

    def too_large(self, limit: int) -> Answer:
        """Answer 413."""
        error = ApiError(413, f"Maximum content size limit ({limit}) exceeded", "server_error")
        return _answered(error, self._headers(_new_request_id()), "error")

    def _accepted(self, incoming: Incoming) -> ImageRequest:
        """Check a request in the API's order: URL, key, rate, media type, body."""
        if self.route(incoming.path) == "(other)" or incoming.method != "POST":
            shown = f"{incoming.method} {incoming.path}"[:200]
            raise Rejected(ApiError(404, f"Invalid URL ({shown})"))
        self._authenticate(incoming)
        self._meter(incoming)
        content_type = incoming.headers.get("content-type", "")
        if incoming.path == EDITS:
            _expect(content_type, "multipart/form-data")
            try:
                parts = parse_form(incoming.body, boundary_of(content_type))
                fields, images = edit_fields(parts)
            except FormError:
                raise invalid("Could not parse multipart form", None, None) from None
            return read_request(fields, images, edit=True)
        _expect(content_type, "application/json")
        return read_request(_json_fields(incoming.body), (), edit=False)

    def _authenticate(self, incoming: Incoming) -> None:
        authorization = incoming.headers.get("authorization", "")
        if authorization == self._authorization:
            return
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Rejected(ApiError(401, NO_KEY))
        message = WRONG_KEY.format(key=masked(key.strip()))
        raise Rejected(ApiError(401, message, code="invalid_api_key"))

    def _meter(self, incoming: Incoming) -> None:
        limit = incoming.knobs.requests_per_minute
        self._requests.resize(limit)
        if not self._requests.take(incoming.now):
            wait = go_duration(self._requests.reset_after(1.0))
            message = RATE_LIMITED.format(limit=limit, wait=wait)
            raise Rejected(ApiError(429, message, "requests", code="rate_limit_exceeded"))

    def _refusal(self, error: ApiError, request_id: str, now: float) -> Answer:
        headers = self._headers(request_id)
        if error.status == 429:
            self._requests.take(now, 0.0)
            wait = self._requests.reset_after(1.0)
            headers["retry-after"] = str(max(1, round(wait)))
            headers["retry-after-ms"] = str(max(1, round(wait * 1_000)))
        outcome = "moderated" if error.code == "moderation_blocked" else "error"
        return _answered(error, headers, outcome)

    def _headers(self, request_id: str) -> dict[str, str]:
        requests, tokens = self._requests, self._tokens
        return {
            "x-request-id": request_id,
            "server": "cloudflare",
            "openai-version": "2020-10-01",
            "openai-organization": "org-simulator",
            "openai-processing-ms": "1",
            "x-ratelimit-limit-requests": str(round(requests.per_minute)),
            "x-ratelimit-remaining-requests": str(requests.remaining()),
            "x-ratelimit-reset-requests": go_duration(requests.reset_after()),
            "x-ratelimit-limit-tokens": str(_TOKENS_PER_MINUTE),
            "x-ratelimit-remaining-tokens": str(tokens.remaining()),
            "x-ratelimit-reset-tokens": go_duration(tokens.reset_after()),
        }

    async def _frames(
        self, request: ImageRequest, incoming: Incoming, request_id: str
    ) -> tuple[bytes, ...]:
        """Give the body, or the events, of a successful answer."""
        usage = Usage(request)
        self._tokens.take(incoming.now, min(usage.total, self._tokens.remaining()))
        if not request.stream:
            count = 0 if incoming.empty == "no_data" else request.n
            images = [await self._drawn(request, incoming, index) for index in range(count)]
            items = [image_members(image, incoming.empty) for image in images]
            return (body(request, items, usage),)
        family = b"image_edit" if incoming.path == EDITS else b"image_generation"
        events: list[bytes] = []
        for index in range(request.n):
            for preview in range(request.partial_images):
                blur = request.partial_images - preview
                image = await self._drawn(request, incoming, index, blur)
                events.append(partial_event(family, request, image, preview))
            if request.refused_at == "output":
                events.append(moderated("output", request_id).event())
                break
            if incoming.empty != "no_data":
                image = await self._drawn(request, incoming, index)
                members = image_members(image, incoming.empty)
                events.append(completed_event(family, request, members, usage.of_image(index)))
        return tuple(events)

    async def _drawn(
        self, request: ImageRequest, incoming: Incoming, index: int, blur: int = 0
    ) -> bytes:
        recipe = Recipe(
            width=request.width,
            height=request.height,
            image_format=request.output_format,
            compression=request.compression,
            transparent=request.transparent,
            variant=variant_of(request.fingerprint, index),
            blur=blur,
        )
        return await self._images.base64(incoming.knobs.picture(recipe))


def _expect(content_type: str, expected: str) -> None:
    sent = content_type.partition(";")[0].strip().lower()
    if sent != expected:
        shown = sent[:100]
        message = (
            f"Unsupported content type: '{shown}'. This API method only accepts '{expected}' "
            f"requests, but you specified the header 'Content-Type: {shown}'. Please try again "
            "with a supported content type."
        )
        raise Rejected(ApiError(415, message, code="unsupported_content_type"))


def _json_fields(body: bytes) -> Fields:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        # `from None`: the decoder's error carries the whole text.
        raise invalid(NOT_JSON, None, None) from None
    if not isinstance(values, dict):
        raise invalid(NOT_JSON, None, None)
    return Fields(values, from_form=False)


def _answered(error: ApiError, headers: dict[str, str], outcome: str) -> Answer:
    headers["content-type"] = "application/json"
    return Answer(error.status, headers, (error.body(),), outcome=outcome)


def _new_request_id() -> str:
    return f"req_{uuid4().hex}"
