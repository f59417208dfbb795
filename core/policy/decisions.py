"""What the failover machine says: the values that the engine matches on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field

from core.errors import (
    MEANING,
    Another,
    Fault,
    GatewayError,
    Phase,
    Reason,
    UpstreamError,
    describe,
)
from core.model import Channel, Deadlines
from core.policy.budgets import Permit
from core.policy.credentials import BLAMED
from core.policy.health import Health, Slot, Standing
from core.policy.routing import Unroutable
from core.values import dataclass

CLOCK_SLACK = 0.05
"""A timer may be seen to fire this much before the time it was set for."""


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """One try on a channel, booked. `standing` is how the channel stood when chosen."""

    number: int
    channel: Channel
    deadlines: Deadlines
    standing: Standing
    started: float
    health: Health = field(repr=False)
    slot: Slot = field(repr=False)
    permit: Permit | None = field(repr=False)
    candidates: int = 0
    """How many channels could serve the request at all."""
    is_hedge: bool = False
    """Begun beside another attempt, which took long."""

    @property
    def is_cut(self) -> bool:
        """Whether the caller's time, not the channel's, limits it."""
        return self.deadlines is not self.channel.deadlines


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an attempt failed."""

    channel: Channel
    error: UpstreamError

    @property
    def reason(self) -> Reason:
        """What the caller would be told if this were the only one."""
        return MEANING[self.error.fault].reason


@dataclass(frozen=True, slots=True)
class TryAnother:
    """Ask for the next attempt, after *delay* seconds."""

    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Reconcile:
    """The provider may be working on it: ask its list or query, then call `absent`."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Stop:
    """The generation has failed. `cause` is the attempt's error that decided, if one did."""

    reason: Reason
    attempts: int
    cause: UpstreamError | None = None
    retry_after: float | None = None
    unroutable: Unroutable | None = None

    def to_error(self) -> GatewayError:
        """Say so to the caller, in our own words only."""
        if self.unroutable is not None:
            return self.unroutable.to_error()
        metadata = {"attempts": str(self.attempts)}
        if self.cause is not None and self.cause.stage:
            metadata["stage"] = self.cause.stage
        return GatewayError(
            self.reason,
            describe(self.reason),
            parameter=self.cause.parameter if self.cause is not None else "",
            retry_after=self.retry_after,
            metadata=metadata,
        )


def asked(tries: Mapping[str, int], causes: Sequence[Cause]) -> set[str | tuple[str, str]]:
    """What is not asked first again: channels, by name, after so many *tries*.

    Of a channel that refused a credential, only that credential: the next one is untried.
    """
    if not tries:
        return set()
    refused = [cause.channel for cause in causes if cause.error.fault in BLAMED]
    times = Counter([channel.name for channel in refused])
    channels = [name for name, count in tries.items() if count > times[name]]
    return {*channels, *[(channel.name, channel.credential_name) for channel in refused]}


def conclude(causes: Sequence[Cause], attempts: int) -> Stop:
    """Choose the reason of a generation whose attempts all failed.

    In order: a refusal by moderation; a request the provider calls invalid; overload, if
    every cause is one; silence, if the last one is; else an error. (What the caller can
    act on comes first; the last three are as `reapi.v1.ErrorReason` documents them.)
    """
    assert causes
    for reason in (Reason.CONTENT_POLICY_VIOLATION, Reason.UPSTREAM_REJECTED):
        for cause in causes:
            if cause.reason is reason:
                return Stop(reason, attempts, cause.error)
    last = causes[-1]
    if all(cause.reason is Reason.UPSTREAM_OVERLOADED for cause in causes):
        waits = [cause.error.retry_after for cause in causes if cause.error.retry_after]
        soonest = min(waits, default=None)
        return Stop(Reason.UPSTREAM_OVERLOADED, attempts, last.error, soonest)
    if last.reason is Reason.UPSTREAM_TIMEOUT:
        return Stop(Reason.UPSTREAM_TIMEOUT, attempts, last.error)
    return Stop(Reason.UPSTREAM_ERROR, attempts, last.error)


def may_be_working(error: UpstreamError) -> bool:
    """Whether the request may still be worked on: sent, and its outcome not known."""
    is_unknown = MEANING[error.fault].another is Another.IF_DUPLICATE_OK
    return is_unknown and error.phase is not Phase.CONNECT


def ran_out(attempt: Attempt, error: UpstreamError, now: float) -> bool:
    """Whether the caller's time ended the attempt, which says nothing about the channel."""
    return (
        error.fault is Fault.TIMEOUT
        and attempt.is_cut
        and now >= attempt.started + attempt.deadlines.total - CLOCK_SLACK
    )
