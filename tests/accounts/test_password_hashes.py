"""Passwords as argon2id hashes."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from argon2.profiles import RFC_9106_LOW_MEMORY

from accounts.passwords import AT_ONCE, WAITING, Passwords, TooBusy
from tests.entrance import CHEAP, OTHER, PASSWORD


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    made = Passwords(CHEAP)
    yield made
    made.close()


async def test_the_parameters_are_those_of_rfc_9106() -> None:
    made = Passwords()
    hash_ = await made.hash(PASSWORD)
    made.close()

    assert hash_.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert RFC_9106_LOW_MEMORY.salt_len == 16


async def test_only_the_password_is_right(passwords: Passwords) -> None:
    hash_ = await passwords.hash(PASSWORD)

    assert await passwords.is_right(PASSWORD, hash_)
    assert not await passwords.is_right(OTHER, hash_)
    assert PASSWORD not in hash_
    assert hash_ != await passwords.hash(PASSWORD)


async def test_nobodys_password_takes_as_much_work(passwords: Passwords) -> None:
    hash_ = await passwords.hash(PASSWORD)
    works = []
    for known in (hash_, None):
        before = passwords.worked
        await passwords.is_right(OTHER, known)
        works.append(passwords.worked - before)

    assert works == [1, 1]


async def test_what_is_too_long_is_wrong_with_as_much_work(passwords: Passwords) -> None:
    hash_ = await passwords.hash("x" * 201)
    before = passwords.worked

    assert not await passwords.is_right("x" * 201, hash_)
    assert passwords.worked == before + 1


async def test_one_password_may_be_typed_in_two_forms(passwords: Passwords) -> None:
    assert await passwords.is_right(
        "cafe\u0301-long-enough", await passwords.hash("caf\u00e9-long-enough")
    )


async def test_other_parameters_make_a_hash_outdated(passwords: Passwords) -> None:
    other = Passwords()
    hash_ = await passwords.hash(PASSWORD)

    assert other.is_outdated(hash_)
    assert not passwords.is_outdated(hash_)
    other.close()


async def test_two_are_worked_on_at_once_and_a_flood_is_refused(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, running, most = threading.Event(), 0, 0
    lock = threading.Lock()

    def slow(password: str, _hash: str | None = None) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        go.wait(10)
        with lock:
            running -= 1
        return password

    monkeypatch.setattr(passwords, "_hash", slow)
    tasks = [asyncio.create_task(passwords.hash("x")) for _ in range(AT_ONCE + WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(TooBusy):
        await passwords.hash("y")
    tasks[0].cancel()
    await asyncio.sleep(0)
    with pytest.raises(TooBusy):  # its thread works on
        await passwords.hash("y")
    go.set()
    await asyncio.gather(*tasks[1:])

    assert most == AT_ONCE
    assert await passwords.hash("z") == "z"
