"""Generations in PostgreSQL: the records' part in a commit.

The tables are partitioned by the day in the UUIDv7, so every statement on existing rows
says between which ids it looks: PostgreSQL then opens the partitions of those days only.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from core.engine import records_statements as sql
from core.engine.quotes import lines_text
from core.engine.records import (
    AttemptRecord,
    FinishGeneration,
    HideGeneration,
    MarkOrphan,
    NewGeneration,
    RequestCancel,
    SubmitAttempt,
)
from core.engine.records_book import (
    DAY_US,
    PARTS,
    Found,
    Part,
    RecordsBook,
    RememberedKey,
    Standing,
    Twin,
    id_before,
    locked,
    twin,
)
from core.model import GenerationState

Read = tuple[int, str, tuple[Any, ...]]
Statement = tuple[str, tuple[Any, ...]]
Attempts = list[tuple[UUID, UUID, AttemptRecord]]
"""Account, generation, attempt."""


class RecordsSql:
    """The records' part in a commit to PostgreSQL (a `storage.transaction.Participant`)."""

    parts = PARTS

    def reads(self, parts: Sequence[Part]) -> Sequence[Read]:
        reads: list[Read] = []
        new = [part for part in parts if type(part) is NewGeneration]
        keyed = [part for part in new if part.idempotency_key is not None]
        if keyed:
            columns = (
                [part.account_id for part in keyed],
                [part.idempotency_key for part in keyed],
            )
            reads.append((40, sql.READ_KEYS, columns))
        names = locked(parts)
        if names:
            reads.append((50, sql.LOCK_GENERATIONS, between(names)))
        claims = [part for part in new if part.claim]
        if claims:
            twins = columns_of(list({twin(part): part for part in claims}))
            oldest = id_before(min(part.id for part in claims))
            reads.append((50, sql.LOCK_ORPHANS, (*twins, oldest)))
        submits = [part for part in parts if type(part) is SubmitAttempt]
        if submits:
            ids = between([(part.account_id, part.generation_id) for part in submits])
            reads.append((60, sql.READ_ATTEMPTS, ids))
        return reads

    def book(self, rows: Sequence[Sequence[tuple[Any, ...]]], now_us: int) -> RecordsBook:
        """Each row begins with what it is, for which statements were sent varies."""
        found = Found()
        marks: dict[tuple[UUID, int], UUID] = {}
        for result in rows:
            match result[0][0] if result else "":
                case "generation":
                    for _, account, generation, state, epoch, hidden in result:
                        standing = Standing(account, GenerationState(state), epoch, hidden)
                        found.standings[generation] = standing
                case "key":
                    for _, account, key, request, generation, expires_us in result:
                        found.keys[account, key] = RememberedKey(request, generation, expires_us)
                case "orphan":
                    for _, *name, generation in result:
                        found.orphans.setdefault((name[0], name[1], name[2]), []).append(generation)
                case "attempt":
                    for _, generation, number, mark in result:
                        marks[generation, number] = mark
        found.attempts = marks
        return RecordsBook(found, now_us)

    def writes(self, book: RecordsBook) -> Sequence[Statement]:
        attempts: Attempts = [(p.account_id, p.id, p.first_attempt) for p in book.created]
        attempts += [(p.account_id, p.generation_id, p.attempt) for p in book.submitted]
        writes = [*created(book), *marked(book), *adopted(book), *jobs(book), *fates(book)]
        if attempts:
            writes.append((sql.INSERT_ATTEMPTS, new_attempt_columns(attempts)))
        writes += finished(book)
        return writes


def created(book: RecordsBook) -> Iterable[Statement]:
    """The new generations and their idempotency rows."""
    if book.forgotten:
        yield sql.FORGET_KEYS, columns_of(book.forgotten)
    new = book.created
    if not new:
        return
    yield (
        sql.INSERT_GENERATIONS,
        (
            [part.account_id for part in new],
            [part.id for part in new],
            [part.key_id for part in new],
            [part.hold_id for part in new],
            [part.owner_epoch for part in new],
            [part.quoted_micros for part in new],
            [deadline_us(part, book.now_us) for part in new],
            [part.requested_count for part in new],
            [part.sandbox for part in new],
            [part.fingerprint for part in new],
            [part.kind for part in new],
            [part.model for part in new],
            [part.catalogue_version for part in new],
            [part.endpoint for part in new],
            [part.request_id for part in new],
            [part.duration_ms for part in new],
            [part.quote_id for part in new],
            [lines_text(part.price_lines) for part in new],
            book.now_us,
        ),
    )
    yield from called_back(new)
    if book.remembered:
        keys = book.remembered.values()
        yield (
            sql.INSERT_KEYS,
            (
                *columns_of(list(book.remembered)),
                [key.generation_id for key in keys],
                [key.request for key in keys],
                [key.expires_us for key in keys],
            ),
        )


