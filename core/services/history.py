"""The history in BillingService: what is there, what moved, and the statements of months."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

from grpc import aio

from billing.chain import change, word
from billing.history import Line, Month, Movement, Statement, csv_of
from billing.history_sql import Wanted
from billing.ledger import Balance
from core.caller import current_caller
from core.errors import GatewayError, Reason
from core.services import cursors
from core.services.billing import BalanceReader
from core.services.convert import timestamp
from core.services.names import generation_name
from core.services.usage import moment
from reapi.v1 import billing_pb2 as resource
from reapi.v1 import billing_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

KINDS: Final[Mapping[str, resource.TransactionKind]] = {
    "payment": resource.TRANSACTION_KIND_PAYMENT,
    "grant": resource.TRANSACTION_KIND_GRANT,
    "promotion": resource.TRANSACTION_KIND_PROMOTION,
    "hold": resource.TRANSACTION_KIND_HOLD,
    "settle": resource.TRANSACTION_KIND_SETTLE,
    "void": resource.TRANSACTION_KIND_VOID,
    "refund": resource.TRANSACTION_KIND_CLAWBACK,
    "debt": resource.TRANSACTION_KIND_DEBT,
    "repayment": resource.TRANSACTION_KIND_DEBT_REPAYMENT,
    "reinstatement": resource.TRANSACTION_KIND_REINSTATEMENT,
}
"""The contract's kind for each of the ledger's that concerns a customer."""
_WORDS: Final = {word(kind): number for kind, number in KINDS.items()}
_NAME = re.compile(r"statements/([0-9]{4})-(0[1-9]|1[0-2])\Z")
_FIRST_YEAR, _LAST_YEAR = 1970, 9998
"""Whose months are times of the database's and ours."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Reads(Protocol):
    """What the rows can be asked."""

    async def movements(
        self, account_id: UUID, wanted: Wanted, limit: int, before: int | None = None
    ) -> list[Movement]: ...

    async def statements(
        self, account_id: UUID, limit: int, before: Month | None = None
    ) -> list[Statement]: ...

    async def statement(
        self, account_id: UUID, month: Month
    ) -> tuple[Statement, Sequence[Line]] | None: ...


class HistoryCalls:
    """Serves the history of `reapi.v1.BillingService`."""

    def __init__(self, balances: BalanceReader, reads: Reads) -> None:
        self._balances = balances
        self._reads = reads

    async def GetBillingStatus(
        self, request: pb.GetBillingStatusRequest, context: Context
    ) -> pb.GetBillingStatusResponse:
        """What is there, what is held of it, and what is owed."""
        found = await self._balances.balance(current_caller().account_id) or Balance(0, 0)
        return pb.GetBillingStatusResponse(
            balance_micros=found.posted_micros,
            held_micros=found.held_micros,
            available_micros=found.available_micros,
            debt_micros=found.debt_micros,
        )

    async def ListTransactions(
        self, request: pb.ListTransactionsRequest, context: Context
    ) -> pb.ListTransactionsResponse:
        """One page of movements, newest first."""
        size = cursors.size_of(request.page_size)
        wanted = Wanted(moment(request, "start_time"), moment(request, "end_time"), _kinds(request))
        facts = ("transactions", wanted.start, wanted.end, sorted(wanted.kinds))
        after = cursors.after(request.page_token, *facts)
        before = None if after is None else after.int
        account = current_caller().account_id
        found = await self._reads.movements(account, wanted, size + 1, before)
        items = found[:size]
        more = len(found) > size
        last = UUID(int=items[-1].sequence) if more else UUID(int=0)
        return pb.ListTransactionsResponse(
            transactions=[transaction(item) for item in items],
            next_page_token=cursors.token(last, *facts) if more else "",
        )

    async def ListStatements(
        self, request: pb.ListStatementsRequest, context: Context
    ) -> pb.ListStatementsResponse:
        """One page of months with movements, newest first."""
        size = cursors.size_of(request.page_size)
        token = cursors.name_after(request.page_token, "statements")
        before = _month(f"statements/{token}") if token else None
        found = await self._reads.statements(current_caller().account_id, size + 1, before)
        items = found[:size]
        more = len(found) > size
        return pb.ListStatementsResponse(
            statements=[_statement(item) for item in items],
            next_page_token=cursors.name_token(str(items[-1].month), "statements") if more else "",
        )

    async def GetStatement(
        self, request: pb.GetStatementRequest, context: Context
    ) -> pb.GetStatementResponse:
        """One month with its lines; raises NOT_FOUND."""
        if request.format not in pb.GetStatementRequest.Format.values():
            raise GatewayError(
                Reason.INVALID_PARAMETER,
                "`format` must be FORMAT_LINES or FORMAT_CSV.",
                parameter="format",
            )
        month = _month(request.name)
        found = await self._reads.statement(current_caller().account_id, month)
        if found is None:
            raise _no_statement()
        statement, lines = found
        if request.format == pb.GetStatementRequest.FORMAT_CSV:
            return pb.GetStatementResponse(statement=_statement(statement), csv=csv_of(lines))
        return pb.GetStatementResponse(
            statement=_statement(statement), lines=[_line(line) for line in lines]
        )


def transaction(item: Movement) -> resource.Transaction:
    """The resource."""
    row = item.entry.transfer
    moved = change(row)
    message = resource.Transaction(
        name=f"transactions/{row.id.hex}",
        kind=KINDS[row.kind],
        posted_micros=moved.posted_micros,
        held_micros=moved.held_micros,
        debt_micros=moved.debt_micros,
        balance_micros=item.balance_micros,
        create_time=timestamp(_EPOCH + timedelta(microseconds=item.entry.created_us)),
    )
    if item.generation_id is not None:
        message.generation = generation_name(item.generation_id)
    if item.payment_id is not None:
        message.payment = f"payments/{item.payment_id.hex}"
    return message


def _kinds(request: pb.ListTransactionsRequest) -> frozenset[str]:
    """The ledger's kinds for the contract's; none: all."""
    asked = set(request.kinds)
    if not set(KINDS.values()) >= asked - {resource.TRANSACTION_KIND_REFUND}:
        raise GatewayError(
            Reason.INVALID_PARAMETER,
            "`kinds` must be kinds of transactions.",
            parameter="kinds",
        )
    found = {kind for kind, number in KINDS.items() if number in asked}
    # A kind that nothing writes is none of ours, and must not mean all of them.
    return frozenset(found or ({""} if asked else ()))


def _statement(item: Statement) -> resource.Statement:
    return resource.Statement(
        name=f"statements/{item.month}",
        start_time=timestamp(item.month.start),
        end_time=timestamp(item.month.end),
        opening_micros=item.opening_micros,
        added_micros=item.added_micros,
        spent_micros=item.spent_micros,
        removed_micros=item.removed_micros,
        closing_micros=item.closing_micros,
        final=item.is_final,
    )


def _line(item: Line) -> resource.StatementLine:
    return resource.StatementLine(
        day_start_time=timestamp(datetime.combine(item.day, time.min, UTC)),
        kind=_WORDS[item.kind],
        model=item.model,
        count=item.count,
        amount_micros=item.amount_micros,
    )


def _month(name: str) -> Month:
    """The month in a name; raises NOT_FOUND."""
    found = _NAME.match(name)
    if found is None or not _FIRST_YEAR <= int(found[1]) <= _LAST_YEAR:
        raise _no_statement()
    return Month(int(found[1]), int(found[2]))


def _no_statement() -> GatewayError:
    return GatewayError(Reason.NOT_FOUND, "No such statement.", metadata={"resource": "statement"})
