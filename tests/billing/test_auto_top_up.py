"""When a saved card buys credits by itself: the decision."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.auto_top_up import (
    LONGEST_PAUSE_SECONDS,
    AutoTopUp,
    Changes,
    Fate,
    card_to_charge,
    changed,
    due,
    fate,
    pause_seconds,
    unfit,
)
from billing.ledger import Balance
from billing.packs import CustomAmounts
from billing.stripe_objects import CardSnapshot, PaymentSnapshot

NOW = datetime(2026, 11, 22, tzinfo=UTC)
BOUNDS = CustomAmounts(5_000_000, 10_000_000_000)
ON = AutoTopUp(
    enabled_at=NOW,
    threshold_micros=1_000_000,
    amount_micros=5_000_000,
    monthly_limit_micros=20_000_000,
)
AMOUNTS = st.integers(0, 50_000_000)


@given(
    posted=AMOUNTS,
    held=AMOUNTS,
    debt=st.sampled_from([0, 0, 0, 7]),
    bought=AMOUNTS,
    settings=st.builds(
        AutoTopUp,
        enabled_at=st.sampled_from([NOW, NOW, None]),
        threshold_micros=AMOUNTS,
        amount_micros=st.integers(1, 50_000_000),
        monthly_limit_micros=AMOUNTS,
    ),
    is_pending=st.booleans(),
)
def test_it_buys_only_when_on_low_alone_within_its_month_and_without_debt(
    posted, held, debt, bought, settings, is_pending
) -> None:
    amount = due(Balance(posted, held, debt), settings, bought, is_pending=is_pending)

    may = (
        settings.enabled_at is not None
        and not is_pending
        and not debt
        and posted - held < settings.threshold_micros
        and bought + settings.amount_micros <= settings.monthly_limit_micros
    )
    assert amount == (settings.amount_micros if may else None)


@given(st.lists(st.integers(1, 9_000_000), max_size=30), st.integers(0, 40_000_000))
def test_a_month_never_sees_more_than_its_limit_however_fast_it_is_spent(spent, limit) -> None:
    settings, bought, posted = replace(ON, monthly_limit_micros=limit), 0, 0
    for amount in spent:
        posted = max(0, posted - amount)
        more = due(Balance(posted, 0), settings, bought, is_pending=False) or 0
        bought, posted = bought + more, posted + more

    assert bought <= limit


def test_enabling_it_again_forgets_why_it_was_off_and_disabling_keeps_the_rest() -> None:
    failed = replace(ON, enabled_at=None, failure_code="card_declined")

    again = changed(failed, Changes(is_enabled=True), NOW)
    off = changed(ON, Changes(is_enabled=False, amount_micros=6_000_000), NOW)

    assert (again.enabled_at, again.failure_code) == (NOW, "")
    assert off == replace(ON, enabled_at=None, amount_micros=6_000_000)
    assert changed(failed, Changes(threshold_micros=1), NOW).failure_code == "card_declined"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"threshold_micros": 0}, "threshold_micros"),
        ({"threshold_micros": -1}, "threshold_micros"),
        ({"threshold_micros": 1 << 60}, "threshold_micros"),
        ({"amount_micros": 5_000_001}, "amount_micros"),
        ({"amount_micros": 4_990_000}, "amount_micros"),
        ({"amount_micros": 10_000_010_000}, "amount_micros"),
        ({"monthly_limit_micros": 4_990_000}, "monthly_limit_micros"),
        ({"enabled_at": None, "amount_micros": 5}, "amount_micros"),
        ({"enabled_at": None, "amount_micros": -10_000}, "amount_micros"),
    ],
)
def test_settings_that_cannot_hold_are_named(changes, name) -> None:
    wrong = unfit(replace(ON, **changes), BOUNDS)

    assert wrong is not None
    assert wrong.name == name


def test_sound_settings_fit_and_it_is_only_on_where_amounts_are_sold() -> None:
    assert unfit(ON, BOUNDS) is None
    assert unfit(AutoTopUp(), None) is None
    wrong = unfit(ON, None)
    assert wrong is not None
    assert wrong.name == "enabled"


def test_the_newest_card_is_charged_unless_one_was_chosen_and_no_other_takes_its_place() -> None:
    cards = [CardSnapshot(id_, "visa", "4242", 1, 2030) for id_ in ("pm_new", "pm_old")]

    assert card_to_charge(ON, cards) == cards[0]
    assert card_to_charge(replace(ON, payment_method="pm_old"), cards) == cards[1]
    assert card_to_charge(replace(ON, payment_method="pm_gone"), cards) is None
    assert card_to_charge(ON, []) is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("succeeded", Fate.PAID),
        ("processing", Fate.UNKNOWN),
        ("requires_payment_method", Fate.FAILED),
        ("requires_action", Fate.FAILED),
        ("canceled", Fate.FAILED),
    ],
)
def test_what_stripe_says_is_paid_failed_or_not_known_yet(status, expected) -> None:
    assert fate(PaymentSnapshot("pi_1", "cus_1", 500, 500, "usd", status, 1)) is expected


@given(st.integers(0, 10_000))
def test_pauses_grow_and_are_never_longer_than_five_minutes(tries) -> None:
    assert 2 <= pause_seconds(tries) <= pause_seconds(tries + 1) <= LONGEST_PAUSE_SECONDS
