"""Generations in memory: the twin of what PostgreSQL keeps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from core.engine.records import (
    AttemptRecord,
    Callback,
    FinishGeneration,
    Generation,
    HideGeneration,
    Listing,
    MarkOrphan,
    NewGeneration,
    RequestCancel,
    StoredAsset,
    Stray,
)
from core.engine.records_book import (
    PARTS,
    Found,
    KeyName,
    Part,
    RecordsBook,
    RememberedKey,
    Standing,
    Twin,
    generation_of,
    id_before,
    twin,
)
from core.model import AttemptState, GenerationState

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class MemoryGeneration:
    """Everything of one generation."""

    row: Generation
    fingerprint: bytes
    attempts: dict[int, AttemptRecord]
    assets: list[StoredAsset] = field(default_factory=list)
    hidden: bool = False


class MemoryRecords:
    """The records' part in a commit to memory, and the reads of `core.engine.records_read`."""

    parts = PARTS

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        """*clock*: microseconds since 1970; without one it is as late as the last commit."""
        self.generations_by_id: dict[UUID, MemoryGeneration] = {}
        self.callbacks: dict[UUID, Callback] = {}
        self.told: list[tuple[UUID, GenerationState]] = []
        """Ends of which somebody may want to hear, in order."""
        self._last_us = 0
        self._clock = clock or (lambda: self._last_us)
        self._keys: dict[KeyName, RememberedKey] = {}

    # ---- a storage.memory.MemoryParticipant

    def book(self, parts: Sequence[Part], now_us: int) -> RecordsBook:
        """A book over the generations, keys and orphans that *parts* are about."""
        found = Found()
        for account_id, generation_id in map(generation_of, parts):
            known = self._known(account_id, generation_id)
            if known is not None:
                row = known.row
                standing = Standing(account_id, row.state, row.owner_epoch, known.hidden)
                found.standings[generation_id.int] = standing
        found.attempts = {
            (generation_id, number): attempt.mark
            for _, generation_id in map(generation_of, parts)
            if generation_id in self.generations_by_id
            for number, attempt in self.generations_by_id[generation_id].attempts.items()
        }
        for part in parts:
            if not isinstance(part, NewGeneration):
                continue
            if part.idempotency_key is not None:
                name = (part.account_id, part.idempotency_key)
                if name in self._keys:
                    found.keys[name] = self._keys[name]
            if part.claim and twin(part) not in found.orphans:
                found.orphans[twin(part)] = self._orphans(twin(part), id_before(part.id))
        return RecordsBook(found, now_us)

    def apply(self, book: RecordsBook) -> None:
        """Keep what *book* took, in the order in which PostgreSQL writes it."""
        now = moment(book.now_us)
        self._last_us = book.now_us
        self._keys.update(book.remembered)
        for new in book.created:
            self.generations_by_id[new.id] = created(new, now)
            if new.callback is not None:
                self.callbacks[new.id] = new.callback
        for mark in book.marked:
            self._mark(mark, now)
        for _, generation_id in book.claimed:
            self._change(generation_id, claimed_at=now)
        for adoption in book.adopted:
            self._change(adoption.id, owner_epoch=adoption.to_epoch)
        for job in book.jobs:
            self._change(job.generation_id, state=GenerationState.RUNNING)
            attempts = self.generations_by_id[job.generation_id].attempts
            attempts[job.number] = replace(
                attempts[job.number],
                state=AttemptState.SUBMITTED,
                upstream_job_id=job.upstream_job_id,
            )
        for fate in book.fates:
            since = self.generations_by_id[fate.id].row.fate_unknown_since or now
            unknown = since if fate.is_unknown else None
            self._change(fate.id, state=GenerationState.RUNNING, fate_unknown_since=unknown)
        for submit in book.submitted:
            attempts = self.generations_by_id[submit.generation_id].attempts
            attempts[submit.attempt.number] = submit.attempt
        for end in book.finished:
            finish(self.generations_by_id[end.id], end, now)
        self.told += [(end.id, end.state) for end in book.to_tell()]

    # ---- reads

    async def generation(self, account_id: UUID, generation_id: UUID) -> Generation | None:
        known = self._known(account_id, generation_id)
        return None if known is None or known.hidden else known.row

    async def open_generation(self, account_id: UUID, generation_id: UUID) -> Generation | None:
        known = self._known(account_id, generation_id)
        if known is None or known.row.state.is_terminal:
            return None
        return replace(known.row, hidden=known.hidden)

    async def generations(self, account_id: UUID, listing: Listing) -> list[Generation]:
        rows = [
            known.row
            for known in self.generations_by_id.values()
            if known.row.account_id == account_id
            and not known.hidden
            and is_listed(known.row, listing)
        ]
        rows.sort(key=lambda row: row.id, reverse=not listing.oldest_first)
        return rows[: listing.limit]

    async def assets(
        self, account_id: UUID, generation_id: UUID, *, deleted: bool = False
    ) -> list[StoredAsset]:
        known = self._known(account_id, generation_id)
        return [] if known is None or (known.hidden and not deleted) else list(known.assets)

    async def attempts(self, account_id: UUID, generation_id: UUID) -> list[AttemptRecord]:
        known = self._known(account_id, generation_id)
        return [] if known is None else [known.attempts[n] for n in sorted(known.attempts)]

    async def asset_by_link(
        self, generation_id: UUID, link: str, output_index: int
    ) -> StoredAsset | None:
        known = self.generations_by_id.get(generation_id)
        if known is None or known.hidden:
            return None
        now = moment(self._clock())
        for asset in known.assets:
            if asset.expires_at > now and (asset.record.link, asset.record.output_index) == (
                link,
                output_index,
            ):
                return asset
        return None

    def open_generations(self) -> list[Stray]:
        """What has not ended, oldest first."""
        rows = [
            known for known in self.generations_by_id.values() if not known.row.state.is_terminal
        ]
        return [stray(known) for known in sorted(rows, key=lambda known: known.row.id)]

    # ---- inside

    def _known(self, account_id: UUID, generation_id: UUID) -> MemoryGeneration | None:
        known = self.generations_by_id.get(generation_id)
        return known if known is not None and known.row.account_id == account_id else None

    def _orphans(self, name: Twin, oldest: UUID) -> list[UUID]:
        return sorted(
            known.row.id
            for known in self.generations_by_id.values()
            if (known.row.account_id, known.row.key_id, known.fingerprint) == name
            and known.row.orphaned_at is not None
            and known.row.claimed_at is None
            and not known.hidden
            and known.row.state is not GenerationState.FAILED
            and known.row.id >= oldest
        )

    def _mark(self, mark: MarkOrphan | RequestCancel | HideGeneration, now: datetime) -> None:
        known = self.generations_by_id[mark.id]
        match mark:
            case MarkOrphan():
                self._change(mark.id, orphaned_at=now, claimed_at=None)
            case RequestCancel():
                self._change(mark.id, cancel_requested_at=known.row.cancel_requested_at or now)
            case HideGeneration():
                known.hidden = True
                self.callbacks.pop(mark.id, None)

    def _change(self, generation_id: UUID, **changes: Any) -> None:
        known = self.generations_by_id[generation_id]
        known.row = replace(known.row, **changes)


