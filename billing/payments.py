"""What a payment at Stripe should have moved in the ledger, against what it has moved. Pure.

Events are never believed: whoever hears of a payment reads it at Stripe, as it is now, and this
says what is missing. So events may come in any order, any number of times, or not at all: after
a look at the last state, the books are the same.

Of each movement the transfer id is derived from Stripe's ids, so it happens once. Credits follow
money: of a payment that bought C credits for the amount A, those that are taken when R has gone
back are C·R/A rounded down, however many refunds R is made of; all of C when all is gone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from billing.ledger import Clawback, Credit, OperatorBook, Reinstatement
from billing.stripe_objects import (
    ACCOUNT_KEY,
    CREDITS_KEY,
    CURRENCY_KEY,
    ORIGIN_KEY,
    OURS_KEY,
    PRICE_KEY,
    PRODUCT_KEY,
    Origin,
    PaymentSnapshot,
    Purchase,
    word,
)

_NAMESPACE: Final = UUID("6b1f3c52-4f0e-5d0a-9a53-7d1c1e0b7a11")
"""Any constant: ids that are derived from Stripe's stay the same for ever."""
CENT_MICROS: Final = 10_000
"""Millionths of a dollar in a minor unit; dollars are all that credits are sold for."""
_CURRENCY: Final = "usd"
_OPEN_DISPUTES: Final = frozenset(
    ("needs_response", "under_review", "warning_needs_response", "warning_under_review")
)


class PaymentState(StrEnum):
    """Where a payment stands; the words of `reapi.v1.Payment.State`."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    DISPUTE_LOST = "dispute_lost"


UNSETTLED: Final = (PaymentState.PENDING, PaymentState.DISPUTED)
"""States that something is still to come of, however old the payment is."""


class PaymentProblem(StrEnum):
    """Why a payment at Stripe moves nothing here; an operator has to look."""

    UNREADABLE = "unreadable"
    """It carries our account and not the rest of what we write."""
    CUSTOMER_MISMATCH = "customer_mismatch"
    """Its customer is not that account's."""
    CURRENCY_MISMATCH = "currency_mismatch"
    """It, or money that went back of it, is in another currency than credits are sold for."""
    ACCOUNT_UNKNOWN = "account_unknown"
    LEDGER_MISMATCH = "ledger_mismatch"
    """The ledger has other movements under its ids: a defect."""
    OTHER_STRIPE = "other_stripe"
    """Stripe knows neither it nor its payer: it was paid to another account of Stripe than the
    one that is configured."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a refund, a dispute or a vanished payment has taken so far."""

    step: int
    """How many movements it made; after an odd number it holds what it took."""
    money_micros: int
    credits_micros: int


@dataclass(frozen=True, slots=True)
class Adjustment:
    """One movement that a refund, a dispute or a vanished payment makes."""

    source_id: str
    """Stripe's id of it."""
    step: int
    """1 takes, 2 gives back, 3 takes again."""
    money_micros: int
    credits_micros: int
    transfer_id: UUID

    @property
    def takes(self) -> bool:
        return self.step % 2 == 1


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """What is kept of a payment for seven years. Money in millionths of its currency."""

    payment_intent: str
    account_id: UUID
    customer: str
    reference: UUID
    state: PaymentState
    origin: Origin
    product: str
    currency: str
    created: int
    """Seconds since 1970."""
    paid_micros: int = 0
    tax_micros: int = 0
    refunded_micros: int = 0
    """What went back, by refunds and by disputes."""
    credited_micros: int = 0
    clawed_back_micros: int = 0
    failure_code: str = ""
    invoice: str = ""
    invoice_url: str = field(default="", repr=False)
    receipt_url: str = field(default="", repr=False)

    @property
    def payment_id(self) -> UUID:
        """In `payments/{id}`; also the id of the transfer that credits it."""
        return transfer_id(self.payment_intent, 0)


