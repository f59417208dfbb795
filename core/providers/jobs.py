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


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Ended; how, the answer to this call tells: `JobDialect.outcome` reads it."""

    call: Call


JobState = Working | Made | Broken | Stopped | Elsewhere


class JobDialect(Protocol):
    """How one wire protocol speaks of jobs.

    Every reader raises UpstreamError when the *call* failed (any status that is not the
    answer asked for): a failed look never ends a job. `JobBase` has what most dialects do
    not need.
    """

    def submit(self, ask: Ask, channel: Channel, mark: UUID, callback_url: str = "") -> Call:
        """The request that makes a job which `found` can tell by *mark*, a random UUID.

        *callback_url* is empty where callbacks cannot reach us.
        """

    def marks(self, ask: Ask, channel: Channel) -> bool:
        """Whether that request carries the mark: else no list tells its job from others."""

    def is_free(self) -> bool:
        """Whether that request alone starts and costs nothing: what `proceed` asks for does.

        When its answer is lost, nothing has to be found.
        """

    def submitted(self, reply: Reply, ask: Ask) -> str:
        """The provider's id of the new job, of letters, digits and `._-/:`, at most 200."""

    def proceed(
        self, reply: Reply, step: int, job_id: str, ask: Ask, channel: Channel
    ) -> Call | None:
        """The next request that is needed to start the job, after *reply*; None: it is started.

        *reply* answers the call number *step*: 1 is the submission, whose reply was read already.
        Where a provider wants several (create, accept, upload), the first must cost nothing
        and give the id; the job can be cancelled until the last.
        """

    def look(self, job_id: str, channel: Channel) -> Call:
        """The request that asks for the state of a job."""

    def state(self, reply: Reply, channel: Channel) -> JobState:
        """What the answer to `look` says. NOT_FOUND: the provider does not know the job."""

    def outcome(self, reply: Reply, channel: Channel) -> JobState:
        """What the answer to the call of an `Elsewhere` says."""

    def cancel(self, job_id: str, channel: Channel, state: Working) -> Call | None:
        """The request that stops a job last seen in *state*; None if that is of no use."""

    def cancelled(self, reply: Reply) -> bool:
        """Whether the answer to `cancel` says that the job will make and bill nothing."""

    def find(self, channel: Channel, page: int) -> Call | None:
        """The request for page *page* (from 1) of recent jobs, newest first; None: no such list."""

    def found(self, reply: Reply, mark: UUID) -> "Found":
        """What that page says about the job of *mark*."""


class JobBase:
    """For dialects whose jobs start at once, tell their end themselves, and cannot be stopped
    or listed.
    """

    def marks(self, ask: Ask, channel: Channel) -> bool:
        """All do, where there is a list."""
        del ask, channel
        return True

    def is_free(self) -> bool:
        """The job is made by it."""
        return False

    def proceed(
        self, reply: Reply, step: int, job_id: str, ask: Ask, channel: Channel
    ) -> Call | None:
        """Nothing more is needed."""
        del reply, step, job_id, ask, channel
        return None

    def outcome(self, reply: Reply, channel: Channel) -> JobState:
        """Never asked: `state` gives no `Elsewhere`."""
        del reply, channel
        raise AssertionError("this dialect's looks tell everything")

    def cancel(self, job_id: str, channel: Channel, state: Working) -> Call | None:
        """The provider has no such request."""
        del job_id, channel, state
        return None

    def cancelled(self, reply: Reply) -> bool:
        """Never asked."""
        del reply
        return False

    def find(self, channel: Channel, page: int) -> Call | None:
        """The provider has no list, or none that a mark can be seen in."""
        del channel, page
        return None

    def found(self, reply: Reply, mark: UUID) -> "Found":
        """Never asked."""
        del reply, mark
        raise AssertionError("this dialect has no list")


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a provider's jobs."""

    job_id: str = ""
    """Of the job with the mark; empty if it is not on this page."""
    is_last: bool = True
    oldest: float = 0.0
    """When the last job of the page was made, in seconds since 1970."""
    cursor: str = ""
    """What to add to the query of page 1 for the next page; empty where pages have numbers."""
