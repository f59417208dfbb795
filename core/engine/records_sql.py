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
    STATES,
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
from storage.lone import of_rows

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
                    for _, account, generation, state, *rest in result:
                        standing = Standing(account, STATES[state], *rest)
                        found.standings[generation.int] = standing
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
        writes = [*created(book)] if book.created else []
        if book.is_changed:  # between beginning and end, which is seldom
            writes += [*marked(book), *adopted(book), *jobs(book), *fates(book)]
        attempts: Attempts = [(p.account_id, p.id, p.first_attempt) for p in book.created]
        attempts += [(p.account_id, p.generation_id, p.attempt) for p in book.submitted]
        if attempts:
            writes.append(of_rows(sql.INSERT_ATTEMPTS, [new_attempt(row) for row in attempts]))
        if book.finished:
            writes += finished(book)
        return writes


def created(book: RecordsBook) -> Iterable[Statement]:
    """The new generations and their idempotency rows."""
    if book.forgotten:
        yield sql.FORGET_KEYS, columns_of(book.forgotten)
    new = book.created
    rows = [
        (
            part.account_id,
            part.id,
            part.key_id,
            part.hold_id,
            part.owner_epoch,
            part.quoted_micros,
            deadline_us(part, book.now_us),
            part.requested_count,
            part.sandbox,
            part.fingerprint,
            part.kind,
            part.model,
            part.catalogue_version,
            part.endpoint,
            part.request_id,
            part.duration_ms,
            part.quote_id,
            lines_text(part.price_lines),
        )
        for part in new
    ]
    yield of_rows(sql.INSERT_GENERATIONS, rows, book.now_us)
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
    yield of_rows(
        sql.FINISH_GENERATIONS,
        [ending(part) for part in ends],
        *bounds(part.id for part in ends),
        book.now_us,
    )
    attempts: Attempts = [(p.account_id, p.id, attempt) for p in ends for attempt in p.attempts]
    first = [row for row in attempts if row[2].number == 1]
    later = [row for row in attempts if row[2].number > 1]
    if first:
        rows = [(account, id_, *choice(tried), *outcome(tried)) for account, id_, tried in first]
        yield of_rows(sql.UPDATE_FIRST_ATTEMPTS, rows, *bounds(id_ for _, id_, _ in first))
    if later:
        rows = [(*new_attempt(row), *outcome(row[2])) for row in later]
        yield of_rows(sql.UPSERT_ATTEMPTS, rows)
    assets = [(part, asset) for part in ends for asset in part.assets]
    if assets:
        rows = [
            (
                part.account_id,
                part.id,
                asset.output_index,
                asset.size_bytes,
                asset.width,
                asset.height,
                asset.sha256,
                asset.media_type,
                asset.link,
                book.now_us + asset.keep_days * DAY_US,
                book.now_us if book.is_hidden(part.id) else None,
            )
            for part, asset in assets
        ]
        yield of_rows(sql.INSERT_ASSETS, rows, book.now_us)
    if told := book.to_tell():
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


def ending(part: FinishGeneration) -> tuple[Any, ...]:
    """The row of an end."""
    count = part.usage
    return (
        part.account_id,
        part.id,
        part.charged_micros,
        part.delivered_count,
        max([attempt.number for attempt in part.attempts], default=1),
        part.state,
        part.channel,
        part.size or None,
        part.quality or None,
        part.background or None,
        part.output_format or None,
        part.reason,
        json.dumps(dict(part.metadata)) if part.metadata else None,
        None if count is None else count.input_text_tokens,
        None if count is None else count.input_image_tokens,
        None if count is None else count.output_tokens,
        None if count is None else count.output_image_tokens,
        part.duration_ms or None,
    )


def new_attempt(row: tuple[UUID, UUID, AttemptRecord]) -> tuple[Any, ...]:
    account, generation, attempt = row
    names = (account, generation, attempt.number, attempt.mark, attempt.channel)
    return (*names, *choice(attempt))


def choice(attempt: AttemptRecord) -> tuple[Any, ...]:
    """How far an attempt is, and how it came about."""
    return (
        attempt.state,
        attempt.started_ms,
        attempt.shard,
        attempt.is_hedge,
        attempt.standing,
        attempt.candidates,
        attempt.credential,
    )


def outcome(attempt: AttemptRecord) -> tuple[Any, ...]:
    return (
        attempt.http_status,
        attempt.acknowledged_ms,
        attempt.first_byte_ms,
        attempt.ended_ms,
        attempt.fault,
        attempt.phase,
        attempt.upstream_job_id or None,
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
