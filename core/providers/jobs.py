"""The dialect of providers whose calls leave a job behind: submit, then look until it ended. Pure.

A job outlives the process that submitted it. So what is needed to find it again, its id or
the mark that it was submitted with, is all that these calls take: never the request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from core.errors import UpstreamError
from core.model import Ask, Channel, Final, Hosted, Report
from core.providers.wire import Call, Reply


@dataclass(frozen=True, slots=True)
class Working:
    """Not ended. `percent` is 0 to 100, where the provider tells."""

    is_queued: bool = False
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """Ended well: at least one output."""

    outputs: Sequence[Hosted | Final]
    report: Report


@dataclass(frozen=True, slots=True)
class Broken:
    """Ended without an output: the job's own failure, not that of the look at it."""

    error: UpstreamError


@dataclass(frozen=True, slots=True)
class Stopped:
    """Cancelled before it ended: nothing was made, nothing is billed."""


JobState = Working | Made | Broken | Stopped


class JobDialect(Protocol):
    """How one wire protocol speaks of jobs.

    Every reader raises UpstreamError when the *call* failed (any status that is not the
    answer asked for): a failed look never ends a job.
    """

    def submit(self, ask: Ask, channel: Channel, mark: UUID, callback_url: str = "") -> Call:
        """The request that makes a job which `found` can tell by *mark*, a random UUID.

        *callback_url* is empty where callbacks cannot reach us.
        """

    def submitted(self, reply: Reply, ask: Ask) -> str:
        """The provider's id of the new job, of letters, digits and `._-/:`, at most 200."""

    def look(self, job_id: str, channel: Channel) -> Call:
        """The request that asks for the state of a job."""

    def state(self, reply: Reply) -> JobState:
        """What the answer to `look` says. NOT_FOUND: the provider does not know the job."""

    def cancel(self, job_id: str, channel: Channel, state: Working) -> Call | None:
        """The request that stops a job last seen in *state*; None if that is of no use."""

    def cancelled(self, reply: Reply) -> bool:
        """Whether the answer to `cancel` says that the job will make and bill nothing."""

    def find(self, channel: Channel, page: int) -> Call | None:
        """The request for page *page* (from 1) of recent jobs, newest first; None: no such list."""

    def found(self, reply: Reply, mark: UUID) -> "Found":
        """What that page says about the job of *mark*."""


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a provider's jobs."""

    job_id: str = ""
    """Of the job with the mark; empty if it is not on this page."""
    is_last: bool = True
    oldest: float = 0.0
    """When the last job of the page was made, in seconds since 1970."""
