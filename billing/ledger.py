"""The words of the double-entry ledger: its parts of a commit, its refusals and its rows.

Amounts are integer micro-dollars. `billing.book` decides over them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from billing.budgets import BudgetExceeded


class OperatorBook(StrEnum):
    """The operator's own books. None has a balance row: the balance is the sum of transfers."""

    CASH = "cash"
    REVENUE = "revenue"
    REFUNDS = "refunds"
    HEDGE_LOSS = "hedge_loss"
    RISK = "risk"
    PROMOTIONAL = "promotional"
    DEBT = "debt"
    """What accounts owe after clawbacks."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Reserve an amount. `transfer_id` is random (v4) and the idempotency key; 0 is allowed."""

    transfer_id: UUID
    account_id: UUID
    amount_micros: int
    key_id: UUID | None = None
    """Who spends: it counts against the budgets of this key and of the account."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Charge a hold; the rest returns. What exceeds the hold is the operator's risk."""

    transfer_id: UUID
    account_id: UUID
    hold_id: UUID
    amount_micros: int


@dataclass(frozen=True, slots=True)
class Void:
    """Give a hold back, whole."""

    transfer_id: UUID
    account_id: UUID
    hold_id: UUID


@dataclass(frozen=True, slots=True)
class Credit:
    """Give an account credits: a payment (from CASH), a grant or a promotion (PROMOTIONAL)."""

    transfer_id: UUID
    account_id: UUID
    amount_micros: int
    source: OperatorBook = OperatorBook.PROMOTIONAL
    is_promotion: bool = False
    """By a promotional code, not by the operator's hand."""


@dataclass(frozen=True, slots=True)
class Clawback:
    """Take credits back: a payment was refunded or disputed.

    What is available goes; the rest is a debt, which blocks spending until it is paid.
    """

    transfer_id: UUID
    account_id: UUID
    amount_micros: int


@dataclass(frozen=True, slots=True)
class Reinstatement:
    """Give back what a clawback took: the refund failed, or the dispute was won."""

    transfer_id: UUID
    account_id: UUID
    amount_micros: int


@dataclass(frozen=True, slots=True)
class Loss:
    """A cost of ours that the caller never sees, paid from CASH: RISK or HEDGE_LOSS."""

    transfer_id: UUID
    account_id: UUID
    """Whose generation caused it."""
    amount_micros: int
    book: OperatorBook = OperatorBook.RISK


class Balance(NamedTuple):
    """The answer to a hold, a credit, a clawback and a question."""

    posted_micros: int
    held_micros: int
    debt_micros: int = 0
    """What the account owes; while it does, nothing is available."""

    @property
    def available_micros(self) -> int:
        return self.posted_micros - self.held_micros


class Resolved(NamedTuple):
    """The answer to a settle or a void."""

    charged_micros: int
    returned_micros: int
    overrun_micros: int
    """What exceeded the hold, on the operator's risk book."""


@dataclass(frozen=True, slots=True)
class InsufficientCredits:
    """The amount does not fit what is available."""

    needed_micros: int
    available_micros: int


@dataclass(frozen=True, slots=True)
class InDebt:
    """A clawback took more than there was: nothing is spent before that is paid."""

    debt_micros: int


@dataclass(frozen=True, slots=True)
class TransferMismatch:
    """The transfer id was used before, for something else."""

    transfer_id: UUID


@dataclass(frozen=True, slots=True)
class HoldUnknown:
    """No such hold on that account."""

    hold_id: UUID


@dataclass(frozen=True, slots=True)
class HoldResolved:
    """The hold was settled or voided before, by another transfer."""

    hold_id: UUID
    by: UUID
    charged_micros: int
    """0 where it was voided."""


@dataclass(frozen=True, slots=True)
class AccountUnknown:
    """The account has no balance row."""

    account_id: UUID


LedgerPart = Hold | Settle | Void | Credit | Clawback | Reinstatement | Loss
LEDGER_PARTS: tuple[type, ...] = (Hold, Settle, Void, Credit, Clawback, Reinstatement, Loss)
LedgerRefusal = (
    InsufficientCredits
    | InDebt
    | BudgetExceeded
    | TransferMismatch
    | HoldUnknown
    | HoldResolved
    | AccountUnknown
)
Name = tuple[UUID, UUID]
"""Of a transfer: account and transfer id."""

CUSTOMER = "customer"
BOOKS: Mapping[str, tuple[str, str]] = {
    "hold": (CUSTOMER, OperatorBook.REVENUE),
    "settle": (CUSTOMER, OperatorBook.REVENUE),
    "void": (OperatorBook.REVENUE, CUSTOMER),
    "grant": (OperatorBook.PROMOTIONAL, CUSTOMER),
    "promotion": (OperatorBook.PROMOTIONAL, CUSTOMER),
    "payment": (OperatorBook.CASH, CUSTOMER),
    "refund": (CUSTOMER, OperatorBook.REFUNDS),
    "debt": (OperatorBook.DEBT, OperatorBook.REFUNDS),
    "repayment": (CUSTOMER, OperatorBook.DEBT),
    "reinstatement": (OperatorBook.REFUNDS, CUSTOMER),
    "overrun": (OperatorBook.RISK, OperatorBook.REVENUE),
    "risk_loss": (OperatorBook.RISK, OperatorBook.CASH),
    "hedge_loss": (OperatorBook.HEDGE_LOSS, OperatorBook.CASH),
}
"""The debit and the credit book of each kind of transfer; the database derives the same."""


class Transfer(NamedTuple):
    """One row of the ledger: an amount goes from one of the BOOKS of its kind to the other.

    Holds and voids only reserve and give back; the other kinds move what they name.
    """

    account_id: UUID
    id: UUID
    kind: str
    amount_micros: int
    resolves: UUID | None = None
    """The hold that a settle or void ends."""
    releases_micros: int = 0
    """The amount of that hold."""


_FAMILY = 3
"""The ids of a transfer and of those derived from it differ in their last two bits only."""


def derived_id(transfer_id: UUID, number: int) -> UUID:
    """Of a transfer that another one brings about: derived, so that it is written once.

    *number* tells those of one transfer apart: OVERRUN, DEBT or REPAYMENT.
    """
    return UUID(int=transfer_id.int ^ number)


def family(transfer_id: UUID) -> tuple[UUID, UUID]:
    """The first and the last id of a transfer and all that are derived from it.

    They are neighbours in an index: whoever reads one gets the others for nothing.
    """
    return UUID(int=transfer_id.int & ~_FAMILY), UUID(int=transfer_id.int | _FAMILY)


OVERRUN, DEBT, REPAYMENT = 1, 2, 3
"""What a settle exceeds its hold by; what a clawback could not take; what pays a debt."""
