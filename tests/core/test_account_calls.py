"""Members, invitations and accounts over the contract, called by people."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from grpc import aio

from accounts.directory import TRUST_SECONDS
from accounts.roles import Role
from accounts.security_log import Action, note
from reapi.v1 import (
    account_pb2,
)
from reapi.v1 import account_service_pb2 as pb
from tests.account_house import House, by, open_house, reason, refused
from tests.fix_core import catalogue
from tests.members_of import (
    joins,
    member_of,
    run,
    somebody,
    transaction,
)

Member = account_pb2.Member


@pytest_asyncio.fixture(params=["real", "local"])
async def house(request: Any, database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(request.param, database_url, tmp_path) as opened:
        yield opened


async def test_members_are_shown_changed_and_removed(house):
    owner = await somebody(house.pool)
    token = await house.token(owner)
    person, theirs, name = await house.colleague(owner, Role.DEVELOPER)
    listed = await house.account.ListMembers(pb.ListMembersRequest(), **by(theirs))
    assert [member.email for member in listed.members] == [owner.email, person.email]

    update = pb.UpdateMemberRequest(
        member=Member(name=name, role=Member.ROLE_ADMIN), request_id="once"
    )
    for _ in range(2):
        answer = await house.account.UpdateMember(update, **by(token))
        assert answer.member.role == Member.ROLE_ADMIN
    call = house.account.ListMembers(pb.ListMembersRequest(), **by(theirs))
    assert await reason(call) == "SESSION_INVALID"

    remove = pb.RemoveMemberRequest(name=name, request_id="once")
    for _ in range(2):
        await house.account.RemoveMember(remove, **by(token))
    listed = await house.account.ListMembers(pb.ListMembersRequest(), **by(token))
    assert [member.email for member in listed.members] == [owner.email]


async def test_the_last_owner_stays_and_is_told_what_to_do(house):
    owner = await somebody(house.pool)
    token = await house.token(owner)
    name = f"members/{(await member_of(house.pool, owner)).hex}"
    demoted = pb.UpdateMemberRequest(member=Member(name=name, role=Member.ROLE_BILLING))

    assert (
        await reason(house.account.RemoveMember(pb.RemoveMemberRequest(name=name), **by(token)))
        == "CONFLICT"
    )
    assert await reason(house.account.UpdateMember(demoted, **by(token))) == "CONFLICT"


async def test_members_of_other_accounts_are_not_found(house):
    owner, stranger = await somebody(house.pool), await somebody(house.pool)
    token = await house.token(owner)
    _, _, theirs = await house.colleague(stranger, Role.DEVELOPER)
    for name in (theirs, "members/x"):
        update = pb.UpdateMemberRequest(member=Member(name=name, role=Member.ROLE_ADMIN))
        remove = pb.RemoveMemberRequest(name=name)
        assert await reason(house.account.UpdateMember(update, **by(token))) == "NOT_FOUND"
        assert await reason(house.account.RemoveMember(remove, **by(token))) == "NOT_FOUND"


async def test_an_invited_person_joins_once_and_the_account_says_so(house):
    owner = await somebody(house.pool)
    token = await house.token(owner)
    person = await somebody(house.pool)
    invite = pb.CreateInvitationRequest(
        invitation=account_pb2.Invitation(email=person.email, role=Member.ROLE_DEVELOPER),
        request_id="once",
    )
    for _ in range(2):
        made = (await house.account.CreateInvitation(invite, **by(token))).invitation
    listed = await house.account.ListInvitations(pb.ListInvitationsRequest(), **by(token))
    assert [one.name for one in listed.invitations] == [made.name]

    accept = pb.AcceptInvitationRequest(token=await house.mailed(), request_id="once")
    theirs = await house.token(person)
    for _ in range(2):
        member = (await house.account.AcceptInvitation(accept, **by(theirs))).member
        assert member.account == f"accounts/{owner.account_id.hex}"
    accept.request_id = ""
    denied = await refused(house.account.AcceptInvitation(accept, **by(theirs)))
    assert denied == ("TOKEN_INVALID", {"parameter": "token"})
    places = await house.account.ListMemberships(pb.ListMembershipsRequest(), **by(theirs))
    assert len(places.memberships) == 2
    events = await house.account.ListSecurityEvents(pb.ListSecurityEventsRequest(), **by(token))
    assert [event.action for event in events.security_events] == [
        "invitation.accept",
        "invitation.create",
    ]
    assert events.security_events[0].member == member.name


async def test_who_has_not_proved_an_address_neither_invites_nor_joins(house):
    person = await somebody(house.pool, verified=False)
    token = await house.token(person)
    invite = pb.CreateInvitationRequest(
        invitation=account_pb2.Invitation(email="a@example.com", role=Member.ROLE_DEVELOPER)
    )
    accept = pb.AcceptInvitationRequest(token="x")

    for call in (
        house.account.CreateInvitation(invite, **by(token)),
        (house.account.AcceptInvitation(accept, **by(token))),
    ):
        assert await reason(call) == "EMAIL_NOT_VERIFIED"


@pytest.mark.parametrize(("accounts", "most"), [(1, 3), (14, 12)])
async def test_one_address_is_invited_a_few_times_only_by_one_account_or_by_many(
    house, accounts, most
):
    codes = []
    tokens = [await house.token(await somebody(house.pool)) for _ in range(accounts)]
    for token in (tokens * 5)[: most + 2]:
        invite = pb.CreateInvitationRequest(
            invitation=account_pb2.Invitation(email="a@example.com", role=Member.ROLE_DEVELOPER)
        )
        try:
            await house.account.CreateInvitation(invite, **by(token))
        except aio.AioRpcError as error:
            codes.append(error.code())

    assert codes == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2


async def test_an_invitation_that_is_taken_back_is_gone(house):
    owner, stranger = await somebody(house.pool), await somebody(house.pool)
    token = await house.token(owner)
    invite = pb.CreateInvitationRequest(
        invitation=account_pb2.Invitation(email="a@example.com", role=Member.ROLE_DEVELOPER)
    )
    name = (await house.account.CreateInvitation(invite, **by(token))).invitation.name
    revoke = pb.RevokeInvitationRequest(name=name, request_id="once")

    theirs = by(await house.token(stranger))
    assert await reason(house.account.RevokeInvitation(revoke, **theirs)) == "NOT_FOUND"
    for _ in range(2):
        await house.account.RevokeInvitation(revoke, **by(token))
    listed = await house.account.ListInvitations(pb.ListInvitationsRequest(), **by(token))
    assert not listed.invitations


async def test_an_account_is_changed_by_who_read_it_last(house):
    owner = await somebody(house.pool)
    token = await house.token(owner)
    read = (await house.account.GetAccount(pb.GetAccountRequest(), **by(token))).account
    update = pb.UpdateAccountRequest(
        account=account_pb2.Account(display_name="Atelier Süd", etag=read.etag), request_id="once"
    )
    for _ in range(2):
        account = (await house.account.UpdateAccount(update, **by(token))).account
        assert account.display_name == "Atelier Süd"
    update.request_id = ""

    assert await reason(house.account.UpdateAccount(update, **by(token))) == "CONFLICT"
    [[row]] = await run(
        house.pool,
        "SELECT row_to_json(a)::text FROM account a WHERE account_id = %s",
        (owner.account_id,),
    )
    assert "Atelier" not in row


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"display_name": "x" * 101}, "account.display_name"),
        ({"display_name": "a\nb"}, "account.display_name"),
        ({"outputs_not_stored": True}, "account.outputs_not_stored"),
        ({"allowed_models": ["no-such-model"]}, "account.allowed_models"),
    ],
)
async def test_settings_that_cannot_be_name_the_field(house, fields, parameter):
    token = await house.token(await somebody(house.pool))
    update = pb.UpdateAccountRequest(account=account_pb2.Account(**fields))

    assert await refused(house.account.UpdateAccount(update, **by(token))) == (
        "INVALID_PARAMETER",
        {"parameter": parameter},
    )


async def test_models_that_an_account_does_not_allow_its_keys_do_not_use(house):
    models = sorted(model.id for model in catalogue())[:2]
    person = await somebody(house.pool)
    await joins(house.pool, person, house.whole.account, Role.OWNER)
    token = await house.token(person, house.whole.account)
    update = pb.UpdateAccountRequest(account=account_pb2.Account(allowed_models=models[:1]))
    await house.account.UpdateAccount(update, **by(token))
    caller = None
    async with asyncio.timeout(TRUST_SECONDS + 1):
        while caller is None or not caller.allowed_models:
            caller = await house.whole.core.authenticator.authenticate(house.whole.key)
            await asyncio.sleep(0.01)

    assert caller.allowed_models == {models[0]}


async def test_events_of_an_account_are_its_own_and_90_days_old_at_most(house):
    owner, stranger = await somebody(house.pool), await somebody(house.pool)
    token, theirs = await house.token(owner), await house.token(stranger)
    for name in ("One", "Two", "Three"):
        update = pb.UpdateAccountRequest(account=account_pb2.Account(display_name=name))
        await house.account.UpdateAccount(update, **by(token))
    page = await house.account.ListSecurityEvents(
        pb.ListSecurityEventsRequest(page_size=2), **by(token)
    )
    rest = await house.account.ListSecurityEvents(
        pb.ListSecurityEventsRequest(page_size=2, page_token=page.next_page_token), **by(token)
    )
    assert [len(page.security_events), len(rest.security_events)] == [2, 1]
    foreign = pb.ListSecurityEventsRequest(page_token=page.next_page_token)
    assert await reason(house.account.ListSecurityEvents(foreign, **by(theirs))) == (
        "INVALID_PARAMETER"
    )

    await run(house.pool, "UPDATE audit_log SET at = at - interval '90 days'")
    late = await house.account.ListSecurityEvents(pb.ListSecurityEventsRequest(), **by(token))
    assert not late.security_events


async def test_members_do_not_see_where_the_operator_works_from(house):
    owner = await somebody(house.pool)
    token = await house.token(owner)
    for actor, network in (("operator", "192.0.2.9"), ("person", "fe80::1%eth0"), ("person", "?")):
        done = Action(uuid4(), owner.account_id, "x", actor=actor, network=network)
        async with transaction(house.pool) as connection:
            await note(connection, done)

    page = await house.account.ListSecurityEvents(pb.ListSecurityEventsRequest(), **by(token))
    shown = [event.network_address for event in page.security_events if event.action == "x"]
    assert shown == ["", "fe80::1", ""]
    kept = await run(
        house.pool, "SELECT host(network) FROM audit_log WHERE action = 'x' ORDER BY at"
    )
    assert kept == [("192.0.2.9",), ("fe80::1",), (None,)]
