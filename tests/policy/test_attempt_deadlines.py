"""Phase deadlines within the caller's time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import Deadlines
from core.policy.deadlines import attempts_end, effective

CHANNEL = Deadlines(connect=1, acknowledge=2, first_byte=5, idle=5, total=60)


def test_without_a_caller_waiting_the_channels_deadlines_hold() -> None:
    assert effective(CHANNEL, None) is CHANNEL


def test_with_time_to_spare_nothing_is_cut() -> None:
    assert effective(CHANNEL, 60.0) is CHANNEL


def test_every_phase_is_cut_to_what_the_caller_has_left() -> None:
    assert effective(CHANNEL, 1.5) == Deadlines(1, 1.5, 1.5, 1.5, 1.5)


@pytest.mark.parametrize("remaining", [0.049, 0.0, -3.0])
def test_an_attempt_with_no_time_left_is_not_begun(remaining) -> None:
    assert effective(CHANNEL, remaining) is None


@pytest.mark.parametrize(
    ("deadline", "ends"), [(100 + 60, 159.0), (100 + 5, 104.5), (100.0, 100.0), (90.0, 90.0)]
)
def test_a_second_or_a_tenth_is_kept_for_storing_and_answering(deadline, ends) -> None:
    assert attempts_end(100.0, deadline) == pytest.approx(ends)


@given(st.floats(0.05, 1e4), st.floats(0.05, 1e4))
def test_no_deadline_exceeds_the_channels_nor_the_callers(remaining, total) -> None:
    channel = Deadlines(total=total)
    found = effective(channel, remaining)

    assert found is not None
    assert found.total == min(remaining, total)
    for name in ("connect", "acknowledge", "first_byte", "idle"):
        assert getattr(found, name) <= getattr(channel, name)
