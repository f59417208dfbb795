"""xAI's REST API for Grok Imagine: images at once, videos as requests that are polled.

POST /v1/images/generations    JSON; links or base64
POST /v1/images/edits          likewise, JSON too
POST /v1/videos/generations    takes a request, gives its id
POST /v1/videos/edits          likewise, of a video
POST /v1/videos/extensions     likewise
GET  /v1/videos/{id}           202 while it runs, with an empty body at first; 200 when it has ended
GET  /v1/api-key, /v1/image-generation-models, /v1/video-generation-models
GET  /hosted/…                 results, behind signed links, without a key

A prompt holding the marker `moderation_blocked` is refused when it is sent. With
`moderation_blocked_output` images come back as `respect_moderation: false` and videos as a 400 of
their poll; with `moderation_blocked_one` the first image only; with `moderation_blocked_hidden` no
image is in the list, and a video is done with `respect_moderation: false`. Blocked images count as
made: xAI charges them. An `empty` fault of an image call leaves `data` out, since an empty list
means moderation. Half of the videos are done without a `status`, as seen.

A `status` fault's `code` `nested` or `plain` picks another shape of the error; `moderated`,
`moderated_before`, `wrong_key` or `out_of_credits` another error.
"""

import json
import time
from typing import Final
from uuid import uuid4

from simulator.account import Account
from simulator.answer import Answer, Incoming
from simulator.faults import Fault
from simulator.hosting import COMPRESSION, PREFIX, image_name
from simulator.images import ImageCache, Recipe, variant_of
from simulator.jobs import JobBook
from simulator.videos import VideoCache
from simulator.xai_errors import (
    EXHAUSTED,
    NO_KEY,
    REFUSED_PROMPT,
    UNKNOWN,
    WRONG_KEY,
    XaiError,
    XaiRejected,
    scripted,
)
from simulator.xai_fields import Fields
from simulator.xai_image_request import MODELS as IMAGE_MODELS
from simulator.xai_image_request import ImageRequest, read_image_request
from simulator.xai_video_request import MODELS as VIDEO_MODELS
from simulator.xai_videos import XaiVideos

IMAGES: Final = "/v1/images/"
VIDEOS: Final = "/v1/videos/"
VIDEO: Final = f"{VIDEOS}{{id}}"
HOSTED: Final = f"{PREFIX}{{file}}"
_IMAGE_KINDS: Final = ("generations", "edits")
_VIDEO_KINDS: Final = ("generations", "edits", "extensions")
# Free answers that tell what there is.
_LISTS: Final = {
    "/v1/api-key": {"name": "simulated", "api_key_blocked": False, "api_key_disabled": False},
    "/v1/image-generation-models": {"models": [{"id": name} for name in IMAGE_MODELS]},
    "/v1/video-generation-models": {"models": [{"id": name} for name in VIDEO_MODELS]},
}
_PAGE: Final = b"<!DOCTYPE html>\n<html><head><title>api.x.ai | Bad gateway</title></head></html>\n"


