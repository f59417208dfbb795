"""Ledgers to seal and to tamper with: rows as they may come, and what checks them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from billing.audit import Audit, BalanceLine, Line, LinkLine, SealLine
from billing.chain import (
    NOTHING,
    Bad,
    Chain,
    Entry,
    Standing,
    chain_of,
    change,
    extended,
    sealed,
)
from billing.ledger import Transfer
from core.keyring import Keyring
from core.signing import Signer, verifier

SIGNER = Signer(Keyring((b"k" * 32,)))
STRANGER = Signer(Keyring((b"x" * 32,)))
PUBLIC = [key.raw for key in SIGNER.public_keys]
ACCOUNT = UUID(int=0xA)
START_US = 1_700_000_000_000_000


@dataclass
class Books:
    """The rows of one account in the order in which they were written."""

    account_id: UUID = ACCOUNT
    entries: list[Entry] = field(default_factory=list)
    _next: int = 1

    def add(self, kind: str, amount: int, hold: Transfer | None = None) -> Transfer:
        """One row; a settle or void ends *hold*."""
        resolves = None if hold is None else hold.id
        releases = 0 if hold is None else hold.amount_micros
        id_ = UUID(int=(self.account_id.int << 32) + self._next)
        row = Transfer(self.account_id, id_, kind, amount, resolves, releases)
        self.entries.append(Entry(row, START_US + self._next * 1_000))
        self._next += 1
        return row

    def lines(self, *batches: int) -> list[Line]:
        """What a dump says when the rows were sealed in *batches*: the rest in one more."""
        standing = sum((change(e.transfer) for e in self.of(Chain.CUSTOMER)), NOTHING)
        lines: list[Line] = [BalanceLine(self.account_id, standing)]
        for chain in Chain:
            lines += self._chain_lines(chain, batches)
        return lines

    def of(self, chain: Chain) -> list[Entry]:
        return [entry for entry in self.entries if chain_of(entry.transfer.kind) is chain]

    def _chain_lines(self, chain: Chain, batches: Sequence[int]) -> Iterable[Line]:
        head, rest = None, self.of(chain)
        for size in [*batches, len(rest)]:
            batch, rest = rest[:size], rest[size:]
            if not batch:
                continue
            links = extended(head, batch)
            head = links[-1]
            for link, entry in zip(links, batch, strict=True):
                yield LinkLine(self.account_id, chain, link, entry)
            seal = sealed(self.account_id, chain, links, batch[-1].created_us + 5, SIGNER)
            yield SealLine(self.account_id, chain, seal)


def sample() -> Books:
    """A little of everything."""
    books = Books()
    books.add("payment", 50_000)
    first, second = books.add("hold", 20_000), books.add("hold", 5_000)
    books.add("settle", 12_000, first)
    books.add("overrun", 700)
    books.add("void", 5_000, second)
    books.add("refund", 38_000)
    books.add("debt", 12_000)
    books.add("grant", 20_000)
    books.add("repayment", 12_000)
    books.add("risk_loss", 3_000)
    books.add("hold", 2_000)
    return books


def check(lines: Iterable[Line], until_us: int = START_US, keys: Any = None) -> list[Bad]:
    """What is wrong with a dump."""
    audit = Audit(verifier(PUBLIC if keys is None else keys), until_us)
    bad = [found for line in lines for found in audit.take(line)]
    return [*bad, *audit.end()]


__all__ = ["ACCOUNT", "PUBLIC", "SIGNER", "STRANGER", "Books", "Standing", "check", "sample"]
