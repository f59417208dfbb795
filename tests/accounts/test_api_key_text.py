"""API keys can be taken apart, and typos are seen without a database."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.keys import PUBLIC_BYTES, SECRET_BYTES, make_key, parse_key

RANDOM = st.binary(min_size=PUBLIC_BYTES + SECRET_BYTES, max_size=PUBLIC_BYTES + SECRET_BYTES)


@given(RANDOM, st.booleans())
def test_every_key_is_read_back_as_it_was_made(random, sandbox):
    key = make_key(random, sandbox=sandbox)

    assert parse_key(key.render()) == key


@given(RANDOM, RANDOM)
def test_different_randomness_makes_different_keys(one, other):
    assert (one == other) == (make_key(one).render() == make_key(other).render())


@given(RANDOM, st.data())
def test_a_changed_letter_is_noticed(random, data):
    text = make_key(random).render()
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("0aZ_x"))
    changed = text[:at] + letter + text[at + 1 :]

    assert changed == text or parse_key(changed) is None


@pytest.mark.parametrize(
    "text", ["", "sk-123", "rk_live_", "rk_live_a_b_c", "rk_live___", "_" * 70, "é"]
)
def test_what_is_no_key_is_refused(text):
    assert parse_key(text) is None


def test_a_key_does_not_show_its_secret():
    key = make_key(os.urandom(PUBLIC_BYTES + SECRET_BYTES))

    assert key.secret not in repr(key)
