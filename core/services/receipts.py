"""GetReceipt: what one generation cost and why, signed, for anybody to check."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import orjson
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from billing.chain import change, word
from billing.chain_sql import Movement
from billing.pricing import MILLI, PriceLine, charged_lines
from core.caller import current_caller
from core.engine.records import AttemptRecord, Generation
from core.errors import GatewayError, Reason
from core.model import AttemptState, Usage
from core.services.convert import STATES, timestamp
from core.services.history import KINDS
from core.services.names import generation_id, generation_name, not_found
from core.signing import Signer
from reapi.v1 import billing_pb2
from reapi.v1 import billing_service_pb2 as pb
from reapi.v1 import generation_pb2 as resource
from reapi.v1 import receipt_pb2 as receipt

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

_NAME = re.compile(r"(generations/[0-9a-z_]{32,40})/receipt\Z")
_USAGE = ("input_text_tokens", "input_image_tokens", "output_tokens", "output_image_tokens")
Facts = dict[str, Any]


class Generations(Protocol):
    """Where generations are read."""

    async def generation(self, account_id: UUID, id_: UUID) -> Generation | None: ...

    async def attempts(self, account_id: UUID, id_: UUID) -> list[AttemptRecord]: ...


class Movements(Protocol):
    """Where the ledger's rows are read."""

    async def of_hold(self, account_id: UUID, hold_id: UUID) -> list[Movement]: ...


class Receipts:
    """Serves the receipts of `reapi.v1.BillingService`."""

    def __init__(
        self,
        generations: Generations,
        ledger: Movements,
        signer: Signer,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._generations = generations
        self._ledger = ledger
        self._signer = signer
        self._now = now

    async def GetReceipt(
        self, request: pb.GetReceiptRequest, context: Context
    ) -> pb.GetReceiptResponse:
        """Sign what the rows say; of one that runs nothing can be said yet."""
        name = _NAME.match(request.name)
        if name is None:
            raise not_found()
        id_, account_id = generation_id(name[1]), current_caller().account_id
        item = await self._generations.generation(account_id, id_)
        if item is None:
            raise not_found()
        if not item.state.is_terminal:
            raise GatewayError(
                Reason.CONFLICT, "The generation has not ended: it has no receipt yet."
            )
        attempts = await self._generations.attempts(account_id, id_)
        movements = await self._ledger.of_hold(account_id, item.hold_id)
        made = signed_receipt(self._signer, item, attempts, movements, self._now())
        return pb.GetReceiptResponse(receipt=made)


def signed_receipt(
    signer: Signer,
    item: Generation,
    attempts: Sequence[AttemptRecord],
    movements: Sequence[Movement],
    now: datetime,
) -> receipt.Receipt:
    """The receipt; docs/ledger.md gives the form of its payload."""
    lines = lines_of(item)
    quote_id = "" if item.quote_id is None else item.quote_id.hex
    facts = {
        "generation": generation_name(item.id),
        "model": item.model,
        "catalogue_version": item.catalogue_version,
        "state": item.state.value,
        "quoted_micros": item.quoted_micros,
        "quote_id": quote_id,
        "price_lines": [_line_facts(line) for line in lines],
        "charged_micros": item.charged_micros,
        "attempts": [_attempt_facts(item, attempt) for attempt in attempts],
        "transactions": [_movement_facts(movement) for movement in movements],
        "issue_time": _text(now),
    }
    signed = signer.sign(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS))
    return receipt.Receipt(
        name=f"{generation_name(item.id)}/receipt",
        generation=generation_name(item.id),
        model=item.model,
        catalogue_version=item.catalogue_version,
        state=STATES[item.state],
        quoted_micros=item.quoted_micros,
        quote_id=quote_id,
        price_lines=[receipt.PriceLine(**_line_facts(line)) for line in lines],
        charged_micros=item.charged_micros,
        attempts=[_attempt(item, attempt) for attempt in attempts],
        transactions=[_transaction(item, movement) for movement in movements],
        issue_time=timestamp(now),
        signed_payload=signed.payload,
        signature=signed.value,
        ledger_key=f"ledger_keys/{signed.key_id}",
    )


def lines_of(item: Generation) -> Sequence[PriceLine]:
    """What the charge is made of; one line where an older gateway did not note the prices."""
    lines = charged_lines(item.price_lines, item.charged_micros)
    if lines or not item.charged_micros:
        return lines
    return (PriceLine("generation", MILLI, item.charged_micros, item.charged_micros),)


def _line_facts(line: PriceLine) -> Facts:
    return {
        "unit": line.unit,
        "quantity_milli": line.quantity_milli,
        "unit_micros": line.unit_micros,
        "per": line.per,
        "amount_micros": line.amount_micros,
        "conditions": dict(line.conditions),
    }


def _attempt_facts(item: Generation, attempt: AttemptRecord) -> Facts:
    start, end = _moments(item, attempt)
    usage = _usage(item, attempt)
    return {
        "number": attempt.number,
        "channel": attempt.channel,
        "fault": attempt.fault or "",
        "start_time": _text(start),
        "end_time": None if end is None else _text(end),
        "upstream_usage": None
        if usage is None
        else {name: getattr(usage, name) for name in _USAGE},
    }


def _attempt(item: Generation, attempt: AttemptRecord) -> receipt.ReceiptAttempt:
    start, end = _moments(item, attempt)
    usage = _usage(item, attempt)
    counted = None
    if usage is not None:
        counted = resource.Usage(**{name: getattr(usage, name) for name in _USAGE})
    return receipt.ReceiptAttempt(
        number=attempt.number,
        channel=attempt.channel,
        fault=attempt.fault or "",
        upstream_usage=counted,
        start_time=timestamp(start),
        end_time=_maybe(end),
    )


def _movement_facts(movement: Movement) -> Facts:
    row, moved = movement.transfer, change(movement.transfer)
    return {
        "transfer_id": row.id.hex,
        "kind": word(row.kind),
        "posted_micros": moved.posted_micros,
        "held_micros": moved.held_micros,
        "create_time": _text(movement.created_at),
    }


def _transaction(item: Generation, movement: Movement) -> billing_pb2.Transaction:
    row, moved = movement.transfer, change(movement.transfer)
    return billing_pb2.Transaction(
        name=f"transactions/{row.id.hex}",
        kind=KINDS[row.kind],
        posted_micros=moved.posted_micros,
        held_micros=moved.held_micros,
        balance_micros=movement.balance_micros,
        create_time=timestamp(movement.created_at),
        generation=generation_name(item.id),
    )


def _usage(item: Generation, attempt: AttemptRecord) -> Usage | None:
    """What the provider counted, beside the attempt that delivered."""
    is_it = attempt.state is AttemptState.DONE and attempt.channel == item.channel
    return item.usage if is_it else None


def _moments(item: Generation, attempt: AttemptRecord) -> tuple[datetime, datetime | None]:
    start = item.created_at + timedelta(milliseconds=attempt.started_ms)
    if attempt.ended_ms is None:
        return start, None
    return start, item.created_at + timedelta(milliseconds=attempt.ended_ms)


def _maybe(moment: datetime | None) -> Timestamp | None:
    return None if moment is None else timestamp(moment)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
