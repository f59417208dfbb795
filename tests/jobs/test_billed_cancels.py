"""Who cancels what a provider bills all the same: the operator bears it, up to a cap for each key."""

import asyncio

import pytest

from core.engine import jobs
from core.log import CostLost
from core.policy.risk import CAP_MICROS, RiskCaps
from core.providers.jobs import Working
from tests.generating import failed_reason, generate, kinds
from tests.jobs.following import video
from tests.scripted_jobs import PRICE, A

COST = 5 * PRICE
"""Credits for one video."""


class Stoppable:
    """A provider that stops also what runs."""

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def cancel(self, job_id, channel, state):
        del state
        return self._inner.cancel(job_id, channel, Working(is_queued=True))


@pytest.fixture(autouse=True)
def wishing(core, monkeypatch):
    """The caller wishes an end while the job runs, at a provider that stops it."""
    known = dict(jobs.JOB_DIALECTS)
    stoppable = {name: Stoppable(dialect) for name, dialect in known.items()}
    monkeypatch.setattr(jobs, "JOB_DIALECTS", stoppable)

    def wish():
        for each in core.records.generations_by_id.values():
            core.engine.wish_to_cancel(each.row.id)

    core.upstream.lives[A] = ["running", "running", "running", "succeeded"]
    core.upstream.plan(A, "look", (wish,))


def costs(core):
    return [event.micros for event in core.emitted if isinstance(event, CostLost)]


@pytest.mark.parametrize("settings", [{"bills_on_cancel": True}, {"bills_on_cancel": False}])
async def test_a_running_job_is_stopped_and_what_that_costs_is_the_operator_s(
    channel, core, settings
):
    events = await generate(channel, video())
    lost = COST * 1000 if settings["bills_on_cancel"] else 0

    assert core.upstream.count(A, "cancel") == 1
    assert failed_reason(events[-1]) == "CANCELLED"
    assert -core.ledger.operator_balance("risk") == lost
    assert costs(core) == ([lost] if lost else [])
    assert await core.balance() == (10_000, 0)
    assert list(core.ledger.discrepancies()) == []


@pytest.mark.parametrize("settings", [{"bills_on_cancel": True}])
async def test_a_key_that_has_cost_enough_pays_for_what_it_cancels_and_gets_it(
    channel, core, monkeypatch
):
    key = str(core.gate.caller.key_id)
    risks = core.engine._attempts._risks
    risks.add(key, CAP_MICROS - COST * 1000 + 1, core.engine._now())
    events = await generate(channel, video())

    assert core.upstream.count(A, "cancel") == 0
    assert kinds(events)[-1] == "completed"
    assert core.ledger.operator_balance("risk") == 0
    assert await core.balance() == (10_000 - COST, 0)


@pytest.mark.parametrize("settings", [{"bills_on_cancel": True}])
async def test_jobs_that_are_cancelled_together_stay_below_the_cap_together(channel, core):
    key = str(core.gate.caller.key_id)
    core.engine._attempts._risks.add(key, CAP_MICROS - COST * 1000, core.engine._now())
    go_on = asyncio.Event()
    core.upstream.plan(A, "cancel", *[(go_on,)] * 3)
    calls = [asyncio.ensure_future(generate(channel, video())) for _ in range(3)]
    await asyncio.wait_for(core.upstream.reached[A, "cancel"].wait(), 5)
    while len(core.upstream.tasks[A]) < 3:
        await asyncio.sleep(0.001)
    go_on.set()
    ends = [(await call)[-1] for call in calls]

    assert core.upstream.count(A, "cancel") == 1
    assert -core.ledger.operator_balance("risk") == COST * 1000
    assert [failed_reason(end) for end in ends if end.HasField("failed")] == ["CANCELLED"]


def test_what_a_key_has_cost_is_forgotten_after_a_day():
    risks = RiskCaps(10)
    risks.add("a", 10, 0.0)

    assert (risks.take("a", 1, 5.0), risks.take("b", 10, 5.0)) == (False, True)
    assert (risks.is_used_up("a", 86_399.0), risks.is_used_up("a", 86_400.0)) == (True, False)
    assert risks.take("a", 10, 86_400.0)
    risks.add("b", 3, 200_000.0)
    assert len(risks) == 1, "nothing is kept of who cost nothing lately"


def test_what_a_key_did_not_cost_after_all_is_given_back():
    risks = RiskCaps(10)

    assert risks.take("a", 10, 0.0)
    assert not risks.take("a", 1, 0.0), "nothing is counted of what is refused"
    risks.give_back("a", 10)
    assert risks.take("a", 10, 0.0)
