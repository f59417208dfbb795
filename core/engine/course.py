"""What is known of a generation's attempts while they run, and what they made."""

from collections.abc import Callable
from dataclasses import field
from uuid import UUID

from billing.ledger import OperatorBook
from core.engine.bookkeeping import Entry
from core.engine.events import Live
from core.engine.ids import random_id
from core.engine.jobs import Pursuit
from core.engine.outputs import Kept
from core.engine.records import AttemptRecord
from core.errors import Fault, GatewayError, Phase, Reason, UpstreamError
from core.media import Probe
from core.model import Ask, AttemptState, Final, Kind, Report
from core.policy.decisions import Attempt, Stop
from core.policy.failover import Failover
from core.values import dataclass


@dataclass(frozen=True, slots=True)
class Made:
    """What a channel delivered: bytes, and what was copied into the bucket already."""

    channel: str
    outputs: tuple[tuple[Final, Probe], ...]
    """The bytes, each with what they are."""
    report: Report
    kept: tuple[Kept, ...] = ()

    @property
    def indices(self) -> set[int]:
        """Which outputs they are."""
        return {final.output_index for final, _ in self.outputs} | {
            kept.record.output_index for kept in self.kept
        }


@dataclass(frozen=True, slots=True)
class Waste:
    """An attempt that nobody asked for any more, or that bills us for a refusal."""

    number: int
    channel: str
    outputs: int
    """How many it was to make."""
    book: OperatorBook


@dataclass(slots=True)
class Timing:
    """When the phases of an attempt were reached, and how its answer ended."""

    shard: int = 0
    acknowledged: float | None = None
    first_byte: float | None = None
    http_status: int = 0
    cut: UpstreamError | None = None
    """What ended the answer after some of its outputs."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How an attempt went: either `made` or `error` is there."""

    attempt: Attempt
    timing: Timing
    made: Made | None = None
    error: UpstreamError | None = None
    stop: Stop | None = None
    """It is on record already, and ends the generation."""


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
    """In the order of their ends."""
    pursuit: Pursuit | None = None
    """The job that is, or may be, at a provider now: it outlives this process."""
    marks: dict[int, UUID] = field(default_factory=dict)
    quoted_micros: int = 0
    """For all outputs."""
    hedges: bool = False
    """Whether a second attempt may begin beside one that takes long."""
    wastes: list[Waste] = field(default_factory=list)
    """What the operator pays for."""

    def since(self, moment: float | None) -> int | None:
        """Milliseconds from the acceptance to *moment*; 0 for what was booked before it."""
        return None if moment is None else max(0, int((moment - self.accepted) * 1000))

    def mark(self, number: int) -> UUID:
        """The mark of an attempt: the first one's was written with the hold."""
        if number == 1:
            return self.entry.mark
        if number not in self.marks:
            self.marks[number] = random_id()
        return self.marks[number]

    def note(
        self, attempt: Attempt, timing: Timing, error: UpstreamError | None, now: float
    ) -> None:
        """Record how an attempt went."""
        if error is None:
            self._record(attempt, timing, AttemptState.DONE, None, Phase.DONE, now)
        else:
            timing.http_status = error.http_status
            self._record(attempt, timing, AttemptState.FAILED, error.fault, error.phase, now)

    def leave(
        self, attempt: Attempt, timing: Timing, now: float, error: GatewayError | None = None
    ) -> None:
        """Record one that was cancelled, ran out of time, was taken over, or lost to another."""
        is_late = error is not None and error.reason is Reason.UPSTREAM_TIMEOUT
        fault = Fault.LOST if is_late else None
        self._record(attempt, timing, AttemptState.FAILED, fault, Phase.BODY, now)

    def standing(self, attempt: Attempt, timing: Timing) -> AttemptRecord:
        """How an attempt stands now, or how it ended."""
        for record in self.records:
            if record.number == attempt.number:
                return record
        return self._so_far(attempt, timing)

    def _record(
        self,
        attempt: Attempt,
        timing: Timing,
        state: AttemptState,
        fault: Fault | None,
        phase: Phase,
        now: float,
    ) -> None:
        # One that was lost may have been found, and one that was left beaten as well.
        self.records = [each for each in self.records if each.number != attempt.number]
        is_lost = fault is Fault.LOST
        self.records.append(
            self._row(attempt, timing, AttemptState.LOST if is_lost else state, (fault, phase), now)
        )

    def _so_far(self, attempt: Attempt, timing: Timing) -> AttemptRecord:
        """The record of an attempt that has not ended."""
        is_sent = timing.acknowledged is not None
        return self._row(
            attempt, timing, AttemptState.SUBMITTED if is_sent else AttemptState.SUBMITTING
        )

    def _row(
        self,
        attempt: Attempt,
        timing: Timing,
        state: AttemptState,
        end: tuple[Fault | None, Phase | None] = (None, None),
        ended: float | None = None,
    ) -> AttemptRecord:
        job_id = self.pursuit.job_id if self.pursuit is not None and ended is not None else ""
        return AttemptRecord(
            number=attempt.number,
            channel=attempt.channel.name,
            mark=self.mark(attempt.number),
            state=state,
            fault=end[0],
            phase=end[1],
            http_status=timing.http_status,
            started_ms=self.since(attempt.started) or 0,
            acknowledged_ms=self.since(timing.acknowledged),
            first_byte_ms=self.since(timing.first_byte),
            ended_ms=self.since(ended),
            upstream_job_id=job_id,
            shard=timing.shard,
            is_hedge=attempt.is_hedge,
            standing=attempt.standing,
            candidates=attempt.candidates,
            credential=attempt.channel.credential_name,
        )


@dataclass(slots=True)
class Lane:
    """Some outputs of a generation, one call's at a time, and the machine that finds who."""

    ask: Ask
    """The whole generation's."""
    live: Live
    course: Course
    failover: Failover
    indices: tuple[int, ...]
    """The outputs that are still to be made."""
    shard: int = 0
    is_hedged: bool = False
    claim: Callable[[Attempt], None] | None = None
    """Told of an attempt that is about to show something to the caller."""
    made: list[Made] = field(default_factory=list)
    error: GatewayError | None = None
    """Why it made nothing."""
