"""The two commits of a generation: one before anybody is asked, one after the outcome."""

from collections.abc import Callable
from uuid import UUID

from accounts.limits import Allowance, KeyRelease, KeyUse
from billing.ledger import Hold, Loss, Settle, Void
from core.caller import Caller
from core.engine.examined import Job
from core.engine.ids import random_id
from core.engine.quote_uses import UseQuote
from core.engine.records import (
    Adopt,
    AssetRecord,
    AttemptRecord,
    Claimed,
    Finished,
    FinishGeneration,
    HideGeneration,
    MarkOrphan,
    NewGeneration,
    NoteFate,
    NoteJob,
    NotOwner,
    Replay,
    RequestCancel,
    SubmitAttempt,
)
from core.engine.refusals import refusal_error
from core.errors import GatewayError, Reason
from core.model import EMPTY_REPORT, GenerationState, Report
from core.policy.decisions import Attempt
from core.values import dataclass
from storage.commits import (
    HOLD_PATIENCE,
    SETTLE_PATIENCE,
    Commit,
    Commits,
    Refused,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """An accepted generation's place in the books, until it is closed."""

    id: UUID
    account_id: UUID
    key_id: UUID
    hold_id: UUID
    owner_epoch: int
    model: str
    mark: UUID


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a generation ended. Charged nothing unless it SUCCEEDED."""

    state: GenerationState
    attempts: tuple[AttemptRecord, ...]
    channel: str = ""
    error: GatewayError | None = None
    assets: tuple[AssetRecord, ...] = ()
    charged_micros: int = 0
    duration_ms: int = 0
    report: Report = EMPTY_REPORT
    losses: tuple[Loss, ...] = ()
    """What it cost the operator beside."""


class Bookkeeper:
    """Writes generations into the books. *epoch* is that of this process's lease."""

    def __init__(self, commits: Commits, epoch: Callable[[], int]) -> None:
        self._commits = commits
        self._epoch = epoch

    async def open(
        self, caller: Caller, job: Job, id_: UUID, first: Attempt
    ) -> tuple[Entry, Allowance] | Replay | Claimed:
        """Record the request and hold its price; or find the generation that answers it.

        It is to be *id_*, and begins with the *first* attempt. Raises GatewayError when it is
        refused, and CommitUnanswered.
        """
        entry = Entry(
            id_,
            caller.account_id,
            caller.key_id,
            random_id(),
            self._epoch(),
            job.model.id,
            random_id(),
        )
        verdict = await self._commits.commit(Commit(_hold(caller, job, entry, first)))
        if isinstance(verdict, Refused):
            if isinstance(verdict.refusal, Replay | Claimed):
                return verdict.refusal
            raise refusal_error(verdict.refusal)
        allowance = verdict.answers[1]
        assert isinstance(allowance, Allowance)
        return entry, allowance

    async def close(self, entry: Entry, outcome: Outcome) -> Verdict:
        """Settle or void, and record the end; refused when somebody else ended it before.

        Raises CommitUnanswered after half a minute without an answer.
        """
        return await self._commits.commit(Commit(_finish(entry, outcome), SETTLE_PATIENCE))

    async def submit(self, entry: Entry, attempt: AttemptRecord) -> None:
        """Record a further attempt on a channel that leaves a job, before bytes leave.

        Raises NOT_OURS when another process has taken the generation over.
        """
        await self._ours(SubmitAttempt(entry.id, entry.account_id, entry.owner_epoch, attempt))

    async def note_job(self, entry: Entry, number: int, job_id: str) -> None:
        """Record the provider's id of a job: whoever comes after us can finish it.

        Raises NOT_OURS when another process has taken the generation over.
        """
        names = (entry.id, entry.account_id, entry.owner_epoch)
        await self._ours(NoteJob(*names, number, job_id), SETTLE_PATIENCE)

    async def note_fate(self, entry: Entry, *, is_unknown: bool) -> None:
        """Record that nobody knows whether its job is being made, or that it is known again."""
        names = (entry.id, entry.account_id, entry.owner_epoch)
        await self._ours(NoteFate(*names, is_unknown))

    async def adopt(self, id_: UUID, account_id: UUID, from_epoch: int, to_epoch: int) -> bool:
        """Take a generation over; False when somebody else did, or it has ended."""
        verdict = await self._commits.commit(
            Commit((Adopt(id_, account_id, from_epoch, to_epoch),))
        )
        return not isinstance(verdict, Refused)

    async def _ours(
        self, part: SubmitAttempt | NoteJob | NoteFate, patience: float = HOLD_PATIENCE
    ) -> None:
        verdict = await self._commits.commit(Commit((part,), patience))
        if isinstance(verdict, Refused):
            raise not_ours(verdict.refusal)

    async def request_cancel(self, account_id: UUID, id_: UUID) -> None:
        """Note that the caller asks for an end; raises GENERATION_NOT_FOUND."""
        await self._change(RequestCancel(id_, account_id))

    async def hide(self, account_id: UUID, id_: UUID) -> None:
        """Delete it for its account; raises GENERATION_NOT_FOUND."""
        await self._change(HideGeneration(id_, account_id))

    async def mark_orphan(self, account_id: UUID, id_: UUID) -> None:
        """Note that the answer did not arrive; raises GENERATION_NOT_FOUND."""
        await self._change(MarkOrphan(id_, account_id))

    async def _change(self, part: RequestCancel | HideGeneration | MarkOrphan) -> None:
        verdict = await self._commits.commit(Commit((part,)))
        if isinstance(verdict, Refused):
            raise GatewayError(Reason.GENERATION_NOT_FOUND, "No such generation.")


def not_ours(refusal: object = None) -> GatewayError:
    """Another process took the generation over (STILL_RUNNING), or ended it."""
    if isinstance(refusal, NotOwner):
        return GatewayError(
            Reason.STILL_RUNNING, "Another process goes on with the generation; ask for it by name."
        )
    return GatewayError(Reason.REQUEST_NOT_RETAINED, "Another process ended the generation.")


def is_hidden(verdict: Verdict) -> bool:
    """Whether the generation that was closed had been deleted by its account."""
    if isinstance(verdict, Refused):
        return False
    answer = verdict.answers[0]
    return isinstance(answer, Finished) and answer.hidden


def _hold(caller: Caller, job: Job, entry: Entry, first: Attempt) -> tuple[object, ...]:
    quoted, quote = 0 if caller.sandbox else job.quoted_micros, job.quote
    return (
        NewGeneration(
            id=entry.id,
            account_id=entry.account_id,
            key_id=entry.key_id,
            hold_id=entry.hold_id,
            owner_epoch=entry.owner_epoch,
            model=entry.model,
            kind=job.model.kind,
            catalogue_version=job.catalogue_version,
            endpoint=job.endpoint,
            request_id=job.request_id,
            requested_count=job.ask.count,
            quoted_micros=quoted,
            duration_ms=job.seconds * 1000,
            fingerprint=job.fingerprint,
            first_attempt=AttemptRecord(
                1,
                first.channel.name,
                entry.mark,
                standing=first.standing,
                candidates=first.candidates,
                credential=first.channel.credential_name,
            ),
            idempotency_key=job.idempotency_key,
            claim=job.is_retry and job.idempotency_key is None,
            sandbox=caller.sandbox,
            callback=job.callback,
            quote_id=None if quote is None else quote.id,
            price_lines=() if caller.sandbox else job.price_lines,
        ),
        KeyUse(entry.account_id, entry.key_id, entry.model),
        *(() if quote is None else (UseQuote(entry.account_id, quote.id, quote.expires_us),)),
        Hold(entry.hold_id, entry.account_id, quoted, caller.line_id or entry.key_id),
    )


def _finish(entry: Entry, outcome: Outcome) -> tuple[object, ...]:
    succeeded = outcome.state is GenerationState.SUCCEEDED
    error, report = outcome.error, outcome.report
    finish = FinishGeneration(
        id=entry.id,
        account_id=entry.account_id,
        key_id=entry.key_id,
        owner_epoch=entry.owner_epoch,
        model=entry.model,
        state=outcome.state,
        reason=Reason(error.reason) if error is not None else None,
        metadata=error.metadata if error is not None else {},
        channel=outcome.channel,
        attempts=outcome.attempts,
        assets=outcome.assets,
        delivered_count=len(outcome.assets),
        charged_micros=outcome.charged_micros,
        duration_ms=outcome.duration_ms,
        usage=report.usage,
        size=report.size,
        quality=report.quality,
        background=report.background,
        output_format=report.output_format,
    )
    resolve = (
        Settle(random_id(), entry.account_id, entry.hold_id, outcome.charged_micros)
        if succeeded
        else Void(random_id(), entry.account_id, entry.hold_id)
    )
    return finish, resolve, KeyRelease(entry.account_id, entry.key_id), *outcome.losses
