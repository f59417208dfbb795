"""Every refusal of money is typed, and nothing was sent to a provider."""

from uuid import UUID, uuid4

import grpc.aio
import pytest

from billing.budgets import Budget, Period
from billing.ledger import Clawback
from storage.commits import Commit
from tests.fix_core import TestCore
from tests.generating import generate, reason_of, start


def key_of(core: TestCore) -> UUID:
    ((_, key),) = core.limits.keys
    return key


async def refused(
    core: TestCore, channel: grpc.aio.Channel
) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    """Status, reason and metadata of a request; no provider heard of it, nothing is held."""
    before = await core.balance()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await generate(channel, start())
    assert core.upstream.asked == []
    assert await core.balance() == before
    assert core.limits.keys[core.account, key_of(core)].in_flight == 0
    info = reason_of(caught.value)
    return caught.value.code(), info.reason, dict(info.metadata)


async def test_an_account_in_debt_spends_nothing(core: TestCore, channel: grpc.aio.Channel) -> None:
    await core.committer.commit(Commit((Clawback(uuid4(), core.account, 1_250_000),)))

    code, reason, metadata = await refused(core, channel)

    assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "ACCOUNT_IN_DEBT")
    assert metadata == {"debt_micros": "250000"}


@pytest.mark.parametrize("scope", ["key", "account"])
async def test_a_spent_budget_is_named(
    core: TestCore, channel: grpc.aio.Channel, scope: str
) -> None:
    key = key_of(core) if scope == "key" else None
    budget = Budget(core.account, uuid4(), key, Period.MONTH, 6_000)
    core.ledger.budgets[core.account, budget.budget_id] = budget

    code, reason, metadata = await refused(core, channel)

    assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "BUDGET_EXCEEDED")
    assert metadata == {
        "budget": f"{scope}/month",
        "budget_id": budget.budget_id.hex,
        "limit_micros": "6000",
        "needed_micros": "7000",
        "available_micros": "6000",
    }


async def test_a_model_that_the_key_may_not_use_is_refused(
    core: TestCore, channel: grpc.aio.Channel
) -> None:
    core.limits.keys[core.account, key_of(core)].allowed_models = ("veo-3.1",)

    code, reason, metadata = await refused(core, channel)

    assert (code, reason) == (grpc.StatusCode.PERMISSION_DENIED, "MODEL_NOT_ALLOWED")
    assert metadata == {"parameter": "model"}


async def test_what_was_charged_counts_against_the_budget(
    core: TestCore, channel: grpc.aio.Channel
) -> None:
    budget = Budget(core.account, uuid4(), key_of(core), Period.DAY, 10_000)
    core.ledger.budgets[core.account, budget.budget_id] = budget

    await generate(channel, start())

    spent = core.ledger.budgets[core.account, budget.budget_id]
    assert (spent.spent_micros, spent.held_micros) == (7_000, 0)
    with pytest.raises(grpc.aio.AioRpcError):
        await generate(channel, start())
    assert len(core.upstream.asked) == 1
