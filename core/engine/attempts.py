"""Asks channels until one delivers: awaits what the failover machine decides."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from billing.ledger import OperatorBook
from billing.pricing import share
from core.engine.calls import Leaving, Taken
from core.engine.course import Course, Lane, Made, Timing, Tried, Waste
from core.engine.events import AttemptStarted, Live
from core.engine.hedging import Race
from core.engine.jobs import Jobs, Pursuit, Stake, ended
from core.engine.mirroring import CALL_PATIENCE, JOB_PATIENCE, Mirror, Patience
from core.engine.outputs import Kept, check
from core.engine.reports import plain
from core.engine.shards import Shards, merged
from core.engine.stops import explain
from core.errors import (
    MEANING,
    Another,
    Fault,
    GatewayError,
    Phase,
    Reason,
    UpstreamError,
    explained,
)
from core.log import AttemptEnded, Emit
from core.model import Acknowledged, Ask, Channel, Piece, Preview, Report, Sound
from core.policy.decisions import Attempt, Reconcile, Stop, TryAnother
from core.policy.failover import Failover, Plan
from core.policy.fan_out import Output, part_of, placed
from core.policy.risk import RiskCaps
from core.providers import DIALECTS, JOB_DIALECTS, Dialect
from core.providers.wire import Clear, at_any_time


class Upstream(Protocol):
    """One try on one channel: the driver."""

    async def attempt(
        self,
        dialect: Dialect,
        ask: Ask,
        channel: Channel,
        take: Callable[[Piece], None],
        budget: float | None = None,
        clear: Clear = at_any_time,
    ) -> None:
        """Give *take* every piece as it comes; raise UpstreamError. Cancelling ends the call.

        So does an error of *clear*.
        """
        ...


class Attempts:
    """Drives `Failover` machines. *now* is the monotonic clock."""

    def __init__(
        self,
        upstream: Upstream,
        jobs: Jobs,
        mirror: Mirror,
        emit: Emit,
        holds: Callable[[int], bool] = lambda _epoch: True,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """*holds* tells whether the lease of an epoch is still ours (semantics.md 17).

        *wall* gives seconds since 1970. Engine and adopter go by these clocks, too.
        """
        self.now = now
        self.wall = wall
        self._upstream = upstream
        self._jobs = jobs
        self._mirror = mirror
        self._emit = emit
        self._holds = holds
        self._now = now
        self._risks = RiskCaps()

    def careful(self, plan: Plan) -> Plan:
        """The same *plan*, or one that spares the operator further refusals of its key."""
        if not self._risks.is_used_up(plan.key, self._now()):
            return plan
        return replace(plan, preference=replace(plan.preference, is_careful=True))

    async def run(
        self, ask: Ask, failover: Failover, first: Attempt, live: Live, course: Course
    ) -> Made:
        """Return what channels made; raise GatewayError when all that may be tried failed."""
        lane = Lane(ask, live, course, failover, tuple(range(course.asked)))
        lanes = [lane]
        try:
            divided = await self._follow(lane, first)
            if divided is not None:
                shards = Shards(self._follow, self._now)
                lanes = shards.lanes
                await shards.run(lane, divided)
            return merged(lanes)
        except BaseException:
            for each in lanes:
                for made in each.made:
                    await self._mirror.discard(made.kept)
            raise
        finally:
            course.records.sort(key=lambda record: record.number)
            self._jobs.forget(course.entry.id)

    async def _follow(self, lane: Lane, first: Attempt) -> Attempt | None:
        """Make the outputs of a lane, or some; else raise GatewayError.

        Gives back the attempt, booked and not begun, on a channel that makes fewer at once.
        """
        attempt, previous, course = first, "", lane.course
        try:
            while attempt.channel.maximum_count >= len(lane.indices):
                self._check_lease(lane)
                lane.live.publish(AttemptStarted(attempt.number, attempt.channel.name, previous))
                tried = await self._attempted(lane, attempt)
                decision = tried.stop or await self._decided(lane, tried)
                if decision is None:
                    return None
                previous = "" if tried.error is None else tried.error.fault
                course.pursuit = None
                attempt = await self._following(decision, lane)
        except GatewayError:
            if not lane.made:
                raise
            return None
        return attempt

    def _attempted(self, lane: Lane, attempt: Attempt) -> Coroutine[Any, Any, Tried]:
        """Make one attempt, or two side by side."""
        if (
            lane.course.hedges
            and not lane.is_hedged
            and attempt.channel.dialect not in JOB_DIALECTS
        ):
            discard, epoch = self._mirror.discard, lane.course.entry.owner_epoch
            race = Race(
                lane,
                self._once,
                self._note,
                lambda made: discard(made.kept),
                self._emit,
                self._now,
                partial(self._holds, epoch),
            )
            return race.run(attempt)
        return self._once(lane, attempt, Timing(lane.shard))

    async def _once(self, lane: Lane, attempt: Attempt, timing: Timing) -> Tried:
        """Make one attempt."""
        lane.live.attempts[attempt.number] = partial(lane.course.standing, attempt, timing)
        try:
            if attempt.channel.dialect in JOB_DIALECTS:
                made = await self._job(lane, attempt, timing)
            else:
                made = await self._one(lane, attempt, timing)
        except UpstreamError as error:
            return Tried(attempt, timing, error=error)
        except GatewayError as error:
            self._left(lane, attempt, timing, error)
            raise
        return Tried(attempt, timing, made)

    async def _decided(self, lane: Lane, tried: Tried) -> TryAnother | Stop | None:
        """What follows an attempt; None: nothing, the lane has its outputs."""
        if tried.error is None:
            return self._delivered(lane, tried)
        self._note(lane, tried)
        decision = lane.failover.failed(tried.attempt, tried.error, self._now())
        if isinstance(decision, Reconcile):
            return await self._reconciled(lane, tried)
        return decision

    def _delivered(self, lane: Lane, tried: Tried) -> TryAnother | None:
        """Take what was made; what is missing of it may be asked of others, if nothing forbids."""
        made, attempt, failover = tried.made, tried.attempt, lane.failover
        assert made is not None
        lane.made.append(made)
        if len(made.outputs) + len(made.kept) >= len(lane.indices) or not _may_fill(tried):
            failover.succeeded(attempt, self._now())
            self._note(lane, tried)
            return None
        self._note(lane, tried)
        left = tuple([index for index in lane.indices if index not in made.indices])
        if not failover.fell_short(attempt, len(left), self._now()):
            return None
        lane.indices = left
        return TryAnother()

    async def _following(self, decision: TryAnother | Stop, lane: Lane) -> Attempt:
        """The next attempt; raises GatewayError when there is none, or no time for its job."""
        if isinstance(decision, Stop):
            raise explain(decision)
        if decision.delay:
            await asyncio.sleep(decision.delay)
        if lane.live.cancel_asked:
            raise explained(Reason.CANCELLED)
        following = lane.failover.next_channel(self._now())
        if isinstance(following, Stop):
            raise explain(following)
        channel = following.channel
        latest = lane.course.accepted + channel.sla_seconds
        if channel.dialect in JOB_DIALECTS and self._now() >= latest:
            raise explained(Reason.UPSTREAM_TIMEOUT)  # what it made would not be waited for
        return following

    async def _job(self, lane: Lane, attempt: Attempt, timing: Timing) -> Made:
        """Make a job and wait for its end."""
        now, channel, course = self._now(), attempt.channel, lane.course
        key = str(course.entry.key_id)
        pursuit = course.pursuit = Pursuit(
            channel=channel,
            entry=course.entry,
            live=lane.live,
            number=attempt.number,
            mark=course.mark(attempt.number),
            sla_ends=course.accepted + channel.sla_seconds,
            sent_at=now,
            sent_wall=self.wall(),
            stake=Stake(
                lambda: self._risks.take(key, course.quoted_micros, self._now()),
                lambda: self._risks.give_back(key, course.quoted_micros),
            ),
        )
        started_ms = int((attempt.started - course.accepted) * 1000)
        timing.http_status = await self._jobs.submit(pursuit, lane.ask, started_ms)
        timing.acknowledged = self._now()
        return await self.pursue(pursuit, course, timing)

    async def pursue(self, pursuit: Pursuit, course: Course, timing: Timing | None = None) -> Made:
        """Wait for the end of a job, whoever made it, and bring its outputs home."""
        made = await self._jobs.follow(pursuit)
        if timing is not None:
            timing.first_byte = self._now()
        taken = Taken(report=made.report)
        for item in made.outputs:
            course.count(taken.add(item))
        try:
            return await self._brought(
                pursuit.channel, course, course.asked, taken, patience=JOB_PATIENCE
            )
        except UpstreamError as error:
            raise ended(error) from None

    async def _reconciled(self, lane: Lane, tried: Tried) -> TryAnother | Stop | None:
        """Find out what became of a submission that was sent and not answered."""
        attempt, timing, course = tried.attempt, tried.timing, lane.course
        pursuit = course.pursuit
        assert pursuit is not None, "only jobs are reconciled"
        try:
            if not await self._jobs.find(pursuit):
                return lane.failover.absent(self._now())
            lane.failover.found()
            made = await self.pursue(pursuit, course, timing)
        except GatewayError as error:
            self._left(lane, attempt, timing, error)
            raise
        except UpstreamError as error:
            self._note(lane, Tried(attempt, timing, error=error))
            decision = lane.failover.failed(attempt, error, self._now())
            assert not isinstance(decision, Reconcile), "a job that ended is known"
            return decision
        return self._delivered(lane, Tried(attempt, timing, made))

    async def _brought(
        self,
        channel: Channel,
        course: Course,
        wanted: int,
        taken: Taken,
        *,
        patience: Patience = CALL_PATIENCE,
    ) -> Made:
        """What is good of the outputs; at least one, or UpstreamError."""
        kept: list[Kept] = []
        if hosted := taken.hosted[:wanted]:
            id_, kind = course.entry.id, course.kind
            kept = await self._mirror.keep(
                id_, hosted, channel, kind, course.media_type, patience=patience
            )
        try:
            good = check(taken.finals, course.media_type, course.kind)
        except UpstreamError:
            if not kept:
                raise
            good = []
        good = good[: wanted - len(kept)]
        return Made(channel.name, tuple(good), plain(taken.report), tuple(kept))

    async def _one(self, lane: Lane, attempt: Attempt, timing: Timing) -> Made:
        """Take the pieces of one attempt; previews and sounds go to the caller as they come.

        A channel that fails after some finals has delivered those (semantics.md 15).
        """
        taken, channel, wanted = Taken(), attempt.channel, len(lane.indices)
        ask = part_of(lane.ask, lane.indices)
        budget = attempt.deadlines.total if attempt.is_cut else None

        def take(piece: Piece) -> None:
            if isinstance(piece, Acknowledged):
                timing.acknowledged, timing.http_status = self._now(), piece.http_status
            elif isinstance(piece, Report):
                taken.add(piece)
            else:
                timing.first_byte = timing.first_byte or self._now()
                output = piece if ask is lane.ask else placed(piece, lane.indices)
                if output is not None:
                    lane.course.count(taken.add(output))
                    self._show(lane, attempt, output, ask.partials)

        try:
            with Leaving(lane.live, channel):
                dialect = DIALECTS[channel.dialect]
                clear = partial(self._check_lease, lane)
                await self._upstream.attempt(dialect, ask, channel, take, budget, clear)
        except UpstreamError as error:
            if not taken.finals and not taken.hosted:
                raise
            timing.cut = error
        return await self._brought(channel, lane.course, wanted, taken)

    @staticmethod
    def _show(lane: Lane, attempt: Attempt, output: Output, partials: int) -> None:
        """Give the caller what can be seen or heard before the whole is there, if it is wished."""
        if isinstance(output, Preview) or (partials and isinstance(output, Sound)):
            if lane.claim is not None:
                lane.claim(attempt)
            lane.failover.delivered()
            lane.live.publish(output)

    def _check_lease(self, lane: Lane) -> None:
        """Send nothing any more once somebody else may end it (semantics.md 17)."""
        if not self._holds(lane.course.entry.owner_epoch):
            raise explained(Reason.REQUEST_NOT_RETAINED, retry_after=1)

    def _note(self, lane: Lane, tried: Tried) -> None:
        """Record how an attempt went, and log it."""
        attempt, error, timing = tried.attempt, tried.error, tried.timing
        fault, phase = (None, Phase.DONE) if error is None else (error.fault, error.phase)
        now = self._now()
        lane.course.note(attempt, timing, error, now)
        if fault is Fault.CONTENT_POLICY and attempt.channel.bills_on_refusal:
            cost = self._waste(lane, attempt)
            self._risks.add(str(lane.course.entry.key_id), cost, now)
        self._emit(
            AttemptEnded(
                attempt.channel.name,
                lane.ask.model,
                fault or "",
                phase,
                timing.http_status,
                (now - attempt.started) * 1000,
                attempt.health.operation,
            )
        )

    def _left(self, lane: Lane, attempt: Attempt, timing: Timing, error: GatewayError) -> None:
        """Record one that ended without a verdict of its channel."""
        course = lane.course
        course.leave(attempt, timing, self._now(), error)
        if course.pursuit is not None and course.pursuit.is_stop_billed:
            self._waste(lane, attempt)

    def _waste(self, lane: Lane, attempt: Attempt) -> int:
        """The operator pays for what was refused or stopped (semantics.md 23); gives how much."""
        course, outputs = lane.course, len(lane.indices)
        course.wastes.append(
            Waste(attempt.number, attempt.channel.name, outputs, OperatorBook.RISK)
        )
        return share(course.quoted_micros, outputs, course.asked)


def _may_fill(tried: Tried) -> bool:
    """Whether what an attempt did not make may be asked of others.

    Not what a job made too few of: its row tells an adopter all that there is; and not what was
    refused.
    """
    cut = tried.timing.cut
    return tried.attempt.channel.dialect not in JOB_DIALECTS and (
        cut is None or MEANING[cut.fault].another is not Another.NEVER
    )
