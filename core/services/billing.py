"""BillingService: what an account has."""

from typing import Any, Protocol, TypeAlias
from uuid import UUID

from grpc import aio

from billing.ledger import Balance
from core.caller import current_caller
from core.services.money import credits_text
from reapi.v1 import billing_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


class BalanceReader(Protocol):
    """Reads balances."""

    async def balance(self, account_id: UUID) -> Balance | None: ...


class BillingService:
    """Serves `reapi.v1.BillingService`."""

    def __init__(self, balances: BalanceReader) -> None:
        self._balances = balances

    async def GetBalance(
        self, request: pb.GetBalanceRequest, context: Context
    ) -> pb.GetBalanceResponse:
        """Credits posted, and how many of them are held."""
        found = await self._balances.balance(current_caller().account_id) or Balance(0, 0)
        return pb.GetBalanceResponse(
            credits=credits_text(found.posted_micros), held=credits_text(found.held_micros)
        )
