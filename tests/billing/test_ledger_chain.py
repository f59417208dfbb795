"""Any single change of what was sealed is found, and where."""

import hashlib
from dataclasses import fields
from dataclasses import replace as replaced
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.audit import BalanceLine, LinkLine, LooseLine, OutOfOrder, SealLine, place
from billing.chain import (
    NOTHING,
    START,
    Chain,
    Entry,
    Fault,
    Standing,
    change,
    row_bytes,
    seal_bytes,
    word,
)
from billing.ledger import BOOKS, Transfer
from core.keyring import Keyring
from core.signing import Signer, verifier
from tests.ledgers import ACCOUNT, PUBLIC, SIGNER, START_US, STRANGER, Books, check, sample

KINDS = sorted(set(BOOKS) - {"hold", "settle", "void"})
AMOUNTS = st.integers(0, 10**12)


def replace(item: Any, **changes: object) -> Any:
    """The same with other values: of lines, which are dataclasses, and of the rows in them."""
    return item._replace(**changes) if is_row(item) else replaced(item, **changes)


def is_row(value: object) -> bool:
    return hasattr(value, "_fields")


@st.composite
def ledgers(draw: st.DrawFn) -> list[object]:
    """A sealed ledger of one account."""
    books, held = Books(), []
    for _ in range(draw(st.integers(1, 12))):
        if held and draw(st.booleans()):
            hold = held.pop(draw(st.integers(0, len(held) - 1)))
            kind = draw(st.sampled_from(["settle", "void"]))
            part = draw(st.integers(0, hold.amount_micros))
            books.add(kind, part if kind == "settle" else hold.amount_micros, hold)
        elif draw(st.booleans()):
            held.append(books.add("hold", draw(AMOUNTS)))
        else:
            books.add(draw(st.sampled_from(KINDS)), draw(AMOUNTS))
    return books.lines(*draw(st.lists(st.integers(1, 4), max_size=4)))


def other(draw: st.DrawFn, value: object) -> object:
    """A value of that type which is not *value*."""
    match value:
        case Chain():
            return Chain.OPERATOR if value is Chain.CUSTOMER else Chain.CUSTOMER
        case str():
            return draw(st.sampled_from([*BOOKS, "", "x"]).filter(lambda new: new != value))
        case int():
            return value + draw(st.integers(-5, 5).filter(bool))
        case bytes():
            at = draw(st.integers(0, len(value) - 1))
            return value[:at] + bytes([value[at] ^ draw(st.integers(1, 255))]) + value[at + 1 :]
        case UUID():
            return UUID(int=value.int ^ draw(st.integers(1, 2**100)))
        case None:
            return UUID(int=draw(st.integers(0, 2**100)))
    raise AssertionError(value)


def changed(draw: st.DrawFn, item: Any) -> object:
    """The same with one field of it, however deep, changed."""
    names = item._fields if is_row(item) else [field.name for field in fields(item)]
    name = draw(st.sampled_from([name for name in names if name != "account_id"]))
    value = getattr(item, name)
    if isinstance(value, UUID) and name == "resolves" and draw(st.booleans()):
        return replace(item, resolves=None)
    is_record = is_row(value) or hasattr(value, "__dataclass_fields__")
    return replace(item, **{name: changed(draw, value) if is_record else other(draw, value)})


@given(ledgers())
def test_what_nobody_touched_is_good(lines: list[object]) -> None:
    assert check(lines) == []


