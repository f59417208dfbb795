"""Vidu's tasks: made, read, listed, cancelled, and told of to callback URLs.

Facts: Vidu's references of the task API and of signed callbacks, and bodies observed in public
code. What is inferred: what a cancelled task shows, and how one that runs refuses to be.
"""

import base64
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from math import inf
from typing import Final
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit
from uuid import uuid4

from simulator.answer import Incoming
from simulator.body_fields import BodyFields, FieldRefused, Problem
from simulator.callbacks import Callbacks
from simulator.hosting import COMPRESSION, Links, image_name, video_name
from simulator.images import VARIANTS, Recipe
from simulator.jobs import Job, JobBook, TooManyJobs
from simulator.videos import VideoRecipe, available
from simulator.vidu_errors import INTERNAL, ViduError, ViduRejected, known, refused
from simulator.vidu_request import VideoOrder, read_task_request

MAX_PAGE_SIZE: Final = 100
ACCESS_KEY: Final = "vidu"
SIGNED: Final = "Date;x-request-nonce"
BALANCE: Final = 1_000_000_000
_STATES: Final[Mapping[str, str]] = {
    "queued": "queueing",
    "running": "processing",
    "succeeded": "success",
    "failed": "failed",
    "cancelled": "failed",
}
_TOLD: Final = frozenset({"running", "succeeded", "failed"})
_NO_ENCODER: Final = ViduError(
    501,
    "SimulatorWithoutVideo",
    "This simulator cannot make videos: PyAV is missing. Install it with pip install 'reapi[demo]'",
)


