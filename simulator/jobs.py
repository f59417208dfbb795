"""Jobs that outlive the call that made them: nothing runs, a job's state follows from the time.

Pure: no clock, no tasks. Times are seconds of the monotonic clock, arguments everywhere.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from typing import Final

from simulator.faults import RELENT_DEFAULT_MS, Fault
from simulator.knobs import Knobs

KEPT_JOBS: Final = 50_000
# How a job can stand, in the order of its life; the last four are final.
STATUSES: Final = ("queued", "running", "succeeded", "failed", "expired", "cancelled")
_UNFINISHED: Final = frozenset({"queued", "running"})


class TooManyJobs(Exception):
    """As many jobs are queued or running as the channel takes."""


@dataclass(slots=True)
class Job:
    """One job. `order` is what its protocol shows of it again; never its words or pictures.

    `error` (code, message) makes it fail at `ended`, until it `relents`. `deleted` jobs are
    unknown to the protocol and stay in the simulator's own record.
    """

    id: str
    order: object = field(repr=False)
    marks: dict[str, object] = field(repr=False)
    submitted: float
    expires: float
    started: float = inf
    ended: float = inf
    error: tuple[str, str] | None = None
    relents: float = inf
    fault: str | None = None
    cancelled_at: float | None = None
    deleted: bool = False
    # How long links to its results work, and how often a callback told of it.
    link_seconds: int = 0
    notified: int = 0

    def status(self, now: float) -> str:
        """Give one of STATUSES as of *now*."""
        if self.cancelled_at is not None and now >= self.cancelled_at:
            return "cancelled"
        if now >= min(self.ended, self.expires):
            if self.expires < self.ended:
                return "expired"
            return "succeeded" if self.error is None or now >= self.relents else "failed"
        return "queued" if now < self.started else "running"

    def since(self, now: float) -> float:
        """Give when the status of *now* began."""
        match self.status(now):
            case "queued":
                return self.submitted
            case "running":
                return self.started
            case "cancelled":
                assert self.cancelled_at is not None
                return self.cancelled_at
            case _:
                return min(self.ended, self.expires)

    def next_change(self, now: float) -> float | None:
        """Give when the status next changes by itself, None if never."""
        if self.status(now) not in _UNFINISHED:
            return None
        end = min(self.ended, self.expires)
        return min(self.started, end) if now < self.started else end

    def as_json(self, now: float) -> dict[str, object]:
        """Give the job as `GET /_jobs` shows it; milliseconds of the monotonic clock."""
        end = self.cancelled_at or min(self.ended, self.expires)
        return {
            "id": self.id,
            "status": self.status(now),
            "deleted": self.deleted,
            "submitted_ms": round(self.submitted * 1_000, 3),
            "started_ms": round(self.started * 1_000, 3) if now >= self.started else None,
            "ended_ms": round(end * 1_000, 3) if now >= end else None,
            "error": self.error and self.error[0],
            "fault": self.fault,
            "marks": self.marks,
            "notified": self.notified,
        }


class JobBook:
    """The jobs of one channel: the newest *keep*, and an exact count of all ever made."""

    def __init__(self, keep: int = KEPT_JOBS) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._keep = keep
        # When each job that still counts as unfinished ends, and when each place to run is free.
        self._ends: list[float] = []
        self._places: list[float] = []
        self.made = 0

    def submit(self, job: Job, knobs: Knobs, fault: Fault | None = None) -> None:
        """Take in *job*, submitted at `job.submitted`, and decide its times; or TooManyJobs.

        *fault* is one of jobs, whose error stands in the job already.
        """
        now = job.submitted
        for heap in (self._ends, self._places):
            while heap and heap[0] <= now:
                heappop(heap)
        if len(self._ends) >= knobs.max_unfinished:
            raise TooManyJobs
        job.link_seconds = knobs.link_seconds
        job.started = now + knobs.queue_ms / 1_000
        while len(self._places) >= knobs.max_running:
            job.started = max(job.started, heappop(self._places))
        job.ended = job.started + knobs.run_ms / 1_000
        if fault is not None:
            job.fault = fault.kind
            match fault.kind:
                case "job_hangs":
                    job.ended = inf
                case "job_relents":
                    job.relents = job.ended + (fault.delay_ms or RELENT_DEFAULT_MS) / 1_000
                case _:
                    job.ended += fault.delay_ms / 1_000
        end = min(job.ended, job.expires)
        heappush(self._ends, end)
        heappush(self._places, end)
        assert job.id not in self._jobs
        self._jobs[job.id] = job
        self.made += 1
        if len(self._jobs) > self._keep:
            self._jobs.popitem(last=False)

    def find(self, job_id: str) -> Job | None:
        """Give the job that the protocol knows by *job_id*."""
        job = self._jobs.get(job_id)
        return None if job is None or job.deleted else job

    def newest_first(self) -> Iterator[Job]:
        """Give the jobs that the protocol knows."""
        return (job for job in reversed(self._jobs.values()) if not job.deleted)

    def all(self) -> Iterator[Job]:
        """Give every job on record, deleted ones included, oldest first."""
        return iter(self._jobs.values())
