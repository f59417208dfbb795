"""Addresses of people, proved and changed."""

from typing import Any
from uuid import UUID

import pytest
from grpc import aio

from core.caller import Caller
from core.errors import GatewayError, Reason
from core.services.proving import require_verified, require_verified_on
from reapi.v1 import account_service_pb2 as pb
from storage.pool import Pool
from tests.entrance import EMAIL, OTHER, PASSWORD, Entrance, open_entrance, reason

NEW = "ann.new@example.com"


async def refusal(entrance: Entrance, method: str, request: Any) -> tuple[str, dict[str, str]]:
    with pytest.raises(aio.AioRpcError) as caught:
        await entrance.ask(method, request)
    return reason(caught.value)


async def change(entrance: Entrance, to: str = NEW, **fields: Any) -> Any:
    request = pb.ChangeEmailRequest(new_email=to, **{"current_password": PASSWORD, **fields})
    return (await entrance.ask("ChangeEmail", request)).profile


async def profile(entrance: Entrance) -> Any:
    return (await entrance.ask("GetProfile", pb.GetProfileRequest())).profile


async def not_good(entrance: Entrance, token: str) -> bool:
    why = await refusal(entrance, "VerifyEmail", pb.VerifyEmailRequest(token=token))
    return why == ("TOKEN_INVALID", {"parameter": "token"})


