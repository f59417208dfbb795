"""Passwords that were forgotten, and that are changed."""

import asyncio
from typing import Any

import pytest
from grpc import aio

from reapi.v1 import account_service_pb2 as pb
from storage.pool import Pool
from tests.entrance import EMAIL, OTHER, PASSWORD, Entrance, open_entrance, reason


async def refusal(entrance: Entrance, method: str, request: Any) -> tuple[str, dict[str, str]]:
    with pytest.raises(aio.AioRpcError) as caught:
        await entrance.ask(method, request)
    return reason(caught.value)


async def forgotten(entrance: Entrance, email: str = EMAIL) -> str:
    """The token of a mail that was asked for."""
    await entrance.ask("RequestPasswordReset", pb.RequestPasswordResetRequest(email=email))
    return await entrance.token(email)


async def reset(entrance: Entrance, token: str, password: str = OTHER) -> None:
    await entrance.ask("ResetPassword", pb.ResetPasswordRequest(token=token, new_password=password))


async def not_good(entrance: Entrance, token: str, password: str = OTHER) -> bool:
    request = pb.ResetPasswordRequest(token=token, new_password=password)
    why = await refusal(entrance, "ResetPassword", request)
    return why == ("TOKEN_INVALID", {"parameter": "token"})


async def test_a_reset_sets_the_password_proves_the_address_and_ends_all_sessions(
    pool: Pool,
) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.enter()
        await reset(entrance, await forgotten(entrance))
        why, _ = await refusal(entrance, "GetProfile", pb.GetProfileRequest())
        await entrance.enter(password=OTHER)
        profile = (await entrance.ask("GetProfile", pb.GetProfileRequest())).profile

        assert why == "SESSION_INVALID"
        assert profile.email_verified
        assert await entrance.kinds() == ["verify_email", "reset_password", "password_changed"]
        with pytest.raises(aio.AioRpcError):
            await entrance.sign_in(password=PASSWORD)


