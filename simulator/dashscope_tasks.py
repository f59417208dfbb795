"""DashScope's video tasks: made, read, listed and cancelled.

Facts: Model Studio's page of the asynchronous task API, and the references of HappyHorse and Vidu.
A task is forgotten a day after its end. What the real answers repeat of a prompt (`orig_prompt`) is
left out: the simulator keeps none.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from math import inf, isinf
from typing import Final
from urllib.parse import parse_qs
from uuid import uuid4

from simulator.answer import Incoming
from simulator.body_fields import BodyFields, FieldRefused, Problem
from simulator.dashscope_errors import (
    OUTPUT_REFUSED,
    SIZE_MISMATCH,
    DashScopeError,
    DashScopeRejected,
    known,
    refused,
    task_error,
)
from simulator.dashscope_request import VideoOrder, read_task_request
from simulator.hosting import Links, video_name
from simulator.images import VARIANTS
from simulator.jobs import Job, JobBook, TooManyJobs
from simulator.videos import VideoRecipe, available

KEPT_SECONDS: Final = 86_400.0
MAX_PAGE: Final = 1_000_000
MAX_PAGE_SIZE: Final = 100
REGION: Final = "cn-beijing"
_BEIJING: Final = timezone(timedelta(hours=8))
_WORDS: Final[Mapping[str, str]] = {
    "queued": "PENDING",
    "running": "RUNNING",
    "succeeded": "SUCCEEDED",
    "failed": "FAILED",
    "cancelled": "CANCELED",
}
STATUSES: Final = (*_WORDS.values(), "UNKNOWN")
_NO_ENCODER: Final = DashScopeError(
    501,
    "SimulatorWithoutVideo",
    "This simulator cannot make videos: PyAV is missing. Install it with pip install 'reapi[demo]'",
)


class DashScopeTasks:
    """The tasks of one account. Every method answers with the JSON document of a success."""

    def __init__(self, links: Links) -> None:
        self.book = JobBook()
        self._links = links
        # Jobs live by the monotonic clock; what is shown of them, by the calendar.
        self._epoch = time.time() - time.monotonic()

    def create(self, incoming: Incoming, request_id: str) -> dict[str, object]:
        """Make a task; raises DashScopeRejected."""
        if not available():
            raise DashScopeRejected(_NO_ENCODER)
        order = _order_of(incoming.body)
        if order.refused_at == "input":
            raise known(400, "DataInspectionFailed")
        job = Job(
            id=str(uuid4()),
            order=order,
            # What the protocol never shows: for tests of what was asked for.
            marks={"watermark": order.watermark, "seed": order.seed, "request_id": request_id},
            submitted=incoming.now,
            expires=inf,
        )
        fault = incoming.job_fault
        if fault is not None and fault.fails_job:
            job.error = task_error(fault.code)
        elif order.refused_at == "output":
            job.error = OUTPUT_REFUSED
        elif order.mismatch:
            job.error = SIZE_MISMATCH
        try:
            self.book.submit(job, incoming.knobs, fault)
        except TooManyJobs:
            raise known(429, "Throttling") from None
        made: dict[str, object] = {"task_status": "PENDING", "task_id": job.id}
        match incoming.empty:
            case None:
                return {"output": made}
            case "no_image":
                return {"output": {**made, "task_id": ""}}
            case "null_image":
                return {"output": {**made, "task_id": None}}
            case _:
                return {}

    def get(self, task_id: str, incoming: Incoming) -> dict[str, object]:
        """Show a task; one that is not known is UNKNOWN."""
        job = self._found(task_id, incoming.now)
        if job is None:
            return {"output": {"task_id": task_id, "task_status": "UNKNOWN"}}
        now, order = incoming.now, _order(job)
        status = job.status(now)
        output: dict[str, object] = {"task_id": job.id, "task_status": _WORDS[status]}
        output["submit_time"] = self._local(job.submitted)
        if now >= job.started:
            output["scheduled_time"] = self._local(job.started)
        if status in {"succeeded", "failed", "cancelled"}:
            output["end_time"] = self._local(job.since(now))
        if status == "failed":
            assert job.error is not None
            output["code"], output["message"] = job.error
        if status != "succeeded":
            return {"output": output}
        match incoming.empty:
            case None:
                output["video_url"] = self._link(job, order)
            case "no_image":
                output["video_url"] = ""
            case "null_image":
                output["video_url"] = None
        return {"output": output, "usage": _usage(order)}

    def list(self, incoming: Incoming) -> dict[str, object]:
        """Show a page of the tasks of a day, newest first; raises DashScopeRejected."""
        query = {name: values[-1] for name, values in parse_qs(incoming.query).items()}
        number = _whole(query, "page_no", 1, MAX_PAGE)
        size = _whole(query, "page_size", 10, MAX_PAGE_SIZE)
        status = query.get("status", "")
        if status and status not in STATUSES:
            raise _wrong("status", f"expected one of {', '.join(STATUSES)}")
        since, until = self._span(query, incoming.now)
        found = [
            job
            for job in self.book.newest_first()
            if since <= job.submitted + self._epoch <= until
            and query.get("task_id", job.id) == job.id
            and query.get("model_name", _order(job).model) == _order(job).model
            and (not status or _WORDS[job.status(incoming.now)] == status)
            and self._found(job.id, incoming.now) is not None
        ]
        if incoming.empty:
            found = []
        page = found[(number - 1) * size : number * size]
        return {
            "data": [self._row(job, incoming.now) for job in page],
            "total": len(found),
            "total_page": -(-len(found) // size),
            "page_no": number,
            "page_size": size,
        }

    def cancel(self, task_id: str, incoming: Incoming) -> dict[str, object]:
        """Cancel a task that is still queued; raises DashScopeRejected."""
        job = self._found(task_id, incoming.now)
        if job is None or job.status(incoming.now) != "queued":
            raise known(400, "UnsupportedOperation")
        job.cancelled_at = incoming.now
        return {}

    def _found(self, task_id: str, now: float) -> Job | None:
        job = self.book.find(task_id)
        if job is None or job.next_change(now) is not None:
            return job
        since = job.since(now)
        return None if not isinf(since) and now >= since + KEPT_SECONDS else job

    def _link(self, job: Job, order: VideoOrder) -> str:
        video = VideoRecipe(order.width, order.height, order.seconds, order.audio, order.variant)
        since = job.ended + self._epoch
        return self._links.link(f"dashscope/{job.id}", video_name(video), since, job.link_seconds)

    def _row(self, job: Job, now: float) -> dict[str, object]:
        order = _order(job)
        row: dict[str, object] = {
            "api_key_id": "1",
            "caller_parent_id": "2",
            "caller_uid": "3",
            "gmt_create": self._milliseconds(job.submitted),
            "model_name": order.model,
            "region": REGION,
            "request_id": job.marks["request_id"],
            "status": _WORDS[job.status(now)],
            "task_id": job.id,
            "user_api_unique_key": (
                f"apikey:v1:aigc:video-generation:video-synthesis:{order.model}"
            ),
        }
        if now >= job.started:
            row["start_time"] = self._milliseconds(job.started)
        if job.next_change(now) is None and not isinf(job.since(now)):
            row["end_time"] = self._milliseconds(job.since(now))
        return row

    def _span(self, query: Mapping[str, str], now: float) -> tuple[float, float]:
        """Give the times between which tasks are listed: a day at most, the last one if not given.

        Both are in Unix seconds.
        """
        since, until = (_seconds(query, name) for name in ("start_time", "end_time"))
        if until is None:
            until = now + self._epoch if since is None else since + KEPT_SECONDS
        if since is None:
            since = until - KEPT_SECONDS
        if not since <= until <= since + KEPT_SECONDS:
            raise _wrong("start_time", "expected a range of at most 24 hours")
        return since, until

    def _milliseconds(self, moment: float) -> int:
        return int((moment + self._epoch) * 1_000)

    def _local(self, moment: float) -> str:
        """Give a time as DashScope shows it: that of Beijing, without saying so."""
        there = datetime.fromtimestamp(moment + self._epoch, _BEIJING)
        return there.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _order_of(body: bytes) -> VideoOrder:
    try:
        fields = BodyFields.parse(body)
        if fields.text("model") and not isinstance(fields.get("input"), dict):
            raise FieldRefused(Problem.MISSING, "input", "it is required")
        return read_task_request(fields, VARIANTS)
    except FieldRefused as why:
        # `from None`: nothing of what was refused stays with the error.
        raise refused(why) from None


def _order(job: Job) -> VideoOrder:
    assert isinstance(job.order, VideoOrder)
    return job.order


def _usage(order: VideoOrder) -> dict[str, object]:
    lines = order.resolution.removesuffix("P")
    shared: dict[str, object] = {
        "duration": order.input_seconds + order.seconds,
        "output_video_duration": order.seconds,
        "video_count": 1,
    }
    if order.is_vidu:
        size = f"{order.width}*{order.height}"
        return {**shared, "size": size, "fps": 24, "audio": order.audio, "SR": lines}
    usage = {**shared, "input_video_duration": order.input_seconds, "SR": int(lines)}
    return {**usage, "ratio": order.ratio} if order.ratio else usage


def _seconds(query: Mapping[str, str], name: str) -> float | None:
    """Read a time such as 20230420193058, which is Beijing's, in Unix seconds."""
    text = query.get(name)
    if text is None:
        return None
    try:
        there = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=_BEIJING)
    except ValueError:
        raise _wrong(name, "expected YYYYMMDDhhmmss") from None
    return there.astimezone(UTC).timestamp()


def _whole(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, str(default))
    # int() would take blanks, signs and other scripts' digits.
    if not (text.isascii() and text.isdigit() and len(text) < 8 and 1 <= int(text) <= most):
        raise _wrong(name, f"expected an integer from 1 to {most}")
    return int(text)


def _wrong(name: str, why: str) -> DashScopeRejected:
    return refused(FieldRefused(Problem.INVALID, name, why))
