"""The hash chain over an account's ledger rows: what is digested, what is signed, what must hold.

docs/ledger.md tells users the same, so that they need not believe this file. Pure.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

from billing.ledger import BOOKS, CUSTOMER, Transfer

START = bytes(32)
"""Stands where the digest of the row before the first one would."""
_SEAL = "reapi-ledger-seal-1"
"""What a signature is for: one made for anything else is worthless here."""
_DEBT = "debt"
RESERVES = frozenset({"hold", "void"})
"""Kinds that reserve and give back, and move nothing."""
_WORDS: Mapping[str, str] = {"refund": "clawback", "repayment": "debt_repayment"}
"""The contract's words (`TransactionKind`) for kinds where they differ from the ledger's."""


class Chain(StrEnum):
    """Each account has two: its own rows, and those that it caused in the operator's books."""

    CUSTOMER = "customer"
    OPERATOR = "operator"


def _effect(kind: str) -> tuple[int, int, int, int]:
    """How often a row's amount adds to what is posted and to what is held, how often what it
    releases adds to that, and how often the amount adds to the debt.
    """
    debit, credit = BOOKS[kind]
    if kind in RESERVES:
        return 0, 1 if debit == CUSTOMER else -1, 0, 0
    if _CHAINS[kind] is Chain.OPERATOR:
        return 1, 0, 0, 0
    posted = (credit == CUSTOMER) - (debit == CUSTOMER)
    return posted, 0, -1, (debit == _DEBT) - (credit == _DEBT)


_CHAINS = {
    kind: Chain.CUSTOMER if {CUSTOMER, _DEBT} & set(books) else Chain.OPERATOR
    for kind, books in BOOKS.items()
}
_EFFECTS = {kind: _effect(kind) for kind in BOOKS}


class Fault(StrEnum):
    """What is wrong with a row, a seal or a balance."""

    ROW_CHANGED = "the row differs from what was sealed"
    ROW_MISSING = "the row is gone from the ledger"
    ROW_ADDED = "the row was never sealed, though later ones are"
    LINK_MISSING = "the row is gone from the chain"
    NOT_COVERED = "no seal covers the row"
    SEAL_WRONG = "the signature is not that of a known key over this seal and the one before"
    BALANCE = "the balance does not follow from the rows"
    HELD = "what is held does not follow from the rows"
    DEBT = "the debt does not follow from the rows"
    HOLD = "the hold that it ends was ended before, or never made"


class Standing(NamedTuple):
    """What an account has; of the operator's chain, the sum of its amounts is `posted`."""

    posted_micros: int = 0
    held_micros: int = 0
    debt_micros: int = 0

    def __add__(  # type: ignore[override]  # a sum, as of numbers: nobody appends to one
        self, other: "Standing"
    ) -> "Standing":
        posted, held, debt = self
        return Standing(
            posted + other.posted_micros, held + other.held_micros, debt + other.debt_micros
        )


NOTHING = Standing()


class Entry(NamedTuple):
    """A row of the ledger and when it was written."""

    transfer: Transfer
    created_us: int
    """Microseconds since 1970, as all times here."""


class Link(NamedTuple):
    """Where a row stands in its chain."""

    sequence: int
    transfer_id: UUID
    chain_sha256: bytes
    standing: Standing
    """Afterwards."""


class Seal(NamedTuple):
    """A signature over a chain up to one row."""

    sequence: int
    chain_sha256: bytes
    sealed_us: int
    signature: bytes
    key_id: str


@dataclass(frozen=True, slots=True)
class Bad:
    """Where something is wrong, and what."""

    account_id: UUID
    chain: str
    sequence: int
    """0 where it has none."""
    transfer_id: UUID | None
    fault: Fault


class Signature(Protocol):
    """64 bytes of Ed25519, and which key made them."""

    @property
    def value(self) -> bytes: ...

    @property
    def key_id(self) -> str: ...


class Signer(Protocol):
    """Signs under the newest key."""

    def sign(self, payload: bytes) -> Signature: ...


Verify = Callable[[str, bytes, bytes], bool]
"""Whether the key of that id made that signature over that payload."""


def word(kind: str) -> str:
    """The contract's word for a kind of transfer."""
    return _WORDS.get(kind, kind)


def chain_of(kind: str) -> Chain:
    """Which chain rows of that kind belong to."""
    return _CHAINS[kind]


def change(row: Transfer) -> Standing:
    """What a row changes."""
    amount, (posted, held, released, debt) = row.amount_micros, _EFFECTS[row.kind]
    return Standing(posted * amount, held * amount + released * row.releases_micros, debt * amount)


def row_bytes(sequence: int, entry: Entry, moved: Standing) -> bytes:
    """What is digested of a row; *moved* is its `change`."""
    row = entry.transfer
    hold = "" if row.resolves is None else row.resolves.hex
    return (
        f"{sequence}|{row.id.hex}|{word(row.kind)}|{moved.posted_micros}|{moved.held_micros}|"
        f"{moved.debt_micros}|{hold}|{entry.created_us}"
    ).encode()


def link_sha256(previous: bytes, sequence: int, entry: Entry, moved: Standing) -> bytes:
    """The digest of the digest before and a row."""
    return hashlib.sha256(previous + row_bytes(sequence, entry, moved)).digest()


