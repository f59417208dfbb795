"""Movements, months and statements: whatever an account does, its books read back add up."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.chain import NOTHING, Entry, Standing, change
from billing.history import (
    CSV_HEADING,
    Group,
    Line,
    Month,
    Movement,
    cause_of,
    csv_of,
    followed,
    lines_of,
    statement_between,
    statement_of,
)
from billing.history_sql import around
from billing.ledger import DEBT, REPAYMENT, Transfer, derived_id

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NIL = UUID(int=0)
KINDS = (
    *("payment", "grant", "promotion", "reinstatement"),
    *("hold", "settle", "void"),
    *("refund", "debt", "repayment"),
)


@st.composite
def entries(draw: st.DrawFn) -> list[Entry]:
    """Rows of one account over some years, in the order of time."""
    times = sorted(draw(st.lists(st.integers(0, 3 * 365 * 86_400), max_size=60)))
    found = []
    for number, seconds in enumerate(times):
        kind, amount = draw(st.sampled_from(KINDS)), draw(st.integers(0, 10**9))
        resolves = UUID(int=1) if kind in {"settle", "void"} else None
        rest = draw(st.integers(0, 10**6)) if kind == "settle" else 0
        releases = amount + rest if resolves is not None else 0
        row = Transfer(NIL, UUID(int=number * 4), kind, amount, resolves, releases)
        found.append(Entry(row, seconds * 1_000_000))
    return found


def moment(item: Movement) -> datetime:
    return EPOCH + timedelta(microseconds=item.entry.created_us)


def group(item: Movement) -> Group:
    row = item.entry.transfer
    model = f"model-{row.amount_micros % 3}" if row.kind == "settle" else ""
    return Group(moment(item).date(), row.kind, model, 1, row.amount_micros)


@given(entries(), st.integers(0, 10**12))
def test_opening_and_lines_make_closing_in_every_month(
    rows: list[Entry], opening_micros: int
) -> None:
    items = followed(0, Standing(opening_micros), rows)
    months = sorted({Month.of(moment(item)) for item in items})
    balance = opening_micros
    for month in months:
        of_month = [item for item in items if month.start <= moment(item) < month.end]
        lines = lines_of(map(group, of_month))

        found = statement_of(month, balance, lines, is_final=True)

        assert balance + sum(line.amount_micros for line in lines) == found.closing_micros
        assert found.closing_micros == of_month[-1].balance_micros
        assert min(found.added_micros, found.spent_micros, found.removed_micros) >= 0
        others = [line for line in lines if line.kind != "settle"]
        closing = of_month[-1].balance_micros
        assert statement_between(month, (balance, closing), others, is_final=True) == found
        balance = closing
    assert balance == opening_micros + sum(change(row.transfer).posted_micros for row in rows)


@given(entries())
def test_lines_do_not_depend_on_how_rows_were_gathered(rows: list[Entry]) -> None:
    items = followed(0, NOTHING, rows)
    gathered: dict[tuple[date, str, str], list[Group]] = {}
    for each in map(group, items):
        gathered.setdefault((each.day, each.kind, each.model), []).append(each)
    sums = [
        Group(*name, sum(one.count for one in them), sum(one.amount_micros for one in them))
        for name, them in gathered.items()
    ]

    assert lines_of(sums) == lines_of(map(group, reversed(items)))


@given(st.integers(0, 2 * 10**11 * 10**6))
def test_months_partition_time(micros: int) -> None:
    at = EPOCH + timedelta(microseconds=micros)
    month = Month.of(at)

    assert month.start <= at < month.end
    assert month.next.start == month.end
    assert Month.of(month.end - timedelta(microseconds=1)) == month


def test_a_month_is_that_of_utc() -> None:
    berlin = datetime.fromisoformat("2026-12-01T00:30:00+01:00")

    assert str(Month.of(berlin)) == "2026-11"
    assert str(Month(2026, 12).next) == "2027-01"


@given(entries(), st.integers(0, 60))
def test_what_follows_a_page_is_what_follows_all(rows: list[Entry], cut: int) -> None:
    whole = followed(0, NOTHING, rows)
    first = followed(0, NOTHING, rows[:cut])
    standing = NOTHING
    for row in rows[:cut]:
        standing += change(row.transfer)

    assert first + followed(len(first), standing, rows[cut:]) == whole


@given(entries())
def test_a_statement_as_text_opens_and_adds_up(rows: list[Entry]) -> None:
    lines = lines_of(map(group, followed(0, NOTHING, rows)))
    text = csv_of(lines)

    heading, *read = csv.reader(io.StringIO(text, newline=""), strict=True)

    assert tuple(heading) == CSV_HEADING
    assert sum(int(row[-1]) for row in read) == sum(line.amount_micros for line in lines)
    assert [row[1:3] for row in read] == [[line.kind, line.model] for line in lines]
    assert text.count("\r\n") == len(lines) + 1


def test_a_name_with_a_comma_is_quoted() -> None:
    line = Line(date(2026, 1, 2), "settle", 'a,"b"', 1, -5)

    assert csv_of([line]).splitlines()[1] == '2026-01-02,settle,"a,""b""",1,-5'


def test_holds_voids_and_debts_are_no_lines() -> None:
    day = date(2026, 1, 2)

    assert lines_of(Group(day, kind, "", 1, 7) for kind in ("hold", "void", "debt")) == []


@pytest.mark.parametrize(("kind", "number"), [("debt", DEBT), ("repayment", REPAYMENT)])
def test_a_debt_and_its_repayment_belong_to_what_caused_them(kind: str, number: int) -> None:
    cause = UUID(int=4711 << 2)

    assert cause_of(Transfer(NIL, derived_id(cause, number), kind, 1)) == cause
    assert cause_of(Transfer(NIL, cause, "payment", 1)) == cause


@given(st.lists(st.integers(0, 10_000)), st.integers(1, 50))
def test_spans_have_every_moment_with_its_margin_and_do_not_meet(
    seconds: list[int], margin: int
) -> None:
    moments = [EPOCH + timedelta(seconds=each) for each in seconds]
    around_each = timedelta(seconds=margin)
    spans = around(moments, around_each)

    assert all(
        any(first <= at - around_each and at + around_each <= last for first, last in spans)
        for at in moments
    )
    assert all(one[1] < two[0] for one, two in pairwise(spans))
