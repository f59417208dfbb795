"""A channel may name the dialects that are built, and no others."""

from pathlib import Path

import pytest
from catalogue_files import BASE, Files

from core.catalog.loader import DIALECTS as NAMED
from core.catalog.loader import JOB_DIALECTS as NAMED_FOR_JOBS
from core.providers import DIALECTS, JOB_DIALECTS


def test_every_dialect_that_a_channel_may_name_is_built() -> None:
    assert set(DIALECTS) | set(JOB_DIALECTS) == set(NAMED)
    assert set(JOB_DIALECTS) == set(NAMED_FOR_JOBS)


def test_a_name_means_one_dialect_only() -> None:
    assert not set(DIALECTS) & set(JOB_DIALECTS)


@pytest.mark.parametrize("dialect", sorted(NAMED))
def test_whether_jobs_are_reconciled_follows_from_the_dialect(dialect, tmp_path: Path) -> None:
    files, rule = Files(tmp_path), ("duplicate_ok", "reconcile_first")[dialect in JOB_DIALECTS]
    overlay = f"[channels.c]\ndialect = '{dialect}'\nresubmit = '{{}}'\n"

    assert files.load(BASE, overlay.format(rule)).channels["c"].resubmit == rule
    other = ("duplicate_ok", "reconcile_first")[dialect not in JOB_DIALECTS]
    assert files.mistake(BASE, overlay.format(other)).key == "channels.c.resubmit"
