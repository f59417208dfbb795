"""Which tries are too many, and that nobody locks out others."""

import asyncio
from datetime import timedelta

import pytest

from accounts.lock_out import PACES, Count, counts, forgotten, subject
from accounts.networks import NOWHERE, network_of
from accounts.throttle import Pace, Throttle
from storage.pool import Pool
from tests.entrance import VAULT

PACE = Pace(3, timedelta(hours=1))


def test_what_is_counted_against_an_address_alone_never_stops_who_was_there_before() -> None:
    assert Count.ADDRESS not in counts("192.0.2.1/32", familiar=True)
    assert Count.ADDRESS in counts("192.0.2.1/32", familiar=False)


def test_every_try_counts_against_something() -> None:
    for network in (NOWHERE, "192.0.2.1/32"):
        for familiar in (True, False):
            assert counts(network, familiar=familiar)


def test_who_is_nowhere_is_counted_together_and_keeps_no_person_out_alone() -> None:
    assert counts(NOWHERE, familiar=False) == (Count.NETWORK, Count.ADDRESS)


def test_a_password_of_ones_own_gains_no_tries_at_others() -> None:
    assert [count for count in Count if forgotten(count)] == [Count.PAIR]
    assert "other" not in subject(Count.NETWORK, "other@example.com", "192.0.2.1/32")


def test_one_network_alone_never_uses_up_an_address() -> None:
    pair, address = PACES[Count.PAIR], PACES[Count.ADDRESS]

    assert pair.burst < address.burst
    assert pair.every > address.every


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", ""),
        ("nowhere", ""),
    ],
)
def test_a_network_is_an_address_or_an_ipv6_site(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_a_burst_passes_and_then_the_wait_is_told(pool: Pool) -> None:
    throttle = Throttle(VAULT)
    async with pool.connection() as connection:
        waits = [await throttle.take(connection, "x", "me", PACE) for _ in range(5)]
        other = await throttle.take(connection, "x", "you", PACE)
        elsewhere = await throttle.take(connection, "y", "me", PACE)

    assert waits[:3] == [None] * 3
    assert all(wait is not None and 3500 < wait <= 3600 for wait in waits[3:])
    assert other is elsewhere is None


async def test_tries_at_the_same_time_count_one_by_one(pool: Pool) -> None:
    throttle = Throttle(VAULT)

    async def take() -> float | None:
        async with pool.connection() as connection:
            return await throttle.take(connection, "x", "me", PACE)

    waits = await asyncio.gather(*(take() for _ in range(40)))

    assert waits.count(None) == PACE.burst


async def test_a_good_try_is_given_back_and_a_cleared_count_is_none(pool: Pool) -> None:
    throttle = Throttle(VAULT)
    async with pool.connection() as connection:
        for _ in range(6):
            assert await throttle.take(connection, "x", "me", PACE) is None
            await throttle.give_back(connection, "x", "me", PACE)
        for _ in range(3):
            await throttle.take(connection, "x", "me", PACE)
        refused = await throttle.take(connection, "x", "me", PACE)
        await throttle.clear(connection, "x", "me")

        assert refused is not None
        assert await throttle.take(connection, "x", "me", PACE) is None


async def test_who_tries_is_not_in_the_database(pool: Pool) -> None:
    async with pool.connection() as connection:
        await Throttle(VAULT).take(connection, "x", "somebody@example.com", PACE)
        cursor = await connection.execute("SELECT t::text FROM throttle t")
        rows = await cursor.fetchall()

    assert "somebody" not in str(rows)
    assert b"somebody".hex() not in str(rows)