async def test_a_reset_leaves_no_other_token(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        verify = await entrance.token()
        first, second = await forgotten(entrance), await forgotten(entrance)
        await reset(entrance, first)

        assert await not_good(entrance, second)
        why = await refusal(entrance, "VerifyEmail", pb.VerifyEmailRequest(token=verify))
        assert why[0] == "TOKEN_INVALID"


async def test_a_token_works_once_even_at_the_same_time(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        token = await forgotten(entrance)
        came = await asyncio.gather(
            *(reset(entrance, token, f"{OTHER}-{number}") for number in range(4)),
            return_exceptions=True,
        )

        assert sorted(isinstance(each, aio.AioRpcError) for each in came) == [False, *[True] * 3]
        assert await not_good(entrance, token)


async def test_an_old_token_is_not_good(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        token = await forgotten(entrance)
        await entrance.rows(
            "UPDATE person_token SET expires_at = expires_at - interval '61 minutes'"
        )

        assert await not_good(entrance, token)


async def test_a_token_of_another_purpose_is_not_good(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        verify = await entrance.token()
        token = await forgotten(entrance)

        assert await not_good(entrance, verify)
        why = await refusal(entrance, "VerifyEmail", pb.VerifyEmailRequest(token=token))
        assert why[0] == "TOKEN_INVALID"
        await reset(entrance, token)


async def test_a_token_is_not_good_for_an_address_that_the_person_left(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        token = await forgotten(entrance)
        await entrance.rows("UPDATE app_user SET email_hmac = decode(repeat('00', 32), 'hex')")

        assert await not_good(entrance, token)


@pytest.mark.parametrize("token", ["", "x" * 43, "x" * 10_000])
async def test_what_never_was_a_token_is_not_good_and_costs_no_hash(pool: Pool, token: str) -> None:
    async with open_entrance(pool) as entrance:
        assert await not_good(entrance, token)
        assert entrance.passwords.worked == 0


async def test_a_weak_password_is_refused_and_costs_no_token(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        token = await forgotten(entrance)
        request = pb.ResetPasswordRequest(token=token, new_password="ann.example-77!")
        why = await refusal(entrance, "ResetPassword", request)
        await reset(entrance, token)

        assert why == ("INVALID_PARAMETER", {"parameter": "new_password", "rule": "has_address"})


async def test_a_request_for_nobody_is_answered_the_same_and_mails_nobody(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        works = [
            await entrance.hashes(
                "RequestPasswordReset", pb.RequestPasswordResetRequest(email=email)
            )
            for email in (EMAIL, "nobody@example.com")
        ]
        request = pb.RequestPasswordResetRequest(email="nobody@example.com")
        answer = await entrance.ask("RequestPasswordReset", request)

        assert works == [0, 0]
        assert answer == pb.RequestPasswordResetResponse()
        assert await entrance.kinds() == ["verify_email", "reset_password"]


async def test_requests_fill_nobodys_inbox_and_tell_nobody(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        for number in range(9):
            entrance.network[0] = f"198.51.100.{number}"
            request = pb.RequestPasswordResetRequest(email=EMAIL)
            await entrance.ask("RequestPasswordReset", request)
        last = await entrance.token()

        assert len(await entrance.mails()) == 4
        await reset(entrance, last)


async def test_a_change_ends_other_sessions_and_renews_this_one(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        other = (await entrance.sign_in()).grant.session_token
        old = entrance.session
        request = pb.ChangePasswordRequest(current_password=PASSWORD, new_password=OTHER)
        grant = (await entrance.ask("ChangePassword", request)).grant
        for token in (old, other):
            with pytest.raises(aio.AioRpcError) as caught:
                await entrance.ask("GetProfile", pb.GetProfileRequest(), session=token)
            assert reason(caught.value)[0] == "SESSION_INVALID"
        entrance.session = grant.session_token
        await entrance.ask("GetProfile", pb.GetProfileRequest())
        await entrance.sign_in(password=OTHER)

        assert (await entrance.kinds())[-1] == "password_changed"
        noted = await entrance.rows("SELECT action FROM audit_log ORDER BY id")
        assert ("password.change",) in noted


@pytest.mark.parametrize("current", ["", OTHER])
async def test_a_change_takes_the_current_password(pool: Pool, current: str) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        request = pb.ChangePasswordRequest(current_password=current, new_password=OTHER + "x")

        assert await refusal(entrance, "ChangePassword", request) == (
            "REAUTHENTICATION_REQUIRED",
            {"parameter": "current_password"},
        )


async def test_guesses_at_the_current_password_wait(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        request = pb.ChangePasswordRequest(current_password=OTHER, new_password=OTHER + "x")
        why = [(await refusal(entrance, "ChangePassword", request))[0] for _ in range(11)]

        assert why[9:] == ["REAUTHENTICATION_REQUIRED", "RATE_LIMIT_EXCEEDED"]


async def test_who_has_no_password_yet_sets_one_after_a_fresh_sign_in_only(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        await entrance.rows("UPDATE app_user SET password_hash = NULL")
        await entrance.rows("UPDATE session SET proved_at = proved_at - interval '11 minutes'")
        request = pb.ChangePasswordRequest(new_password=OTHER)
        late = await refusal(entrance, "ChangePassword", request)
        await entrance.rows("UPDATE session SET proved_at = clock_timestamp()")
        await entrance.ask("ChangePassword", request)

        assert late[0] == "REAUTHENTICATION_REQUIRED"
        await entrance.sign_in(password=OTHER)


async def test_no_digest_of_a_password_is_kept_with_a_request_id(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        rows = []
        for password in (PASSWORD, OTHER):
            request = pb.ChangeEmailRequest(
                new_email="new@example.com", current_password=password, request_id="same"
            )
            await entrance.ask("ChangeEmail", request)
            rows.append(await entrance.rows("SELECT request_hmac FROM call_repeat"))
            change = pb.ChangePasswordRequest(current_password=PASSWORD, new_password=OTHER)
            if password == PASSWORD:
                grant = (await entrance.ask("ChangePassword", change)).grant
                entrance.session = grant.session_token

        assert rows[0] == rows[1]
        assert len(rows[0]) == 1
