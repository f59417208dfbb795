"""Which passwords are refused."""

import time

import pytest

from accounts.password_list import shipped
from accounts.password_rules import LONGEST, SHORTEST, Weakness, guess_bits, weakness, word_list

ADDRESS = "ann.example+shop@acmeworks.example"


def found(password: str, address: str = ADDRESS) -> Weakness | None:
    return weakness(password, address, shipped())


@pytest.mark.parametrize(
    "password",
    [
        "password123",
        "Dragon2019!",
        "p4ssw0rd123",
        "P@ssw0rd1234",
        "monkeymonkey",
        "qwertyuiop",
        "1234567890",
        "0987654321",
        "abcdefghijk",
        "aaaaaaaaaaaaaaaaaaaa",
        "1q2w3e4r5t6y",
        "1qaz2wsx3edc4rfv",
        "drowssap12",
        "iloveyou1987",
        "michaeljordan23",
        "letmeinplease",
        "trustno1trustno1",
        "ThisIsMyPassword1",
        "correcthorsebatterystaple",
        "liverpoolfc1",
        "9384751029",
        "asdf;lkj123",
        "acmeworks2024!",
    ],
)
def test_what_everybody_tries_is_refused(password: str) -> None:
    assert found(password) is Weakness.COMMON


@pytest.mark.parametrize(
    "password",
    [
        "hjkwqpzvnm",
        "Xk29!mPq4z",
        "elephant-lamp-river",
        "wonderful horses eat slowly",
        "quarrel-lobster-61-vaults",
        "пароль-длинный-ещё",
        "938475102917",
    ],
)
def test_what_takes_many_guesses_is_good(password: str) -> None:
    assert found(password) is None


def test_the_length_is_ten_to_two_hundred_characters() -> None:
    good = "x7-Qk!m2Vb" * 20

    assert found(good[: SHORTEST - 1]) is Weakness.TOO_SHORT
    assert found(good[:SHORTEST]) is None
    assert found("q" + good[: LONGEST - 1]) is None
    assert found("q" + good) is Weakness.TOO_LONG


@pytest.mark.parametrize("part", ["ann.example+shop", "ANN.example"])
def test_the_address_is_no_part_of_a_password(part: str) -> None:
    assert found(f"x7-Qk!m2Vb{part}x7-Qk!m2Vb") is Weakness.HAS_ADDRESS


def test_a_short_local_part_may_be_in_a_password() -> None:
    assert found("x7-Qk!m2Vbann", "ann@example.com") is None


def test_a_word_costs_what_its_list_says_and_twists_a_little() -> None:
    before = [f"before {number}" for number in range(1_022)]
    known = word_list([*before, "dragon"], ["lantern"])  # dragon is the 1,024th guess

    assert guess_bits("dragon", known, {}) == pytest.approx(10)
    assert guess_bits("lantern", known, {}) == pytest.approx(13.5)
    assert guess_bits("Dragon", known, {}) == pytest.approx(11)
    assert guess_bits("dr4g0n", known, {}) == pytest.approx(11)
    assert guess_bits("nogard", known, {}) == pytest.approx(11)
    assert guess_bits("dragondragon", known, {}) == pytest.approx(10)
    assert guess_bits("dragon1987", known, {}) == pytest.approx(17)
    assert guess_bits("dragon", known, {"dragon": 2.0}) == pytest.approx(2)


def test_judging_is_fast_whatever_is_typed() -> None:
    known = shipped()
    texts = ["".join(chr(97 + (i * i * k) % 26) for i in range(LONGEST)) for k in range(1, 21)]
    started = time.process_time()
    for text in texts:
        guess_bits(text, known, {})

    assert (time.process_time() - started) / len(texts) < 0.05


def test_the_lists_are_sorted_and_in_lower_case() -> None:
    words = shipped().bits

    assert len(words) > 15_000
    assert all(word == word.lower().strip() and len(word) >= 3 for word in words)
