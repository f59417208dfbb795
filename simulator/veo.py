"""Google's Veo as long-running operations, in the shapes of both its APIs.

Developer API, with an API key in `x-goog-api-key` or `?key=` (retired; kept as it was):

    POST /v1beta/models/{model}:predictLongRunning
    GET  /v1beta/models/{model}/operations/{id}
    GET  /v1beta/files/{id}:download?alt=media        needs the key; redirects to the bytes

Vertex, with an access token in `Authorization: Bearer`; videos come as base64 in the answer:

    POST /v1/projects/{P}/locations/{L}/publishers/google/models/{model}:predictLongRunning
    POST …/models/{model}:fetchPredictOperation       {"operationName": "…"}

The channel's credential is key and token. A prompt holding the marker `moderation_blocked` ends its
operation with an error, `moderation_blocked_output` with every video filtered, and
`moderation_blocked_one` with the first filtered. A `status` fault of 404 with the `code` `RETIRED`
is what the retired API answers.
"""

import json
import re
import time
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs

from simulator.account import Account
from simulator.answer import Answer, Incoming
from simulator.faults import Fault
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
from simulator.gemini_fields import Message, parsed
from simulator.hosting import PREFIX, video_name
from simulator.images import ImageCache
from simulator.jobs import JobBook
from simulator.veo_operations import UNKNOWN, Json, VeoOperations
from simulator.veo_request import Address, address_of, retired
from simulator.videos import VideoCache

FILE: Final = "/v1beta/files/{id}:download"
HOSTED: Final = f"{PREFIX}{{file}}"
_FILE: Final = re.compile(r"/v1beta/files/([a-z0-9]{1,40}):download")
_HEADERS: Final = {"content-type": "application/json; charset=UTF-8", "server": "ESF"}
_OPERATION_NAME: Final = frozenset({"operationName"})
_LINK_SECONDS: Final = 600


class Veo(Account):
    """The video models of one Google project."""

    def __init__(self, credential: str, images: ImageCache, videos: VideoCache) -> None:
        super().__init__(images, videos)
        self._credential = credential
        self._operations = VeoOperations(videos)

    @property
    def book(self) -> JobBook:
        """The operations of the project."""
        return self._operations.book

    def serve_at(self, base_url: str) -> None:
        """Host results below *base_url*."""
        super().serve_at(base_url)
        self._operations.base_url = base_url

    def route(self, path: str) -> str:
        """Give the path with the caller's names taken out, or `(other)`."""
        if path.startswith(PREFIX):
            return HOSTED
        if _FILE.fullmatch(path):
            return FILE
        address = address_of(path)
        return address.route if address else "(other)"

    def operation(self, method: str, path: str) -> str:
        """Say what a call is for."""
        del method
        if self.route(path) in {FILE, HOSTED}:
            return "file"
        address = address_of(path)
        if address is None:
            return "call"
        return "submit" if address.verb == "predictLongRunning" else "poll"

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy API would."""
        if incoming.path.startswith(PREFIX):
            return await self._shelf.answer(incoming, time.time())
        try:
            if (file := _FILE.fullmatch(incoming.path)) and incoming.method == "GET":
                return self._file(file[1], incoming)
            address = address_of(incoming.path)
            if address is None or incoming.method != ("POST" if address.verb else "GET"):
                raise Rejected(UNKNOWN)
            self._authenticate(incoming, is_vertex=address.is_vertex)
            return await self._operate(address, incoming)
        except Rejected as rejected:
            return _refused(rejected.error)

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status."""
        if fault.status < 400:
            # A success, or a redirection to nowhere, that says nothing.
            return Answer(fault.status, {}, (b"",), outcome="faulted")
        if fault.status == 404 and fault.code == "RETIRED":
            error = retired("models/veo-3.1-generate-preview")
        else:
            error = scripted(fault.status, fault.code, fault.retry_after)
        return replace(_refused(error), outcome="faulted")

    def failure_event(self, fault: Fault) -> bytes:
        """Give an event; nothing here streams."""
        return scripted(fault.status, fault.code, fault.retry_after).event()

    def too_large(self, limit: int) -> Answer:
        """Answer as Google does: with 400."""
        message = f"Request payload size exceeds the limit: {limit} bytes."
        return _refused(ApiError(400, "INVALID_ARGUMENT", message))

    def _authenticate(self, incoming: Incoming, *, is_vertex: bool) -> None:
        key = incoming.headers.get("x-goog-api-key", "")
        key = key or parse_qs(incoming.query).get("key", [""])[0]
        if not is_vertex:
            if not key:
                raise Rejected(ApiError(403, "PERMISSION_DENIED", NO_KEY))
            if key != self._credential:
                raise Rejected(key_invalid("generativelanguage.googleapis.com"))
            return
        scheme, _, token = incoming.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip() == self._credential:
            return
        if token:
            raise Rejected(unauthenticated(BADLY_AUTHENTICATED, "ACCESS_TOKEN_TYPE_UNSUPPORTED"))
        words = NO_KEYS_HERE if key else NOT_AUTHENTICATED
        raise Rejected(unauthenticated(words, "CREDENTIALS_MISSING"))

    async def _operate(self, address: Address, incoming: Incoming) -> Answer:
        if address.verb == "predictLongRunning":
            self._meter(incoming, address)
            return _json(self._operations.create(address, incoming), incoming, made=1)
        operation = address.operation
        if address.is_vertex:
            name = Message(parsed(incoming.body), _OPERATION_NAME).text("operationName")
            resource, _, operation = name.rpartition("/operations/")
            if resource != address.resource:
                raise Rejected(UNKNOWN)
        return _json(await self._operations.get(operation, address, incoming), incoming)

    def _meter(self, incoming: Incoming, address: Address) -> None:
        limit = incoming.knobs.requests_per_minute
        self._requests.resize(limit)
        if not self._requests.take(incoming.now):
            seconds = self._requests.reset_after(1.0)
            raise Rejected(exhausted(seconds, limit, address.model[:64]))

    def _file(self, name: str, incoming: Incoming) -> Answer:
        """Redirect to the bytes, which then need no key."""
        self._authenticate(incoming, is_vertex=False)
        recipe = self._operations.file(name)
        seconds = min(incoming.knobs.link_seconds, _LINK_SECONDS)
        link = self._shelf.links.link("veo", video_name(recipe), time.time(), seconds)
        return Answer(302, {**_HEADERS, "location": link}, (b"{}",))


def _json(document: Json, incoming: Incoming, made: int = 0) -> Answer:
    wait = incoming.knobs.latency_ms / 1_000
    body = json.dumps(document).encode()
    return Answer(200, dict(_HEADERS), (body,), made=made, wait_s=wait)


def _refused(error: ApiError) -> Answer:
    return Answer(error.http, dict(_HEADERS), (error.body(),), outcome="error")