class ViduTasks:
    """The tasks of one account. Every method answers with the JSON document of a success."""

    def __init__(self, credential: str, links: Links) -> None:
        self.book = JobBook()
        self.callbacks = Callbacks(self._callback_body, self._sign)
        self._credential = credential
        self._links = links
        # Jobs live by the monotonic clock; what is shown of them, by the calendar.
        self._epoch = time.time() - time.monotonic()

    def create(self, kind: str, incoming: Incoming) -> dict[str, object]:
        """Make a task of an endpoint; raises ViduRejected."""
        if not available():
            raise ViduRejected(_NO_ENCODER)
        try:
            fields = BodyFields.parse(incoming.body)
            order = read_task_request(kind, fields, VARIANTS)
        except FieldRefused as why:
            # `from None`: nothing of what was refused stays with the error.
            raise refused(why) from None
        if order.refused_at == "input":
            raise known("TaskPromptPolicyViolation")
        job = Job(
            id=str(secrets.randbits(62) | 1 << 62),
            order=order,
            marks={
                "payload": order.payload,
                "seed": order.seed or secrets.randbelow(1 << 31) + 1,
                "watermark": order.watermark,
            },
            submitted=incoming.now,
            expires=inf,
        )
        fault = incoming.job_fault
        if fault is not None and fault.fails_job:
            job.error = (fault.code or INTERNAL, "")
        elif order.refused_at == "output":
            job.error = ("CreationPolicyViolation", "")
        try:
            self.book.submit(job, incoming.knobs, fault)
        except TooManyJobs:
            raise known("QuotaExceeded") from None
        if order.callback_url:
            self.callbacks.watch(job, order.callback_url)
        made = {
            "task_id": {"no_image": "", "null_image": None}.get(incoming.empty or "", job.id),
            "type": kind.replace("-", "_"),
            "state": "created",
            **self._settings(job),
            # Said again while the request is at hand, and kept nowhere.
            "prompt": fields.text("prompt"),
            "images": [image for image in fields.texts("images") if image.startswith("http")],
        }
        if incoming.empty == "no_data":
            del made["task_id"]
        return made

    def get(self, task_id: str, incoming: Incoming) -> dict[str, object]:
        """Show a task and what it made; raises ViduRejected."""
        task = self._view(self._found(task_id), incoming.now)
        if task["creations"]:
            match incoming.empty:
                case "no_data":
                    task["creations"] = []
                case "no_image":
                    task["creations"] = [{"id": "1"}]
                case "null_image":
                    task["creations"] = [{"id": "1", "url": None}]
        return task

    def list(self, incoming: Incoming) -> dict[str, object]:
        """Show a page of the tasks, newest first; raises ViduRejected."""
        query = {name: values[-1] for name, values in parse_qs(incoming.query).items()}
        number = _whole(query, "pager.page", 0, 0, 1_000_000)
        size = _whole(query, "pager.pagesz", 10, 1, MAX_PAGE_SIZE)
        since = _moment(query, "created_at.from", -inf)
        until = _moment(query, "created_at.to", inf)
        found = [
            job for job in self.book.newest_first() if since <= job.submitted + self._epoch <= until
        ]
        if incoming.empty:
            found = []
        page = found[number * size : (number + 1) * size]
        is_last = (number + 1) * size >= len(found)
        return {
            "tasks": [{**self._view(job, incoming.now), **self._settings(job)} for job in page],
            "next_page_token": "" if is_last else str(number + 1),
        }

    def cancel(self, task_id: str, incoming: Incoming) -> dict[str, object]:
        """Cancel a task that is still queued; raises ViduRejected."""
        try:
            named = BodyFields.parse(incoming.body).required_text("id")
        except FieldRefused as why:
            raise refused(why) from None
        job = self._found(task_id)
        if named != task_id:
            raise refused(FieldRefused(Problem.INVALID, "id", "expected the task's"))
        if job.status(incoming.now) != "queued":
            raise known("Conflict")
        job.cancelled_at = incoming.now
        return {}

    def credits(self, incoming: Incoming) -> dict[str, object]:
        """Show the balance, from which what unfailed tasks cost is taken."""
        jobs = [(job, job.status(incoming.now)) for job in self.book.all()]
        spent = sum(
            _order(job).credits for job, status in jobs if status not in {"failed", "cancelled"}
        )
        remain = {
            "type": "metered",
            "credit_remain": BALANCE - spent,
            "concurrency_limit": incoming.knobs.max_running,
            "current_concurrency": sum(status == "running" for _, status in jobs),
            "queue_count": sum(status == "queued" for _, status in jobs),
        }
        return {"remains": [remain], "packages": []}

    def _found(self, task_id: str) -> Job:
        job = self.book.find(task_id)
        if job is None:
            raise known("TaskNotFound")
        return job

    def _settings(self, job: Job) -> dict[str, object]:
        order = _order(job)
        return {
            "model": order.model,
            "duration": order.seconds,
            "seed": job.marks["seed"],
            "aspect_ratio": order.ratio,
            "resolution": order.resolution,
            "movement_amplitude": "auto",
            "payload": job.marks["payload"],
            "off_peak": order.off_peak,
            "audio": order.audio,
            "watermark": order.watermark,
            "credits": order.credits,
            "created_at": self._shown(job.submitted),
        }

    def _view(self, job: Job, now: float) -> dict[str, object]:
        """Give a task as it stands at *now*."""
        order, status = _order(job), job.status(now)
        error = ""
        if status == "cancelled":
            error = "UserCancelled"
        elif status == "failed":
            assert job.error is not None
            error = job.error[0]
        return {
            "id": job.id,
            "state": _STATES[status],
            "err_code": error,
            "credits": 0 if error else order.credits,
            "payload": job.marks["payload"],
            "bgm": False,
            "off_peak": order.off_peak,
            "creations": [self._creation(job, order)] if status == "succeeded" else [],
        }

    def _creation(self, job: Job, order: VideoOrder) -> dict[str, object]:
        video = VideoRecipe(order.width, order.height, order.seconds, order.audio, order.variant)
        cover = Recipe(order.width, order.height, "jpeg", COMPRESSION, False, order.variant)
        since = job.ended + self._epoch
        url, cover_url = (
            self._links.link(f"vidu/{job.id}", name, since, job.link_seconds)
            for name in (video_name(video), image_name(cover))
        )
        return {"id": f"{job.id}0", "url": url, "cover_url": cover_url, "watermarked_url": url}

    def _callback_body(self, job: Job, now: float) -> bytes | None:
        if job.status(now) not in _TOLD:
            return None
        return json.dumps(self._view(job, now)).encode()

    def _sign(self, url: str, _body: bytes) -> Mapping[str, str]:
        """Give the headers that show *url* who posts; they say nothing of the body."""
        parts = urlsplit(url)
        pairs = sorted(parse_qsl(parts.query, keep_blank_values=True))
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
        headers = {"Date": formatdate(usegmt=True), "x-request-nonce": uuid4().hex}
        lines = ["POST", parts.path or "/", query, ACCESS_KEY, headers["Date"]]
        named = "".join(f"{name}:{headers[name]}\n" for name in SIGNED.split(";"))
        text = "\n".join(lines) + "\n" + named
        signature = hmac.digest(self._credential.encode(), text.encode(), "sha256")
        return {
            **headers,
            "X-HMAC-ALGORITHM": "hmac-sha256",
            "X-HMAC-ACCESS-KEY": ACCESS_KEY,
            "X-HMAC-SIGNED-HEADERS": SIGNED,
            "X-HMAC-SIGNATURE": base64.b64encode(signature).decode(),
        }

    def _shown(self, moment: float) -> str:
        there = datetime.fromtimestamp(moment + self._epoch, UTC)
        return there.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _order(job: Job) -> VideoOrder:
    assert isinstance(job.order, VideoOrder)
    return job.order


def _moment(query: Mapping[str, str], name: str, default: float) -> float:
    """Read a time such as 2026-01-01T15:41:31Z, in Unix seconds."""
    text = query.get(name)
    if text is None:
        return default
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise refused(FieldRefused(Problem.INVALID, name, "expected a time")) from None
    return found.replace(tzinfo=found.tzinfo or UTC).timestamp()


def _whole(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = query.get(name, str(default))
    # int() would take blanks, signs and other scripts' digits.
    if not (text.isascii() and text.isdigit() and len(text) < 8 and low <= int(text) <= high):
        raise known("PageSizeOutOfRange")
    return int(text)
