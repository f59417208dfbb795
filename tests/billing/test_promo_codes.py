"""Promotional codes: how they are written, and who may redeem them."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.promo_codes import (
    CODE_BYTES,
    NotRedeemable,
    PromoBook,
    PromoCode,
    Redemption,
    Why,
    read,
    write,
)

CODE = PromoCode(UUID(int=1), 5_000_000, 2, 0, 1_000, is_disabled=False)


def redemption(account: int, transfer: int = 0) -> Redemption:
    return Redemption(UUID(int=account), CODE.id, UUID(int=transfer or account))


def book(code: PromoCode = CODE, now_us: int = 999) -> PromoBook:
    return PromoBook({code.id: code}, (), now_us)


@given(st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES), st.booleans())
def test_a_code_is_read_however_it_is_typed(chance, is_lower) -> None:
    code = write(chance)
    typed = f"  {code.replace('-', ' ')}\n".replace("0", "o").replace("1", "l")

    assert len(code) == 19
    assert read(typed.lower() if is_lower else typed) == read(code) == code.replace("-", "")


@given(st.lists(st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES), unique=True, max_size=20))
def test_different_codes_are_read_as_different(chances) -> None:
    assert len({read(write(chance)) for chance in chances}) == len(chances)


@pytest.mark.parametrize("typed", ["", "-", "ABCD", "U" * 16, "é" * 16, "A" * 17, "0" * 5000])
def test_what_cannot_be_a_code_is_none(typed) -> None:
    assert read(typed) is None


@given(st.integers(0, 4), st.lists(st.integers(1, 6), max_size=12))
def test_no_more_accounts_than_the_limit_redeem_and_each_once(limit, accounts) -> None:
    code = PromoCode(CODE.id, 5, limit, 0, None, is_disabled=False)
    opened, taken = book(code), []
    for number, account in enumerate(accounts):
        part = redemption(account, 100 + number)
        refusal = opened.refusal(part)
        if refusal is None:
            opened.take(part)
            taken.append(account)
        else:
            assert refusal.why is (Why.REDEEMED if account in taken else Why.USED_UP)

    assert len(taken) == len(set(taken))
    expected = set(accounts)
    assert len(taken) == (min(limit, len(expected)) if limit else len(expected))
    assert opened.counts == ({code.id: len(taken)} if taken else {})


def test_the_same_redemption_again_is_known_and_another_of_the_account_is_not() -> None:
    opened = book()
    opened.take(redemption(7))

    assert opened.recalls(redemption(7))
    assert not opened.recalls(redemption(7, transfer=8))
    assert opened.refusal(redemption(7, transfer=8)) == NotRedeemable(Why.REDEEMED)


def test_expired_disabled_and_unknown_codes_give_nothing() -> None:
    disabled = PromoCode(CODE.id, 5, 0, 0, None, is_disabled=True)

    assert book(now_us=1_000).refusal(redemption(1)) == NotRedeemable(Why.EXPIRED)
    assert book(disabled).refusal(redemption(1)) == NotRedeemable(Why.UNKNOWN)
    assert PromoBook({}, (), 0).refusal(redemption(1)) == NotRedeemable(Why.UNKNOWN)