def seal_bytes(account_id: UUID, chain: str, seal: Seal, previous_sequence: int) -> bytes:
    """What is signed; *previous_sequence* is where the seal before stands, 0 for the first."""
    return (
        f"{_SEAL}|{chain}|{account_id.hex}|{seal.sequence}|{seal.chain_sha256.hex()}|"
        f"{seal.sealed_us}|{previous_sequence}"
    ).encode()


def extended(head: Link | None, entries: Iterable[Entry]) -> list[Link]:
    """The links of *entries*, in that order, after *head*."""
    links: list[Link] = []
    last = head or Link(0, UUID(int=0), START, NOTHING)
    for entry in entries:
        sequence, moved = last.sequence + 1, change(entry.transfer)
        digest = link_sha256(last.chain_sha256, sequence, entry, moved)
        last = Link(sequence, entry.transfer.id, digest, last.standing + moved)
        links.append(last)
    return links


def sealed(account_id: UUID, chain: Chain, links: list[Link], now_us: int, signer: Signer) -> Seal:
    """The seal over *links*, which follow the seal before without a gap."""
    last, previous = links[-1], links[0].sequence - 1
    unsigned = Seal(last.sequence, last.chain_sha256, now_us, b"", "")
    signed = signer.sign(seal_bytes(account_id, chain, unsigned, previous))
    return Seal(last.sequence, last.chain_sha256, now_us, signed.value, signed.key_id)


class ChainCheck:
    """Follows one chain, row by row, each seal after the row that it names."""

    def __init__(self, account_id: UUID, chain: str, verify: Verify) -> None:
        self._account_id = account_id
        self._chain = chain
        self._verify = verify
        self._last = Link(0, UUID(int=0), START, NOTHING)
        self._sealed = 0
        self._first_unsealed: UUID | None = None
        self._open: set[UUID] = set()
        self._early: dict[UUID, tuple[int, UUID]] = {}

    @property
    def standing(self) -> Standing:
        """After the rows so far."""
        return self._last.standing

    @property
    def last(self) -> Link:
        """The row before."""
        return self._last

    def row(self, link: Link, entry: Entry | None) -> Bad | None:
        """The next row; *entry* is what stands in the ledger under its id."""
        sequence = self._last.sequence + 1
        if link.sequence != sequence:
            return self._bad(sequence, None, Fault.LINK_MISSING)
        if entry is None:
            return self._bad(sequence, link.transfer_id, Fault.ROW_MISSING)
        fault = self._row_fault(link, entry)
        if fault is not None:
            return self._bad(sequence, link.transfer_id, fault)
        self._resolve(sequence, entry.transfer)
        if self._first_unsealed is None:
            self._first_unsealed = link.transfer_id
        self._last = link
        return None

    def seal(self, seal: Seal) -> Bad | None:
        """The seal that names the row before."""
        at = self._last
        if seal.sequence > at.sequence:
            return self._bad(at.sequence + 1, None, Fault.LINK_MISSING)
        payload = seal_bytes(self._account_id, self._chain, seal, self._sealed)
        if (
            seal.sequence != at.sequence
            or seal.chain_sha256 != at.chain_sha256
            or not self._verify(seal.key_id, seal.signature, payload)
        ):
            return self._bad(seal.sequence, None, Fault.SEAL_WRONG)
        self._sealed, self._first_unsealed = seal.sequence, None
        return None

    def end(self) -> Bad | None:
        """Nothing more comes."""
        if self._sealed != self._last.sequence:
            return self._bad(self._sealed + 1, self._first_unsealed, Fault.NOT_COVERED)
        if self._early:
            return self._bad(*min(self._early.values()), Fault.HOLD)
        return None

    def _row_fault(self, link: Link, entry: Entry) -> Fault | None:
        row = entry.transfer
        if row.kind not in BOOKS or not is_whole(row) or chain_of(row.kind) != self._chain:
            return Fault.ROW_CHANGED
        if row.id != link.transfer_id or row.account_id != self._account_id:
            return Fault.ROW_CHANGED
        moved = change(row)
        if link_sha256(self._last.chain_sha256, link.sequence, entry, moved) != link.chain_sha256:
            return Fault.ROW_CHANGED
        return difference(link.standing, self._last.standing + moved)

    def _resolve(self, sequence: int, row: Transfer) -> None:
        """Each hold is ended once. It may stand after its end only where a clock stepped back."""
        if row.kind == "hold" and self._early.pop(row.id, None) is None:
            self._open.add(row.id)
        if row.resolves is not None:
            if row.resolves in self._open:
                self._open.remove(row.resolves)
            else:
                self._early.setdefault(row.resolves, (sequence, row.id))

    def _bad(self, sequence: int, transfer_id: UUID | None, fault: Fault) -> Bad:
        return Bad(self._account_id, self._chain, sequence, transfer_id, fault)


def is_whole(row: Transfer) -> bool:
    """Whether what is digested of a row tells all of it: the laws of the table `transfer`."""
    if row.amount_micros < 0 or (row.kind in {"settle", "void"}) != (row.resolves is not None):
        return False
    if row.resolves is None:
        return row.releases_micros == 0
    if row.kind == "void":
        return row.amount_micros == row.releases_micros
    return row.amount_micros <= row.releases_micros


def difference(found: Standing, expected: Standing) -> Fault | None:
    """What of *found* does not follow."""
    if found.posted_micros != expected.posted_micros:
        return Fault.BALANCE
    if found.held_micros != expected.held_micros:
        return Fault.HELD
    if found.debt_micros != expected.debt_micros:
        return Fault.DEBT
    return None
