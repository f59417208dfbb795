"""Ends generations: outputs in their place, then the last commit, and only then the last events."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from math import ceil
from time import monotonic

from billing.ledger import Loss, OperatorBook
from billing.pricing import share, started
from core.engine.bookkeeping import Bookkeeper, Entry, Outcome, is_hidden, not_ours
from core.engine.course import Course, Made
from core.engine.events import Charged, Completed, Failed, Live, OutputReady
from core.engine.outputs import Kept, Store, discard, keep
from core.engine.records import AssetRecord, NotOwner
from core.errors import GatewayError, Reason, explained
from core.log import CostLost, Emit, GenerationEnded, defect
from core.model import Asset, Failure, Generation, GenerationState, Report
from core.values import dataclass
from storage.commits import CommitRejected, CommitUnanswered, Refused

ACCOUNTS = {OperatorBook.HEDGE_LOSS: "hedge", OperatorBook.RISK: "risk"}
"""What metrics call the operator's books."""
_ROUNDING = 0.1
"""Seconds by which a file may be longer than what was asked for, without being charged for it."""
LONGEST_SECONDS = 86_400.0
"""Of an output: what tells that it is longer than a day is not believed, and need not be stored."""


@dataclass(frozen=True, slots=True)
class Case:
    """A generation that runs, as far as its end is concerned."""

    entry: Entry
    accepted: Generation
    live: Live
    seconds: int = 0
    """Of each output, that the quote is for; 0 where they are not counted."""
    step: int = 1
    """Seconds that are charged at a time: 60 where a started minute is."""

    def charge(self, delivered: int, seconds: float) -> int:
        """What *delivered* outputs of *seconds* each cost; 0 seconds: nobody knows how long.

        Never more than the quote, which is what is held.
        """
        quoted, count = self.accepted.quoted_micros, self.accepted.requested_count
        if not self.seconds:
            return share(quoted, delivered, count)
        made = min(self.seconds, ceil(seconds - _ROUNDING)) if seconds > 0 else self.seconds
        steps = started(max(1, made), self.step)
        return share(quoted, delivered * steps, count * started(self.seconds, self.step))


class Closing:
    """The ends of generations."""

    def __init__(
        self, books: Bookkeeper, store: Store, emit: Emit, now: Callable[[], float] = monotonic
    ) -> None:
        self._now = now
        self._books = books
        self._store = store
        self._emit = emit

    async def deliver(self, case: Case, made: Made, course: Course) -> None:
        """Keep the outputs, settle, and only then show them."""
        kept = await self._kept(case, made)
        seconds = _length(made.report, kept)
        charged = case.charge(len(kept), seconds)
        duration_ms = round(seconds * 1000)
        report = _sized(made.report, kept[0].record) if duration_ms else made.report
        outcome = Outcome(
            GenerationState.SUCCEEDED,
            tuple(course.records),
            made.channel,
            assets=tuple([item.record for item in kept]),
            charged_micros=charged,
            duration_ms=duration_ms,
            report=report,
            losses=_losses(case, course),
        )
        if not await self._close(case, outcome, kept):
            return
        ended = succeeded(case.accepted, outcome, tuple([item.asset for item in kept]))
        outputs = [OutputReady(item.asset, item.data) for item in kept]
        case.live.publish(*outputs, Charged(charged, made.report.usage), Completed(ended))
        self._report(ended, course)

    async def fail(self, case: Case, error: GatewayError, course: Course) -> None:
        """Void, and say why."""
        case.live.finishing = True
        cancelled = error.reason is Reason.CANCELLED
        state = GenerationState.CANCELLED if cancelled else GenerationState.FAILED
        channel = course.records[-1].channel if course.records else ""
        losses = _losses(case, course)
        outcome = Outcome(state, tuple(course.records), channel, error, losses=losses)
        try:
            verdict = await self._books.close(case.entry, outcome)
            if isinstance(verdict, Refused) and isinstance(verdict.refusal, NotOwner):
                self.leave(case, not_ours(verdict.refusal))
                return
        except (CommitUnanswered, CommitRejected) as unrecorded:
            # The stray pass voids it later; the caller is told now.
            self._emit(defect("void", unrecorded))
        failed = _failed(case.accepted, error, outcome)
        case.live.publish(Failed(error, failed))
        self._report(failed, course)

    @staticmethod
    def leave(case: Case, error: GatewayError) -> None:
        """Tell who waits that the generation goes on without this process."""
        case.live.publish(Failed(error, case.accepted))

    async def _kept(self, case: Case, made: Made) -> list[Kept]:
        """All outputs in their places; those of a channel that hosts them are there already."""
        if not made.outputs:
            return list(made.kept)
        now = datetime.now(UTC)
        try:
            kept = await keep(self._store, case.entry.id, made.outputs, now)
        except OSError:
            await self._discard(made.kept)
            raise explained(Reason.STORAGE_UNAVAILABLE, retry_after=1) from None
        if not made.kept:
            return kept
        return sorted([*made.kept, *kept], key=lambda item: item.record.output_index)

    async def _close(self, case: Case, outcome: Outcome, kept: list[Kept]) -> bool:
        """Commit the end; False when it was not ours to end, and then the caller is told."""
        try:
            verdict = await self._books.close(case.entry, outcome)
        except CommitUnanswered:
            return True  # the operator bears it: it was made, so it is delivered (semantics.md 16)
        is_refused = isinstance(verdict, Refused)
        if is_refused or case.live.delete_asked or is_hidden(verdict):
            await self._discard(kept)
        if not is_refused:
            return True
        assert isinstance(verdict, Refused)
        error = not_ours(verdict.refusal)
        if error.reason is Reason.STILL_RUNNING:
            self.leave(case, error)
        else:
            case.live.publish(Failed(error, _failed(case.accepted, error, outcome)))
        return False

    async def _discard(self, kept: Sequence[Kept]) -> None:
        with suppress(OSError):
            await discard(self._store, [item.asset for item in kept])

    def _report(self, ended: Generation, course: Course) -> None:
        reason = ended.failure.reason if ended.failure is not None else ""
        milliseconds = (self._now() - course.accepted) * 1000
        self._emit(
            GenerationEnded(
                ended.model, ended.channel, ended.state, reason, ended.attempt_count, milliseconds
            )
        )
        for waste in course.wastes:
            micros = share(ended.quoted_micros, waste.outputs, ended.requested_count)
            account = ACCOUNTS[waste.book]
            self._emit(CostLost(waste.channel, ended.model, account, micros))


