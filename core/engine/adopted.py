"""Finishes generations of processes that are gone: those that left a job at a provider.

An adopter may look, copy, settle or void; it cannot submit or fail over, for the request was
only in the memory of its process (semantics.md 17). What cannot be finished fails as
REQUEST_NOT_RETAINED, and its hold is voided.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol
from uuid import UUID

from billing.pricing import length_of
from core.catalog.entries import Catalogue
from core.engine.attempts import Attempts
from core.engine.bookkeeping import Bookkeeper, Entry
from core.engine.closing import Case
from core.engine.course import Course, Made
from core.engine.engine import Engine
from core.engine.events import Accepted, AttemptStarted, Live
from core.engine.jobs import Jobs, Pursuit
from core.engine.library import resource_of
from core.engine.records import AttemptRecord, Generation, Stray
from core.errors import GatewayError, Reason, UpstreamError, explained
from core.model import AttemptState, Channel
from core.providers import JOB_DIALECTS

OPEN = frozenset({AttemptState.SUBMITTING, AttemptState.SUBMITTED, AttemptState.LOST})
"""Whose job may be made, as far as the rows know."""


class Rows(Protocol):
    """Where a generation is read, deleted or not."""

    async def open_generation(self, account_id: UUID, id_: UUID) -> Generation | None:
        """One that has not ended."""
        ...

    async def attempts(self, account_id: UUID, id_: UUID) -> list[AttemptRecord]:
        """Its attempts, first to last."""
        ...


class Adopter:
    """Takes generations over. *epoch* is that of this process's lease."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        rows: Rows,
        books: Bookkeeper,
        engine: Engine,
        jobs: Jobs,
        attempts: Attempts,
    ) -> None:
        self._channels = channels
        self._rows = rows
        self._books = books
        self._engine = engine
        self._jobs = jobs
        self._attempts = attempts

    def use(self, catalogue: Catalogue) -> None:
        """Know the channels of another catalogue too: jobs may still be at those of before."""
        self._channels = {**self._channels, **catalogue.channels}

    def job_of(self, attempts: Sequence[AttemptRecord]) -> AttemptRecord | None:
        """The attempt whose job is, or may be, at a provider: the latest, if it left one."""
        latest = max(attempts, key=lambda attempt: attempt.number, default=None)
        if latest is None or latest.state not in OPEN:
            return None
        channel = self._channels.get(latest.channel)
        return latest if channel is not None and channel.dialect in JOB_DIALECTS else None

    async def adopt(
        self, stray: Stray, attempts: Sequence[AttemptRecord], job: AttemptRecord, epoch: int
    ) -> bool:
        """Take *stray* over and finish it in the background; False when it is not to be had.

        Raises what reads and commits raise.
        """
        row = await self._rows.open_generation(stray.account_id, stray.id)
        if row is None or not await self._books.adopt(
            stray.id, stray.account_id, stray.owner_epoch, epoch
        ):
            return False
        # Until the commit, its owner may have written more of them; from now on nobody but we.
        attempts = await self._rows.attempts(stray.account_id, stray.id)
        job = self.job_of(attempts) or job
        entry = Entry(row.id, row.account_id, row.key_id, row.hold_id, epoch, row.model, job.mark)
        live = Live(row.id, row.account_id, epoch)
        live.cancel_asked = row.cancel_requested_at is not None
        live.delete_asked = row.hidden
        accepted = replace(resource_of(row, []), epoch=epoch, progress_percent=None)
        live.publish(Accepted(accepted, replayed=True))
        live.publish(AttemptStarted(job.number, job.channel, ""))
        case = Case(entry, accepted, live, row.duration_ms // 1000, length_of(row.price_lines))
        age = self._attempts.wall() - row.created_at.timestamp()
        begun = self._attempts.now() - max(0.0, age)
        records, asked = list(attempts), row.requested_count
        course = Course(begun, entry, row.kind, asked=asked, records=records)
        channel = self._channels[job.channel].using(job.credential)
        sent_at = begun + job.started_ms / 1000
        course.marks[job.number] = job.mark
        course.pursuit = Pursuit(
            channel=channel,
            entry=entry,
            live=live,
            number=job.number,
            mark=job.mark,
            sla_ends=begun + channel.sla_seconds,
            sent_at=sent_at,
            sent_wall=row.created_at.timestamp() + job.started_ms / 1000,
            job_id=job.upstream_job_id,
            is_fate_unknown=row.fate_unknown_since is not None,
        )
        self._engine.take_over(case, course, self._finish(course, course.pursuit))
        return True

    async def _finish(self, course: Course, pursuit: Pursuit) -> Made:
        try:
            if not pursuit.job_id and not await self._jobs.find(pursuit):
                raise explained(Reason.REQUEST_NOT_RETAINED)
            made = await self._attempts.pursue(pursuit, course)
        except UpstreamError:
            self._end(course, pursuit, AttemptState.FAILED)
            raise explained(Reason.REQUEST_NOT_RETAINED) from None
        except GatewayError as error:
            is_lost = error.reason in (Reason.UPSTREAM_TIMEOUT, Reason.REQUEST_NOT_RETAINED)
            self._end(course, pursuit, AttemptState.LOST if is_lost else AttemptState.FAILED)
            raise
        self._end(course, pursuit, AttemptState.DONE)
        return made

    def _end(self, course: Course, pursuit: Pursuit, state: AttemptState) -> None:
        """Note how the job ended; attempts before it had failed, or it would not have been made."""
        ended_ms = int((self._attempts.now() - course.accepted) * 1000)
        course.records[:] = [
            replace(item, state=state, ended_ms=ended_ms, upstream_job_id=pursuit.job_id)
            if item.number == pursuit.number
            else replace(item, state=AttemptState.FAILED)
            if item.state in OPEN
            else item
            for item in course.records
        ]