@dataclass(frozen=True, slots=True)
class Booked:
    """What the database has of a payment."""

    row: PaymentRow
    version: int
    """Rises with every look that was applied."""
    taken: Mapping[str, Taken] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be written: the row as it becomes, and the movements that were missing."""

    row: PaymentRow
    credit_micros: int = 0
    adjustments: tuple[Adjustment, ...] = ()

    def parts(self) -> tuple[Credit | Clawback | Reinstatement, ...]:
        """The movements as parts of one commit; those that move nothing are left out."""
        account = self.row.account_id
        parts: list[Credit | Clawback | Reinstatement] = []
        if self.credit_micros:
            cash = OperatorBook.CASH
            parts.append(Credit(self.row.payment_id, account, self.credit_micros, cash))
        for move in self.adjustments:
            if move.credits_micros:
                kind = Clawback if move.takes else Reinstatement
                parts.append(kind(move.transfer_id, account, move.credits_micros))
        return tuple(parts)


def purchase_of(snapshot: PaymentSnapshot) -> Purchase | PaymentProblem | None:
    """What was bought, as we wrote it into the payment; None: the payment is not ours."""
    words = snapshot.metadata
    if ACCOUNT_KEY not in words:
        return None
    try:
        purchase = Purchase(
            account_id=UUID(hex=words[ACCOUNT_KEY]),
            reference=UUID(hex=words[OURS_KEY]),
            origin=Origin(words[ORIGIN_KEY]),
            product=word(words[PRODUCT_KEY]),
            price=int(words[PRICE_KEY]),
            currency=words[CURRENCY_KEY],
            credited_micros=int(words[CREDITS_KEY]),
        )
    except (LookupError, ValueError):
        return PaymentProblem.UNREADABLE
    if purchase.price <= 0 or purchase.credited_micros < 0:
        return PaymentProblem.UNREADABLE
    currencies = {purchase.currency, snapshot.currency}
    currencies.update(refund.currency for refund in snapshot.refunds)
    currencies.update(dispute.currency for dispute in snapshot.disputes)
    if currencies != {_CURRENCY}:
        return PaymentProblem.CURRENCY_MISMATCH
    return purchase


def missing(snapshot: PaymentSnapshot, purchase: Purchase, booked: Booked | None) -> Decision:
    """What to write so that the books say what Stripe says now."""
    row = _row(snapshot, purchase) if booked is None else booked.row
    credit = 0
    if snapshot.has_succeeded and not row.credited_micros:
        credit = _bought(snapshot, purchase)
        paid = snapshot.amount_received * CENT_MICROS
        row = replace(row, paid_micros=paid, credited_micros=credit)
    tax = min(snapshot.tax * CENT_MICROS, row.paid_micros)
    row = replace(
        row,
        state=_state(snapshot, row),
        tax_micros=tax or row.tax_micros,
        failure_code=word(snapshot.failure_code),
        invoice=snapshot.invoice or row.invoice,
        invoice_url=snapshot.invoice_url or row.invoice_url,
        receipt_url=snapshot.receipt_url or row.receipt_url,
    )
    taken = {} if booked is None else booked.taken
    return _taking(row, credit, _goals(snapshot, row), taken)


def vanished(booked: Booked) -> Decision:
    """What to write for a payment that Stripe does not have: whatever it credited is taken."""
    row = replace(booked.row, state=PaymentState.FAILED, failure_code="resource_missing")
    goals = {source: taken.money_micros for source, taken in booked.taken.items()}
    goals[row.payment_intent] = row.paid_micros
    return _taking(row, 0, goals, booked.taken)


def after(decision: Decision, booked: Booked | None) -> Booked:
    """What the database has once *decision* is written."""
    taken = {} if booked is None else dict(booked.taken)
    for move in decision.adjustments:
        has = (move.money_micros, move.credits_micros) if move.takes else (0, 0)
        taken[move.source_id] = Taken(move.step, *has)
    return Booked(decision.row, 1 if booked is None else booked.version + 1, taken)


def is_settled(snapshot: PaymentSnapshot, row: PaymentRow) -> bool:
    """Whether a payment as a list shows it needs no closer look."""
    if row.state in UNSETTLED or snapshot.is_disputed:
        return False
    if not snapshot.has_succeeded:
        return not row.credited_micros and row.state is PaymentState.FAILED
    refunded = snapshot.amount_refunded * CENT_MICROS
    is_booked = row.state is not PaymentState.FAILED and row.paid_micros > 0
    return is_booked and row.refunded_micros == refunded


def transfer_id(source_id: str, step: int) -> UUID:
    """The ledger's id of one movement that something at Stripe makes."""
    return uuid5(_NAMESPACE, f"{source_id}/{step}")


