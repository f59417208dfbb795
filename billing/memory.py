"""The ledger in memory: the twin of what PostgreSQL keeps, for demos, tests and benchmarks."""

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from billing.ledger import (
    BOOKS,
    CUSTOMER,
    Balance,
    Credit,
    Hold,
    LedgerBook,
    LedgerPart,
    Loss,
    Name,
    OperatorBook,
    Settle,
    Transfer,
    Void,
)


class MemoryLedger:
    """The ledger's part in a commit to memory (a `storage.memory.MemoryParticipant`)."""

    parts: tuple[type, ...] = (Hold, Settle, Void, Credit, Loss)

    def __init__(self) -> None:
        self.balances: dict[UUID, Balance] = {}
        self.transfers: dict[Name, Transfer] = {}
        self._resolutions: dict[Name, Transfer] = {}

    def open_account(self, account_id: UUID) -> None:
        """Give an account an empty balance, if it has none."""
        self.balances.setdefault(account_id, Balance(0, 0))

    async def balance(self, account_id: UUID) -> Balance | None:
        """Posted and held; None for an account that is not there."""
        return self.balances.get(account_id)

    def book(self, parts: Sequence[LedgerPart], now_us: int) -> LedgerBook:  # noqa: ARG002 (money knows no time)
        accounts = {part.account_id for part in parts} & self.balances.keys()
        return LedgerBook(
            {account: self.balances[account] for account in accounts},
            [transfer for part in parts for transfer in self._around(part)],
        )

    def apply(self, book: LedgerBook) -> None:
        for row in book.written:
            assert (row.account_id, row.id) not in self.transfers, "a transfer is written once"
            self.transfers[row.account_id, row.id] = row
            if row.resolves is not None:
                name = (row.account_id, row.resolves)
                assert name not in self._resolutions, "a hold is resolved once"
                self._resolutions[name] = row
        for account in book.changed:
            self.balances[account] = book.balances[account]

    def operator_balance(self, book: str) -> int:
        """What an operator's book holds, in micro-dollars: credits less debits."""
        return moved(self.transfers.values(), book)

    def discrepancies(self) -> Iterator[str]:
        """Which laws of the ledger are broken; nothing when the books are right."""
        for account, balance in self.balances.items():
            rows = [row for row in self.transfers.values() if row.account_id == account]
            held = sum(row.amount_micros for row in rows if row.kind == "hold")
            held -= sum(row.releases_micros for row in rows)
            if balance != Balance(moved(rows, CUSTOMER), held):
                yield f"balance of {account}"
            if balance.available_micros < 0 or balance.held_micros < 0:
                yield f"overdraft of {account}"
        operator = sum(self.operator_balance(book) for book in OperatorBook)
        if operator + sum(balance.posted_micros for balance in self.balances.values()) != 0:
            yield "sum of all entries"

    def _around(self, part: LedgerPart) -> Iterator[Transfer]:
        """The transfers that decide over *part*."""
        names = [(part.account_id, part.transfer_id)]
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
