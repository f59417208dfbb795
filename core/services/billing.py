"""BillingService: what an account has, and the keys that check what it is told."""

from typing import Any, Protocol, TypeAlias
from uuid import UUID

from grpc import aio

from billing.ledger import Balance
from core.caller import current_caller
from core.services.money import credits_text
from core.signing import Signer
from reapi.v1 import billing_service_pb2 as pb
from reapi.v1 import receipt_pb2

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


class BalanceReader(Protocol):
    """Reads balances."""

    async def balance(self, account_id: UUID) -> Balance | None: ...


class BillingService:
    """Serves `reapi.v1.BillingService`."""

    def __init__(self, balances: BalanceReader, signer: Signer) -> None:
        self._balances = balances
        self._signer = signer

    async def GetBalance(
        self, request: pb.GetBalanceRequest, context: Context
    ) -> pb.GetBalanceResponse:
        """Credits posted, and how many of them are held."""
        found = await self._balances.balance(current_caller().account_id) or Balance(0, 0)
        return pb.GetBalanceResponse(
            credits=credits_text(found.posted_micros), held=credits_text(found.held_micros)
        )

    async def ListLedgerKeys(
        self, request: pb.ListLedgerKeysRequest, context: Context
    ) -> pb.ListLedgerKeysResponse:
        """All of them, on one page: there is one for each server key."""
        keys = [
            receipt_pb2.LedgerKey(name=f"ledger_keys/{key.id}", public_key=key.raw)
            for key in self._signer.public_keys
        ]
        return pb.ListLedgerKeysResponse(ledger_keys=keys)
