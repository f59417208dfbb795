"""Replicate's predictions: made, read, cancelled and listed.

Facts: providers.md 8.2. What is shown of an input again are words of the protocol and numbers,
never texts or files, although the real API shows those too.
"""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Final
from urllib.parse import parse_qs, quote

from simulator.answer import Incoming
from simulator.ark_fields import MAX_URL_CHARS, is_web_url
from simulator.callbacks import Callbacks
from simulator.endpoint_fields import Problem
from simulator.endpoint_orders import Order, outputs, read_order, shrunk
from simulator.hosting import Links
from simulator.jobs import Job, JobBook, TooManyJobs
from simulator.replicate_errors import (
    FLAGGED,
    ReplicateRejected,
    input_error,
    plain,
    sentence,
    throttled,
)
from simulator.replicate_models import MODELS
from simulator.replicate_signing import Signer

KEPT_SECONDS: Final = 3_600
"""Outputs and inputs of predictions made by the API are wiped after so long."""
PAGE: Final = 100
_EVENTS: Final = ("start", "output", "logs", "completed")
_EVENT_OF: Final[Mapping[str, str]] = {"queued": "start", "running": "output"}
_STATUSES: Final[Mapping[str, str]] = {
    "queued": "starting",
    "running": "processing",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "canceled",
}
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one prediction makes, and the events that its webhook wants to hear of."""

    order: Order
    webhook: str = field(repr=False)
    events: frozenset[str]


class Predictions:
    """The predictions of one account. Every method answers with the JSON document of a success."""

    def __init__(self, links: Links, signer: Signer) -> None:
        self.book = JobBook()
        self.callbacks = Callbacks(self._webhook, signer.headers)
        self._links = links
        # Jobs live by the monotonic clock; what is shown of them, by the calendar.
        self._epoch = time.time() - time.monotonic()

    def create(self, model: str, given: Mapping[str, object], incoming: Incoming) -> Job:
        """Make a prediction; raises ReplicateRejected."""
        values = given.get("input")
        if not isinstance(values, dict):
            raise ReplicateRejected(input_error(Problem("input", "missing")))
        try:
            order = shrunk(_read(model, values), incoming.knobs)
        except Problem as problem:
            raise ReplicateRejected(input_error(problem)) from None
        job = Job(
            id="".join(secrets.choice(_ALPHABET) for _ in range(26)),
            order=Prediction(order, *_webhook_of(given)),
            marks={"seed": order.seed},
            submitted=incoming.now,
            expires=inf,
        )
        fault = incoming.job_fault
        if fault is not None and fault.fails_job:
            job.error = fault.code or "", sentence(fault.code)
        elif order.refused_at in {"input", "output"} or (
            order.refused_at == "one" and order.count == 1
        ):
            job.error = "E005", FLAGGED
        try:
            self.book.submit(job, incoming.knobs, fault)
        except TooManyJobs:
            raise ReplicateRejected(throttled(5)) from None
        if webhook := _prediction(job).webhook:
            self.callbacks.watch(job, webhook)
        return job

    def find(self, prediction_id: str) -> Job:
        """Give a prediction; raises ReplicateRejected."""
        job = self.book.find(prediction_id)
        if job is None:
            raise ReplicateRejected(plain(404))
        return job

    def cancel(self, prediction_id: str, now: float) -> Job:
        """Stop a prediction, unless it has ended."""
        job = self.find(prediction_id)
        if job.status(now) in {"queued", "running"}:
            job.cancelled_at = now
        return job

    def list(self, incoming: Incoming) -> dict[str, object]:
        """Show a page, newest first; raises ReplicateRejected. Cursors count from the newest."""
        cursor = parse_qs(incoming.query).get("cursor", ["0"])[0]
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
            raise ReplicateRejected(plain(400))
        passed = int(cursor)
        jobs = [] if incoming.empty else list(self.book.newest_first())
        more = passed + PAGE < len(jobs)
        return {
            "previous": self._page(passed - PAGE) if passed else None,
            "next": self._page(passed + PAGE) if more else None,
            "results": [self.view(job, incoming.now) for job in jobs[passed : passed + PAGE]],
        }

    def view(self, job: Job, now: float, empty: str | None = None) -> dict[str, object]:
        """Give a prediction as it stands at *now*."""
        order, status = _prediction(job).order, job.status(now)
        ended = job.since(now) if status not in {"queued", "running"} else None
        is_wiped = ended is not None and now >= ended + min(job.link_seconds, KEPT_SECONDS)
        url = f"{self._links.base_url}/v1/predictions/{job.id}"
        shown: dict[str, object] = {
            "id": job.id,
            "model": order.endpoint,
            "version": "hidden",
            "status": _STATUSES[status],
            "input": {} if is_wiped else dict(order.shown),
            "output": None,
            "error": job.error[1] if status == "failed" and job.error is not None else None,
            "logs": "",
            "metrics": {},
            "created_at": self._date(job.submitted),
            "started_at": self._date(job.started) if now >= job.started else None,
            "completed_at": None if ended is None else self._date(ended),
            "data_removed": is_wiped,
            "urls": {"get": url, "cancel": f"{url}/cancel"},
        }
        if status == "succeeded":
            seconds = round(job.ended - job.started, 3)
            shown["metrics"] = {"predict_time": seconds, "total_time": seconds}
            if not is_wiped:
                shown["output"] = self._output(job, order, empty)
        return shown

    def _output(self, job: Job, order: Order, empty: str | None) -> object:
        since, seconds = job.ended + self._epoch, min(job.link_seconds, KEPT_SECONDS)
        links = [each.url for each in outputs(order, self._links, f"xezq/{job.id}", since, seconds)]
        match empty:
            case "no_data":
                return None
            case "no_image":
                links = []
            case "null_image":
                return [None]
        if order.single:
            return links[0] if links else None
        return links

    def _webhook(self, job: Job, now: float) -> bytes | None:
        """Give what is posted: of the events that were asked for."""
        event = _EVENT_OF.get(job.status(now), "completed")
        if event not in _prediction(job).events:
            return None
        return json.dumps(self.view(job, now)).encode()

    def _page(self, passed: int) -> str:
        cursor = quote(str(max(0, passed)))
        return f"{self._links.base_url}/v1/predictions?cursor={cursor}"

    def _date(self, moment: float) -> str:
        return datetime.fromtimestamp(moment + self._epoch, UTC).isoformat().replace("+00:00", "Z")


def _read(model: str, values: Mapping[str, object]) -> Order:
    endpoint = MODELS[model]
    unknown = next((name for name in values if name not in endpoint.fields), None)
    if unknown is not None:
        # A name is a caller's word too: only one that other models know is repeated.
        known = any(unknown in other.fields for other in MODELS.values())
        raise Problem("input", "unknown", unknown if known else "(unknown)")
    return read_order(model, endpoint, values)


def _webhook_of(given: Mapping[str, object]) -> tuple[str, frozenset[str]]:
    """Give the URL, empty if there is none, and the events that it wants to hear of."""
    url = given.get("webhook")
    if not isinstance(url, str) or len(url) > MAX_URL_CHARS or not is_web_url(url):
        return "", frozenset()
    wanted = given.get("webhook_events_filter")
    events = wanted if isinstance(wanted, list) else _EVENTS
    return url, frozenset(event for event in _EVENTS if event in events)


def _prediction(job: Job) -> Prediction:
    assert isinstance(job.order, Prediction)
    return job.order