@given(st.data(), ledgers())
@settings(max_examples=300)
def test_a_change_of_any_field_of_anything_is_found_where_it_is(
    data: st.DataObject, lines: list[object]
) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    before = lines[at]
    after = changed(data.draw, before)
    tampered = sorted([*lines[:at], after, *lines[at + 1 :]], key=place)

    try:
        (bad,) = check(tampered)
    except OutOfOrder:  # two at one place: the tables cannot, and a dump of it is refused
        return

    match before, after:
        case LinkLine(chain=chain, link=link), LinkLine(chain=moved, link=now):
            places = {(chain, link.sequence), (moved, now.sequence)}
            # One that went where none belongs (another chain, a place below 1) is found by the
            # gap before it or by the one that it left.
            is_astray = chain != moved or now.sequence < 1
            assert (bad.chain, bad.sequence) in places or (is_astray and bad.chain == moved)
        case SealLine(chain=chain, seal=seal), SealLine(chain=moved, seal=now):
            assert bad.fault in {Fault.SEAL_WRONG, Fault.LINK_MISSING, Fault.NOT_COVERED}
            is_there = (bad.chain, bad.sequence) == (chain, seal.sequence)
            assert is_there or (chain, seal.sequence) != (moved, now.sequence)
        case _:
            assert isinstance(after, BalanceLine)
            assert bad.fault in {Fault.BALANCE, Fault.HELD, Fault.DEBT}


@given(st.data(), ledgers())
def test_a_line_that_is_gone_is_found_where_it_was(
    data: st.DataObject, lines: list[object]
) -> None:
    at = data.draw(st.integers(1, len(lines) - 1))
    gone = lines[at]
    found = check([*lines[:at], *lines[at + 1 :]])

    if isinstance(gone, LinkLine):
        (bad,) = found
        assert (bad.chain, bad.sequence, bad.fault) == (
            gone.chain,
            gone.link.sequence,
            Fault.LINK_MISSING,
        )
    else:
        (bad,) = found
        assert isinstance(gone, SealLine)
        assert bad.fault in {Fault.SEAL_WRONG, Fault.NOT_COVERED}
        assert bad.chain == gone.chain


@given(st.data(), ledgers())
def test_rows_that_change_places_are_found_at_the_first(
    data: st.DataObject, lines: list[object]
) -> None:
    rows = [at for at, line in enumerate(lines) if isinstance(line, LinkLine)]
    first, second = data.draw(st.tuples(st.sampled_from(rows), st.sampled_from(rows)))
    if first >= second:
        return
    one, two = lines[first], lines[second]
    tampered = list(lines)
    tampered[first], tampered[second] = replace(one, entry=two.entry), replace(two, entry=one.entry)

    (bad,) = check(tampered)

    assert (bad.chain, bad.sequence, bad.fault) == (
        one.chain,
        one.link.sequence,
        Fault.ROW_CHANGED,
    )


def test_a_row_that_is_gone_from_the_ledger_is_named() -> None:
    lines = sample().lines()
    lines[3] = replace(lines[3], entry=None)

    (bad,) = check(lines)

    assert (bad.sequence, bad.transfer_id) == (3, lines[3].link.transfer_id)
    assert bad.fault is Fault.ROW_MISSING


def test_a_seal_of_another_key_is_none() -> None:
    for keys in ([], [key.raw for key in STRANGER.public_keys]):
        (bad,) = check(sample().lines(), keys=keys)
        assert bad.fault is Fault.SEAL_WRONG


def test_seals_of_an_older_key_hold_after_a_rotation() -> None:
    rotated = Signer(Keyring((b"n" * 32, b"k" * 32)))
    assert check(sample().lines(2, 3), keys=[key.raw for key in rotated.public_keys]) == []


def test_a_seal_of_another_account_or_chain_is_none() -> None:
    lines = sample().lines()
    moved = [replace(line, account_id=UUID(int=0xB)) for line in lines[:1] + lines[1:]]
    entries = [
        replace(
            line,
            entry=replace(
                line.entry, transfer=replace(line.entry.transfer, account_id=UUID(int=0xB))
            ),
        )
        if isinstance(line, LinkLine)
        else line
        for line in moved
    ]
    (bad,) = check(entries)
    assert bad.fault is Fault.SEAL_WRONG


