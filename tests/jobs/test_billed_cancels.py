"""Who cancels what a provider bills all the same pays for it, and gets it."""

import pytest

from core.engine import jobs
from core.providers.jobs import Working
from tests.generating import generate, kinds
from tests.jobs.following import video
from tests.scripted_jobs import PRICE, A


class Stoppable:
    """A provider that stops also what runs."""

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def cancel(self, job_id, channel, state):
        del state
        return self._inner.cancel(job_id, channel, Working(is_queued=True))


@pytest.mark.parametrize("settings", [{"bills_on_cancel": True}, {"bills_on_cancel": False}])
async def test_a_running_job_is_stopped_only_where_that_is_free(
    channel, core, settings, monkeypatch
):
    known = dict(jobs.JOB_DIALECTS)
    stoppable = {name: Stoppable(dialect) for name, dialect in known.items()}
    monkeypatch.setattr(jobs, "JOB_DIALECTS", stoppable)

    def wish():
        (known,) = core.records.generations_by_id.values()
        core.engine.wish_to_cancel(known.row.id)

    core.upstream.lives[A] = ["running", "running", "running", "succeeded"]
    core.upstream.plan(A, "look", (wish,))
    events = await generate(channel, video())

    is_billed = settings["bills_on_cancel"]
    assert core.upstream.count(A, "cancel") == (0 if is_billed else 1)
    assert kinds(events)[-1] == ("completed" if is_billed else "failed")
    assert await core.balance() == (10_000 - 5 * PRICE * is_billed, 0)
