"""The ledger in memory: the twin of what PostgreSQL keeps, for demos, tests and benchmarks."""

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from billing.book import LedgerBook
from billing.budgets import Budget, BudgetBook, BudgetHold
from billing.ledger import (
    BOOKS,
    CUSTOMER,
    DEBT,
    LEDGER_PARTS,
    OVERRUN,
    Balance,
    LedgerPart,
    Name,
    OperatorBook,
    Settle,
    Transfer,
    Void,
    derived_id,
)


class MemoryLedger:
    """The ledger's part in a commit to memory (a `storage.memory.MemoryParticipant`)."""

    parts: tuple[type, ...] = LEDGER_PARTS

    def __init__(self) -> None:
        self.balances: dict[UUID, Balance] = {}
        self.transfers: dict[Name, Transfer] = {}
        self._resolutions: dict[Name, Transfer] = {}
        self.budgets: dict[tuple[UUID, UUID], Budget] = {}
        """By account and id."""
        self.budget_holds: dict[BudgetHold, None] = {}
        """Those of unresolved holds."""

    def open_account(self, account_id: UUID) -> None:
        """Give an account an empty balance, if it has none."""
        self.balances.setdefault(account_id, Balance(0, 0))

    async def balance(self, account_id: UUID) -> Balance | None:
        """Posted, held and owed; None for an account that is not there."""
        return self.balances.get(account_id)

    def book(self, parts: Sequence[LedgerPart], now_us: int) -> LedgerBook:
        accounts = {part.account_id for part in parts} & self.balances.keys()
        budgets = [each for each in self.budgets.values() if each.account_id in accounts]
        return LedgerBook(
            {account: self.balances[account] for account in accounts},
            [transfer for part in parts for transfer in self._around(part)],
            BudgetBook(budgets, self.budget_holds, now_us) if budgets else None,
        )

    def apply(self, book: LedgerBook) -> None:
        for row in book.written:
            assert (row.account_id, row.id) not in self.transfers, "a transfer is written once"
            self.transfers[row.account_id, row.id] = row
            if row.resolves is not None:
                name = (row.account_id, row.resolves)
                assert name not in self._resolutions, "a hold is resolved once"
                self._resolutions[name] = row
        self.balances.update(book.changed)
        if book.budgets is not None:
            for name in book.budgets.changed:
                self.budgets[name] = book.budgets.budgets[name]
            for hold in book.budgets.closed:
                del self.budget_holds[hold]
            self.budget_holds |= book.budgets.opened

    def operator_balance(self, book: str) -> int:
        """What an operator's book holds, in micro-dollars: credits less debits."""
        return moved(self.transfers.values(), book)

    def discrepancies(self) -> Iterator[str]:
        """Which laws of the ledger are broken; nothing when the books are right."""
        for account, balance in self.balances.items():
            rows = [row for row in self.transfers.values() if row.account_id == account]
            held = sum(row.amount_micros for row in rows if row.kind == "hold")
            held -= sum(row.releases_micros for row in rows)
            if balance != Balance(moved(rows, CUSTOMER), held, -moved(rows, OperatorBook.DEBT)):
                yield f"balance of {account}"
            if min(balance.available_micros, balance.held_micros, balance.debt_micros) < 0:
                yield f"overdraft of {account}"
            if balance.debt_micros and balance.available_micros:
                yield f"unpaid debt of {account}"
        operator = sum(self.operator_balance(book) for book in OperatorBook)
        if operator + sum(balance.posted_micros for balance in self.balances.values()) != 0:
            yield "sum of all entries"
        for budget in self.budgets.values():
            if budget.held_micros != self._counted(budget):
                yield f"held of budget {budget.budget_id}"
        if any((hold.account_id, hold.hold_id) in self._resolutions for hold in self.budget_holds):
            yield "budget counts a resolved hold"

    def _counted(self, budget: Budget) -> int:
        """What its period's unresolved holds come to."""
        return sum(
            self.transfers[hold.account_id, hold.hold_id].amount_micros
            for hold in self.budget_holds
            if (hold.budget_id, hold.period_start_us) == (budget.budget_id, budget.period_start_us)
        )

    def _around(self, part: LedgerPart) -> Iterator[Transfer]:
        """The transfers that decide over *part*."""
        own = part.transfer_id
        derived = (derived_id(own, OVERRUN), derived_id(own, DEBT))
        names = [(part.account_id, id_) for id_ in (own, *derived)]
        if isinstance(part, (Settle, Void)):
            names.append((part.account_id, part.hold_id))
            resolution = self._resolutions.get((part.account_id, part.hold_id))
            if resolution is not None:
                yield resolution
        yield from (self.transfers[name] for name in names if name in self.transfers)


def moved(transfers: Iterable[Transfer], book: str) -> int:
    """What the transfers brought into a book, less what they took; holds move nothing."""
    total = 0
    for row in transfers:
        if row.kind not in {"hold", "void"}:
            debit, credit = BOOKS[row.kind]
            total += row.amount_micros * ((credit == book) - (debit == book))
    return total
