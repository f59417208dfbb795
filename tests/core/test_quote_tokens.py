"""Quotes as text: signed, compact, and only what we signed is read again."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.pricing import PriceLine
from core.body import Secret
from core.engine.quotes import LONGEST_TOKEN, Quote, QuoteTokens, lines_of, lines_text
from core.errors import GatewayError, Reason
from core.keyring import Keyring

OLD, NEW = b"o" * 32, b"n" * 32
QUOTE = Quote(
    id=UUID(int=1),
    account_id=UUID(int=2),
    model="seedance-2.0",
    catalogue_version="ab" * 32,
    subject={"mode": "text", "resolution": "720p", "output_count": "2", "duration": "8"},
    lines=(PriceLine("second", 16_000, 178_000, 2_848_000, {"resolution": "720p"}),),
    expires_us=1_900_000_000_000_000,
)
TOKENS = QuoteTokens(Keyring((NEW,)))
TEXT = TOKENS.token(QUOTE).reveal()


def test_a_token_says_all_of_the_quote_and_is_short() -> None:
    assert TOKENS.read(Secret(TEXT)) == QUOTE
    assert len(TEXT) < 600
    assert TEXT.isascii()
    assert "/" not in TEXT
    assert "+" not in TEXT


def test_a_token_outlives_a_rotation_of_the_key() -> None:
    before = QuoteTokens(Keyring((OLD,))).token(QUOTE)

    assert QuoteTokens(Keyring((NEW, OLD))).read(before) == QUOTE
    with pytest.raises(GatewayError):
        TOKENS.read(before)


@given(st.integers(0, len(TEXT) - 1), st.characters(codec="ascii"))
def test_no_character_of_a_token_can_be_changed(at: int, to: str) -> None:
    changed = TEXT[:at] + to + TEXT[at + 1 :]
    try:
        found = TOKENS.read(Secret(changed))
    except GatewayError as error:
        assert (error.reason, error.parameter) == (Reason.INVALID_PARAMETER, "quote_token")
    else:  # base64 has characters whose last bits mean nothing
        assert found == QUOTE


@given(st.text() | st.binary().map(lambda data: "rq_" + data.hex()))
def test_anything_else_is_no_quote(text: str) -> None:
    for each in (text, f"rq_{text}", "rq_" + "A" * LONGEST_TOKEN):
        with pytest.raises(GatewayError):
            TOKENS.read(Secret(each))


def test_a_signature_made_for_something_else_is_worth_nothing() -> None:
    payload = TOKENS.token(QUOTE)
    other = QuoteTokens(Keyring((OLD,))).token(replace(QUOTE, model="another"))

    assert payload.reveal() != other.reveal()
    with pytest.raises(GatewayError):
        TOKENS.read(other)


def test_the_first_fact_that_differs_is_named() -> None:
    subject = dict(QUOTE.subject)

    assert QUOTE.difference(subject) == ""
    assert QUOTE.difference({**subject, "duration": "9", "resolution": "4k"}) == "resolution"
    assert QUOTE.difference({**subject, "duration": "9"}) == "duration"
    assert QUOTE.difference({name: subject[name] for name in ("mode", "resolution")}) == (
        "output_count"
    )
    assert QUOTE.difference({**subject, "prompt": "5"}) == "prompt"


def test_lines_are_kept_as_they_are() -> None:
    lines = (*QUOTE.lines, PriceLine("token", 5, 2_500_000, 1, per=1_000_000))

    assert lines_of(lines_text(lines)) == lines
    assert lines_of(lines_text(())) == lines_of(None) == ()