def _losses(case: Case, course: Course) -> tuple[Loss, ...]:
    """What the operator pays for, each by the mark of its attempt: it is written once.

    No catalogue knows what a channel costs, so the price stands for it: the most it may be.
    """
    if not course.wastes:
        return ()
    quoted, count = case.accepted.quoted_micros, case.accepted.requested_count
    losses = [
        Loss(
            course.mark(waste.number),
            case.entry.account_id,
            share(quoted, waste.outputs, count),
            waste.book,
        )
        for waste in course.wastes
    ]
    return tuple([loss for loss in losses if loss.amount_micros])


def _length(report: Report, kept: Sequence[Kept]) -> float:
    """Seconds of an output; 0 where neither its provider nor its file tells what can be true."""
    for seconds in (report.seconds, max([item.seconds for item in kept], default=0.0)):
        if 0 < seconds <= LONGEST_SECONDS:
            return seconds
    return 0.0


def _sized(report: Report, made: AssetRecord) -> Report:
    """What a provider of videos says, with the size that its file has."""
    if report.size or not made.width:
        return report
    return replace(report, size=f"{made.width}x{made.height}")


def succeeded(accepted: Generation, outcome: Outcome, assets: tuple[Asset, ...]) -> Generation:
    """The generation as its callers see it from now on.

    Field by field: every image comes by here, and `replace` takes three times as long.
    """
    return Generation(
        id=accepted.id,
        account_id=accepted.account_id,
        model=accepted.model,
        kind=accepted.kind,
        state=outcome.state,
        created_at=accepted.created_at,
        requested_count=accepted.requested_count,
        quoted_micros=accepted.quoted_micros,
        ended_at=datetime.now(UTC),
        fate_unknown_since=accepted.fate_unknown_since,
        delivered_count=len(assets),
        charged_micros=outcome.charged_micros,
        channel=outcome.channel,
        attempt_count=len(outcome.attempts),
        assets=assets,
        failure=accepted.failure,
        sandbox=accepted.sandbox,
        report=outcome.report,
        duration_ms=outcome.duration_ms or accepted.duration_ms,
        progress_percent=accepted.progress_percent,
        epoch=accepted.epoch,
    )


def _failed(accepted: Generation, error: GatewayError, outcome: Outcome) -> Generation:
    return replace(
        accepted,
        state=outcome.state,
        ended_at=datetime.now(UTC),
        charged_micros=0,
        channel=outcome.channel,
        attempt_count=max(1, len(outcome.attempts)),
        failure=Failure(error.reason, error.metadata),
    )