async def test_the_link_of_a_mail_proves_the_address_once(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        token = await entrance.token()
        await entrance.enter()
        before = (await profile(entrance)).email_verified
        await entrance.is_verified(token)

        assert not before
        assert (await profile(entrance)).email_verified
        assert await not_good(entrance, token)


async def test_a_link_that_is_a_day_old_is_not_good(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.rows("UPDATE person_token SET expires_at = expires_at - interval '24 hours'")

        assert await not_good(entrance, await entrance.token())


async def test_only_who_proved_the_address_may_do_what_needs_it(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        ((user_id,),) = await entrance.rows("SELECT user_id FROM app_user")
        caller = Caller(UUID(int=1), UUID(int=0), user_id=user_id)
        with pytest.raises(GatewayError) as caught:
            await require_verified(pool, caller)
        await entrance.is_verified(await entrance.token())
        await require_verified(pool, caller)
        await require_verified(pool, Caller(UUID(int=1), UUID(int=2)))
        await entrance.rows("UPDATE app_user SET email_verified_at = NULL")
        async with pool.connection() as connection:
            with pytest.raises(GatewayError) as again:
                await require_verified_on(connection, caller)

        assert caught.value.reason is again.value.reason is Reason.EMAIL_NOT_VERIFIED


async def test_the_mail_is_sent_again_until_it_is_enough(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.enter()
        request = pb.SendVerificationEmailRequest()
        for _ in range(4):
            await entrance.ask("SendVerificationEmail", request)
        last = await entrance.token()

        why = await refusal(entrance, "SendVerificationEmail", request)
        assert why == ("RATE_LIMIT_EXCEEDED", {"limit": "mail"})
        assert await entrance.kinds() == ["verify_email"] * 5
        await entrance.is_verified(last)
        await entrance.ask("SendVerificationEmail", request)
        assert len(await entrance.mails()) == 5


async def test_a_mail_is_sent_once_for_one_request_id(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.enter()
        for _ in range(2):
            request = pb.SendVerificationEmailRequest(request_id="one")
            await entrance.ask("SendVerificationEmail", request)

        assert await entrance.kinds() == ["verify_email"] * 2


async def test_a_new_address_waits_and_both_are_told(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        changed = await change(entrance)

        assert (changed.email, changed.pending_email) == (EMAIL, NEW)
        assert await entrance.kinds(EMAIL) == ["verify_email", "email_changing"]
        assert await entrance.kinds(NEW) == ["verify_new_email"]
        await entrance.sign_in(EMAIL)
        with pytest.raises(aio.AioRpcError):
            await entrance.sign_in(NEW)


async def test_a_new_address_replaces_the_old_one_once_it_is_proved(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        await change(entrance)
        reset = pb.RequestPasswordResetRequest(email=EMAIL)
        token = await entrance.token(NEW)
        await entrance.ask("RequestPasswordReset", reset)
        stale = await entrance.token(EMAIL)
        await entrance.is_verified(token)
        now = await profile(entrance)

        assert (now.email, now.pending_email, now.email_verified) == (NEW, "", True)
        await entrance.sign_in(NEW)
        with pytest.raises(aio.AioRpcError):
            await entrance.sign_in(EMAIL)
        request = pb.ResetPasswordRequest(token=stale, new_password=OTHER)
        assert (await refusal(entrance, "ResetPassword", request))[0] == "TOKEN_INVALID"
        rights = await entrance.rows("SELECT kind, done_at IS NOT NULL FROM rights_request")
        assert rights == [("rectification", True)]


async def test_a_taken_address_is_answered_the_same_with_the_same_work(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up("bob@example.com")
        await entrance.arrive()
        works = []
        for address in ("bob@example.com", NEW):
            request = pb.ChangeEmailRequest(new_email=address, current_password=PASSWORD)
            works.append(await entrance.hashes("ChangeEmail", request))
            assert (await profile(entrance)).pending_email == address

        assert works == [1, 1]
        assert await entrance.kinds("bob@example.com") == ["verify_email", "already_signed_up"]


async def test_a_password_that_is_reset_meanwhile_changes_no_address(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        hash_ = await entrance.passwords.hash(OTHER)
        right = entrance.passwords.is_right

        async def slow(password: str, known: str | None) -> bool:
            found = await right(password, known)
            await entrance.rows("UPDATE app_user SET password_hash = %s", hash_)
            return found

        monkeypatch.setattr(entrance.passwords, "is_right", slow)
        request = pb.ChangeEmailRequest(new_email=NEW, current_password=PASSWORD)
        why, _ = await refusal(entrance, "ChangeEmail", request)

        assert why == "SESSION_INVALID"
        assert "verify_new_email" not in await entrance.kinds()


async def test_a_session_that_ends_meanwhile_changes_no_address(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        right = entrance.passwords.is_right

        async def slow(password: str, known: str | None) -> bool:
            found = await right(password, known)
            await entrance.rows("DELETE FROM session")
            return found

        monkeypatch.setattr(entrance.passwords, "is_right", slow)
        request = pb.ChangeEmailRequest(new_email=NEW, current_password=PASSWORD)
        assert (await refusal(entrance, "ChangeEmail", request))[0] == "SESSION_INVALID"
        assert "verify_new_email" not in await entrance.kinds()


async def test_who_takes_the_address_meanwhile_keeps_it(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        await change(entrance)
        token = await entrance.token(NEW)
        await entrance.sign_up(NEW)

        assert await not_good(entrance, token)
        assert (await profile(entrance)).email == EMAIL


async def test_only_the_last_address_that_was_asked_for_can_be_proved(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        await change(entrance)
        token = await entrance.token(NEW)
        await change(entrance, "ann.third@example.com")

        assert await not_good(entrance, token)


async def test_the_link_to_a_waiting_address_is_sent_again(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        await change(entrance)
        await entrance.ask("SendVerificationEmail", pb.SendVerificationEmailRequest())
        await entrance.is_verified(await entrance.token(NEW))

        assert (await profile(entrance)).email == NEW


@pytest.mark.parametrize(
    ("to", "fields", "why"),
    [
        ("nobody", {}, "INVALID_PARAMETER"),
        (EMAIL.upper(), {}, "INVALID_PARAMETER"),
        (NEW, {"current_password": OTHER}, "REAUTHENTICATION_REQUIRED"),
        (NEW, {"current_password": ""}, "REAUTHENTICATION_REQUIRED"),
    ],
)
async def test_what_is_wrong_changes_nothing(
    pool: Pool, to: str, fields: dict[str, str], why: str
) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        with pytest.raises(aio.AioRpcError) as caught:
            await change(entrance, to, **fields)

        assert reason(caught.value)[0] == why
        assert (await profile(entrance)).pending_email == ""
        assert await entrance.kinds() == ["verify_email"]


async def test_the_old_address_is_not_flooded(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        for number in range(3):
            await change(entrance, f"n{number}@example.com")
        with pytest.raises(aio.AioRpcError) as caught:
            await change(entrance, "n4@example.com")

        assert reason(caught.value)[0] == "RATE_LIMIT_EXCEEDED"


async def test_a_password_reset_takes_a_waiting_address_back(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.arrive()
        await change(entrance)
        token = await entrance.token(NEW)
        await entrance.ask("RequestPasswordReset", pb.RequestPasswordResetRequest(email=EMAIL))
        request = pb.ResetPasswordRequest(token=await entrance.token(EMAIL), new_password=OTHER)
        await entrance.ask("ResetPassword", request)

        waiting = await entrance.rows("SELECT pending_email_hmac FROM app_user")
        assert await not_good(entrance, token)
        assert waiting == [(None,)]