class Xai(Account):
    """One team of xAI, known by its API key."""

    def __init__(self, credential: str, images: ImageCache, videos: VideoCache) -> None:
        super().__init__(images, videos)
        self._authorization = f"Bearer {credential}"
        self._images = images
        self._videos = XaiVideos(self._shelf.links)

    @property
    def book(self) -> JobBook:
        """The video requests of the team."""
        return self._videos.book

    def route(self, path: str) -> str:
        """Give the path with its id left out, or `(other)`."""
        if path in _LISTS or path.removeprefix(IMAGES) in _IMAGE_KINDS:
            return path
        if path.startswith(PREFIX):
            return HOSTED
        last = path.removeprefix(VIDEOS)
        if last == path or not last or "/" in last:
            return "(other)"
        return path if last in _VIDEO_KINDS else VIDEO

    def operation(self, method: str, path: str) -> str:
        """Say what a call is for."""
        route = self.route(path)
        if route == HOSTED:
            return "file"
        if route.startswith(VIDEOS):
            return "poll" if method == "GET" else "submit"
        return "call"

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer a request as the healthy API would."""
        route = self.route(incoming.path)
        if route == HOSTED:
            return await self._shelf.answer(incoming, time.time())
        try:
            self._authenticate(incoming)
            if incoming.method == "POST" and route.startswith(IMAGES):
                return await self._draw(incoming)
            if incoming.method == "POST" and route.startswith(VIDEOS) and route != VIDEO:
                self._meter(incoming)
                document = self._videos.create(incoming, route.removeprefix(VIDEOS))
                return _json(200, json.dumps(document).encode(), incoming, made=1)
            if incoming.method == "GET" and route == VIDEO:
                status, body = self._videos.get(incoming.path.removeprefix(VIDEOS), incoming)
                return _json(status, body, incoming)
            if incoming.method == "GET" and route in _LISTS:
                return _json(200, json.dumps(_LISTS[route]).encode(), incoming)
            raise XaiRejected(UNKNOWN)
        except XaiRejected as rejected:
            outcome = "moderated" if rejected.error.moderated else "error"
            return _refusal(rejected.error, outcome)

    def failure(self, fault: Fault) -> Answer:
        """Give the body of the scripted status."""
        headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
        if fault.status < 400:
            # A success, or a redirection to nowhere, that says nothing.
            return Answer(fault.status, headers, (b"",), outcome="faulted")
        if fault.status in {502, 520}:
            # What the content network in front says itself.
            headers["content-type"] = "text/html"
            return Answer(fault.status, headers, (_PAGE,), outcome="faulted")
        return _refusal(scripted(fault.status, fault.code), "faulted", headers)

    def failure_event(self, fault: Fault) -> bytes:
        """Give an event; nothing here streams."""
        return b"data: " + scripted(fault.status, fault.code).body() + b"\n\n"

    def too_large(self, limit: int) -> Answer:
        """Answer 413."""
        text = f"The request body is larger than {limit} bytes."
        return _refusal(XaiError(413, "", text, "plain"), "error")

    def _authenticate(self, incoming: Incoming) -> None:
        given = incoming.headers.get("authorization", "")
        if given != self._authorization:
            raise XaiRejected(WRONG_KEY if given.startswith("Bearer ") else NO_KEY)

    def _meter(self, incoming: Incoming) -> None:
        """Count what makes something; reading is free."""
        self._requests.resize(incoming.knobs.requests_per_minute)
        if not self._requests.take(incoming.now):
            raise XaiRejected(EXHAUSTED)

    async def _draw(self, incoming: Incoming) -> Answer:
        self._meter(incoming)
        is_edit = incoming.path.endswith("/edits")
        request = read_image_request(Fields.parse(incoming.body), is_edit=is_edit)
        if request.refused_at == "input":
            raise XaiRejected(REFUSED_PROMPT)
        data = [await self._item(request, incoming, index) for index in range(request.count)]
        document: dict[str, object] = {
            "created": int(time.time()),
            "data": [] if request.refused_at == "hidden" else data,
            "usage": {"cost_in_usd_ticks": request.ticks * request.count},
        }
        if incoming.empty == "no_data":
            del document["data"]
        blocked = all(item["respect_moderation"] is False for item in data)
        made = 0 if incoming.empty else request.count
        answer = json.dumps(document, separators=(",", ":")).encode()
        return _json(200, answer, incoming, made, "moderated" if blocked else "ok")

    async def _item(
        self, request: ImageRequest, incoming: Incoming, index: int
    ) -> dict[str, object]:
        refused = request.refused_at in {"output", "hidden"} or (
            request.refused_at == "one" and index == 0
        )
        item: dict[str, object] = {
            "url": None,
            "b64_json": None,
            "mime_type": f"image/{request.image_format}",
            "revised_prompt": "",
            "respect_moderation": not refused,
        }
        kind = "b64_json" if request.inline else "url"
        if refused:
            item[kind] = ""
        elif incoming.empty == "no_image":
            del item[kind]
        elif not incoming.empty:
            item[kind] = await self._picture(request, incoming, index)
        return item

    async def _picture(self, request: ImageRequest, incoming: Incoming, index: int) -> str:
        recipe = Recipe(
            width=request.width,
            height=request.height,
            image_format=request.image_format,
            compression=COMPRESSION,
            transparent=False,
            variant=variant_of(request.fingerprint, index),
        )
        recipe = incoming.knobs.picture(recipe)
        if request.inline:
            return (await self._images.base64(recipe)).decode()
        folder = f"imgen/{uuid4().hex}"
        name = image_name(recipe)
        return self._shelf.links.link(folder, name, time.time(), incoming.knobs.link_seconds)


def _json(
    status: int, body: bytes, incoming: Incoming, made: int = 0, outcome: str = "ok"
) -> Answer:
    headers = {"content-type": "application/json"} if body else {}
    wait = incoming.knobs.latency_ms / 1_000
    return Answer(status, headers, (body,), outcome=outcome, made=made, wait_s=wait)


def _refusal(error: XaiError, outcome: str, headers: dict[str, str] | None = None) -> Answer:
    sent = {**(headers or {}), "content-type": "application/json"}
    return Answer(error.status, sent, (error.body(),), outcome=outcome)
