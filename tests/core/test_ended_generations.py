"""What callers see of a generation that has ended: what was accepted, and how it went."""

from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime
from uuid import UUID

from core.engine.bookkeeping import Outcome
from core.engine.closing import succeeded
from core.engine.records import AttemptRecord
from core.errors import Reason
from core.model import Asset, Failure, Generation, GenerationState, Kind, Report

LONG_AGO = datetime(2026, 1, 2, tzinfo=UTC)
ACCEPTED = Generation(
    id=UUID(int=1),
    account_id=UUID(int=2),
    model="m",
    kind=Kind.VIDEO,
    state=GenerationState.ACCEPTED,
    created_at=LONG_AGO,
    requested_count=3,
    quoted_micros=3_000,
    ended_at=LONG_AGO,
    fate_unknown_since=LONG_AGO,
    delivered_count=9,
    charged_micros=9,
    channel="first",
    attempt_count=9,
    assets=(Asset(9, "n", "video/mp4", 9, b"", LONG_AGO),),
    failure=Failure(Reason.INTERNAL),
    sandbox=True,
    report=Report(size="9x9"),
    duration_ms=9_000,
    progress_percent=9,
    epoch=9,
)
ASSETS = (Asset(0, "tasks/a", "video/mp4", 5, b"5", LONG_AGO),)


def outcome(duration_ms: int = 0) -> Outcome:
    attempts = (AttemptRecord(1, "first", UUID(int=5)), AttemptRecord(2, "second", UUID(int=6)))
    return Outcome(
        GenerationState.SUCCEEDED,
        attempts,
        "second",
        charged_micros=1_000,
        duration_ms=duration_ms,
        report=Report(size="640x480"),
    )


def test_it_keeps_what_was_accepted_and_tells_how_it_went() -> None:
    left_out = [
        field.name
        for field in fields(ACCEPTED)
        if field.default is not MISSING and getattr(ACCEPTED, field.name) == field.default
    ]
    assert left_out == [], "this test looks at every field"

    ended = succeeded(ACCEPTED, outcome(), ASSETS)

    assert ended.ended_at is not None
    assert ended.ended_at > LONG_AGO
    assert ended == replace(
        ACCEPTED,
        state=GenerationState.SUCCEEDED,
        ended_at=ended.ended_at,
        delivered_count=1,
        charged_micros=1_000,
        channel="second",
        attempt_count=2,
        assets=ASSETS,
        report=Report(size="640x480"),
    )


def test_it_is_as_long_as_what_was_made() -> None:
    assert succeeded(ACCEPTED, outcome(duration_ms=4_200), ASSETS).duration_ms == 4_200