def called_back(new: Sequence[NewGeneration]) -> Iterable[Statement]:
    """Where the ends of new generations are told."""
    called = [(part, part.callback) for part in new if part.callback is not None]
    if called:
        yield (
            sql.INSERT_CALLBACKS,
            (
                [part.account_id for part, _ in called],
                [part.id for part, _ in called],
                [callback.target for _, callback in called],
                [callback.url for _, callback in called],
            ),
        )


def finished(book: RecordsBook) -> Iterable[Statement]:
    """The ends: generation, attempts, assets, usage, and messages to who wants to be told."""
    ends = book.finished
    if not ends:
        return
    yield sql.FINISH_GENERATIONS, finish_columns(ends, book.now_us)
    attempts: Attempts = [(p.account_id, p.id, attempt) for p in ends for attempt in p.attempts]
    first = [row for row in attempts if row[2].number == 1]
    later = [row for row in attempts if row[2].number > 1]
    if first:
        names = between([(account, generation) for account, generation, _ in first])
        yield sql.UPDATE_FIRST_ATTEMPTS, (*names, *choice_columns(first), *outcome_columns(first))
    if later:
        yield sql.UPSERT_ATTEMPTS, (*new_attempt_columns(later), *outcome_columns(later))
    assets = [(part, asset) for part in ends for asset in part.assets]
    if assets:
        yield (
            sql.INSERT_ASSETS,
            (
                [part.account_id for part, _ in assets],
                [part.id for part, _ in assets],
                [asset.output_index for _, asset in assets],
                [asset.size_bytes for _, asset in assets],
                [asset.width for _, asset in assets],
                [asset.height for _, asset in assets],
                [asset.sha256 for _, asset in assets],
                [asset.media_type for _, asset in assets],
                [asset.link for _, asset in assets],
                [book.now_us + asset.keep_days * DAY_US for _, asset in assets],
                [book.now_us if book.is_hidden(part.id) else None for part, _ in assets],
                book.now_us,
            ),
        )
    told = [part for part in ends if not book.is_hidden(part.id)]
    if told:
        yield (
            sql.INSERT_MESSAGES,
            (
                [part.account_id for part in told],
                [part.id for part in told],
                [f"generation.{part.state}" for part in told],
                book.now_us,
            ),
        )


def marked(book: RecordsBook) -> Iterable[Statement]:
    """Orphans, claims, wishes to cancel, deletions; a wish or deletion is dated by the first.

    Claims come last: one that was orphaned again afterwards is not among them.
    """
    marks: Sequence[tuple[type, str]] = (
        (MarkOrphan, sql.MARK_ORPHANS),
        (RequestCancel, sql.MARK_CANCELS),
        (HideGeneration, sql.MARK_HIDDEN),
    )
    for kind, statement in marks:
        names = {(part.account_id, part.id) for part in book.marked if type(part) is kind}
        if names:
            yield statement, (*between(list(names)), book.now_us)
            if kind is HideGeneration:
                yield sql.DELETE_ASSETS, (*between(list(names)), book.now_us)
                yield sql.STOP_MESSAGES, columns_of(list(names))
                yield sql.DELETE_CALLBACKS, columns_of(list(names))
    if book.claimed:
        yield sql.MARK_CLAIMED, (*between(list(book.claimed)), book.now_us)


def adopted(book: RecordsBook) -> Iterable[Statement]:
    """New owners."""
    owners = {(part.account_id, part.id): part.to_epoch for part in book.adopted}
    if owners:
        yield sql.ADOPT_GENERATIONS, (*between(list(owners)), list(owners.values()))


