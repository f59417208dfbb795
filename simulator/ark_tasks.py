"""Ark's video tasks: made, read, listed, cancelled and deleted.

Facts: ModelArk's pages of the task API, and the refusals of DELETE and GET as observed.
"""

import json
import secrets
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs
from uuid import uuid4

from simulator.answer import Incoming
from simulator.ark_errors import ArkError, ArkRejected, invalid, known, task_error, told
from simulator.ark_fields import Parameters
from simulator.ark_task_request import VideoOrder, read_task_request
from simulator.callbacks import Callbacks
from simulator.hosting import COMPRESSION, Links, image_name, video_name
from simulator.images import VARIANTS, Recipe
from simulator.jobs import STATUSES, Job, JobBook, TooManyJobs
from simulator.videos import VideoRecipe, available

MAX_PAGE: Final = 500
DEFAULT_PAGE_SIZE: Final = 10
_NO_ENCODER: Final = ArkError(
    501,
    "SimulatorWithoutVideo",
    "This simulator cannot make videos: PyAV is missing. Install it with pip install 'reapi[demo]'",
)


class ArkTasks:
    """The tasks of one account. Every method answers with the JSON document of a success."""

    def __init__(self, links: Links) -> None:
        self.book = JobBook()
        self.callbacks = Callbacks(self._callback_body)
        self._links = links
        # Jobs live by the monotonic clock; what is shown of them, by the calendar.
        self._epoch = time.time() - time.monotonic()

    def create(self, incoming: Incoming) -> dict[str, object]:
        """Make a task; raises ArkRejected."""
        if not available():
            raise ArkRejected(_NO_ENCODER)
        order = read_task_request(Parameters.parse(incoming.body), VARIANTS)
        if order.refused_at == "input":
            raise ArkRejected(known(400, "InputTextSensitiveContentDetected"))
        seed = order.seed if order.seed >= 0 else secrets.randbelow(1 << 31)
        job = Job(
            id=self._new_id(incoming.now),
            order=order,
            marks={"seed": seed, "safety_identifier": order.safety_identifier},
            submitted=incoming.now,
            expires=incoming.now + order.expires_after,
        )
        fault = incoming.job_fault
        if fault is not None and fault.fails_job:
            job.error = task_error(fault.code)
        elif order.refused_at is not None:
            job.error = task_error("OutputVideoSensitiveContentDetected")
        try:
            self.book.submit(job, incoming.knobs, fault)
        except TooManyJobs:
            raise ArkRejected(known(429, "QuotaExceeded")) from None
        if order.callback_url is not None:
            self.callbacks.watch(job, order.callback_url)
        shown = _shown(job.id, order.safety_identifier)
        return _without_id(shown, incoming.empty) if incoming.empty else shown

    def get(self, task_id: str, incoming: Incoming) -> dict[str, object]:
        """Show a task; raises ArkRejected."""
        task = self._view(self._found(task_id), incoming.now)
        match incoming.empty if "content" in task else None:
            case "no_data":
                del task["content"]
            case "no_image":
                task["content"] = {}
            case "null_image":
                task["content"] = {"video_url": None}
        return task

    def list(self, incoming: Incoming) -> dict[str, object]:
        """Show a page of the tasks, newest first, that pass every filter; raises ArkRejected."""
        query = parse_qs(incoming.query, keep_blank_values=True)
        number = _page(query, "page_num", 1)
        size = _page(query, "page_size", DEFAULT_PAGE_SIZE)
        status = query.get("filter.status", [""])[0]
        if status and status not in STATUSES:
            raise invalid("filter.status", f"expected one of {', '.join(STATUSES)}")
        model = query.get("filter.model", [""])[0]
        tier = query.get("filter.service_tier", [""])[0]
        wanted = frozenset(query.get("filter.task_ids", ()))
        found = [
            job
            for job in self.book.newest_first()
            if (not wanted or job.id in wanted)
            and (not model or _order(job).model == model)
            and tier in {"", "default"}
            and (not status or job.status(incoming.now) == status)
        ]
        if incoming.empty:
            found = []
        page = found[(number - 1) * size : number * size]
        return {"total": len(found), "items": [self._view(job, incoming.now) for job in page]}

    def delete(self, task_id: str, incoming: Incoming) -> dict[str, object]:
        """Cancel a queued task, or forget a finished one; raises ArkRejected."""
        job = self._found(task_id)
        match job.status(incoming.now):
            case "queued":
                job.cancelled_at = incoming.now
            case "running":
                message = f"Cannot delete task `{job.id}` because it is currently running."
                raise ArkRejected(ArkError(409, "InvalidAction.RunningTaskDeletion", message))
            case "cancelled":
                message = f"Cannot delete task `{job.id}` because it is cancelled."
                raise ArkRejected(ArkError(409, "InvalidAction.CancelledTaskDeletion", message))
            case _:
                job.deleted = True
        return {}

    def _found(self, task_id: str) -> Job:
        job = self.book.find(task_id)
        if job is None:
            raise ArkRejected(known(404, "ResourceNotFound"))
        return job

    def _new_id(self, now: float) -> str:
        stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(now + self._epoch))
        return f"cgt-{stamp}-{secrets.token_hex(6)}"

    def _callback_body(self, job: Job, now: float) -> bytes:
        return json.dumps(self._view(job, now)).encode()

    def _view(self, job: Job, now: float) -> dict[str, object]:
        """Give a task as it stands at *now*."""
        order = _order(job)
        status = job.status(now)
        task = {
            **_shown(job.id, order.safety_identifier),
            "model": order.model,
            "status": status,
            "created_at": int(job.submitted + self._epoch),
            "updated_at": int(job.since(now) + self._epoch),
            "seed": job.marks["seed"],
            "resolution": order.resolution,
            "ratio": order.ratio,
            "duration": order.seconds,
            "framespersecond": 24,
            "service_tier": "default",
            "execution_expires_after": order.expires_after,
            "generate_audio": order.audio,
            "draft": False,
            "priority": order.priority,
            "output_format": "mp4",
            "error": None,
        }
        if status == "succeeded":
            task["content"] = self._content(job, order)
            task["usage"] = {"completion_tokens": order.tokens, "total_tokens": order.tokens}
        elif status == "failed":
            assert job.error is not None
            code, message = job.error
            task["error"] = {"code": code, "message": told(message, job.id)}
        return task

    def _content(self, job: Job, order: VideoOrder) -> dict[str, str]:
        """Give the links to the results; they work from the end of the job on."""
        since = job.ended + self._epoch
        video = VideoRecipe(order.width, order.height, order.seconds, order.audio, order.variant)
        links = {"video_url": video_name(video)}
        if order.last_frame:
            frame = Recipe(order.width, order.height, "png", COMPRESSION, False, order.variant)
            links["last_frame_url"] = image_name(frame)
        return {
            kind: self._links.link(f"seedance/{job.id}", name, since, job.link_seconds)
            for kind, name in links.items()
        }


def _order(job: Job) -> VideoOrder:
    assert isinstance(job.order, VideoOrder)
    return job.order


def _shown(task_id: str, safety_identifier: str | None) -> dict[str, object]:
    if safety_identifier is None:
        return {"id": task_id}
    return {"id": task_id, "safety_identifier": safety_identifier}


def _without_id(shown: dict[str, object], variant: str) -> dict[str, object]:
    """Give a success that does not say which task it made."""
    match variant:
        case "no_image":
            return {**shown, "id": ""}
        case "null_image":
            return {**shown, "id": None}
        case _:
            return {}


def _page(query: Mapping[str, list[str]], name: str, default: int) -> int:
    text = query.get(name, [str(default)])[0]
    # int() would take blanks, signs and other scripts' digits.
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_PAGE):
        raise invalid(name, f"expected an integer from 1 to {MAX_PAGE}")
    return int(text)


def new_request_id() -> str:
    """Give an id as Ark's answers carry them."""
    return f"02{uuid4().hex}"