def test_a_hold_that_is_ended_twice_is_found_even_when_it_was_sealed() -> None:
    books = Books()
    books.add("payment", 100)
    hold = books.add("hold", 60)
    books.add("void", 60, hold)
    twice = books.add("void", 60, hold)

    (bad,) = check(books.lines())

    assert (bad.sequence, bad.transfer_id, bad.fault) == (4, twice.id, Fault.HOLD)


def test_a_hold_may_stand_after_its_end_where_a_clock_stepped_back() -> None:
    books = Books()
    books.add("payment", 100)
    books.add("settle", 40, books.add("hold", 60))
    books.entries[1:] = reversed(books.entries[1:])

    assert check(books.lines()) == []


def test_a_row_without_a_seal_may_be_new_but_not_old() -> None:
    lines = sample().lines()
    entry = Entry(Transfer(ACCOUNT, UUID(int=99), "grant", 5), START_US)
    lines[0] = replace(lines[0], standing=lines[0].standing + Standing(5))

    assert check([*lines, LooseLine(ACCOUNT, entry)]) == []
    (bad,) = check([*lines, LooseLine(ACCOUNT, entry)], until_us=START_US + 60_000_001)
    assert (bad.transfer_id, bad.fault) == (entry.transfer.id, Fault.ROW_ADDED)


def test_each_account_is_told_of_by_itself() -> None:
    good, worse = sample(), Books(UUID(int=0xB))
    worse.add("grant", 7)
    tampered = worse.lines()
    tampered[0] = replace(tampered[0], standing=NOTHING)

    (bad,) = check([*good.lines(), *tampered])

    assert (bad.account_id, bad.fault) == (UUID(int=0xB), Fault.BALANCE)
    with pytest.raises(OutOfOrder):
        check([*tampered, *good.lines()])


def test_every_kind_changes_what_its_books_say() -> None:
    hold = Transfer(ACCOUNT, UUID(int=1), "hold", 9)
    moved = {
        kind: change(Transfer(ACCOUNT, UUID(int=2), kind, 7, hold.id, 9)
                     if kind in {"settle", "void"} else replace(hold, kind=kind, amount_micros=7))
        for kind in BOOKS
    }  # fmt: skip
    assert moved["hold"] == Standing(0, 7)
    assert moved["settle"] == Standing(-7, -9)
    assert moved["void"] == Standing(0, -7)
    assert moved["refund"] == Standing(-7)
    assert moved["debt"] == Standing(0, 0, 7)
    assert moved["repayment"] == Standing(-7, 0, -7)
    assert {moved[kind] for kind in ("grant", "promotion", "payment", "reinstatement")} == {
        Standing(7)
    }
    assert moved.keys() == BOOKS.keys()


def test_the_forms_are_those_of_the_document() -> None:
    hold = UUID(int=0xC)
    entry = Entry(Transfer(ACCOUNT, UUID(int=0xD), "settle", 40_000, hold, 50_000), START_US)
    assert row_bytes(3, entry, change(entry.transfer)) == (
        b"3|0000000000000000000000000000000d|settle|-40000|-50000|0|"
        b"0000000000000000000000000000000c|1700000000000000"
    )
    assert [word("refund"), word("repayment"), word("hold")] == [
        "clawback",
        "debt_repayment",
        "hold",
    ]
    line = sample().lines(2)[3]
    assert isinstance(line, SealLine)
    digest = START
    for number, item in enumerate(sample().entries[:2], start=1):
        digest = hashlib.sha256(digest + row_bytes(number, item, change(item.transfer))).digest()
    payload = seal_bytes(ACCOUNT, Chain.CUSTOMER, line.seal, 0)
    assert payload.decode() == (
        f"reapi-ledger-seal-1|customer|{ACCOUNT.hex}|2|{digest.hex()}|{line.seal.sealed_us}|0"
    )
    assert verifier(PUBLIC)(line.seal.key_id, line.seal.signature, payload)
    assert line.seal.key_id == SIGNER.public_keys[0].id
