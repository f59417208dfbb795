"""Sessions over the contract: opened, shown, switched, ended."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest_asyncio

from accounts.roles import Role
from accounts.sessions import renew_token
from reapi.v1 import (
    account_pb2,
    billing_service_pb2,
    generation_service_pb2,
)
from reapi.v1 import account_service_pb2 as pb
from tests.account_house import House, by, open_house, reason, refused
from tests.members_of import (
    VAULT,
    joins,
    run,
    somebody,
    transaction,
)


@pytest_asyncio.fixture(params=["real", "local"])
async def house(request: Any, database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(request.param, database_url, tmp_path) as opened:
        yield opened


async def test_a_session_acts_for_its_person_in_its_account(house):
    owner = await somebody(house.pool)
    token = await house.token(owner)
    account = (await house.account.GetAccount(pb.GetAccountRequest(), **by(token))).account
    balance = await house.billing.GetBalance(billing_service_pb2.GetBalanceRequest(), **by(token))

    assert account.name == f"accounts/{owner.account_id.hex}"
    assert account.display_name == "My account"
    assert balance is not None


async def test_what_is_no_session_is_refused_as_one(house):
    call = house.account.ListSessions
    assert await reason(call(pb.ListSessionsRequest(), **by("rs_" + "A" * 43))) == "SESSION_INVALID"
    assert await reason(call(pb.ListSessionsRequest(), timeout=20)) == "API_KEY_MISSING"
    denied = await refused(call(pb.ListSessionsRequest(), **by(house.whole.key)))
    assert denied == ("PERMISSION_DENIED", {"permission": "session"})


async def test_starting_a_generation_takes_a_key(house):
    token = await house.token(await somebody(house.pool))
    request = generation_service_pb2.CreateGenerationRequest()

    assert await refused(house.generations.CreateGeneration(request, **by(token))) == (
        "PERMISSION_DENIED",
        {"permission": "api_key"},
    )


async def test_signing_out_ends_the_session_that_asks_and_no_other(house):
    owner = await somebody(house.pool)
    one, two = await house.token(owner), await house.token(owner)
    await house.account.SignOut(pb.SignOutRequest(), **by(one))

    assert await reason(house.account.SignOut(pb.SignOutRequest(), **by(one))) == "SESSION_INVALID"
    listed = await house.account.ListSessions(pb.ListSessionsRequest(), **by(two))
    assert [session.current for session in listed.sessions] == [True]
    assert listed.sessions[0].user_agent == "Firefox on Linux"


async def test_a_person_signs_out_browsers_of_their_own_only(house):
    owner, stranger = await somebody(house.pool), await somebody(house.pool)
    mine, other = await house.token(owner), await house.token(owner)
    theirs = await house.token(stranger)
    listed = await house.account.ListSessions(pb.ListSessionsRequest(), **by(mine))
    [name] = [session.name for session in listed.sessions if not session.current]
    request = pb.RevokeSessionRequest(name=name, request_id="once")

    denied = await refused(house.account.RevokeSession(request, **by(theirs)))
    assert denied == ("NOT_FOUND", {"resource": "session"})
    for _ in range(2):  # the same request twice is one
        await house.account.RevokeSession(request, **by(mine))
    call = house.account.ListSessions(pb.ListSessionsRequest(), **by(other))
    assert await reason(call) == "SESSION_INVALID"


async def test_all_other_browsers_are_signed_out_and_counted_once(house):
    owner = await somebody(house.pool)
    token, *_ = [await house.token(owner) for _ in range(4)]
    request = pb.RevokeOtherSessionsRequest(request_id="once")
    for _ in range(2):
        answer = await house.account.RevokeOtherSessions(request, **by(token))
        assert answer.revoked_count == 3
    again = await house.account.RevokeOtherSessions(pb.RevokeOtherSessionsRequest(), **by(token))

    assert again.revoked_count == 0


async def test_pages_of_sessions_show_each_once(house):
    owner = await somebody(house.pool)
    tokens = [await house.token(owner) for _ in range(5)]
    seen: list[str] = []
    request = pb.ListSessionsRequest(page_size=2)
    while True:
        page = await house.account.ListSessions(request, **by(tokens[0]))
        seen += [session.name for session in page.sessions]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break

    assert len(seen) == len(set(seen)) == 5


async def test_switching_accounts_changes_the_token_and_what_the_person_may(house):
    owner = await somebody(house.pool)
    person, _, _ = await house.colleague(owner, Role.BILLING)
    old = await house.token(person)
    request = pb.SwitchAccountRequest(account=f"accounts/{owner.account_id.hex}", request_id="once")
    grant = (await house.account.SwitchAccount(request, **by(old))).grant

    assert grant.profile.email == person.email
    assert grant.session.account == request.account
    assert await reason(house.account.GetAccount(pb.GetAccountRequest(), **by(old))) == (
        "SESSION_INVALID"
    )
    new = by(grant.session_token)
    update = pb.UpdateAccountRequest(account=account_pb2.Account(display_name="Mine"))
    assert await refused(house.account.UpdateAccount(update, **new)) == (
        "PERMISSION_DENIED",
        {"permission": "govern"},
    )
    replay = (await house.account.SwitchAccount(request, **new)).grant
    assert (replay.session.name, replay.session_token) == (grant.session.name, "")


async def test_nobody_switches_to_an_account_of_others(house):
    token = await house.token(await somebody(house.pool))
    stranger = await somebody(house.pool)
    for account in (f"accounts/{stranger.account_id.hex}", "accounts/x", f"accounts/{uuid4().hex}"):
        request = pb.SwitchAccountRequest(account=account)
        assert await reason(house.account.SwitchAccount(request, **by(token))) == "NOT_FOUND"

    await house.account.GetAccount(pb.GetAccountRequest(), **by(token))


async def test_in_a_suspended_account_a_person_may_only_leave(house):
    owner = await somebody(house.pool)
    other = await somebody(house.pool)
    await joins(house.pool, owner, other.account_id, Role.ADMIN)
    token = await house.token(owner, owner.account_id)
    await run(
        house.pool,
        "UPDATE account SET suspended_at = now() WHERE account_id = %s",
        (owner.account_id,),
    )
    read = await house.account.GetAccount(pb.GetAccountRequest(), **by(token))
    assert read.account.state == account_pb2.Account.STATE_SUSPENDED
    for call in (
        house.account.ListMembers(pb.ListMembersRequest(), **by(token)),
        house.billing.GetBalance(billing_service_pb2.GetBalanceRequest(), **by(token)),
    ):
        assert await reason(call) == "ACCOUNT_SUSPENDED"

    request = pb.SwitchAccountRequest(account=f"accounts/{other.account_id.hex}")
    grant = (await house.account.SwitchAccount(request, **by(token))).grant
    await house.account.ListMembers(pb.ListMembersRequest(), **by(grant.session_token))


async def test_a_token_that_a_browser_brought_is_never_taken_over(house):
    """Session fixation: what signs in is a token of ours, whatever was sent before."""
    owner = await somebody(house.pool)
    planted = "rs_" + "A" * 43
    old = await house.token(owner)
    async with transaction(house.pool) as connection:
        session = await run(house.pool, "SELECT session_id FROM session")
        grant = await renew_token(connection, VAULT, session[0][0], proved=True)

    assert len({planted, old, grant.token}) == 3
    for token in (planted, old):
        call = house.account.ListSessions(pb.ListSessionsRequest(), **by(token))
        assert await reason(call) == "SESSION_INVALID"


async def test_a_session_may_ask_what_a_generation_would_cost(house):
    token = await house.token(await somebody(house.pool))
    spec = generation_service_pb2.GenerationSpec(model="gpt-image-2")
    spec.parameters.prompt = "a lake"
    request = generation_service_pb2.QuoteGenerationRequest(spec=spec)
    answer = await house.generations.QuoteGeneration(request, **by(token))
    listed = await house.generations.ListGenerations(
        generation_service_pb2.ListGenerationsRequest(), **by(token)
    )

    assert answer.quote_token or answer.ByteSize()
    assert not listed.generations


async def test_an_open_call_that_looks_at_a_session_wants_a_good_one(house):
    request = pb.BeginOAuthRequest(provider="github", purpose=pb.BeginOAuthRequest.PURPOSE_LINK)
    bad = house.account.BeginOAuth(request, **by("rs_" + "A" * 43))
    assert await reason(bad) == "SESSION_INVALID"
    key = house.account.BeginOAuth(request, **by(house.whole.key))
    assert await refused(key) == ("PERMISSION_DENIED", {"permission": "session"})


async def test_the_token_is_good_over_rest_too(house):
    owner = await somebody(house.pool)
    headers = {"authorization": f"Bearer {await house.token(owner)}", "user-agent": "curl/8"}
    http = house.whole.http
    account = (await http.get("/api/v1/account", headers=headers)).json()["account"]
    assert account["name"] == f"accounts/{owner.account_id.hex}"
    changed = await http.patch(
        "/api/v1/account", headers=headers, json={"display_name": "Us", "etag": account["etag"]}
    )
    assert changed.json()["account"]["display_name"] == "Us"
    assert (
        await http.post("/api/v1/sessions:sign_out", headers=headers, json={})
    ).status_code == 200

    late = await http.get("/api/v1/account", headers=headers)
    assert (late.status_code, late.json()["error"]["code"]) == (401, "session_invalid")
