"""kie.ai's tasks, those of Veo included: made and shown. Facts: providers.md 8.5.

What is shown of an input again are words of the protocol and numbers, never texts or files,
although the real API shows those too.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final
from uuid import uuid4

from simulator.answer import Incoming
from simulator.ark_fields import is_web_url
from simulator.endpoint_fields import Problem
from simulator.endpoint_orders import Endpoint, Order, read_order, shrunk
from simulator.hosting import Links
from simulator.jobs import Job, JobBook, TooManyJobs
from simulator.kie_models import MODELS, VEO
from simulator.resold_jobs import Commission, ResoldJobs, commission_of
from simulator.videos import available

MESSAGES: Final[Mapping[int, str]] = {
    400: "Bad request",
    401: "You do not have access permissions",
    402: "Insufficient credits. Please top up your account to continue.",
    404: "Not found",
    422: "The model is not supported",
    429: "Your call frequency is too high, please try again later",
    455: "The service is under maintenance",
    500: "Server exception, please try again later",
    501: "Generation failed",
    505: "The feature is disabled",
}
_VEO: Final = "veo"
_STATES: Final = {
    "queued": "waiting",
    "running": "generating",
    "succeeded": "success",
    "failed": "fail",
    "expired": "fail",
    "cancelled": "fail",
}
_FLAGS: Final = {"queued": 0, "running": 0, "succeeded": 1}
_REFUSED: Final = (
    "400",
    "The input or output was flagged as sensitive. Please try again with different inputs.",
)
_FAILED: Final = ("501", "Generation failed")
_PIXELS: Final = {"basic": "2K", "high": "3K", "ultra": "4K"}


class KieError(Exception):
    """A call is refused with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
        self.message = MESSAGES[code]


class Tasks:
    """The tasks of one account. Methods answer with the `data` of a success."""

    def __init__(self, links: Links) -> None:
        self._jobs = ResoldJobs(links, self._told)

    @property
    def book(self) -> JobBook:
        """The account's jobs."""
        return self._jobs.book

    async def close(self) -> None:
        """Stop calling callbacks."""
        await self._jobs.callbacks.close()

    def create(self, incoming: Incoming) -> dict[str, object]:
        """Make a task; raises KieError and Problem."""
        given = _object(incoming.body)
        inputs = given.get("input")
        if not isinstance(inputs, dict):
            raise Problem("input", "missing")
        return self._create(MODELS, given, inputs, "", incoming)

    def create_veo(self, incoming: Incoming) -> dict[str, object]:
        """Make a task of Veo; raises KieError and Problem."""
        given = _object(incoming.body)
        return self._create(VEO, given, given, _VEO, incoming)

    def show(self, task_id: str, incoming: Incoming) -> dict[str, object]:
        """Show a task; raises KieError."""
        return self._shown(task_id, "", self._view, incoming)

    def show_veo(self, task_id: str, incoming: Incoming) -> dict[str, object]:
        """Show a task of Veo; raises KieError."""
        return self._shown(task_id, _VEO, self._view_veo, incoming)

    def _create(
        self,
        models: Mapping[str, Endpoint],
        given: Mapping[str, object],
        inputs: Mapping[str, object],
        family: str,
        incoming: Incoming,
    ) -> dict[str, object]:
        name, callback = given.get("model"), given.get("callBackUrl")
        if not isinstance(name, str) or name not in models:
            raise KieError(422)
        if models[name].kind == "video" and not available():
            raise KieError(501)
        _check_links(models[name], inputs)
        order = _pixels(read_order(name, models[name], inputs), inputs, models[name])
        commission = Commission(
            shrunk(order, incoming.knobs),
            family,
            callback if isinstance(callback, str) and is_web_url(callback) else None,
        )
        try:
            job = self._jobs.submit(
                uuid4().hex,
                commission,
                incoming,
                _REFUSED,
                lambda code: (code or "501", _FAILED[1]),
            )
        except TooManyJobs:
            raise KieError(429) from None
        match incoming.empty:
            case "no_data":
                return {}
            case "no_image":
                return {"taskId": ""}
            case "null_image":
                return {"taskId": None}
        return {"taskId": job.id, "recordId": job.id}

    def _shown(
        self,
        task_id: str,
        family: str,
        view: Callable[[Job, float, str | None], dict[str, object]],
        incoming: Incoming,
    ) -> dict[str, object]:
        job = self.book.find(task_id)
        if job is None or commission_of(job).family != family:
            raise KieError(404)
        return view(job, incoming.now, incoming.empty)

    def _urls(self, job: Job, empty: str | None) -> object:
        match empty:
            case "no_data":
                return None
            case "no_image":
                return []
            case "null_image":
                return [None]
        return self._jobs.urls(job, "kie")

    def _view(self, job: Job, now: float, empty: str | None = None) -> dict[str, object]:
        order, status = commission_of(job).order, job.status(now)
        is_done = status == "succeeded"
        result = json.dumps({"resultUrls": self._urls(job, empty)}) if is_done else ""
        code, said = _reason(job, status)
        return {
            "taskId": job.id,
            "model": order.endpoint,
            "state": _STATES[status],
            "param": json.dumps({"model": order.endpoint, "input": order.shown}),
            "resultJson": result,
            "failCode": code,
            "failMsg": said,
            "costTime": round(1_000 * (job.ended - job.started)) if is_done else None,
            "completeTime": self._milliseconds(job.since(now)) if is_done else None,
            "createTime": self._milliseconds(job.submitted),
            "updateTime": self._milliseconds(job.since(now)),
            "creditsConsumed": 6.0 if is_done else 0.0,
        }

    def _view_veo(self, job: Job, now: float, empty: str | None = None) -> dict[str, object]:
        status = job.status(now)
        code, said = _reason(job, status)
        return {
            "taskId": job.id,
            "successFlag": _FLAGS.get(status, 3),
            "response": (
                {"taskId": job.id, "resultUrls": self._urls(job, empty), "resolution": "720p"}
                if status == "succeeded"
                else None
            ),
            "errorCode": int(code) if code else None,
            "errorMessage": said,
            "createTime": self._milliseconds(job.submitted),
        }

    def _told(self, job: Job, now: float) -> bytes | None:
        """Callbacks tell of the end only, as a look would."""
        if job.status(now) in {"queued", "running"}:
            return None
        view = self._view_veo if commission_of(job).family == _VEO else self._view
        return json.dumps({"code": 200, "msg": "success", "data": view(job, now, None)}).encode()

    def _milliseconds(self, moment: float) -> int:
        return int(self._jobs.wall(moment) * 1_000)


def _reason(job: Job, status: str) -> tuple[str, str]:
    if status == "failed":
        assert job.error is not None
        return job.error
    return _FAILED if status in {"expired", "cancelled"} else ("", "")


def _object(body: bytes) -> Mapping[str, object]:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise KieError(400)
    return values


def _check_links(endpoint: Endpoint, inputs: Mapping[str, object]) -> None:
    """Refuse files that are in the request itself: they have to be uploaded first."""
    for name, known in endpoint.fields.items():
        if known.kind in {"image", "video", "audio"}:
            value = inputs.get(name)
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, str) and each.startswith("data:"):
                    raise Problem(name, "unsupported_format")


def _pixels(order: Order, inputs: Mapping[str, object], endpoint: Endpoint) -> Order:
    """Give Seedream's size, whose class is told as a quality."""
    if "quality" not in endpoint.fields:
        return order
    side = {"2K": 2, "3K": 3, "4K": 4}[_PIXELS[str(inputs.get("quality") or "basic")]]
    return replace(order, width=order.width * side, height=order.height * side)
