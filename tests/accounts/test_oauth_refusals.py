"""Sign-ins with other services that must not succeed."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlencode, urlsplit

import grpc
import pytest

from core.services import oauth as served
from core.settings_sign_up import SignUpMode
from reapi.v1 import account_service_pb2 as pb
from storage.pool import Pool
from tests.accounts.oauth_house import House, cause, nobody_came, open_house, refused

PROVIDERS = pytest.mark.parametrize("provider", ["github", "google"])
LINK = pb.BeginOAuthRequest.PURPOSE_LINK


@pytest.fixture
async def house(pool: Pool) -> AsyncIterator[House]:
    async with open_house(pool) as opened:
        yield opened


@PROVIDERS
async def test_a_state_works_once(house, provider) -> None:
    house.is_at(provider)
    answer = await house.go(provider)
    await house.finish(answer)

    assert await refused(house.finish(answer)) == ("TOKEN_INVALID", {"parameter": "state"})
    assert await house.count("session") == 1


@PROVIDERS
async def test_a_state_is_spent_by_whoever_comes_with_it(house, provider) -> None:
    house.is_at(provider)
    answer = await house.go(provider)

    other = await refused(house.finish(answer, browser_token="of another browser"))
    own = await refused(house.finish(answer))

    assert other == own == ("TOKEN_INVALID", {"parameter": "state"})
    assert await nobody_came(house)


async def test_two_answers_at_once_with_one_state_make_one_session(house) -> None:
    house.is_at("github")
    answer = await house.go("github")

    ends = await asyncio.gather(*(house.finish(answer) for _ in range(5)), return_exceptions=True)

    assert [isinstance(end, grpc.RpcError) for end in ends].count(False) == 1
    assert await house.count("session") == 1


@pytest.mark.parametrize("state", ["", "never given", "x" * 100_000])
async def test_a_state_that_was_never_given_is_refused(house, state) -> None:
    answer = await _at_github(house)

    assert (await refused(house.finish(answer, state=state)))[0] == "TOKEN_INVALID"


async def _at_github(house: House):
    house.is_at("github")
    return await house.go("github")


async def test_a_flow_is_over_after_ten_minutes(house) -> None:
    answer = await _at_github(house)
    async with house.pool.connection() as connection:
        await connection.execute(
            "UPDATE oauth_flow SET expires_at = expires_at - interval '10 minutes'"
        )

    assert (await refused(house.finish(answer)))[0] == "TOKEN_INVALID"
    assert await nobody_came(house)


async def test_a_flow_lives_ten_minutes(house) -> None:
    async with house.pool.connection() as connection:
        cursor = await connection.execute("SELECT extract(epoch FROM clock_timestamp())")
        row = await cursor.fetchone()
    begun = await house.begin("github")

    assert row is not None
    assert 599 < begun.expire_time.ToSeconds() - float(row[0]) <= 601


async def test_an_answer_for_one_service_is_none_for_the_other(house) -> None:
    answer = await _at_github(house)

    assert (await refused(house.finish(answer, provider="google")))[0] == "TOKEN_INVALID"


@PROVIDERS
async def test_who_declines_is_not_signed_in(house, provider) -> None:
    house.is_at(provider, declines=True)
    answer = await house.go(provider)

    assert answer.error == "access_denied"
    assert await refused(house.finish(answer)) == cause(provider, "declined")
    assert await nobody_came(house)


@PROVIDERS
async def test_a_code_works_once(house, provider) -> None:
    house.is_at(provider)
    first, second = await house.go(provider), await house.go(provider)
    await house.finish(first)

    assert await refused(house.finish(second, code=first.code)) == cause(provider, "code_refused")


@PROVIDERS
async def test_a_code_of_another_flow_fails_at_pkce(house, provider) -> None:
    house.is_at(provider)
    victim, attacker = await house.go(provider), await house.go(provider)

    injected = await refused(house.finish(attacker, code=victim.code))

    assert injected == cause(provider, "code_refused")
    assert await house.count("session") == 0


@PROVIDERS
async def test_a_challenge_that_was_exchanged_on_the_way_fails(house, provider) -> None:
    house.is_at(provider)
    begun = await house.begin(provider)
    parts = urlsplit(begun.authorization_uri)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert query["code_challenge_method"] == "S256"
    begun.authorization_uri = parts._replace(
        query=urlencode({**query, "code_challenge": "A" * 43})
    ).geturl()

    answer = await house.back(provider, begun)

    assert await refused(house.finish(answer)) == cause(provider, "code_refused")


@PROVIDERS
@pytest.mark.parametrize("email", ["new@example.com", "known@example.com", ""])
async def test_an_address_that_the_service_has_not_verified_signs_nobody_in(
    house, provider, email
) -> None:
    await house.person("known@example.com", email_verified=True)
    house.is_at(provider, email=email, verified=False)

    assert await refused(house.sign_in(provider)) == cause(provider, "email_not_verified")
    assert await house.count("app_user") == 1
    assert await house.count("oauth_identity") == 0


@PROVIDERS
async def test_a_person_whose_own_address_is_not_verified_is_not_linked(house, provider) -> None:
    await house.person("squatted@example.com", password_hash="$argon2id$of-the-squatter")
    house.is_at(provider, email="squatted@example.com")

    assert await refused(house.sign_in(provider)) == cause(provider, "account_exists")
    assert await house.count("oauth_identity") == 0
    assert await house.actions() == [("sign_in", False)]


async def test_another_identity_with_the_same_address_is_not_linked(house) -> None:
    house.is_at("google", subject="first", email="recycled@example.com")
    await house.sign_in("google")
    house.is_at("google", subject="second", email="recycled@example.com")

    assert await refused(house.sign_in("google")) == cause("google", "account_exists")


async def test_who_is_being_erased_may_not_come_back_in(house) -> None:
    house.is_at("github", email="leaving@example.com")
    await house.sign_in("github")
    async with house.pool.connection() as connection:
        await connection.execute("UPDATE app_user SET deleting_at = clock_timestamp()")

    assert await refused(house.sign_in("github")) == cause("github", "account_deleting")


@pytest.mark.parametrize(
    "missing", [{"age_confirmed": False}, {"accepted_policies": ("policies/terms@2020-01-01",)}]
)
async def test_somebody_new_must_confirm_age_and_policies(house, missing) -> None:
    house.is_at("github", email="young@example.com")

    assert await refused(house.sign_in("github", **missing)) == cause("github", "sign_up_needed")
    assert await nobody_came(house)


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/auth/github/callback",
        "http://127.0.0.1:8080/auth/google/callback",
        "http://127.0.0.1:8080/auth/github/callback?next=//evil.example",
        "http://127.0.0.1:8080.evil.example/auth/github/callback",
    ],
)
async def test_a_page_of_somebody_else_is_not_returned_to(house, uri) -> None:
    found = await refused(house.begin("github", redirect_uri=uri))

    assert found == ("INVALID_PARAMETER", {"parameter": "redirect_uri"})
    assert await house.count("oauth_flow") == 0


@pytest.mark.parametrize("provider", ["", "facebook", "github/../google"])
async def test_a_service_that_is_not_offered_is_refused(house, provider) -> None:
    assert (await refused(house.begin(provider)))[1] == {"parameter": "provider"}


async def test_linking_needs_a_session_a_verified_address_and_a_recent_proof(house) -> None:
    assert (await refused(house.begin("github", purpose=LINK)))[0] == "API_KEY_MISSING"

    await house.enter(await house.person("unverified@example.com"))
    assert (await refused(house.begin("github", purpose=LINK)))[0] == "EMAIL_NOT_VERIFIED"

    await house.enter(await house.person("me@example.com", email_verified=True))
    async with house.pool.connection() as connection:
        await connection.execute("UPDATE session SET proved_at = proved_at - interval '601 s'")
    assert (await refused(house.begin("github", purpose=LINK)))[0] == "REAUTHENTICATION_REQUIRED"
    unlink = house.stub.UnlinkIdentity(
        pb.UnlinkIdentityRequest(provider="github"), metadata=house.metadata
    )
    assert (await refused(unlink))[0] == "REAUTHENTICATION_REQUIRED"


async def test_where_there_is_a_password_linking_and_unlinking_take_it(house) -> None:
    hash_ = await house.passwords.hash("quarrel-lobster-61-vaults")
    await house.enter(
        await house.person("me@example.com", email_verified=True, password_hash=hash_)
    )
    for given in ("", "seventh-walrus-orbits-42"):
        begun = house.begin("github", purpose=LINK, current_password=given)
        assert (await refused(begun))[0] == "REAUTHENTICATION_REQUIRED"
        asked = pb.UnlinkIdentityRequest(provider="github", current_password=given)
        unlink = house.stub.UnlinkIdentity(asked, metadata=house.metadata)
        assert (await refused(unlink))[0] == "REAUTHENTICATION_REQUIRED"

    assert await house.begin("github", purpose=LINK, current_password="quarrel-lobster-61-vaults")


async def test_a_session_that_ends_on_the_way_links_nothing(house, monkeypatch) -> None:
    await house.enter(await house.person("me@example.com", email_verified=True))
    house.is_at("google", email="me@example.com")
    answer = await house.go("google", purpose=LINK)
    identify = house.google.identify

    async def slow(code, trip):
        told = await identify(code, trip)
        async with house.pool.connection() as connection:
            await connection.execute("DELETE FROM session")
        return told

    monkeypatch.setattr(house.google, "identify", slow)

    assert (await refused(house.finish(answer)))[0] == "SESSION_INVALID"
    assert await house.count("oauth_identity") == 0


@pytest.mark.parametrize(
    ("email", "hosted_domain", "is_found"),
    [
        ("known@gmail.com", "", True),
        ("known@googlemail.com", "", True),
        ("known@example.com", "EXAMPLE.com", True),
        ("known@example.com", "", False),
        ("known@example.com", "example.org", False),
        ("known@gmail.com.example", "", False),
    ],
)
async def test_google_finds_people_only_by_addresses_that_it_gives_out(
    house, email, hosted_domain, is_found
) -> None:
    user_id = await house.person(email, email_verified=True)
    house.is_at("google", email=email, hosted_domain=hosted_domain)

    if not is_found:
        assert await refused(house.sign_in("google")) == cause("google", "account_exists")
        await house.enter(user_id)  # and by the person's own will, with any
        await house.sign_in("google", purpose=LINK)
    house.session = ""
    assert (await house.sign_in("google")).grant.profile.name == f"users/{user_id.hex}"


async def test_a_link_is_finished_by_who_began_it(house) -> None:
    await house.enter(await house.person("me@example.com", email_verified=True))
    house.is_at("github", email="me@example.com")
    answer = await house.go("github", purpose=LINK)
    house.session = ""
    assert (await refused(house.finish(answer)))[0] == "TOKEN_INVALID"

    await house.enter(await house.person("other@example.com", email_verified=True))
    own = house.session
    answer = await house.go("github", purpose=LINK)
    await house.enter(await house.person("third@example.com", email_verified=True))
    assert own != house.session
    assert (await refused(house.finish(answer)))[0] == "TOKEN_INVALID"
    assert await house.count("oauth_identity") == 0


async def test_an_identity_of_somebody_else_is_not_linked(house) -> None:
    house.is_at("github", subject="1", email="theirs@example.com")
    await house.sign_in("github")
    await house.enter(await house.person("me@example.com", email_verified=True))

    found = await refused(house.sign_in("github", purpose=LINK))

    assert found == ("CONFLICT", {"provider": "github", "cause": "linked_elsewhere"})
    assert (await house.actions())[-1] == ("identity.link", False)


async def test_a_second_identity_of_one_service_is_not_linked(house) -> None:
    house.is_at("github", subject="1", email="me@example.com")
    house.session = (await house.sign_in("github")).grant.session_token
    house.is_at("github", subject="2", email="me@example.com")

    found = await refused(house.sign_in("github", purpose=LINK))

    assert found == ("CONFLICT", {"provider": "github", "cause": "another_linked"})


async def test_an_identity_without_a_verified_address_is_not_linked(house) -> None:
    await house.enter(await house.person("me@example.com", email_verified=True))
    house.is_at("google", email="me@example.com", verified=False)

    found = await refused(house.sign_in("google", purpose=LINK))

    assert found == cause("google", "email_not_verified")


async def test_an_invitation_that_is_none_makes_nobody(house) -> None:
    house.is_at("github", email="invited@example.com")

    found = await refused(house.sign_in("github", invitation_token="never sent"))

    assert found == ("TOKEN_INVALID", {"parameter": "invitation_token"})
    assert await nobody_came(house)


async def test_one_network_begins_so_often_and_others_do_not_wait(house) -> None:
    for _ in range(served.BEGINNINGS.burst):
        await house.begin("github")

    reason, metadata = await refused(house.begin("github"))
    house.networks[0] = "192.0.2.8"
    await house.begin("github")

    assert (reason, metadata["limit"]) == ("RATE_LIMIT_EXCEEDED", "sign_in")


async def test_beginning_waits_for_the_bot_check_where_there_is_one(pool: Pool) -> None:
    async with open_house(pool, bots=True) as house:
        assert (await refused(house.begin("github")))[0] == "BOT_CHECK_FAILED"
        await house.begin("github", bot_check_token="pass-1")
        assert (await refused(house.begin("github", bot_check_token="pass-1")))[0] == (
            "BOT_CHECK_FAILED"
        )


async def test_nobody_new_comes_where_nobody_may_sign_up(pool: Pool) -> None:
    async with open_house(pool, mode=SignUpMode.CLOSED) as house:
        await house.person("known@example.com", email_verified=True)
        house.is_at("github", subject="1", email="known@example.com")
        assert not (await house.sign_in("github")).created
        house.is_at("github", subject="2", email="new@example.com")
        found = await refused(house.sign_in("github"))

    assert found == ("PERMISSION_DENIED", {"permission": "sign_up"})
