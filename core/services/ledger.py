"""An account's hash chain, its seals, and the keys that check them (BillingService)."""

from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

from grpc import aio

from billing.chain import change
from billing.chain_sql import ChainEntry, ChainSeal
from core.caller import current_caller
from core.errors import GatewayError, Reason
from core.services import cursors
from core.services.convert import timestamp
from core.services.history import KINDS
from core.services.names import account_name
from core.signing import Signer
from reapi.v1 import billing_service_pb2 as pb
from reapi.v1 import receipt_pb2

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

DEFAULT_ROWS: Final = 100
MAXIMUM_ROWS: Final = 1_000
"""On a page (billing_service.proto): they are short, and whoever verifies wants all."""
_DIGITS: Final = 18
"""What a sequence has at most: more may not fit 64 bits."""


class Reads(Protocol):
    """What the rows can be asked."""

    async def entries(self, account_id: UUID, after: int, limit: int) -> list[ChainEntry]: ...

    async def seals(self, account_id: UUID, after: int, limit: int) -> list[ChainSeal]: ...


class LedgerChain:
    """Serves the rows and seals of `reapi.v1.BillingService`."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def ListLedgerEntries(
        self, request: pb.ListLedgerEntriesRequest, context: Context
    ) -> pb.ListLedgerEntriesResponse:
        """One page, oldest first. What is not sealed yet is not there yet."""
        size = cursors.size_of(request.page_size, DEFAULT_ROWS, MAXIMUM_ROWS)
        facts = ("ledger_entries", request.after_sequence)
        after = _after(request, *facts)
        found = await self._reads.entries(current_caller().account_id, after, size + 1)
        more = cursors.name_token(str(found[size - 1].sequence), *facts) if found[size:] else ""
        entries = [_entry(item) for item in found[:size]]
        return pb.ListLedgerEntriesResponse(ledger_entries=entries, next_page_token=more)

    async def ListLedgerSeals(
        self, request: pb.ListLedgerSealsRequest, context: Context
    ) -> pb.ListLedgerSealsResponse:
        """One page, oldest first."""
        size = cursors.size_of(request.page_size, DEFAULT_ROWS, MAXIMUM_ROWS)
        facts = ("ledger_seals", request.after_sequence)
        after = _after(request, *facts)
        account_id = current_caller().account_id
        found = await self._reads.seals(account_id, after, size + 1)
        more = cursors.name_token(str(found[size - 1].sequence), *facts) if found[size:] else ""
        seals = [_seal(account_id, item) for item in found[:size]]
        return pb.ListLedgerSealsResponse(ledger_seals=seals, next_page_token=more)


class LedgerKeys:
    """Serves the public keys of `reapi.v1.BillingService`."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    async def ListLedgerKeys(
        self, request: pb.ListLedgerKeysRequest, context: Context
    ) -> pb.ListLedgerKeysResponse:
        """All of them, on one page: there is one for each server key."""
        keys = [
            receipt_pb2.LedgerKey(name=f"ledger_keys/{key.id}", public_key=key.raw)
            for key in self._signer.public_keys
        ]
        return pb.ListLedgerKeysResponse(ledger_keys=keys)


def _after(request: pb.ListLedgerEntriesRequest | pb.ListLedgerSealsRequest, *facts: object) -> int:
    """The sequence that a page follows; raises INVALID_PARAMETER."""
    if request.after_sequence < 0:
        raise GatewayError(
            Reason.INVALID_PARAMETER,
            "after_sequence must not be negative.",
            parameter="after_sequence",
        )
    last = cursors.name_after(request.page_token, *facts)
    if not last:
        return request.after_sequence
    if not (last.isascii() and last.isdigit() and len(last) <= _DIGITS):
        raise GatewayError(
            Reason.INVALID_PARAMETER, "page_token is not ours.", parameter="page_token"
        )
    return int(last)


def _entry(item: ChainEntry) -> receipt_pb2.LedgerEntry:
    row, moved = item.transfer, change(item.transfer)
    return receipt_pb2.LedgerEntry(
        sequence=item.sequence,
        transfer_id=row.id.hex,
        kind=KINDS[row.kind],
        posted_micros=moved.posted_micros,
        held_micros=moved.held_micros,
        debt_micros=moved.debt_micros,
        hold_transfer_id="" if row.resolves is None else row.resolves.hex,
        create_time=timestamp(item.created_at),
        chain_sha256=item.chain_sha256,
    )


def _seal(account_id: UUID, item: ChainSeal) -> receipt_pb2.LedgerSeal:
    return receipt_pb2.LedgerSeal(
        name=f"ledger_seals/{item.sequence}",
        account=account_name(account_id),
        sequence=item.sequence,
        previous_sequence=item.previous_sequence,
        chain_sha256=item.chain_sha256,
        seal_time=timestamp(item.sealed_at),
        signature=item.signature,
        ledger_key=f"ledger_keys/{item.key_id}",
    )
