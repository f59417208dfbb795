"""Asks channels until one delivers: awaits what the failover machine decides."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Protocol
from uuid import UUID, uuid4

from core.engine.events import AttemptStarted, Live
from core.engine.outputs import check
from core.engine.records import AttemptRecord
from core.errors import Fault, GatewayError, Phase, Reason, UpstreamError, describe
from core.log import AttemptEnded, Emit
from core.media import Probe
from core.model import (
    EMPTY_REPORT,
    Acknowledged,
    Ask,
    AttemptState,
    Channel,
    Final,
    Piece,
    Preview,
    Report,
)
from core.policy.decisions import Attempt, Reconcile, Stop
from core.policy.failover import Failover
from core.providers import DIALECTS, Dialect

DETAIL_LIMIT = 500
"""Characters of a provider's own words that a live caller is shown."""

_WORD = re.compile(
    r"([0-9]{1,5}x[0-9]{1,5}|auto|low|medium|high|xhigh|max|opaque|transparent|png|jpeg|webp)?\Z"
)
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
    """What a channel delivered."""

    channel: str
    finals: tuple[Final, ...]
    probes: tuple[Probe, ...]
    report: Report


@dataclass(slots=True)
class Course:
    """The attempts of one generation so far, for its record."""

    accepted: float
    mark: UUID
    media_type: str = ""
    """What outputs must be; empty: any type that we know."""
    count: Callable[[int], None] = lambda _size: None
    """Told of every output's length: they are in memory until the end."""
    records: list[AttemptRecord] = field(default_factory=list)


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
        emit: Emit,
        may_submit: Callable[[], bool] = lambda: True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """*may_submit* tells whether this process still holds its lease (semantics.md 17)."""
        self._upstream = upstream
        self._emit = emit
        self._may_submit = may_submit
        self._now = now

    async def run(
        self, ask: Ask, failover: Failover, first: Attempt, live: Live, course: Course
    ) -> Made:
        """Return what a channel made; raise GatewayError when all that may be tried failed."""
        attempt, previous = first, ""
        while True:
            live.publish(AttemptStarted(attempt.number, attempt.channel.name, previous))
            timing = _Timing()
            try:
                made = await self._one(ask, attempt, failover, live, course, timing)
            except UpstreamError as error:
                previous = error.fault
                self._note(ask, attempt, timing, course, error)
                decision = failover.failed(attempt, error, self._now())
            else:
                failover.succeeded(attempt, self._now())
                self._note(ask, attempt, timing, course, None)
                return made
            if isinstance(decision, Stop):
                raise explain(decision)
            if isinstance(decision, Reconcile):
                raise GatewayError(Reason.UPSTREAM_ERROR, "The provider's answer got lost.")
            if decision.delay:
                await asyncio.sleep(decision.delay)
            if live.cancel_asked:
                raise GatewayError(Reason.CANCELLED, "The generation was cancelled.")
            if not self._may_submit():
                reason = Reason.REQUEST_NOT_RETAINED
                raise GatewayError(reason, describe(reason), retry_after=1)
            following = failover.next_channel(self._now())
            if isinstance(following, Stop):
                raise explain(following)
            attempt = following

    async def _one(
        self,
        ask: Ask,
        attempt: Attempt,
        failover: Failover,
        live: Live,
        course: Course,
        timing: _Timing,
    ) -> Made:
        """Take the pieces of one attempt; previews go to the caller as they come.

        A channel that fails after some finals has delivered those (semantics.md 15).
        """
        finals: list[Final] = []
        report = EMPTY_REPORT
        channel = attempt.channel
        budget = attempt.deadlines.total if attempt.is_cut else None
        call = self._upstream.attempt(DIALECTS[channel.dialect], ask, channel, budget)
        try:
            async with aclosing(call) as pieces:
                async for piece in pieces:
                    match piece:
                        case Acknowledged(status):
                            timing.acknowledged, timing.http_status = self._now(), status
                        case Preview():
                            failover.delivered()
                            timing.first_byte = timing.first_byte or self._now()
                            course.count(len(piece.data))
                            live.publish(piece)
                        case Final():
                            timing.first_byte = timing.first_byte or self._now()
                            course.count(len(piece.data))
                            finals.append(piece)
                        case Report():
                            report = plain(piece)
        except UpstreamError:
            if not finals:
                raise
        good = check(finals, course.media_type)
        return Made(
            channel.name, tuple([final for final, _ in good]), tuple([p for _, p in good]), report
        )

    def _note(
        self,
        ask: Ask,
        attempt: Attempt,
        timing: _Timing,
        course: Course,
        error: UpstreamError | None,
    ) -> None:
        """Record how an attempt went, and log a failure."""
        now = self._now()

        def since(moment: float | None) -> int | None:
            return None if moment is None else int((moment - course.accepted) * 1000)

        course.records.append(
            AttemptRecord(
                number=attempt.number,
                channel=attempt.channel.name,
                mark=course.mark if attempt.number == 1 else uuid4(),
                state=_state(error),
                fault=None if error is None else error.fault,
                phase=Phase.DONE if error is None else error.phase,
                http_status=timing.http_status if error is None else error.http_status,
                started_ms=since(attempt.started) or 0,
                acknowledged_ms=since(timing.acknowledged),
                first_byte_ms=since(timing.first_byte),
                ended_ms=since(now),
            )
        )
        self._emit(
            AttemptEnded(
                attempt.channel.name,
                ask.model,
                "" if error is None else error.fault,
                Phase.DONE if error is None else error.phase,
                timing.http_status if error is None else error.http_status,
                (now - attempt.started) * 1000,
            )
        )


def plain(report: Report) -> Report:
    """Keep of a provider's words only those that look like values of parameters.

    They are stored; a provider that echoes a prompt in them must not make us keep it.
    """
    return replace(
        report,
        size=_word(report.size),
        quality=_word(report.quality),
        background=_word(report.background),
        output_format=_word(report.output_format),
    )


def _word(text: str) -> str:
    return text if _WORD.match(text) else ""


def _state(error: UpstreamError | None) -> AttemptState:
    if error is None:
        return AttemptState.DONE
    return AttemptState.LOST if error.fault is Fault.LOST else AttemptState.FAILED


def explain(stop: Stop) -> GatewayError:
    """The error of a failed generation; the live caller also gets the provider's words."""
    error = stop.to_error()
    detail = stop.cause.detail if stop.cause is not None else None
    if detail and stop.reason in _QUOTED:
        error.message = f"{error.message} The provider says: {detail.reveal()[:DETAIL_LIMIT]}"
    return error
