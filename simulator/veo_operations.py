"""The long-running operations of one Google project that make videos, and their documents.

A prompt that the safety system refuses ends its operation with an error, as observed; videos that
it takes away are counted in `raiMediaFilteredCount`.
"""

import secrets
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

from simulator.answer import Incoming
from simulator.gemini_errors import INTERNAL, OVERLOADED, ApiError, Rejected
from simulator.images import VARIANTS
from simulator.jobs import Job, JobBook, TooManyJobs
from simulator.veo_request import Address, VideoOrder, read_order
from simulator.videos import VideoCache, VideoRecipe, available

Json = dict[str, object]

# Operations are not told for how long they are known; files are kept for two days.
KEPT_SECONDS: Final = 172_800
_GEMINI: Final = (
    "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse"
)
_VERTEX: Final = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"
_FILTERED: Final = (
    "We encountered an issue with the video you requested: it may violate Google's usage "
    "guidelines. You have not been charged for this attempt. Support codes: 58061214, 29310472"
)
_REFUSED: Final = (
    "The prompt could not be submitted. This prompt contains words that violate Google's usage "
    "guidelines. Try rephrasing the prompt. Support codes: 58061214"
)
# The numbers of google/rpc/code.proto that a `job_fails` may give as its `code`, or their names.
CODES: Final[Mapping[str, tuple[int, str]]] = {
    "INVALID_ARGUMENT": (3, "The request is not valid."),
    "DEADLINE_EXCEEDED": (4, "Deadline expired before operation could complete."),
    "RESOURCE_EXHAUSTED": (8, "Resource has been exhausted (e.g. check quota)."),
    "INTERNAL": (13, INTERNAL),
    "UNAVAILABLE": (14, OVERLOADED),
}
_NO_ENCODER: Final = ApiError(
    501,
    "UNIMPLEMENTED",
    "This simulator cannot make videos: PyAV is missing. Install it with pip install 'reapi[demo]'",
)
UNKNOWN: Final = ApiError(404, "NOT_FOUND", "Requested entity was not found.")


class VeoOperations:
    """Made and looked at; there is no list and no cancel."""

    def __init__(self, videos: VideoCache) -> None:
        self.book = JobBook()
        self.base_url = ""
        self._videos = videos

    def create(self, address: Address, incoming: Incoming) -> Json:
        """Start an operation; raises Rejected."""
        if not available():
            raise Rejected(_NO_ENCODER)
        order = read_order(address, incoming.body)
        job = Job(
            id=str(uuid4()) if address.is_vertex else secrets.token_hex(6),
            order=order,
            marks={},
            submitted=incoming.now,
            expires=incoming.now + KEPT_SECONDS,
        )
        fault = incoming.job_fault
        if fault is not None and fault.fails_job:
            number, message = CODES.get(fault.code or "", CODES["INTERNAL"])
            job.error = (str(number), message)
        elif order.refused_at == "input":
            job.error = ("3", _REFUSED)
        try:
            self.book.submit(job, incoming.knobs, fault)
        except TooManyJobs:
            message = "Resource has been exhausted (e.g. check quota)."
            raise Rejected(ApiError(429, "RESOURCE_EXHAUSTED", message)) from None
        match incoming.empty:
            case "no_data":
                return {}
            case "no_image" | "null_image" as variant:
                return {"name": "" if variant == "no_image" else None}
        return {"name": _name(job, order)}

    async def get(self, operation: str, address: Address, incoming: Incoming) -> Json:
        """Give the operation of that id as it stands; raises Rejected."""
        job = self.book.find(operation)
        if job is None or _order(job).resource != address.resource:
            raise Rejected(UNKNOWN)
        order = _order(job)
        document: Json = {"name": _name(job, order)}
        status = job.status(incoming.now)
        if status in {"queued", "running"}:
            return document
        document["done"] = True
        if job.error is not None:
            code, message = job.error
            document["error"] = {"code": int(code), "message": message}
        elif order.is_vertex:
            document["response"] = await self._vertex(order, incoming.empty)
        else:
            document["response"] = self._developer(job, order, incoming.empty)
        return document

    def file(self, name: str) -> VideoRecipe:
        """Give the video of a file's name; raises Rejected."""
        job = self.book.find(name[:-1])
        order = _order(job) if job is not None else None
        if order is None or order.is_vertex or not name[-1:].isdigit():
            raise Rejected(UNKNOWN)
        return _recipe(order, int(name[-1]))

    async def _vertex(self, order: VideoOrder, empty: str | None) -> Json:
        response: Json = {"@type": _VERTEX, **_filtered(order)}
        if empty == "no_data":
            return response
        videos: list[Json] = []
        for index in _shown(order) if empty != "no_image" else ():
            video: Json = {"mimeType": "video/mp4"}
            if order.bucket:
                video["gcsUri"] = f"{order.bucket}/{secrets.token_hex(8)}/sample_{index}.mp4"
            elif empty == "null_image":
                video["bytesBase64Encoded"] = None
            else:
                data = await self._videos.mp4(_recipe(order, index))
                video["bytesBase64Encoded"] = b64encode(data).decode()
            videos.append(video)
        if videos:
            response["videos"] = videos
        return response

    def _developer(self, job: Job, order: VideoOrder, empty: str | None) -> Json:
        made: Json = _filtered(order)
        if empty == "no_data":
            return {"@type": _GEMINI}
        samples: list[Json] = []
        for index in _shown(order) if empty != "no_image" else ():
            uri = f"{self.base_url}/v1beta/files/{job.id}{index}:download?alt=media"
            video = {"uri": None if empty else uri, "encoding": "video/mp4"}
            samples.append({"video": video})
        if samples:
            made["generatedSamples"] = samples
        return {"@type": _GEMINI, "generateVideoResponse": made}


def _order(job: Job) -> VideoOrder:
    assert isinstance(job.order, VideoOrder)
    return job.order


def _name(job: Job, order: VideoOrder) -> str:
    return f"{order.resource}/operations/{job.id}"


def _shown(order: VideoOrder) -> range:
    """Give the indexes of the videos that the safety system leaves."""
    if order.refused_at == "output":
        return range(0)
    return range(1 if order.refused_at == "one" else 0, order.count)


def _filtered(order: VideoOrder) -> Json:
    count = order.count - len(_shown(order))
    if not count:
        return {"raiMediaFilteredCount": 0}
    return {"raiMediaFilteredCount": count, "raiMediaFilteredReasons": [_FILTERED] * count}


def _recipe(order: VideoOrder, index: int) -> VideoRecipe:
    variant = (order.variant + index) % VARIANTS
    return VideoRecipe(order.width, order.height, order.seconds, order.audio, variant)
