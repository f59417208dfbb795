"""The catalogue and the providers' tables name the same dialects."""

from core.catalog.loader import DIALECTS as NAMED
from core.catalog.loader import JOB_DIALECTS as NAMED_FOR_JOBS
from core.providers import DIALECTS as BUILT
from core.providers import JOB_DIALECTS as BUILT_FOR_JOBS


def test_every_dialect_that_a_channel_may_name_is_built() -> None:
    assert set(BUILT) | set(BUILT_FOR_JOBS) == set(NAMED)


def test_the_dialects_that_leave_jobs_are_the_same() -> None:
    assert set(BUILT_FOR_JOBS) == set(NAMED_FOR_JOBS)
    assert not set(BUILT) & set(BUILT_FOR_JOBS)
