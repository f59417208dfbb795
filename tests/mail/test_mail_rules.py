"""Which mail is sent, and when again."""

from itertools import pairwise

import pytest

from accounts.mail_queue import Kind
from accounts.mail_rules import (
    BULK,
    GIVE_UP_SECONDS,
    LONGEST_ASKED_SECONDS,
    LONGEST_PAUSE_SECONDS,
    Wishes,
    is_hopeless,
    is_wanted,
    pause_seconds,
)

NOTHING = Wishes(newsletter=False, product_notices=False, billing_notices=False)
WISHED = {
    Kind.NEWSLETTER: Wishes(newsletter=True, product_notices=False, billing_notices=False),
    Kind.PRODUCT: Wishes(newsletter=False, product_notices=True, billing_notices=False),
    Kind.RECEIPT: Wishes(newsletter=False, product_notices=False, billing_notices=True),
    Kind.BUDGET_ALERT: Wishes(newsletter=False, product_notices=False, billing_notices=True),
    Kind.BALANCE_LOW: Wishes(newsletter=False, product_notices=False, billing_notices=True),
}


@pytest.mark.parametrize("kind", Kind)
def test_safety_prices_and_policies_are_no_matter_of_wishes(kind):
    assert is_wanted(kind, NOTHING) is (kind not in WISHED)


@pytest.mark.parametrize("kind", WISHED)
def test_each_wish_is_heard(kind):
    assert is_wanted(kind, WISHED[kind])


def test_what_may_be_stopped_by_a_click_is_what_goes_to_everybody():
    assert {Kind.NEWSLETTER, Kind.PRODUCT} == BULK


def test_pauses_double_up_to_an_hour():
    pauses = [pause_seconds(tries, 0.5) for tries in range(1, 30)]

    assert pauses[:4] == [10, 20, 40, 80]
    assert all(later >= earlier for earlier, later in pairwise(pauses))
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_chance_spreads_a_pause_by_a_fifth_either_way():
    assert pause_seconds(1, 0.0) == pytest.approx(8)
    assert pause_seconds(1, 1.0) == pytest.approx(12)


def test_what_the_service_asks_for_is_honoured_but_not_for_ever():
    assert pause_seconds(1, 0.5, 120) == 120
    assert pause_seconds(4, 0.5, 1) == 80
    assert pause_seconds(1, 0.5, 1e9) == LONGEST_ASKED_SECONDS


def test_it_is_given_up_while_the_service_still_knows_the_key():
    assert not is_hopeless(GIVE_UP_SECONDS - 100, 100)
    assert is_hopeless(GIVE_UP_SECONDS - 100, 101)
    assert GIVE_UP_SECONDS < 24 * 3600
