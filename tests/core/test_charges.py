"""What a generation is charged, of the most that it could be."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from core.engine.closing import Case
from core.model import Generation, GenerationState, Kind


def case(quoted: int, count: int, seconds: int, step: int = 1) -> Case:
    nobody: Any = None
    accepted = Generation(
        id=UUID(int=1),
        account_id=UUID(int=2),
        model="m",
        kind=Kind.VIDEO,
        state=GenerationState.ACCEPTED,
        created_at=datetime(2030, 1, 1, tzinfo=UTC),
        requested_count=count,
        quoted_micros=quoted,
    )
    return Case(nobody, accepted, nobody, seconds, step)


@pytest.mark.parametrize(
    ("made", "minutes"), [(0.0, 10), (5.0, 1), (60.05, 1), (61.0, 2), (599.0, 10), (900.0, 10)]
)
def test_a_started_minute_of_each_output_is_charged_and_never_more_than_was_held(
    made: float, minutes: int
) -> None:
    held = case(3 * 10 * 7_000, count=3, seconds=600, step=60)

    assert held.charge(3, made) == 3 * minutes * 7_000
    assert held.charge(1, made) == minutes * 7_000


def test_seconds_are_charged_as_they_were() -> None:
    held = case(2 * 8 * 5_000, count=2, seconds=8)

    assert held.charge(2, 5.04) == 2 * 5 * 5_000
    assert held.charge(1, 0.0) == 8 * 5_000
    assert case(7_000, count=1, seconds=0).charge(1, 3.0) == 7_000