def _row(snapshot: PaymentSnapshot, purchase: Purchase) -> PaymentRow:
    return PaymentRow(
        payment_intent=snapshot.payment_intent,
        account_id=purchase.account_id,
        customer=snapshot.customer,
        reference=purchase.reference,
        state=PaymentState.PENDING,
        origin=purchase.origin,
        product=purchase.product,
        currency=snapshot.currency,
        created=snapshot.created,
    )


def _bought(snapshot: PaymentSnapshot, purchase: Purchase) -> int:
    """The credits that were paid for: all of them, or fewer if less than the price came in."""
    received = min(snapshot.amount_received, purchase.price)
    return purchase.credited_micros * received // purchase.price


def _state(snapshot: PaymentSnapshot, row: PaymentRow) -> PaymentState:
    if not snapshot.has_succeeded:
        has_failed = snapshot.status == "canceled" or bool(snapshot.failure_code)
        return PaymentState.FAILED if has_failed else PaymentState.PENDING
    disputes = snapshot.disputes
    if any(d.status in _OPEN_DISPUTES or (d.is_withdrawn and d.status != "lost") for d in disputes):
        return PaymentState.DISPUTED
    if any(dispute.is_withdrawn for dispute in disputes):
        return PaymentState.DISPUTE_LOST
    back = sum(_goals(snapshot, row).values())
    if not back:
        return PaymentState.SUCCEEDED
    whole = back >= row.paid_micros
    return PaymentState.REFUNDED if whole else PaymentState.PARTIALLY_REFUNDED


def _goals(snapshot: PaymentSnapshot, row: PaymentRow) -> dict[str, int]:
    """How much money each refund and dispute holds now, in millionths; only those that do."""
    if not snapshot.has_succeeded:
        return {row.payment_intent: row.paid_micros} if row.credited_micros else {}
    back = [(refund.id, refund.amount) for refund in snapshot.refunds if refund.is_gone]
    back += [(dispute.id, dispute.amount) for dispute in snapshot.disputes if dispute.is_withdrawn]
    return {source: amount * CENT_MICROS for source, amount in back}


def _taking(
    row: PaymentRow, credit: int, goals: Mapping[str, int], taken: Mapping[str, Taken]
) -> Decision:
    """From what was taken to what is to be, one movement for each source that differs."""
    money = sum(held.money_micros for held in taken.values())
    moves: list[Adjustment] = []
    clawed_back = row.clawed_back_micros
    for source, step, change in _changes(goals, taken):
        money += change
        share = _share(row, money)
        moves.append(
            Adjustment(
                source, step, abs(change), abs(share - clawed_back), transfer_id(source, step)
            )
        )
        clawed_back = share
    refunded = min(money, row.paid_micros)
    row = replace(row, refunded_micros=refunded, clawed_back_micros=clawed_back)
    return Decision(row, credit, tuple(moves))


def _changes(
    goals: Mapping[str, int], taken: Mapping[str, Taken]
) -> Iterator[tuple[str, int, int]]:
    """Source, step and change of money; what gives back comes first, so that no debt is made
    that the next movement pays.
    """
    steps = {source: held.step for source, held in taken.items()}
    holding = {source: held.money_micros for source, held in taken.items() if held.money_micros}
    for source, money in sorted(holding.items()):
        if goals.get(source) != money:
            steps[source] += 1
            yield source, steps[source], -money
    for source, money in sorted(goals.items()):
        if money and holding.get(source) != money:
            yield source, steps.get(source, 0) + 1, money


def _share(row: PaymentRow, money: int) -> int:
    """The credits that belong to so much of the money."""
    if money >= row.paid_micros:
        return row.credited_micros
    return row.credited_micros * money // row.paid_micros
