"""Signing up: who may, what is made, and that nobody learns who was there before."""

from typing import Any

import pytest
from grpc import aio

from accounts.addresses import address_digest
from accounts.invitations import PURPOSE
from core.settings_sign_up import SignUpMode
from reapi.v1 import account_service_pb2 as pb
from storage.pool import Pool
from tests.entrance import AGREED, EMAIL, OTHER, PASSWORD, VAULT, Entrance, open_entrance, reason


async def refusal(entrance: Entrance, **fields: Any) -> tuple[str, dict[str, str]]:
    with pytest.raises(aio.AioRpcError) as caught:
        await entrance.sign_up(**fields)
    return reason(caught.value)


async def invited(entrance: Entrance, email: str, token: str) -> None:
    """An account of somebody else that invites *email*."""
    await entrance.rows("INSERT INTO account (account_id, name) VALUES (gen_random_uuid(), 'x')")
    await entrance.rows(
        "INSERT INTO invitation (account_id, invitation_id, email_hmac, email_sealed, role,"
        " member_id, token_hmac, expires_at) SELECT account_id, gen_random_uuid(), %s, '',"
        " 'developer', gen_random_uuid(), %s, now() + interval '1 day' FROM account"
        " WHERE name = 'x'",
        address_digest(VAULT, email),
        VAULT.digest(PURPOSE, token.encode()),
    )


async def test_a_person_signs_up_with_an_account_decisions_and_a_mail(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up(display_name="Ann", newsletter=True, locale="de")
        places = await entrance.rows("SELECT role FROM membership")
        decisions = await entrance.rows("SELECT subject, given, policy_version FROM consent")
        people = await entrance.rows(
            "SELECT locale, newsletter, email_verified_at, password_hash LIKE '$argon2id$%%'"
            " FROM app_user"
        )

        assert places == [("owner",)]
        assert set(decisions) == {
            ("age", True, ""),
            ("terms", True, "2026-11-22"),
            ("privacy", True, "2026-11-22"),
            ("newsletter", True, ""),
        }
        assert people == [("de", True, None, True)]
        assert await entrance.kinds(EMAIL) == ["verify_email"]
        assert (await entrance.mails())[0][1]["name"] == "Ann"


async def test_neither_address_nor_name_nor_password_stands_in_the_database(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up(display_name="Annabel")
        tables = ("app_user", "person_token", "consent", "audit_log", "mail", "throttle", "account")
        for table in tables:
            text = str(await entrance.rows(f"SELECT t::text FROM {table} t")).lower()
            for secret in (EMAIL, "annabel", PASSWORD, EMAIL.encode().hex()):
                assert secret.lower() not in text, table


@pytest.mark.parametrize(
    ("fields", "why", "parameter"),
    [
        ({"email": "nobody"}, "INVALID_PARAMETER", "email"),
        ({"email": ""}, "MISSING_PARAMETER", "email"),
        ({"password": ""}, "MISSING_PARAMETER", "password"),
        ({"age_confirmed": False}, "MISSING_PARAMETER", "age_confirmed"),
        ({"accepted_policies": AGREED[:1]}, "MISSING_PARAMETER", "accepted_policies"),
        (
            {"accepted_policies": [AGREED[0], "policies/terms@2020-01-01"]},
            "MISSING_PARAMETER",
            "accepted_policies",
        ),
        ({"display_name": "x" * 101}, "INVALID_PARAMETER", "display_name"),
        ({"display_name": "a\nb"}, "INVALID_PARAMETER", "display_name"),
        ({"locale": "not a language"}, "INVALID_PARAMETER", "locale"),
        ({"invitation_token": "never"}, "TOKEN_INVALID", "invitation_token"),
    ],
)
async def test_what_is_wrong_is_named_and_nobody_is_made(
    pool: Pool, fields: dict[str, Any], why: str, parameter: str
) -> None:
    async with open_entrance(pool) as entrance:
        found, metadata = await refusal(entrance, **fields)

        assert (found, metadata["parameter"]) == (why, parameter)
        assert await entrance.rows("SELECT true FROM app_user") == []
        assert await entrance.rows("SELECT true FROM account") == []


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("short-one", "too_short"),
        ("x" * 201, "too_long"),
        ("Password2024!", "common"),
        ("xk29-Ann.Example-qq7", "has_address"),
    ],
)
async def test_weak_passwords_are_refused_with_the_rule(
    pool: Pool, password: str, rule: str
) -> None:
    async with open_entrance(pool) as entrance:
        why, metadata = await refusal(entrance, password=password)

        assert (why, metadata) == ("INVALID_PARAMETER", {"parameter": "password", "rule": rule})
        assert entrance.passwords.worked == 0


