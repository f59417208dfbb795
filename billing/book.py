"""Decides which holds, settles, voids, credits and clawbacks the balances allow. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from billing.budgets import BudgetBook
from billing.ledger import (
    DEBT,
    OVERRUN,
    REPAYMENT,
    AccountUnknown,
    Balance,
    Clawback,
    Credit,
    Hold,
    HoldResolved,
    HoldUnknown,
    InDebt,
    InsufficientCredits,
    LedgerPart,
    LedgerRefusal,
    Loss,
    OperatorBook,
    Reinstatement,
    Resolved,
    Settle,
    Transfer,
    TransferMismatch,
    Void,
    derived_id,
)

_Key = tuple[int, int]
"""A transfer's name as numbers: a book is asked a lot, and hashing a UUID is a call of Python.
(So is an account's.)"""

_CREDITS = {
    (OperatorBook.PROMOTIONAL, False): "grant",
    (OperatorBook.PROMOTIONAL, True): "promotion",
    (OperatorBook.CASH, False): "payment",
}
_LOSSES = {OperatorBook.RISK: "risk_loss", OperatorBook.HEDGE_LOSS: "hedge_loss"}


@dataclass(slots=True)
class _Account:
    """What one account has now."""

    id: UUID
    balance: Balance
    is_changed: bool = False


class LedgerBook:
    """What some accounts have, and what may be done with it.

    `transfers` are those that matter: whatever stands under the parts' own ids or is derived
    from them, the holds to resolve, and what resolved them. `budgets` are those of the accounts;
    None where there are none.
    """

    def __init__(
        self,
        balances: Mapping[UUID, Balance],
        transfers: Iterable[Transfer],
        budgets: BudgetBook | None = None,
    ) -> None:
        self.written: list[Transfer] = []
        self.budgets = budgets
        self._accounts = {id_.int: _Account(id_, balance) for id_, balance in balances.items()}
        self._transfers: dict[_Key, Transfer] = {}
        self._resolutions: dict[_Key, Transfer] = {}
        for transfer in transfers:
            self._remember(transfer)

    @property
    def changed(self) -> Mapping[UUID, Balance]:
        """What the accounts have whose balance is another now."""
        return {each.id: each.balance for each in self._accounts.values() if each.is_changed}

    def recalls(self, part: LedgerPart) -> bool:
        known = self._transfers.get((part.account_id.int, part.transfer_id.int))
        return known is not None and self._is(known, part)

    def recall(self, part: LedgerPart) -> Balance | Resolved | None:
        match part:
            case Settle() | Void():
                return self._resolved(part)
            case Loss():
                return None
            case _:
                return self._accounts[part.account_id.int].balance

    def refusal(self, part: LedgerPart) -> LedgerRefusal | None:
        account = self._accounts.get(part.account_id.int)
        if account is None:
            return AccountUnknown(part.account_id)
        if (part.account_id.int, part.transfer_id.int) in self._transfers:
            return TransferMismatch(part.transfer_id)
        match part:
            case Hold():
                return self._spending_refusal(part, account.balance)
            case Settle(hold_id=hold_id) | Void(hold_id=hold_id):
                return self._hold_refusal(part.account_id, hold_id)
            case _:
                return None

    def turned_away(self, part: LedgerPart, refusal: object) -> None:
        """A refused part moves nothing."""

    def take(self, part: LedgerPart) -> Balance | Resolved | None:
        match part:
            case Hold():
                return self._hold(part)
            case Settle() | Void():
                return self._resolve(part)
            case Clawback():
                return self._claw_back(part)
            case _:
                self._write(self._row(part, part.amount_micros))
                return None if isinstance(part, Loss) else self._add(part, part.amount_micros)

    def _hold(self, part: Hold) -> Balance:
        amount = part.amount_micros
        self._write(self._row(part, amount))
        if self.budgets is not None and part.key_id is not None and amount:
            self.budgets.hold(part.account_id, part.key_id, part.transfer_id, amount)
        had = self._accounts[part.account_id.int].balance
        held = had.held_micros + amount
        return self._set(part, Balance(had.posted_micros, held, had.debt_micros))

    def _resolve(self, part: Settle | Void) -> Resolved:
        resolved = self._resolved(part)
        charged, held = resolved.charged_micros, resolved.charged_micros + resolved.returned_micros
        self._write(self._row(part, held))
        if resolved.overrun_micros:
            self._derive(part, OVERRUN, "overrun", resolved.overrun_micros)
        if self.budgets is not None:
            self.budgets.resolve(part.account_id, part.hold_id, held, charged)
        had = self._accounts[part.account_id.int].balance
        self._set(
            part,
            Balance(had.posted_micros - charged, had.held_micros - held, had.debt_micros),
        )
        return resolved

    def _claw_back(self, part: Clawback) -> Balance:
        """Take what is available; the account owes the rest."""
        had = self._accounts[part.account_id.int].balance
        taken = min(part.amount_micros, had.available_micros)
        owed = part.amount_micros - taken
        # Even where it is 0: the row under the part's own id says that it was done.
        self._write(self._row(part, taken))
        if owed:
            self._derive(part, DEBT, "debt", owed)
        posted = had.posted_micros - taken
        return self._set(part, Balance(posted, had.held_micros, had.debt_micros + owed))

    def _add(self, part: LedgerPart, amount: int) -> Balance:
        had = self._accounts[part.account_id.int].balance
        return self._set(
            part, Balance(had.posted_micros + amount, had.held_micros, had.debt_micros)
        )

    def _set(self, part: LedgerPart, balance: Balance) -> Balance:
        """The account's balance after *part*: what is available then pays its debt first."""
        if balance.debt_micros and balance.available_micros:
            repaid = min(balance.debt_micros, balance.available_micros)
            self._derive(part, REPAYMENT, "repayment", repaid)
            posted, debt = balance.posted_micros - repaid, balance.debt_micros - repaid
            balance = Balance(posted, balance.held_micros, debt)
        assert 0 <= balance.held_micros <= balance.posted_micros
        account = self._accounts[part.account_id.int]
        account.balance, account.is_changed = balance, True
        return balance

    def _derive(self, part: LedgerPart, number: int, kind: str, amount: int) -> None:
        id_ = derived_id(part.transfer_id, number)
        self._write(Transfer(part.account_id, id_, kind, amount))

    def _write(self, row: Transfer) -> None:
        assert row.amount_micros >= 0
        self.written.append(row)
        self._remember(row)

    def _remember(self, transfer: Transfer) -> None:
        self._transfers[transfer.account_id.int, transfer.id.int] = transfer
        if transfer.resolves is not None:
            self._resolutions[transfer.account_id.int, transfer.resolves.int] = transfer

    def _spending_refusal(self, part: Hold, balance: Balance) -> LedgerRefusal | None:
        """Why the amount may not be held; nothing costs nothing, whatever the account owes."""
        amount = part.amount_micros
        if amount and balance.debt_micros:
            return InDebt(balance.debt_micros)
        if amount > balance.available_micros:
            return InsufficientCredits(amount, balance.available_micros)
        if self.budgets is None or part.key_id is None or not amount:
            return None
        return self.budgets.refusal(part.account_id, part.key_id, amount)

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

    def _is(self, known: Transfer, part: LedgerPart) -> bool:
        """Whether the row, with what was derived from it, is what *part* would have become."""
        match part:
            case Settle() | Void():
                hold = self._transfers.get((part.account_id.int, part.hold_id.int))
                if hold is None or known != self._row(part, hold.amount_micros):
                    return False
                return self._derived(part, OVERRUN) == self._resolved(part).overrun_micros
            case Clawback():
                amount = known.amount_micros + self._derived(part, DEBT)
                return known.kind == "refund" and amount == part.amount_micros
            case _:
                return known == self._row(part, part.amount_micros)

    def _derived(self, part: LedgerPart, number: int) -> int:
        """The amount of a transfer that was derived from the one of *part*; 0 without one."""
        id_ = part.transfer_id.int ^ number
        row = self._transfers.get((part.account_id.int, id_))
        return 0 if row is None else row.amount_micros

    def _row(self, part: LedgerPart, amount: int) -> Transfer:
        """The row under the part's own id; *amount* is what it takes, gives or, of a hold, held."""
        account_id, id_ = part.account_id, part.transfer_id
        match part:
            case Hold():
                return Transfer(account_id, id_, "hold", amount)
            case Settle(hold_id=hold_id):
                charged = min(part.amount_micros, amount)
                return Transfer(account_id, id_, "settle", charged, hold_id, amount)
            case Void(hold_id=hold_id):
                return Transfer(account_id, id_, "void", amount, hold_id, amount)
            case Credit():
                kind = _CREDITS[part.source, part.is_promotion]
                return Transfer(account_id, id_, kind, amount)
            case Clawback():
                return Transfer(account_id, id_, "refund", amount)
            case Reinstatement():
                return Transfer(account_id, id_, "reinstatement", amount)
            case Loss():
                return Transfer(account_id, id_, _LOSSES[part.book], amount)
