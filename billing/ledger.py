"""The double-entry ledger: holds, settles, voids and credits, in integer micro-dollars."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class OperatorBook(StrEnum):
    """The operator's own books. None has a balance row: the balance is the sum of transfers."""

    CASH = "cash"
    REVENUE = "revenue"
    REFUNDS = "refunds"
    HEDGE_LOSS = "hedge_loss"
    RISK = "risk"
    PROMOTIONAL = "promotional"


@dataclass(frozen=True, slots=True)
class Hold:
    """Reserve an amount. `transfer_id` is random (v4) and the idempotency key; 0 is allowed."""

    transfer_id: UUID
    account_id: UUID
    amount_micros: int


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
    """Give an account credits: a grant (from PROMOTIONAL) or a payment (from CASH)."""

    transfer_id: UUID
    account_id: UUID
    amount_micros: int
    source: OperatorBook = OperatorBook.PROMOTIONAL


@dataclass(frozen=True, slots=True)
class Loss:
    """A cost of ours that the caller never sees, paid from CASH: RISK or HEDGE_LOSS."""

    transfer_id: UUID
    account_id: UUID
    """Whose generation caused it."""
    amount_micros: int
    book: OperatorBook = OperatorBook.RISK


@dataclass(frozen=True, slots=True)
class Balance:
    """The answer to a hold, a credit and a question."""

    posted_micros: int
    held_micros: int

    @property
    def available_micros(self) -> int:
        return self.posted_micros - self.held_micros


@dataclass(frozen=True, slots=True)
class Resolved:
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


LedgerPart = Hold | Settle | Void | Credit | Loss
LedgerRefusal = InsufficientCredits | TransferMismatch | HoldUnknown | HoldResolved | AccountUnknown
Name = tuple[UUID, UUID]
"""Of a transfer: account and transfer id."""
_Key = tuple[int, int]
"""A name as numbers: a book is asked a lot, and hashing a UUID is a call of Python."""

CUSTOMER = "customer"
BOOKS: Mapping[str, tuple[str, str]] = {
    "hold": (CUSTOMER, OperatorBook.REVENUE),
    "settle": (CUSTOMER, OperatorBook.REVENUE),
    "void": (OperatorBook.REVENUE, CUSTOMER),
    "grant": (OperatorBook.PROMOTIONAL, CUSTOMER),
    "payment": (OperatorBook.CASH, CUSTOMER),
    "refund": (CUSTOMER, OperatorBook.REFUNDS),
    "overrun": (OperatorBook.RISK, OperatorBook.REVENUE),
    "risk_loss": (OperatorBook.RISK, OperatorBook.CASH),
    "hedge_loss": (OperatorBook.HEDGE_LOSS, OperatorBook.CASH),
}
"""The debit and the credit book of each kind of transfer; the database derives the same."""
_CREDITS = {OperatorBook.PROMOTIONAL: "grant", OperatorBook.CASH: "payment"}
_LOSSES = {OperatorBook.RISK: "risk_loss", OperatorBook.HEDGE_LOSS: "hedge_loss"}


@dataclass(frozen=True, slots=True)
class Transfer:
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


