"""Jobs at resellers of others' models: made, failed and moderated alike, shown differently."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.answer import Incoming
from simulator.callbacks import Callbacks, Sign, unsigned
from simulator.endpoint_orders import Order, outputs
from simulator.hosting import Links
from simulator.jobs import Job, JobBook

LASTS = 86_400.0
"""Seconds after which a job that hangs expires."""

Failure = tuple[str, str]
"""A code and a sentence."""


@dataclass(frozen=True, slots=True)
class Commission:
    """What one job makes. `family` tells apart what a protocol keeps apart."""

    order: Order
    family: str = ""
    callback_url: str | None = field(default=None, repr=False)


class ResoldJobs:
    """The jobs of one account; *render* gives what a callback says of one, or None."""

    def __init__(
        self, links: Links, render: Callable[[Job, float], bytes | None], sign: Sign = unsigned
    ) -> None:
        self.book = JobBook()
        self.callbacks = Callbacks(render, sign)
        self._links = links
        self._epoch = time.time() - time.monotonic()

    def submit(
        self,
        job_id: str,
        commission: Commission,
        incoming: Incoming,
        refused: Failure,
        failed: Callable[[str | None], Failure],
    ) -> Job:
        """Make a job; raises TooManyJobs.

        It ends as *refused* where its words are, and as *failed* says of the code of a fault.
        """
        order = commission.order
        job = Job(
            id=job_id,
            order=commission,
            marks={"seed": order.seed},
            submitted=incoming.now,
            expires=incoming.now + LASTS,
        )
        fault = incoming.job_fault
        if fault is not None and fault.fails_job:
            job.error = failed(fault.code)
        elif order.refused_at in {"input", "output"}:
            job.error = refused
        self.book.submit(job, incoming.knobs, fault)
        if commission.callback_url is not None:
            self.callbacks.watch(job, commission.callback_url)
        return job

    def urls(self, job: Job, folder: str) -> list[str]:
        """Give the links to what a job made; they work from its end on."""
        since = self.wall(job.ended)
        order = commission_of(job).order
        made = outputs(order, self._links, f"{folder}/{job.id}", since, job.link_seconds)
        return [each.url for each in made]

    def wall(self, moment: float) -> float:
        """Give a moment of the monotonic clock in Unix seconds."""
        return moment + self._epoch


def commission_of(job: Job) -> Commission:
    """Give what a job makes."""
    assert isinstance(job.order, Commission)
    return job.order