def created(new: NewGeneration, now: datetime) -> MemoryGeneration:
    """A generation as it begins."""
    limit = timedelta(milliseconds=new.time_limit_ms)
    row = Generation(
        id=new.id,
        account_id=new.account_id,
        key_id=new.key_id,
        hold_id=new.hold_id,
        owner_epoch=new.owner_epoch,
        model=new.model,
        kind=new.kind,
        state=GenerationState.ACCEPTED,
        catalogue_version=new.catalogue_version,
        endpoint=new.endpoint,
        request_id=new.request_id,
        requested_count=new.requested_count,
        quoted_micros=new.quoted_micros,
        sandbox=new.sandbox,
        created_at=now,
        deadline_at=now + limit if limit else None,
        finished_at=None,
        cancel_requested_at=None,
        orphaned_at=None,
        claimed_at=None,
        reason=None,
        metadata={},
        channel="",
        attempt_count=1,
        delivered_count=0,
        charged_micros=0,
        usage=None,
        size="",
        quality="",
        background="",
        output_format="",
        duration_ms=new.duration_ms,
        quote_id=new.quote_id,
        price_lines=new.price_lines,
    )
    return MemoryGeneration(row, new.fingerprint, {1: new.first_attempt})


def finish(known: MemoryGeneration, end: FinishGeneration, now: datetime) -> None:
    """Write the end into what is known."""
    count = max((attempt.number for attempt in end.attempts), default=1)
    known.row = replace(
        known.row,
        state=end.state,
        finished_at=now,
        reason=end.reason,
        metadata=dict(end.metadata),
        channel=end.channel,
        attempt_count=max(known.row.attempt_count, count),
        delivered_count=end.delivered_count,
        charged_micros=end.charged_micros,
        usage=end.usage,
        size=end.size,
        quality=end.quality,
        background=end.background,
        output_format=end.output_format,
        duration_ms=end.duration_ms or known.row.duration_ms,
        fate_unknown_since=None,
    )
    for attempt in end.attempts:
        before = known.attempts.get(attempt.number, attempt)
        job = attempt.upstream_job_id or before.upstream_job_id
        known.attempts[attempt.number] = replace(
            attempt, mark=before.mark, channel=before.channel, upstream_job_id=job
        )
    known.assets = [
        StoredAsset(end.id, end.account_id, asset, now, now + timedelta(days=asset.keep_days))
        for asset in sorted(end.assets, key=lambda asset: asset.output_index)
    ]


def stray(known: MemoryGeneration) -> Stray:
    """What an adopter must know."""
    row = known.row
    return Stray(row.id, row.account_id, row.key_id, row.hold_id, row.owner_epoch, row.model)


def is_listed(row: Generation, listing: Listing) -> bool:
    """Whether the listing asks for it, page and filters considered."""
    after = listing.after
    if after is not None and (row.id <= after if listing.oldest_first else row.id >= after):
        return False
    return (not listing.kinds or row.kind in listing.kinds) and (
        not listing.models or row.model in listing.models
    )


def moment(us: int) -> datetime:
    """Microseconds since 1970 as an aware datetime."""
    return EPOCH + timedelta(microseconds=us)
