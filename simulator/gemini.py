"""Google's generateContent for image models, plain and streamed, at each of its addresses.

    /v1beta/models/{model}:generateContent                                 Developer API: API key
    /v1/publishers/google/models/{model}:generateContent                   Vertex express: API key
    /v1/projects/{P}/locations/{L}/publishers/google/models/{model}:…      Vertex: access token

A key comes in `x-goog-api-key` or `?key=`, a token in `Authorization: Bearer`; the channel's
credential is both. `:streamGenerateContent` gives a JSON list, with `?alt=sse` server-sent
events. A prompt holding the marker `moderation_blocked` is blocked (`promptFeedback`), one
holding `moderation_blocked_output` is made and then taken away (`finishReason: IMAGE_SAFETY`):
both are a 200, as Google's are. A `status` fault of 200 whose `code` is a finishReason gives a
candidate that stopped for it; STOP gives words without an image.
"""

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qs

from simulator.answer import Answer, Incoming
from simulator.faults import Fault
from simulator.gemini_answers import (
    FINISH_REASONS,
    Json,
    Writer,
    bare,
    candidate,
    new_response_id,
    rendered,
)
from simulator.gemini_errors import (
    BADLY_AUTHENTICATED,
    NO_KEY,
    NO_KEYS_HERE,
    NOT_AUTHENTICATED,
    ApiError,
    Rejected,
    exhausted,
    key_invalid,
    scripted,
    unauthenticated,
)
from simulator.gemini_request import Address, ImageRequest, address_of, read_request
from simulator.images import ImageCache, Recipe, variant_of
from simulator.limits import TokenBucket

_HEADERS: Final = {
    "vary": "Origin, X-Origin, Referer",
    "server": "scaffolding on HTTPServer2",
    "x-xss-protection": "0",
    "x-frame-options": "SAMEORIGIN",
    "x-content-type-options": "nosniff",
}
_JSON: Final = "application/json; charset=UTF-8"
# What Google's front end says itself, where no API is behind it.
_PAGE: Final = (
    b"<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n"
    b"  <title>Error %d (%b)!!1</title>\n  <p><b>%d.</b> <ins>That\xe2\x80\x99s an error.</ins>\n"
)


@dataclass(frozen=True, slots=True)
class _Shape:
    """How the documents of an answer are framed."""

    streams: bool
    events: bool

    @property
    def media_type(self) -> str:
        return "text/event-stream" if self.events else _JSON

    def frames(self, documents: list[bytes]) -> tuple[bytes, ...]:
        """Give the frames: each document an event, or an element of one list."""
        if self.events:
            return tuple(b"data: " + document + b"\r\n\r\n" for document in documents)
        if not self.streams:
            return tuple(documents)
        last = len(documents) - 1
        return tuple(
            (b",\r\n" if index else b"[") + document + (b"" if index < last else b"]\n")
            for index, document in enumerate(documents)
        )


