"""Asks channels until one delivers: awaits what the failover machine decides."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import field
from typing import Protocol
from uuid import UUID

from core.engine.bookkeeping import Entry
from core.engine.calls import Taken, leaving
from core.engine.events import AttemptStarted, Live
from core.engine.ids import random_id
from core.engine.jobs import Jobs, Pursuit, ended
from core.engine.mirroring import CALL_PATIENCE, JOB_PATIENCE, Mirror, Patience
from core.engine.outputs import Kept, check
from core.engine.records import AttemptRecord
from core.engine.reports import plain
from core.errors import Fault, GatewayError, Phase, Reason, UpstreamError, explained
from core.log import AttemptEnded, Emit
from core.media import Probe
from core.model import (
    EMPTY_REPORT,
    Acknowledged,
    Ask,
    AttemptState,
    Channel,
    Final,
    Hosted,
    Kind,
    Piece,
    Preview,
    Report,
    Sound,
)
from core.policy.decisions import Attempt, Reconcile, Stop, TryAnother
from core.policy.failover import Failover
from core.providers import DIALECTS, JOB_DIALECTS, Dialect
from core.values import dataclass

DETAIL_LIMIT = 500
"""Characters of a provider's own words that a live caller is shown."""

_QUOTED = frozenset({Reason.UPSTREAM_REJECTED, Reason.CONTENT_POLICY_VIOLATION})


class Upstream(Protocol):
    """One try on one channel: the driver."""

    def attempt(
        self, dialect: Dialect, ask: Ask, channel: Channel, budget: float | None = None
    ) -> AsyncGenerator[Piece, None]:
        """Yield pieces; raise UpstreamError. Closing the generator ends the call."""
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """What a channel delivered: bytes, and what was copied into the bucket already."""

    channel: str
    finals: tuple[Final, ...]
    probes: tuple[Probe, ...]
    report: Report
    kept: tuple[Kept, ...] = ()


@dataclass(slots=True)
class Course:
    """The attempts of one generation so far, for its record."""

    accepted: float
    entry: Entry
    kind: Kind = Kind.IMAGE
    media_type: str = ""
    """What outputs must be; empty: any type of the kind that we know."""
    asked: int = 1
    """How many outputs: what is made beyond is neither copied nor charged."""
    count: Callable[[int], None] = lambda _size: None
    """Told of every output's length: they are in memory until the end."""
    records: list[AttemptRecord] = field(default_factory=list)
    pursuit: Pursuit | None = None
    """The job that is, or may be, at a provider now: it outlives this process."""
    marks: dict[int, UUID] = field(default_factory=dict)

    def mark(self, number: int) -> UUID:
        """The mark of an attempt: the first one's was written with the hold."""
        if number == 1:
            return self.entry.mark
        if number not in self.marks:
            self.marks[number] = random_id()
        return self.marks[number]


@dataclass(slots=True)
class _Timing:
    acknowledged: float | None = None
    first_byte: float | None = None
    http_status: int = 0


