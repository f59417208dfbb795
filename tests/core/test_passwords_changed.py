"""Passwords that were forgotten, and that are changed."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from grpc import aio

from accounts import oauth
from core.services.even_answers import EvenAnswers
from reapi.v1 import account_service_pb2 as pb
from storage.pool import Pool
from tests.entrance import AGREED, EMAIL, OTHER, PASSWORD, VAULT, Entrance, open_entrance, reason


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

        assert (await entrance.kinds()).count("reset_password") == 4
        await reset(entrance, last)


async def test_mails_for_other_reasons_use_up_no_mail_for_a_new_password(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        for number in range(9):
            entrance.network[0] = f"198.51.100.{number}"
            await entrance.sign_up()
        assert (await entrance.kinds()).count("already_signed_up") == 3
        await reset(entrance, await forgotten(entrance))


async def test_resets_that_nobody_has_asked_for_use_up_no_mail_of_who_signs_up(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        for _ in range(5):
            request = pb.RequestPasswordResetRequest(email=EMAIL)
            await entrance.ask("RequestPasswordReset", request)
        await entrance.sign_up()
        await entrance.is_verified(await entrance.token())


async def test_an_answer_takes_as_long_for_nobody_as_for_somebody(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        taken = pb.SignUpRequest(
            email=EMAIL, password=PASSWORD, age_confirmed=True, accepted_policies=AGREED
        )
        free = pb.SignUpRequest()
        free.MergeFrom(taken)
        free.email = "nobody@example.com"
        for method, request in (
            ("RequestPasswordReset", pb.RequestPasswordResetRequest(email=EMAIL)),
            ("RequestPasswordReset", pb.RequestPasswordResetRequest(email="no@example.com")),
            ("SignUp", taken),
            ("SignUp", free),
        ):
            entrance.pauses.clear()
            await entrance.ask(method, request)
            assert len(entrance.pauses) == 1


async def test_whatever_took_less_than_a_step_ends_with_it() -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    for took, pause in ((0.003, 0.097), (0.064, 0.036), (0.134, 0.066)):
        clock = iter((5.0, 5.0 + took))
        with suppress(ValueError):
            async with EvenAnswers(lambda ticks=clock: next(ticks), sleep).alike():
                raise ValueError
        assert waited.pop() == pytest.approx(pause)


async def identities(entrance: Entrance, *told: tuple[str, str]) -> None:
    """Link services that told these addresses."""
    [(user_id,)] = await entrance.rows("SELECT user_id FROM app_user")
    async with entrance.pool.connection() as connection:
        for provider, email in told:
            await oauth.link(connection, VAULT, user_id, (provider, provider), email)


async def linked(entrance: Entrance) -> list[str]:
    rows = await entrance.rows("SELECT provider FROM oauth_identity ORDER BY provider")
    return [provider for (provider,) in rows]


async def test_a_reset_forgets_services_with_other_addresses_and_names_the_others(
    pool: Pool,
) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        await identities(entrance, ("github", "mallory@example.org"), ("google", EMAIL.upper()))
        await reset(entrance, await forgotten(entrance))

        assert await linked(entrance) == ["google"]
        kind, content = (await entrance.mails())[-1]
        assert kind == "password_changed"
        assert content["facts"] == {"removed": "github", "kept": "google"}
        noted = await entrance.rows("SELECT action FROM audit_log")
        assert ("identity.unlink",) in noted


async def test_a_change_keeps_all_services_and_names_them(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        await identities(entrance, ("github", "work@example.org"))
        request = pb.ChangePasswordRequest(current_password=PASSWORD, new_password=OTHER)
        await entrance.ask("ChangePassword", request)

        assert await linked(entrance) == ["github"]
        assert (await entrance.mails())[-1][1]["facts"] == {"removed": "", "kept": "github"}


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
