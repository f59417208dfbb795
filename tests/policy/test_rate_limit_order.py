"""Who has nothing left of a rate limit is asked after the others, and is not ejected for it."""

import random

import pytest

from core.body import Secret
from core.errors import Fault
from core.model import Channel
from core.policy.health import HealthBook, Standing
from core.policy.rate_limits import RateLimit
from core.policy.routing import Choice, choose

OPERATION = "image.generate"


def channel(name: str, priority: int = 0, *credentials: str) -> Channel:
    secrets = {each: Secret(each) for each in credentials}
    return Channel(
        name=name,
        dialect="d",
        upstream_model="m",
        base_url="https://x.example",
        credential=Secret("sk"),
        credential_name=next(iter(secrets), ""),
        credentials=secrets,
        priority=priority,
    )


A, B = channel("a"), channel("b", 1)


def pick(book: HealthBook, *channels: Channel, now: float = 0.0) -> Choice:
    choice = choose(channels, book, OPERATION, now, random.Random(1).random)
    assert isinstance(choice, Choice)
    return choice


@pytest.fixture
def book() -> HealthBook:
    return HealthBook()


def test_a_channel_with_nothing_left_comes_after_the_others_until_its_reset(book) -> None:
    book.hear_limit(A, 0, 12.0, 0.0)

    assert pick(book, A, B, now=11.9).channel.name == "b"
    assert pick(book, A, B, now=12.0).channel.name == "a"
    assert book.of("a", OPERATION).standing(1.0) is Standing.HEALTHY
    assert book.drain() == []


def test_what_is_in_flight_may_use_up_what_is_left(book) -> None:
    for _ in range(3):
        book.of("a", OPERATION).admit(0.0, 60)
    book.hear_limit(A, 3, 12.0, 0.0)
    assert pick(book, A, B).channel.name == "a"
    book.hear_limit(A, 2, 12.0, 0.0)

    assert pick(book, A, B).channel.name == "b"


def test_a_later_answer_replaces_what_was_said(book) -> None:
    book.hear_limit(A, 0, 50.0, 0.0)
    book.hear_limit(A, 9, 50.0, 1.0)

    assert pick(book, A, B, now=2.0).channel.name == "a"


def test_when_nobody_has_anything_left_it_is_as_if_nothing_was_said(book) -> None:
    book.hear_limit(A, 0, 50.0, 0.0)
    book.hear_limit(B, 0, 50.0, 0.0)

    chosen = pick(book, A, B)

    assert (chosen.channel.name, chosen.is_spent) == ("a", True)


def test_who_has_nothing_left_comes_before_who_is_ejected(book) -> None:
    health = book.of("b", OPERATION)
    health.hear_ejection(Fault.SERVER_ERROR, 60.0, 1, 0.0)
    book.hear_limit(A, 0, 50.0, 0.0)

    chosen = pick(book, B, A)

    assert (chosen.channel.name, chosen.standing) == ("a", Standing.HEALTHY)


def test_of_several_credentials_the_one_with_something_left_is_used(book) -> None:
    several = channel("a", 0, "A", "B")
    book.hear_limit(several.using("A"), 0, 50.0, 0.0)

    chosen = pick(book, several, B)

    assert (chosen.channel.credential_name, chosen.is_spent) == ("B", False)


@pytest.mark.parametrize(("seconds", "until"), [(1e9, 60.0), (-5.0, 0.0), (3.0, 3.0)])
def test_a_reset_is_at_most_a_minute_away(seconds, until) -> None:
    limit = RateLimit()
    limit.hear(0, seconds, 100.0)

    assert limit.seconds_left(100.0) == until
    assert not limit.is_spent(5, 100.0 + until)
