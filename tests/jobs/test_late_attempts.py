"""No job is made that nobody would wait for."""

import pytest

from core.model import AttemptState, GenerationState
from tests.generating import failed_reason, generate
from tests.jobs.following import row_of, video
from tests.scripted_jobs import FAILS, A, B, Clock


@pytest.mark.parametrize("settings", [{"sla_seconds": 1000.0, "job_seconds": 500.0}])
async def test_after_the_sla_a_failed_job_is_not_made_elsewhere(
    channel, core, clock: Clock, settings
):
    core.upstream.lives[A] = ["running", FAILS]
    core.upstream.plan(A, "look", (), (lambda: clock.jump(1001.0),))
    events = await generate(channel, video())
    row, (attempt,) = await row_of(core)

    assert core.upstream.tasks[B] == []
    assert failed_reason(events[-1]) == "UPSTREAM_TIMEOUT"
    assert (row.state, attempt.state) == (GenerationState.FAILED, AttemptState.FAILED)
    assert await core.balance() == (10_000, 0)
