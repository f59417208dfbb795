"""BillingService: budgets, which are limits that the gateway enforces before it spends."""

from typing import Any, TypeAlias

from grpc import aio

from billing.budget_store import BudgetError, BudgetStore
from core.caller import current_caller
from core.engine.ids import new_id
from core.engine.repeats import Repeats
from core.services import budget_words as words
from core.services import cursors
from core.services.managing import may_manage_billing
from core.services.repeatable import repeatable
from reapi.v1 import billing_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


class BudgetCalls:
    """Serves the budgets of `reapi.v1.BillingService`."""

    def __init__(self, store: BudgetStore, repeats: Repeats) -> None:
        self._store = store
        self._repeats = repeats

    async def CreateBudget(
        self, request: pb.CreateBudgetRequest, context: Context
    ) -> pb.CreateBudgetResponse:
        """Make a limit; it counts what is spent from now on."""
        new = words.new_limit(request.budget)
        known = self._repeats.of(repeatable(request))
        account_id = current_caller().account_id
        try:
            row = await self._store.create(account_id, new_id(), new, known, may_manage_billing)
        except BudgetError as error:
            raise words.refused(error) from None
        return pb.CreateBudgetResponse(budget=words.budget_message(row))

    async def ListBudgets(
        self, request: pb.ListBudgetsRequest, context: Context
    ) -> pb.ListBudgetsResponse:
        """Read one page, newest first."""
        size = cursors.size_of(request.page_size)
        key = words.key_id(request.api_key) if request.api_key else None
        facts = ("budgets", key)
        after = cursors.after(request.page_token, *facts)
        found = await self._store.page(current_caller().account_id, key, size + 1, after)
        rows = found[:size]
        more = len(found) > size
        return pb.ListBudgetsResponse(
            budgets=[words.budget_message(row) for row in rows],
            next_page_token=cursors.token(rows[-1].budget_id, *facts) if more else "",
        )

    async def GetBudget(
        self, request: pb.GetBudgetRequest, context: Context
    ) -> pb.GetBudgetResponse:
        """Read one."""
        id_ = words.budget_id(request.name)
        try:
            row = await self._store.get(current_caller().account_id, id_)
        except BudgetError as error:
            raise words.refused(error) from None
        return pb.GetBudgetResponse(budget=words.budget_message(row))

    async def UpdateBudget(
        self, request: pb.UpdateBudgetRequest, context: Context
    ) -> pb.UpdateBudgetResponse:
        """Change the limit or its alerts; what is spent and held stays."""
        id_ = words.budget_id(request.budget.name)
        mask = request.update_mask if request.HasField("update_mask") else None
        change = words.change(request.budget, mask)
        known = self._repeats.of(repeatable(request))
        account_id = current_caller().account_id
        try:
            row = await self._store.update(account_id, id_, change, known, may_manage_billing)
        except BudgetError as error:
            raise words.refused(error) from None
        return pb.UpdateBudgetResponse(budget=words.budget_message(row))

    async def DeleteBudget(
        self, request: pb.DeleteBudgetRequest, context: Context
    ) -> pb.DeleteBudgetResponse:
        """Remove a limit."""
        id_ = words.budget_id(request.name)
        known = self._repeats.of(repeatable(request))
        try:
            await self._store.delete(current_caller().account_id, id_, known, may_manage_billing)
        except BudgetError as error:
            raise words.refused(error) from None
        return pb.DeleteBudgetResponse()
