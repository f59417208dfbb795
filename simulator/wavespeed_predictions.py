"""WaveSpeed's predictions: made, shown, deleted. Facts: providers.md 8.4."""

import hmac
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from uuid import uuid4

from simulator.answer import Incoming
from simulator.ark_fields import is_web_url
from simulator.endpoint_orders import read_order, shrunk
from simulator.hosting import Links
from simulator.jobs import Job, JobBook, TooManyJobs
from simulator.resold_jobs import Commission, ResoldJobs, commission_of
from simulator.videos import available
from simulator.wavespeed_models import MODELS

MESSAGES: Final[Mapping[int, str]] = {
    400: "Bad Request",
    401: "Invalid API key. Please check your API key and try again.",
    402: "Insufficient balance. Please top up your account to continue.",
    403: "Forbidden",
    404: "Not Found",
    429: "Too many requests. Please slow down.",
    500: "Internal Server Error",
    501: "This simulator cannot make videos: PyAV is missing. pip install 'reapi[demo]'",
    503: "Service Unavailable",
}
_STATUSES: Final = {
    "queued": "created",
    "running": "processing",
    "succeeded": "completed",
    "failed": "failed",
    "expired": "timeout",
    "cancelled": "cancelled",
}
# What a failed prediction says, by its code.
_ERRORS: Final[Mapping[str, str]] = {
    "1200": "Content flagged as potentially sensitive. Please try different prompts.",
    "1400": "A required parameter is missing.",
    "1401": "A parameter is invalid.",
    "1402": "The media file could not be fetched.",
    "1403": "The task failed.",
    "5000": "Internal error.",
    "5003": "The service is unavailable.",
}
# Of a prediction that is delivered, and said to be not safe for work.
_FLAGGED: Final = "flagged"
_SIZE: Final = re.compile(r"([0-9]{3,4})\*([0-9]{3,4})")


class WaveSpeedError(Exception):
    """A call is refused with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
        self.message = MESSAGES[status]


class Predictions:
    """The predictions of one account. Methods answer with the `data` of a success."""

    def __init__(self, links: Links) -> None:
        self._key = secrets.token_hex(16)
        self._links = links
        self._jobs = ResoldJobs(links, self._told, self._signed)

    @property
    def book(self) -> JobBook:
        """The account's jobs."""
        return self._jobs.book

    @property
    def secret(self) -> str:
        """What webhooks are signed with: the text behind the prefix, as it is."""
        return f"whsec_{self._key}"

    async def close(self) -> None:
        """Stop calling webhooks."""
        await self._jobs.callbacks.close()

    def create(self, model: str, webhook: str | None, incoming: Incoming) -> dict[str, object]:
        """Make a prediction; raises WaveSpeedError and Problem."""
        if MODELS[model].kind == "video" and not available():
            raise WaveSpeedError(501)
        order = shrunk(read_order(model, MODELS[model], _inputs(incoming.body)), incoming.knobs)
        callback_url = webhook if is_web_url(webhook) else None
        if order.refused_at == "one":
            commission = Commission(replace(order, refused_at=None), _FLAGGED, callback_url)
        else:
            commission = Commission(order, callback_url=callback_url)
        try:
            job = self._jobs.submit(
                uuid4().hex, commission, incoming, ("1200", _ERRORS["1200"]), _failed
            )
        except TooManyJobs:
            raise WaveSpeedError(429) from None
        shown = self._view(job, incoming.now)
        match incoming.empty:
            case "no_data":
                return {}
            case "no_image":
                return {**shown, "id": ""}
            case "null_image":
                return {**shown, "id": None}
        return shown

    def result(self, prediction_id: str, incoming: Incoming) -> dict[str, object]:
        """Show a prediction."""
        shown = self._view(self._found(prediction_id), incoming.now)
        match incoming.empty if shown["status"] == "completed" else None:
            case "no_data":
                shown["outputs"] = None
            case "no_image":
                shown["outputs"] = []
            case "null_image":
                shown["outputs"] = [None]
        return shown

    def delete(self, prediction_id: str) -> None:
        """Forget a prediction, whatever it does."""
        self._found(prediction_id).deleted = True

    def _found(self, prediction_id: str) -> Job:
        job = self.book.find(prediction_id)
        if job is None:
            raise WaveSpeedError(404)
        return job

    def _view(self, job: Job, now: float) -> dict[str, object]:
        commission, status = commission_of(job), job.status(now)
        is_done = status == "succeeded"
        made = self._jobs.urls(job, "wavespeed") if is_done else []
        shown: dict[str, object] = {
            "id": job.id,
            "model": commission.order.endpoint,
            "status": _STATUSES[status],
            "outputs": made,
            "urls": {"get": f"{self._links.base_url}/api/v3/predictions/{job.id}/result"},
            "has_nsfw_contents": [commission.family == _FLAGGED] * len(made),
            "error": "",
            "timings": {"inference": round(1_000 * (job.ended - job.started)) if is_done else 0},
            "created_at": datetime.fromtimestamp(self._jobs.wall(job.submitted), UTC).isoformat(),
        }
        if status == "failed":
            assert job.error is not None
            shown["code"], shown["error"] = int(job.error[0]), job.error[1]
        elif status == "expired":
            shown["error"] = "The task timed out."
        return shown

    def _told(self, job: Job, now: float) -> bytes | None:
        """Webhooks tell of the end only."""
        if job.status(now) in {"queued", "running"}:
            return None
        return json.dumps(self._view(job, now)).encode()

    def _signed(self, _url: str, body: bytes) -> Mapping[str, str]:
        message_id, stamp = f"msg_{uuid4().hex}", str(int(time.time()))
        signed = b".".join((message_id.encode(), stamp.encode(), body))
        signature = hmac.new(self._key.encode(), signed, sha256).hexdigest()
        return {
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": f"v3,{signature}",
        }


def _inputs(body: bytes) -> Mapping[str, object]:
    """Give the inputs, with a size of two sides; raises WaveSpeedError."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise WaveSpeedError(400)
    size = values.get("size")
    if isinstance(size, str) and (sides := _SIZE.fullmatch(size)) is not None:
        return {**values, "size": {"width": int(sides[1]), "height": int(sides[2])}}
    return values


def _failed(code: str | None) -> tuple[str, str]:
    known = "1403" if code is None or code not in _ERRORS else code
    return known, _ERRORS[known]
