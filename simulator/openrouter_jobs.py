"""OpenRouter's video jobs, and how it names inputs. Facts: providers.md 8.6."""

import hmac
import json
import re
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Final
from uuid import uuid4

from simulator.answer import Incoming
from simulator.ark_fields import is_web_url
from simulator.endpoint_fields import Problem
from simulator.endpoint_orders import Endpoint, Order, read_order
from simulator.hosting import Links
from simulator.jobs import Job, JobBook, TooManyJobs
from simulator.openrouter_models import VIDEOS
from simulator.resold_jobs import Commission, ResoldJobs, commission_of
from simulator.videos import available

MESSAGES: Final[Mapping[int, str]] = {
    400: "Invalid request",
    401: "No auth credentials found",
    402: "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
    403: "Your input was flagged by moderation",
    404: "Not found",
    429: "Rate limit exceeded",
    500: "Internal Server Error",
    501: "This simulator cannot make videos: PyAV is missing. pip install 'reapi[demo]'",
    502: "Provider returned error",
    503: "No available model provider",
}
_STATUSES: Final = {
    "queued": "pending",
    "running": "in_progress",
    "succeeded": "completed",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}
_KINDS: Final = {"image_url": "images", "video_url": "videos", "audio_url": "audios"}
_FRAMES: Final = frozenset({"first_frame", "last_frame"})
_SIZE: Final = re.compile(r"([0-9]{2,4})x([0-9]{2,4})")
_REFUSED: Final = ("moderation", "The generated video was flagged by the provider's moderation.")
_FAILED: Final = "Provider returned error"


class OpenRouterError(Exception):
    """A call is refused with this status; *reasons* are those of moderation."""

    def __init__(self, status: int, reasons: tuple[str, ...] = (), message: str = "") -> None:
        super().__init__(status)
        self.status = status
        self.reasons = reasons
        self.message = message or MESSAGES[status]


class VideoJobs:
    """The jobs of one account. Methods answer with the document of a success."""

    def __init__(self, credential: str, links: Links) -> None:
        self._key = credential.encode()
        self._links = links
        self._jobs = ResoldJobs(links, self._event, self._signed)

    @property
    def book(self) -> JobBook:
        """The account's jobs."""
        return self._jobs.book

    async def close(self) -> None:
        """Stop calling callbacks."""
        await self._jobs.callbacks.close()

    def create(self, incoming: Incoming) -> dict[str, object]:
        """Make a job; raises OpenRouterError and Problem."""
        if not available():
            raise OpenRouterError(501)
        name, given = inputs_of(incoming.body, VIDEOS)
        order = read_order(name, VIDEOS[name], given)
        if order.refused_at == "input":
            raise OpenRouterError(403, ("violence",))
        callback = given.get("callback_url")
        callback_url = callback if isinstance(callback, str) and is_web_url(callback) else None
        try:
            job = self._jobs.submit(
                uuid4().hex,
                Commission(order, callback_url=callback_url),
                incoming,
                _REFUSED,
                lambda code: (code or "502", _FAILED),
            )
        except TooManyJobs:
            raise OpenRouterError(429) from None
        shown: dict[str, object] = {
            "id": job.id,
            "polling_url": f"{self._links.base_url}/api/v1/videos/{job.id}",
            "status": "pending",
        }
        match incoming.empty:
            case "no_data":
                return {}
            case "no_image":
                return {**shown, "id": ""}
            case "null_image":
                return {**shown, "id": None}
        return shown

    def show(self, job_id: str, incoming: Incoming) -> dict[str, object]:
        """Show a job."""
        shown = self._view(self._found(job_id), incoming.now)
        match incoming.empty if shown["status"] == "completed" else None:
            case "no_data":
                del shown["unsigned_urls"]
            case "no_image":
                shown["unsigned_urls"] = []
            case "null_image":
                shown["unsigned_urls"] = [None]
        return shown

    def order_of(self, job_id: str, incoming: Incoming) -> Order:
        """Give what a job that has succeeded made."""
        job = self._found(job_id)
        if job.status(incoming.now) != "succeeded":
            raise OpenRouterError(404)
        return commission_of(job).order

    def _found(self, job_id: str) -> Job:
        job = self.book.find(job_id)
        if job is None:
            raise OpenRouterError(404)
        return job

    def _view(self, job: Job, now: float) -> dict[str, object]:
        status, url = job.status(now), f"{self._links.base_url}/api/v1/videos/{job.id}"
        is_done = status == "succeeded"
        shown: dict[str, object] = {
            "id": job.id,
            "polling_url": url,
            "status": _STATUSES[status],
            "generation_id": f"gen-{job.id}",
            "unsigned_urls": [f"{url}/content?index=0"] if is_done else [],
            "usage": {"cost": 0.5, "is_byok": False} if is_done else None,
        }
        if status == "failed":
            assert job.error is not None
            shown["error"] = job.error[1]
        return shown

    def _event(self, job: Job, now: float) -> bytes | None:
        """Callbacks tell of the end only."""
        if job.status(now) in {"queued", "running"}:
            return None
        view = self._view(job, now)
        kind = f"video.generation.{view['status']}"
        return json.dumps({"type": kind, "created_at": int(time.time()), "data": view}).encode()

    def _signed(self, _url: str, body: bytes) -> Mapping[str, str]:
        stamp = str(int(time.time()))
        signature = hmac.new(self._key, f"{stamp},".encode() + body, sha256).hexdigest()
        return {"x-openrouter-signature": f"t={stamp},v1={signature}"}


def inputs_of(body: bytes, models: Mapping[str, Endpoint]) -> tuple[str, dict[str, object]]:
    """Give the model, and its inputs flattened; raises OpenRouterError and Problem."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise OpenRouterError(400)
    name = values.get("model")
    if not isinstance(name, str) or name not in models:
        raise OpenRouterError(400, message="The name is not a valid model ID")
    ours = {*_FRAMES, *_KINDS.values()}
    given: dict[str, object] = {key: value for key, value in values.items() if key not in ours}
    for frame in _objects(values, "frame_images"):
        if (kind := frame.get("frame_type")) not in _FRAMES:
            raise Problem("frame_images", "one_of", sorted(_FRAMES))
        given[str(kind)] = _url(frame, "image_url", "frame_images")
    for reference in _objects(values, "input_references"):
        kind = reference.get("type")
        if kind not in _KINDS:
            raise Problem("input_references", "one_of", sorted(_KINDS))
        found = given.setdefault(_KINDS[str(kind)], [])
        assert isinstance(found, list)
        found.append(_url(reference, str(kind), "input_references"))
    size = values.get("size")
    if isinstance(size, str) and (sides := _SIZE.fullmatch(size)) is not None:
        given["size"] = {"width": int(sides[1]), "height": int(sides[2])}
    return name, given


def _objects(values: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    found = values.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise Problem(name, "wrong_type", "array")
    return found


def _url(part: Mapping[str, object], kind: str, name: str) -> object:
    inside = part.get(kind)
    if part.get("type") != kind or not isinstance(inside, dict):
        raise Problem(f"{name}.{kind}", "missing")
    return inside.get("url")