class Attempts:
    """Drives a `Failover` machine. *now* is the monotonic clock."""

    def __init__(
        self,
        upstream: Upstream,
        jobs: Jobs,
        mirror: Mirror,
        emit: Emit,
        holds: Callable[[int], bool] = lambda _epoch: True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """*holds* tells whether the lease of an epoch is still ours (semantics.md 17)."""
        self._upstream = upstream
        self._jobs = jobs
        self._mirror = mirror
        self._emit = emit
        self._holds = holds
        self._now = now

    async def run(
        self, ask: Ask, failover: Failover, first: Attempt, live: Live, course: Course
    ) -> Made:
        """Return what a channel made; raise GatewayError when all that may be tried failed."""
        try:
            return await self._tried(ask, failover, first, live, course)
        finally:
            self._jobs.forget(course.entry.id)

    async def _tried(
        self, ask: Ask, failover: Failover, first: Attempt, live: Live, course: Course
    ) -> Made:
        attempt, previous = first, ""
        while True:
            if not self._holds(course.entry.owner_epoch):
                raise explained(Reason.REQUEST_NOT_RETAINED, retry_after=1)
            live.publish(AttemptStarted(attempt.number, attempt.channel.name, previous))
            timing = _Timing()
            try:
                if attempt.channel.dialect in JOB_DIALECTS:
                    made = await self._job(ask, attempt, live, course, timing)
                else:
                    made = await self._one(ask, attempt, failover, live, course, timing)
            except UpstreamError as error:
                previous = error.fault
                self._note(ask, attempt, timing, course, error)
                decision = failover.failed(attempt, error, self._now())
                if isinstance(decision, Reconcile):
                    found = await self._reconciled(ask, attempt, failover, course, timing)
                    if isinstance(found, Made):
                        return found
                    decision = found
            except GatewayError as error:
                self._leave(attempt, timing, course, error)
                raise
            else:
                failover.succeeded(attempt, self._now())
                self._note(ask, attempt, timing, course, None)
                return made
            course.pursuit = None
            attempt = await self._following(decision, failover, live, course)

    async def _following(
        self, decision: TryAnother | Stop, failover: Failover, live: Live, course: Course
    ) -> Attempt:
        """The next attempt; raises GatewayError when there is none, or no time for its job."""
        if isinstance(decision, Stop):
            raise explain(decision)
        if decision.delay:
            await asyncio.sleep(decision.delay)
        if live.cancel_asked:
            raise explained(Reason.CANCELLED)
        following = failover.next_channel(self._now())
        if isinstance(following, Stop):
            raise explain(following)
        channel = following.channel
        if channel.dialect in JOB_DIALECTS and self._now() >= course.accepted + channel.sla_seconds:
            raise explained(Reason.UPSTREAM_TIMEOUT)  # what it made would not be waited for
        return following

    async def _job(
        self, ask: Ask, attempt: Attempt, live: Live, course: Course, timing: _Timing
    ) -> Made:
        """Make a job and wait for its end."""
        now, channel = self._now(), attempt.channel
        pursuit = course.pursuit = Pursuit(
            channel=channel,
            entry=course.entry,
            live=live,
            number=attempt.number,
            mark=course.mark(attempt.number),
            sla_ends=course.accepted + channel.sla_seconds,
            sent_at=now,
            sent_wall=time.time(),
        )
        started_ms = int((attempt.started - course.accepted) * 1000)
        timing.http_status = await self._jobs.submit(pursuit, ask, started_ms)
        timing.acknowledged = self._now()
        return await self.pursue(pursuit, course, timing)

    async def pursue(self, pursuit: Pursuit, course: Course, timing: _Timing | None = None) -> Made:
        """Wait for the end of a job, whoever made it, and bring its outputs home."""
        made = await self._jobs.follow(pursuit)
        if timing is not None:
            timing.first_byte = self._now()
        finals = [item for item in made.outputs if isinstance(item, Final)]
        hosted = [item for item in made.outputs if isinstance(item, Hosted)]
        for final in finals:
            course.count(len(final.data))
        try:
            return await self._brought(
                pursuit.channel, course, finals, hosted, made.report, patience=JOB_PATIENCE
            )
        except UpstreamError as error:
            raise ended(error) from None

    async def _reconciled(
        self, ask: Ask, attempt: Attempt, failover: Failover, course: Course, timing: _Timing
    ) -> Made | TryAnother | Stop:
        """Find out what became of a submission that was sent and not answered."""
        pursuit = course.pursuit
        assert pursuit is not None, "only jobs are reconciled"
        try:
            if not await self._jobs.find(pursuit):
                return failover.absent(self._now())
            failover.found()
            made = await self.pursue(pursuit, course, timing)
        except GatewayError as error:
            self._leave(attempt, timing, course, error)
            raise
        except UpstreamError as error:
            self._note(ask, attempt, timing, course, error)
            decision = failover.failed(attempt, error, self._now())
            assert not isinstance(decision, Reconcile), "a job that ended is known"
            return decision
        failover.succeeded(attempt, self._now())
        self._note(ask, attempt, timing, course, None)
        return made

    async def _brought(
        self,
        channel: Channel,
        course: Course,
        finals: list[Final],
        hosted: list[Hosted],
        report: Report,
        *,
        patience: Patience = CALL_PATIENCE,
    ) -> Made:
        """What is good of the outputs; at least one, or UpstreamError."""
        kept: list[Kept] = []
        hosted = hosted[: course.asked]
        if hosted:
            id_, kind = course.entry.id, course.kind
            kept = await self._mirror.keep(
                id_, hosted, channel, kind, course.media_type, patience=patience
            )
        try:
            good = check(finals, course.media_type, course.kind)
        except UpstreamError:
            if not kept:
                raise
            good = []
        good = good[: course.asked - len(kept)]
        return Made(
            channel.name,
            tuple([final for final, _ in good]),
            tuple([found for _, found in good]),
            plain(report) if report is not EMPTY_REPORT else report,
            tuple(kept),
        )

    async def _one(
        self,
        ask: Ask,
        attempt: Attempt,
        failover: Failover,
        live: Live,
        course: Course,
        timing: _Timing,
    ) -> Made:
        """Take the pieces of one attempt; previews and sounds go to the caller as they come.

        A channel that fails after some finals has delivered those (semantics.md 15).
        """
        taken = Taken()
        channel = attempt.channel
        budget = attempt.deadlines.total if attempt.is_cut else None
        call = self._upstream.attempt(DIALECTS[channel.dialect], ask, channel, budget)
        try:
            async with leaving(live, channel), aclosing(call) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Acknowledged):
                        timing.acknowledged, timing.http_status = self._now(), piece.http_status
                        continue
                    if not isinstance(piece, Report):
                        timing.first_byte = timing.first_byte or self._now()
                    course.count(taken.add(piece))
                    if isinstance(piece, Preview) or (ask.partials and isinstance(piece, Sound)):
                        failover.delivered()
                        live.publish(piece)
        except UpstreamError:
            if not taken.finals and not taken.hosted:
                raise
        return await self._brought(channel, course, taken.finals, taken.hosted, taken.report)

    def _note(
        self,
        ask: Ask,
        attempt: Attempt,
        timing: _Timing,
        course: Course,
        error: UpstreamError | None,
    ) -> None:
        """Record how an attempt went, and log it."""
        fault, phase = (None, Phase.DONE) if error is None else (error.fault, error.phase)
        if error is not None:
            timing.http_status = error.http_status
        self._record(attempt, timing, course, _state(error), fault, phase)
        self._emit(
            AttemptEnded(
                attempt.channel.name,
                ask.model,
                fault or "",
                phase,
                timing.http_status,
                (self._now() - attempt.started) * 1000,
            )
        )

    def _leave(
        self, attempt: Attempt, timing: _Timing, course: Course, error: GatewayError
    ) -> None:
        """Record an attempt that was cancelled, ran out of time, was taken over or not stored."""
        fault = Fault.LOST if error.reason is Reason.UPSTREAM_TIMEOUT else None
        self._record(attempt, timing, course, AttemptState.FAILED, fault, Phase.BODY)

    def _record(
        self,
        attempt: Attempt,
        timing: _Timing,
        course: Course,
        state: AttemptState,
        fault: Fault | None,
        phase: Phase,
    ) -> None:
        if course.records and course.records[-1].number == attempt.number:
            course.records.pop()  # it was lost, and has been found

        def since(moment: float | None) -> int | None:
            return None if moment is None else int((moment - course.accepted) * 1000)

        course.records.append(
            AttemptRecord(
                number=attempt.number,
                channel=attempt.channel.name,
                mark=course.mark(attempt.number),
                state=AttemptState.LOST if fault is Fault.LOST else state,
                fault=fault,
                phase=phase,
                http_status=timing.http_status,
                started_ms=since(attempt.started) or 0,
                acknowledged_ms=since(timing.acknowledged),
                first_byte_ms=since(timing.first_byte),
                ended_ms=since(self._now()),
                upstream_job_id=course.pursuit.job_id if course.pursuit is not None else "",
            )
        )


def _state(error: UpstreamError | None) -> AttemptState:
    return AttemptState.DONE if error is None else AttemptState.FAILED


def explain(stop: Stop) -> GatewayError:
    """The error of a failed generation; the live caller also gets the provider's words."""
    error = stop.to_error()
    detail = stop.cause.detail if stop.cause is not None else None
    if detail and stop.reason in _QUOTED:
        error.message = f"{error.message} The provider says: {detail.reveal()[:DETAIL_LIMIT]}"
    return error