async def test_a_known_address_is_answered_the_same_with_the_same_work(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        request = pb.SignUpRequest(
            email=EMAIL.upper(), password=OTHER, age_confirmed=True, accepted_policies=AGREED
        )
        first = await entrance.hashes("SignUp", request)
        second = await entrance.hashes("SignUp", request)
        await entrance.ask("SignUp", request)

        assert first == second == 1
        assert await entrance.kinds() == ["verify_email", *["already_signed_up"] * 2]
        assert len(await entrance.rows("SELECT true FROM app_user")) == 1
        assert len(await entrance.rows("SELECT true FROM account")) == 1


async def test_a_wrong_invitation_is_refused_whether_or_not_the_address_is_known(
    pool: Pool,
) -> None:
    async with open_entrance(pool) as entrance:
        await invited(entrance, "other@example.com", "t" * 43)
        await entrance.sign_up()
        known = await refusal(entrance, invitation_token="t" * 43)
        unknown = await refusal(entrance, email="new@example.com", invitation_token="t" * 43)

        assert known == unknown == ("TOKEN_INVALID", {"parameter": "invitation_token"})


async def test_who_was_invited_joins_that_account_with_a_proved_address(pool: Pool) -> None:
    async with open_entrance(pool, SignUpMode.INVITED) as entrance:
        await invited(entrance, EMAIL, "t" * 43)
        await entrance.sign_up(invitation_token="t" * 43)
        signed_in = await entrance.sign_in()

        assert signed_in.grant.profile.email_verified
        assert await entrance.rows(
            "SELECT role, name FROM membership JOIN account USING (account_id)"
        ) == [("developer", "x")]
        assert await entrance.rows("SELECT true FROM invitation") == []


async def test_a_known_person_with_an_invitation_keeps_it(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await invited(entrance, EMAIL, "t" * 43)
        await entrance.sign_up(invitation_token="t" * 43)

        assert len(await entrance.rows("SELECT true FROM invitation")) == 1
        assert await entrance.kinds() == ["verify_email", "already_signed_up"]


@pytest.mark.parametrize("mode", [SignUpMode.INVITED, SignUpMode.CLOSED])
async def test_nobody_comes_where_the_operator_closed_the_door(
    pool: Pool, mode: SignUpMode
) -> None:
    async with open_entrance(pool, mode) as entrance:
        why, metadata = await refusal(entrance)
        options = await entrance.ask("GetSignInOptions", pb.GetSignInOptionsRequest())

        assert (why, metadata) == ("PERMISSION_DENIED", {"permission": "sign_up"})
        assert not options.sign_up_enabled


async def test_the_ways_to_sign_in_are_told(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        options = await entrance.ask("GetSignInOptions", pb.GetSignInOptionsRequest())

    assert options == pb.GetSignInOptionsResponse(
        oauth_providers=["github"], password_enabled=True, sign_up_enabled=True
    )


async def test_nobody_fills_an_inbox_by_signing_it_up(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        for number in range(8):
            entrance.network[0] = f"198.51.100.{number}"
            await entrance.sign_up()

        assert len(await entrance.mails(EMAIL)) == 4


async def test_one_network_does_not_sign_up_for_ever(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        for number in range(20):
            await entrance.sign_up(f"p{number}@example.com")
        why, metadata = await refusal(entrance, email="last@example.com")
        entrance.network[0] = "198.51.100.1"
        await entrance.sign_up("last@example.com")

        assert (why, metadata) == ("RATE_LIMIT_EXCEEDED", {"limit": "mail"})