def jobs(book: RecordsBook) -> Iterable[Statement]:
    """Upstream jobs: the attempt is submitted, its generation runs."""
    noted = {(part.generation_id, part.number): part for part in book.jobs}
    if not noted:
        return
    parts = list(noted.values())
    names = {(part.account_id, part.generation_id) for part in parts}
    yield sql.RUN_GENERATIONS, between(list(names))
    yield (
        sql.NOTE_JOBS,
        (
            *between([(part.account_id, part.generation_id) for part in parts]),
            [part.number for part in parts],
            [part.upstream_job_id for part in parts],
        ),
    )


def fates(book: RecordsBook) -> Iterable[Statement]:
    """Jobs whose fate is unknown, or known again."""
    fates = {(part.account_id, part.id): part.is_unknown for part in book.fates}
    if fates:
        yield sql.NOTE_FATES, (*between(list(fates)), list(fates.values()), book.now_us)


def finish_columns(ends: Sequence[FinishGeneration], now_us: int) -> tuple[Any, ...]:
    counts = [part.usage for part in ends]
    return (
        *between([(part.account_id, part.id) for part in ends]),
        [part.charged_micros for part in ends],
        [part.delivered_count for part in ends],
        [max((attempt.number for attempt in part.attempts), default=1) for part in ends],
        [part.state for part in ends],
        [part.channel for part in ends],
        [part.size or None for part in ends],
        [part.quality or None for part in ends],
        [part.background or None for part in ends],
        [part.output_format or None for part in ends],
        [part.reason for part in ends],
        [json.dumps(dict(part.metadata)) if part.metadata else None for part in ends],
        [None if count is None else count.input_text_tokens for count in counts],
        [None if count is None else count.input_image_tokens for count in counts],
        [None if count is None else count.output_tokens for count in counts],
        [None if count is None else count.output_image_tokens for count in counts],
        [part.duration_ms or None for part in ends],
        now_us,
    )


def new_attempt_columns(rows: Attempts) -> tuple[Any, ...]:
    attempts = [attempt for _, _, attempt in rows]
    return (
        [account for account, _, _ in rows],
        [generation for _, generation, _ in rows],
        [attempt.number for attempt in attempts],
        [attempt.mark for attempt in attempts],
        [attempt.channel for attempt in attempts],
        *choice_columns(rows),
    )


def choice_columns(rows: Attempts) -> tuple[Any, ...]:
    """How far an attempt is, and how it came about."""
    attempts = [attempt for _, _, attempt in rows]
    return (
        [attempt.state for attempt in attempts],
        [attempt.started_ms for attempt in attempts],
        [attempt.shard for attempt in attempts],
        [attempt.is_hedge for attempt in attempts],
        [attempt.standing for attempt in attempts],
        [attempt.candidates for attempt in attempts],
        [attempt.credential for attempt in attempts],
    )


def outcome_columns(rows: Attempts) -> tuple[Any, ...]:
    attempts = [attempt for _, _, attempt in rows]
    return (
        [attempt.http_status for attempt in attempts],
        [attempt.acknowledged_ms for attempt in attempts],
        [attempt.first_byte_ms for attempt in attempts],
        [attempt.ended_ms for attempt in attempts],
        [attempt.fault for attempt in attempts],
        [attempt.phase for attempt in attempts],
        [attempt.upstream_job_id or None for attempt in attempts],
    )


def deadline_us(part: NewGeneration, now_us: int) -> int | None:
    return now_us + part.time_limit_ms * 1000 if part.time_limit_ms else None


def bounds(ids: Iterable[UUID]) -> tuple[UUID, UUID]:
    """The smallest and the largest."""
    known = list(ids)
    return min(known), max(known)


def between(names: Sequence[tuple[UUID, UUID]]) -> tuple[list[UUID], list[UUID], UUID, UUID]:
    """Accounts, generations, and the bounds of the latter."""
    low, high = bounds(generation for _, generation in names)
    return [account for account, _ in names], [generation for _, generation in names], low, high


def columns_of(rows: Sequence[tuple[Any, ...]] | Sequence[Twin]) -> tuple[list[Any], ...]:
    return tuple(list(column) for column in zip(*rows, strict=True))