class LedgerBook:
    """Which holds, settles, voids and credits the balances allow. Pure.

    `transfers` are those that matter: whatever stands under the parts' own ids, the holds
    to resolve, and what resolved them.
    """

    def __init__(self, balances: Mapping[UUID, Balance], transfers: Iterable[Transfer]) -> None:
        self.balances = dict(balances)
        self.changed: set[UUID] = set()
        self.written: list[Transfer] = []
        self._transfers: dict[_Key, Transfer] = {}
        self._resolutions: dict[_Key, Transfer] = {}
        for transfer in transfers:
            self._remember(transfer)

    def recalls(self, part: LedgerPart) -> bool:
        known = self._transfers.get((part.account_id.int, part.transfer_id.int))
        return known is not None and known == self._row(part)

    def recall(self, part: LedgerPart) -> Balance | Resolved | None:
        match part:
            case Settle() | Void():
                return self._resolved(part)
            case Loss():
                return None
            case _:
                return self.balances[part.account_id]

    def refusal(self, part: LedgerPart) -> LedgerRefusal | None:
        balance = self.balances.get(part.account_id)
        if balance is None:
            return AccountUnknown(part.account_id)
        if (part.account_id.int, part.transfer_id.int) in self._transfers:
            return TransferMismatch(part.transfer_id)
        match part:
            case Hold(amount_micros=amount) if amount > balance.available_micros:
                return InsufficientCredits(amount, balance.available_micros)
            case Settle(hold_id=hold_id) | Void(hold_id=hold_id):
                return self._hold_refusal(part.account_id, hold_id)
            case _:
                return None

    def turned_away(self, part: LedgerPart, refusal: object) -> None:
        """A refused part moves nothing."""

    def take(self, part: LedgerPart) -> Balance | Resolved | None:
        row = self._row(part)
        assert row is not None
        assert row.amount_micros >= 0
        self._write(row)
        balance = self.balances[part.account_id]
        match part:
            case Hold(amount_micros=amount):
                return self._set(part, balance.posted_micros, balance.held_micros + amount)
            case Credit(amount_micros=amount):
                return self._set(part, balance.posted_micros + amount, balance.held_micros)
            case Settle() | Void():
                resolved = self._resolved(part)
                posted = balance.posted_micros - resolved.charged_micros
                self._set(part, posted, balance.held_micros - row.releases_micros)
                if resolved.overrun_micros:
                    self._write(overrun(row, resolved.overrun_micros))
                return resolved
            case Loss():
                return None

    def _set(self, part: LedgerPart, posted: int, held: int) -> Balance:
        balance = self.balances[part.account_id] = Balance(posted, held)
        assert held >= 0
        assert balance.available_micros >= 0 or isinstance(part, Credit)
        self.changed.add(part.account_id)
        return balance

    def _write(self, row: Transfer) -> None:
        self.written.append(row)
        self._remember(row)

    def _remember(self, transfer: Transfer) -> None:
        self._transfers[transfer.account_id.int, transfer.id.int] = transfer
        if transfer.resolves is not None:
            self._resolutions[transfer.account_id.int, transfer.resolves.int] = transfer

    def _hold_refusal(self, account_id: UUID, hold_id: UUID) -> LedgerRefusal | None:
        """Why the hold cannot be resolved; one cannot both settle and void it."""
        hold = self._transfers.get((account_id.int, hold_id.int))
        if hold is None or hold.kind != "hold":
            return HoldUnknown(hold_id)
        by = self._resolutions.get((account_id.int, hold_id.int))
        if by is None:
            return None
        return HoldResolved(hold_id, by.id, by.amount_micros if by.kind == "settle" else 0)

    def _resolved(self, part: Settle | Void) -> Resolved:
        held = self._transfers[part.account_id.int, part.hold_id.int].amount_micros
        if isinstance(part, Void):
            return Resolved(0, held, 0)
        charged = min(part.amount_micros, held)
        return Resolved(charged, held - charged, part.amount_micros - charged)

    def _row(self, part: LedgerPart) -> Transfer | None:
        """The row that *part* is; None for the resolution of a hold that we do not know."""
        match part:
            case Hold(transfer_id, account_id, amount):
                return Transfer(account_id, transfer_id, "hold", amount)
            case Credit(transfer_id, account_id, amount, source):
                return Transfer(account_id, transfer_id, _CREDITS[source], amount)
            case Loss(transfer_id, account_id, amount, book):
                return Transfer(account_id, transfer_id, _LOSSES[book], amount)
        name = (part.account_id, part.transfer_id)
        hold = self._transfers.get((part.account_id.int, part.hold_id.int))
        if hold is None:
            return None
        held = hold.amount_micros
        if isinstance(part, Void):
            return Transfer(*name, "void", held, part.hold_id, held)
        return Transfer(*name, "settle", min(part.amount_micros, held), part.hold_id, held)


def overrun(settle: Transfer, amount_micros: int) -> Transfer:
    """What a settle exceeds its hold by: revenue that our own risk book pays.

    Its id is derived from the settle's, so that it is written once like that.
    """
    return Transfer(settle.account_id, UUID(int=settle.id.int ^ 1), "overrun", amount_micros)
