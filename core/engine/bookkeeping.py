"""The two commits of a generation: one before anybody is asked, one after the outcome."""

from collections.abc import Callable
from dataclasses import field
from uuid import UUID

from accounts.limits import Allowance, KeyRelease, KeyUse
from billing.ledger import Hold, Loss, Settle, Void
from billing.pricing import PriceLine
from core.caller import Caller
from core.engine.ids import random_id
from core.engine.quote_uses import UseQuote
from core.engine.quotes import Quote
from core.engine.records import (
    Adopt,
    AssetRecord,
    AttemptRecord,
    Callback,
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
from core.model import EMPTY_REPORT, GenerationState, Kind, Report
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
class Opening:
    """What is recorded of a request when it is accepted."""

    id: UUID
    model: str
    kind: Kind
    catalogue_version: str
    endpoint: str
    request_id: str
    count: int
    quoted_micros: int
    duration_ms: int
    fingerprint: bytes = field(repr=False)
    idempotency_key: bytes | None = field(repr=False)
    is_retry: bool
    channel: str
    """The first to be tried."""
    callback: Callback | None = None
    credential: str = ""
    """Of the channel: its name."""
    standing: str = ""
    """Of the channel, when it was chosen."""
    candidates: int = 0
    """How many channels could serve it."""
    quote: Quote | None = None
    """That it carries."""
    price_lines: tuple[PriceLine, ...] = ()
    """What `quoted_micros` is made of."""


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
        self, caller: Caller, opening: Opening
    ) -> tuple[Entry, Allowance] | Replay | Claimed:
        """Record the request and hold its price; or find the generation that answers it.

        Raises GatewayError when it is refused, and CommitUnanswered.
        """
        entry = Entry(
            opening.id,
            caller.account_id,
            caller.key_id,
            random_id(),
            self._epoch(),
            opening.model,
            random_id(),
        )
        verdict = await self._commits.commit(Commit(_hold(caller, opening, entry)))
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


def _hold(caller: Caller, opening: Opening, entry: Entry) -> tuple[object, ...]:
    quoted, quote = 0 if caller.sandbox else opening.quoted_micros, opening.quote
    return (
        NewGeneration(
            id=entry.id,
            account_id=entry.account_id,
            key_id=entry.key_id,
            hold_id=entry.hold_id,
            owner_epoch=entry.owner_epoch,
            model=opening.model,
            kind=opening.kind,
            catalogue_version=opening.catalogue_version,
            endpoint=opening.endpoint,
            request_id=opening.request_id,
            requested_count=opening.count,
            quoted_micros=quoted,
            duration_ms=opening.duration_ms,
            fingerprint=opening.fingerprint,
            first_attempt=AttemptRecord(
                1,
                opening.channel,
                entry.mark,
                standing=opening.standing,
                candidates=opening.candidates,
                credential=opening.credential,
            ),
            idempotency_key=opening.idempotency_key,
            claim=opening.is_retry and opening.idempotency_key is None,
            sandbox=caller.sandbox,
            callback=opening.callback,
            quote_id=None if quote is None else quote.id,
            price_lines=() if caller.sandbox else opening.price_lines,
        ),
        KeyUse(entry.account_id, entry.key_id, opening.model),
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
