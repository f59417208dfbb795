"""People sign up, sign in and link with GitHub and Google: the RPCs against fakes over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from time import monotonic

import grpc
import pytest

from accounts.mail_queue import PURPOSE
from reapi.v1 import account_service_pb2 as pb
from storage.pool import Pool
from tests.accounts.oauth_house import VAULT, House, open_house, reason_of

PROVIDERS = pytest.mark.parametrize("provider", ["github", "google"])
LINK = pb.BeginOAuthRequest.PURPOSE_LINK


@pytest.fixture
async def house(pool: Pool) -> AsyncIterator[House]:
    async with open_house(pool) as opened:
        yield opened


@PROVIDERS
async def test_somebody_new_signs_up_and_later_signs_in_as_the_same_person(house, provider) -> None:
    house.is_at(provider, email="New.Person@example.com", name="New Person")

    first = await house.sign_in(provider)
    again = await house.sign_in(provider, age_confirmed=False, accepted_policies=())

    assert first.created
    assert not again.created
    assert first.grant.profile.name == again.grant.profile.name
    assert first.grant.session_token != again.grant.session_token
    profile = again.grant.profile
    assert profile.email == "New.Person@example.com"
    assert profile.email_verified
    assert profile.display_name == "New Person"
    assert not profile.has_password
    assert [identity.provider for identity in profile.identities] == [provider]
    assert profile.identities[0].email == "New.Person@example.com"
    assert await house.actions() == [("sign_up", True), ("sign_in", True), ("sign_in", True)]


async def test_who_comes_with_both_services_and_one_address_is_one_person(house) -> None:
    for provider in ("github", "google"):
        house.is_at(provider, email="both@example.com", hosted_domain="example.com")

    first, second = await house.sign_in("github"), await house.sign_in("google")

    assert not second.created
    assert first.grant.profile.name == second.grant.profile.name
    assert [each.provider for each in second.grant.profile.identities] == ["github", "google"]


@PROVIDERS
async def test_a_person_with_a_verified_address_is_found_by_it(house, provider) -> None:
    user_id = await house.person("known@example.com", email_verified=True)
    house.is_at(provider, email="KNOWN@example.com", hosted_domain="example.com")

    found = await house.sign_in(provider)

    assert not found.created
    assert found.grant.profile.name == f"users/{user_id.hex}"


async def test_an_identity_stays_the_persons_whatever_address_the_service_tells_later(
    house,
) -> None:
    house.is_at("google", subject="s1", email="before@example.com")
    first = await house.sign_in("google")
    house.is_at("google", subject="s1", email="after@example.com", verified=False)

    again = await house.sign_in("google")

    assert again.grant.profile.name == first.grant.profile.name
    assert again.grant.profile.email == "before@example.com"


async def test_who_is_signed_in_links_an_identity_and_gets_another_token(house) -> None:
    user_id = await house.person("me@example.com", email_verified=True)
    await house.enter(user_id)
    house.is_at("github", email="elsewhere@example.org")
    before = house.session

    linked = await house.sign_in("github", purpose=LINK)
    house.session = ""
    later = await house.sign_in("github")

    assert linked.grant.session_token not in ("", before)
    assert not linked.created
    assert later.grant.profile.name == f"users/{user_id.hex}"
    house.session = before
    with pytest.raises(grpc.RpcError) as old:
        await house.begin("google", purpose=LINK)
    assert reason_of(old.value)[0] == "SESSION_INVALID"


async def test_a_person_is_told_of_every_way_to_sign_in_that_comes_or_goes(house) -> None:
    user_id = await house.person("me@example.com", email_verified=True)
    await house.enter(user_id)
    house.is_at("github", email="elsewhere@example.org")
    house.session = (await house.sign_in("github", purpose=LINK)).grant.session_token
    house.is_at("google", email="me@example.com", hosted_domain="example.com")
    linked = house.session
    house.session = ""
    await house.sign_in("google")
    await house.sign_in("google")
    house.session = linked
    request = pb.UnlinkIdentityRequest(provider="github")
    await house.stub.UnlinkIdentity(request, metadata=house.metadata)
    house.session = ""
    house.is_at("github", subject="new", email="new@example.com")
    await house.sign_in("github")

    async with house.pool.connection() as connection:
        cursor = await connection.execute("SELECT mail_id, kind, sealed FROM mail ORDER BY 1")
        rows = await cursor.fetchall()
    told = [(row[1], json.loads(VAULT.open(PURPOSE, row[2], row[0].bytes))) for row in rows]
    assert [(kind, said["facts"]["provider"]) for kind, said in told] == [
        ("sign_in_added", "github"),
        ("sign_in_added", "google"),
        ("sign_in_removed", "github"),
    ]
    assert {said["to"] for _, said in told} == {"me@example.com"}


async def test_unlinking_forgets_the_identity_and_leaves_the_last_way_to_sign_in(house) -> None:
    for provider in ("github", "google"):
        house.is_at(provider, email="both@example.com", hosted_domain="example.com")
        house.session = ""
        house.session = (await house.sign_in(provider)).grant.session_token

    async def unlink(provider: str):
        request = pb.UnlinkIdentityRequest(provider=provider)
        return await house.stub.UnlinkIdentity(request, metadata=house.metadata)

    left = (await unlink("github")).profile.identities
    with pytest.raises(grpc.RpcError) as last:
        await unlink("google")
    with pytest.raises(grpc.RpcError) as unknown:
        await unlink("github")

    assert [each.provider for each in left] == ["google"]
    assert reason_of(last.value)[0] == "CONFLICT"
    assert reason_of(unknown.value)[0] == "NOT_FOUND"
    assert (await house.actions())[-1] == ("identity.unlink", True)


async def test_the_last_two_ways_cannot_be_taken_at_the_same_time(house) -> None:
    for provider in ("github", "google"):
        house.is_at(provider, email="both@example.com", hosted_domain="example.com")
        house.session = ""
        house.session = (await house.sign_in(provider)).grant.session_token
    requests = [pb.UnlinkIdentityRequest(provider=each) for each in ("github", "google")]

    ends = await asyncio.gather(
        *(house.stub.UnlinkIdentity(each, metadata=house.metadata) for each in requests),
        return_exceptions=True,
    )

    assert [isinstance(end, grpc.RpcError) for end in ends].count(True) == 1
    assert await house.count("oauth_identity") == 1


async def test_somebody_new_who_comes_twice_at_once_is_one_person(house) -> None:
    house.is_at("github", email="twice@example.com")
    answers = [await house.go("github") for _ in range(4)]

    found = await asyncio.gather(*(house.finish(answer) for answer in answers))

    assert len({each.grant.profile.name for each in found}) == 1
    assert [each.created for each in found].count(True) == 1
    assert await house.count("app_user") == 1


async def test_a_key_that_google_began_to_use_is_looked_up(house) -> None:
    house.is_at("google", email="keys@example.com")
    await house.sign_in("google")
    house.google._ticks = lambda: monotonic() + 61
    house.simulator.oauth.google_side.new_key()

    again = await house.sign_in("google")

    assert not again.created


async def test_nothing_of_it_lies_in_the_database_as_text(house) -> None:
    house.is_at("github", subject="424242424242", email="secret@example.com", name="Secret Name")
    answer = await house.go("github")
    begun = await house.begin("google")
    found = await house.finish(answer)

    told = [
        *("secret@example.com", "Secret Name", "424242424242", answer.state, answer.code),
        *(answer.browser_token, begun.browser_token, found.grant.session_token),
    ]
    async with house.pool.connection() as connection:
        rows = []
        for table in ("oauth_flow", "oauth_identity", "app_user", "session", "audit_log"):
            cursor = await connection.execute(f"SELECT t::text FROM {table} t")
            rows += [row[0] for row in await cursor.fetchall()]
    assert len(rows) >= 6
    assert not [text for text in told for row in rows if text in row or text.encode().hex() in row]
    assert await house.count("oauth_flow") == 1  # the one that was not finished


async def test_an_old_server_keys_digest_becomes_the_newest(house) -> None:
    from accounts import oauth
    from core.keyring import Keyring
    from core.vault import KeyringVault

    user_id = await house.person("me@example.com", email_verified=True)
    rotated = KeyringVault(Keyring((b"n" * 32, b"k" * 32)))
    only_new = KeyringVault(Keyring((b"n" * 32,)))
    async with house.pool.connection() as connection:
        await oauth.link(connection, VAULT, user_id, ("github", "7"), "me@example.com")
        assert await oauth.owner_of(connection, only_new, "github", "7") is None
        assert await oauth.owner_of(connection, rotated, "github", "7") == user_id
        assert await oauth.owner_of(connection, only_new, "github", "7") == user_id