class Gemini:
    """The image models of one Google project, known by its key."""

    def __init__(self, credential: str, images: ImageCache) -> None:
        self._credential = credential
        self._images = images
        self._requests = TokenBucket(1.0)

    def route(self, path: str) -> str:
        """Give the path with the caller's names taken out, or `(other)`."""
        address = address_of(path)
        return address.route if address else "(other)"

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy API would."""
        address = address_of(incoming.path)
        if address is None or incoming.method != "POST":
            return _page(404, b"Not Found", "error")
        query = parse_qs(incoming.query)
        streams = address.verb == "streamGenerateContent"
        shape = _Shape(streams, streams and query.get("alt") == ["sse"])
        try:
            self._authenticate(incoming, address, query.get("key", [""])[0])
            self._meter(incoming, address)
            request = read_request(address, incoming.body)
        except Rejected as rejected:
            return _refused(rejected.error, listed=streams and not shape.events)
        writer = Writer(request, address.is_vertex, new_response_id())
        documents = await self._documents(writer, incoming, streams=streams)
        blocked = request.refused_at is not None
        made = not blocked and not incoming.empty and "IMAGE" in request.modalities
        return Answer(
            status=200,
            headers={**_HEADERS, "content-type": shape.media_type},
            frames=shape.frames(documents),
            streamed=streams,
            outcome="moderated" if blocked else "ok",
            made=int(made),
            wait_s=0.0 if request.refused_at == "input" else incoming.knobs.latency_ms / 1_000,
            interval_s=incoming.knobs.partial_interval_ms / 1_000,
        )

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status."""
        if fault.status < 300 and fault.code in FINISH_REASONS:
            headers = {**_HEADERS, "content-type": _JSON}
            return Answer(fault.status, headers, (bare(fault.code),), outcome="faulted")
        if fault.status < 400:
            # A success, or a redirection to nowhere, that says nothing.
            return Answer(fault.status, dict(_HEADERS), (b"",), outcome="faulted")
        if fault.status == 502:
            return _page(502, b"Server Error", "faulted")
        error = scripted(fault.status, fault.code, fault.retry_after)
        return replace(_refused(error), outcome="faulted")

    def failure_event(self, fault: Fault) -> bytes:
        """Give the error event of a stream that fails half-way."""
        return scripted(fault.status, fault.code, fault.retry_after).event()

    def too_large(self, limit: int) -> Answer:
        """Answer as Google does: with 400."""
        message = f"Request payload size exceeds the limit: {limit} bytes."
        return _refused(ApiError(400, "INVALID_ARGUMENT", message))

    def _authenticate(self, incoming: Incoming, address: Address, query_key: str) -> None:
        key = incoming.headers.get("x-goog-api-key", "") or query_key
        scheme, _, token = incoming.headers.get("authorization", "").partition(" ")
        if address.takes_token:
            if scheme.lower() == "bearer" and token.strip() == self._credential:
                return
            if token:
                error = unauthenticated(BADLY_AUTHENTICATED, "ACCESS_TOKEN_TYPE_UNSUPPORTED")
            else:
                error = unauthenticated(
                    NO_KEYS_HERE if key else NOT_AUTHENTICATED, "CREDENTIALS_MISSING"
                )
            raise Rejected(error)
        if not key:
            raise Rejected(ApiError(403, "PERMISSION_DENIED", NO_KEY))
        if key != self._credential:
            host = "aiplatform" if address.is_vertex else "generativelanguage"
            raise Rejected(key_invalid(f"{host}.googleapis.com"))

    def _meter(self, incoming: Incoming, address: Address) -> None:
        limit = incoming.knobs.requests_per_minute
        self._requests.resize(limit)
        if not self._requests.take(incoming.now):
            seconds = self._requests.reset_after(1.0)
            raise Rejected(exhausted(seconds, limit, address.model[:64]))

    async def _documents(self, writer: Writer, incoming: Incoming, *, streams: bool) -> list[bytes]:
        """Give the one document of a plain answer, or one for each event of a stream."""
        request, empty = writer.request, incoming.empty
        if request.refused_at == "input":
            return [rendered(writer.blocked(), ())]
        if request.refused_at == "output":
            return [rendered(writer.stopped("IMAGE_SAFETY"), ())]
        if empty == "no_data":
            return [rendered(writer.document(made=False, candidates=[]), ())]
        if empty == "no_image":
            return [rendered(writer.stopped("NO_IMAGE"), ())]
        thoughts, words, image = writer.thoughts(), writer.words(), writer.image(empty)
        drafts = [await self._drawn(request, incoming, blur=2)] if thoughts else []
        finals = [await self._drawn(request, incoming)] if image and not empty else []
        if not streams:
            whole = [candidate([*thoughts, *words, *image])]
            document = writer.document(made=True, candidates=whole)
            return [rendered(document, [*drafts, *finals])]
        events: list[tuple[list[Json], list[bytes]]] = [
            (thoughts, drafts),
            (words, []),
            (image, finals),
        ]
        documents = [
            rendered(writer.document(made=False, candidates=[candidate(parts, None)]), images)
            for parts, images in events
            if parts
        ]
        last = writer.document(made=True, candidates=[candidate([{"text": ""}])])
        return [*documents, rendered(last, ())]

    async def _drawn(self, request: ImageRequest, incoming: Incoming, blur: int = 0) -> bytes:
        recipe = Recipe(
            width=request.width,
            height=request.height,
            image_format=request.image_format,
            compression=request.compression,
            transparent=False,
            variant=variant_of(request.fingerprint),
            blur=blur,
        )
        return await self._images.base64(incoming.knobs.picture(recipe))


def _refused(error: ApiError, *, listed: bool = False) -> Answer:
    headers = {**_HEADERS, "content-type": _JSON}
    return Answer(error.http, headers, (error.body(listed=listed),), outcome="error")


def _page(status: int, title: bytes, outcome: str) -> Answer:
    headers = {"content-type": "text/html; charset=UTF-8", "referrer-policy": "no-referrer"}
    return Answer(status, headers, (_PAGE % (status, title, status),), outcome=outcome)
