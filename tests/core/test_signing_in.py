"""Signing in with a password: who gets in, who waits, and that nobody learns who is there."""

from typing import Any

import pytest
from argon2 import Parameters
from argon2.low_level import Type
from grpc import aio

from accounts.lock_out import PACES, Count
from reapi.v1 import account_service_pb2 as pb
from storage.pool import Pool
from tests.entrance import EMAIL, HOME, OTHER, PASSWORD, Entrance, open_entrance, reason

DEARER = Parameters(Type.ID, 19, 16, 32, 2, 8, 1)
PAIR = PACES[Count.PAIR].burst
ADDRESS = PACES[Count.ADDRESS].burst


async def refusal(entrance: Entrance, email: str = EMAIL, password: str = OTHER) -> str:
    with pytest.raises(aio.AioRpcError) as caught:
        await entrance.sign_in(email, password)
    return reason(caught.value)[0]


async def attack(entrance: Entrance, email: str = EMAIL) -> str:
    """Wrong passwords from many networks, until they are refused unseen."""
    for number in range(ADDRESS + 1):
        entrance.network[0] = f"198.51.100.{number}"
        last = await refusal(entrance, email)
    entrance.network[0] = HOME
    return last


async def test_who_has_the_password_gets_a_session_and_it_is_noted(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up(display_name="Ann")
        grant = (await entrance.sign_in(EMAIL.upper())).grant
        entrance.session = grant.session_token
        profile = (await entrance.ask("GetProfile", pb.GetProfileRequest())).profile
        noted = await entrance.rows(
            "SELECT action, succeeded, host(network), user_id IS NOT NULL FROM audit_log ORDER BY id"
        )

        assert grant.session_token.startswith("rs_")
        assert grant.session.network_address == HOME
        assert (profile.email, profile.display_name) == (EMAIL, "Ann")
        assert profile.has_password
        assert not profile.email_verified
        assert noted == [("sign_up", True, HOME, True), ("sign_in", True, HOME, True)]


async def test_a_wrong_password_and_an_unknown_address_are_one_answer_and_as_much_work(
    pool: Pool,
) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        wrong = pb.SignInRequest(email=EMAIL, password=OTHER)
        unknown = pb.SignInRequest(email="nobody@example.com", password=OTHER)
        works = [await entrance.hashes("SignIn", each) for each in (wrong, unknown)]
        errors = []
        for request in (wrong, unknown):
            with pytest.raises(aio.AioRpcError) as caught:
                await entrance.ask("SignIn", request)
            errors.append((caught.value.code(), caught.value.details(), reason(caught.value)))

        assert works == [1, 1]
        assert errors[0] == errors[1]
        assert errors[0][2] == ("CREDENTIALS_INVALID", {})


async def test_a_refusal_stands_in_the_log_of_the_account(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await refusal(entrance)
        noted = await entrance.rows("SELECT action, succeeded FROM audit_log ORDER BY id")

        assert noted[-1] == ("sign_in.refused", False)


async def test_somebody_without_a_password_cannot_sign_in_with_one(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.rows("UPDATE app_user SET password_hash = NULL")
        request = pb.SignInRequest(email=EMAIL, password=PASSWORD)

        assert await refusal(entrance, password=PASSWORD) == "CREDENTIALS_INVALID"
        assert await entrance.hashes("SignIn", request) == 1


async def test_somebody_who_is_being_erased_cannot_sign_in(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.rows("UPDATE app_user SET deleting_at = now()")

        assert await refusal(entrance, password=PASSWORD) == "CREDENTIALS_INVALID"


async def test_a_password_is_hashed_again_when_the_parameters_changed(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
    async with open_entrance(pool, parameters=DEARER) as entrance:
        await entrance.sign_in()
        hashes = await entrance.rows("SELECT password_hash LIKE '%%t=2,p=1%%' FROM app_user")
        works = await entrance.hashes("SignIn", pb.SignInRequest(email=EMAIL, password=PASSWORD))

        assert hashes == [(True,)]
        assert works == 1


async def test_a_password_that_changes_while_it_is_checked_opens_nothing(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        check = entrance.passwords.is_right

        async def slow(password: str, hash_: str | None) -> bool:
            right = await check(password, hash_)
            await entrance.rows("UPDATE app_user SET password_hash = '$argon2id$other'")
            return right

        monkeypatch.setattr(entrance.passwords, "is_right", slow)

        assert await refusal(entrance, password=PASSWORD) == "CREDENTIALS_INVALID"
        assert await entrance.rows("SELECT true FROM session") == []


async def test_guesses_from_one_network_wait(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        for _ in range(PAIR):
            assert await refusal(entrance) == "CREDENTIALS_INVALID"
        before = entrance.passwords.worked

        assert await refusal(entrance, password=PASSWORD) == "RATE_LIMIT_EXCEEDED"
        assert entrance.passwords.worked == before


async def test_the_same_is_said_of_an_address_that_nobody_has(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        tries = [await refusal(entrance, "nobody@example.com") for _ in range(PAIR + 1)]

        assert tries == [*["CREDENTIALS_INVALID"] * PAIR, "RATE_LIMIT_EXCEEDED"]


async def test_a_sign_in_forgives_the_tries_before(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        for _ in range(3):
            for _ in range(PAIR - 1):
                await refusal(entrance)
            await entrance.sign_in()


async def test_many_networks_at_one_address_wait_together(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()

        assert await attack(entrance) == "RATE_LIMIT_EXCEEDED"


async def test_an_attack_locks_nobody_out_who_comes_from_where_they_were_before(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.sign_in()
        await attack(entrance)
        await entrance.sign_in()
        entrance.network[0] = "203.0.113.9"

        assert await refusal(entrance, password=PASSWORD) == "RATE_LIMIT_EXCEEDED"


async def test_where_a_person_was_counts_after_the_session_ended_too(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.sign_in()
        await entrance.rows("DELETE FROM session")
        await attack(entrance)

        await entrance.sign_in()


async def test_where_somebody_else_was_is_no_place_of_the_person(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.sign_up("bob@example.com")
        await entrance.sign_in("bob@example.com")
        await attack(entrance)

        assert await refusal(entrance, password=PASSWORD) == "RATE_LIMIT_EXCEEDED"


@pytest.mark.parametrize("fields", [{"email": EMAIL}, {"password": PASSWORD}])
async def test_both_must_be_there(pool: Pool, fields: dict[str, Any]) -> None:
    async with open_entrance(pool) as entrance:
        with pytest.raises(aio.AioRpcError) as caught:
            await entrance.ask("SignIn", pb.SignInRequest(**fields))

        assert reason(caught.value)[0] == "MISSING_PARAMETER"


async def test_a_wait_is_told_in_seconds(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        for _ in range(PAIR):
            await refusal(entrance)
        with pytest.raises(aio.AioRpcError) as caught:
            await entrance.sign_in()

        assert reason(caught.value) == ("RATE_LIMIT_EXCEEDED", {"limit": "sign_in"})
