"""Invitations: by mail, to one address, for seven days, once."""

import asyncio
import json
from uuid import UUID, uuid4

import pytest

from accounts.invitation_store import InvitationStore, NewInvitation
from accounts.invitations import InvitationError, Problem
from accounts.mail_queue import PURPOSE
from accounts.people import NewPerson, create_person, read
from accounts.roles import Role
from core.engine.ids import new_id
from tests.members_of import (
    VAULT,
    Notes,
    joins,
    member_of,
    run,
    somebody,
    transaction,
    unknown,
)

ADDRESS = "New.Person@example.com"


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def store(pool, notes):
    return InvitationStore(pool, VAULT, notes)


def to(address=ADDRESS, role=Role.DEVELOPER):
    return NewInvitation(new_id(), address, role)


async def letters(pool):
    rows = await run(pool, "SELECT mail_id, sealed FROM mail ORDER BY created_at")
    return [json.loads(VAULT.open(PURPOSE, sealed, id_.bytes)) for id_, sealed in rows]


async def token_of(pool):
    return (await letters(pool))[-1]["facts"]["token"]


async def sign_up(pool, token, address=ADDRESS):
    user_id = uuid4()
    async with transaction(pool) as connection:
        await create_person(connection, VAULT, NewPerson(user_id, address, invitation=token))
    async with pool.connection() as connection:
        return await read(connection, VAULT, user_id)


async def refused(call, problem):
    with pytest.raises(InvitationError) as caught:
        await call
    assert caught.value.problem is problem


async def test_an_invitation_is_a_mail_with_a_token_that_is_stored_nowhere_else(pool, store):
    owner = await somebody(pool)
    made = await store.create(owner.acting_in(), to(), unknown)
    [letter] = await letters(pool)

    assert (made.email, made.role) == (ADDRESS, Role.DEVELOPER)
    assert made.member_id == await member_of(pool, owner)
    assert (made.expires_at - made.created_at).total_seconds() == pytest.approx(7 * 86400, abs=5)
    assert letter["to"] == ADDRESS
    assert (letter["facts"]["account"], letter["facts"]["role"]) == ("My account", "developer")
    [[row]] = await run(pool, "SELECT row_to_json(i)::text FROM invitation i")
    assert letter["facts"]["token"] not in row
    assert "example" not in row.lower()


async def test_a_new_person_joins_with_the_token_and_has_proved_the_address(pool, store):
    owner = await somebody(pool)
    await store.create(owner.acting_in(), to(), unknown)
    person = await sign_up(pool, await token_of(pool), ADDRESS.lower())

    assert person.email_verified
    places = await run(
        pool, "SELECT account_id, role FROM membership WHERE user_id = %s", (person.user_id,)
    )
    assert places == [(owner.account_id, "developer")]


async def test_the_token_is_worth_nothing_for_another_address(pool, store):
    owner = await somebody(pool)
    await store.create(owner.acting_in(), to(), unknown)
    token = await token_of(pool)
    await refused(sign_up(pool, token, "thief@example.com"), Problem.UNUSABLE)
    thief = await somebody(pool)
    await refused(store.accept(thief.user_id, token, unknown), Problem.UNUSABLE)

    assert await run(pool, "SELECT count(*) FROM invitation") == [(1,)]


async def test_a_person_joins_with_a_verified_address_only(pool, store, notes):
    owner = await somebody(pool)
    unverified = await somebody(pool, ADDRESS, verified=False)
    await store.create(owner.acting_in(), to(), unknown)
    token = await token_of(pool)
    await refused(store.accept(unverified.user_id, token, unknown), Problem.UNUSABLE)
    await run(pool, "UPDATE app_user SET email_verified_at = now()")
    member = await store.accept(unverified.user_id, token, unknown)

    assert (member.account_id, member.role) == (owner.account_id, Role.DEVELOPER)
    assert notes.told[-1] == ("invitation.accept", owner.account_id)


async def test_a_token_works_once(pool, store):
    owner, person = await somebody(pool), await somebody(pool, ADDRESS)
    await store.create(owner.acting_in(), to(), unknown)
    token = await token_of(pool)
    await store.accept(person.user_id, token, unknown)

    await refused(store.accept(person.user_id, token, unknown), Problem.UNUSABLE)


async def test_a_token_that_is_used_twice_at_once_works_once(pool, store):
    for number in range(5):
        address = f"twice{number}@example.com"
        owner, person = await somebody(pool), await somebody(pool, address)
        await store.create(owner.acting_in(), to(address), unknown)
        token = await token_of(pool)
        ended = await asyncio.gather(
            *(store.accept(person.user_id, token, unknown) for _ in range(4)),
            return_exceptions=True,
        )

        assert sum(not isinstance(end, BaseException) for end in ended) == 1
        assert {end.problem for end in ended if isinstance(end, InvitationError)} == {
            Problem.UNUSABLE
        }


async def test_after_seven_days_it_is_too_late(pool, store):
    owner, person = await somebody(pool), await somebody(pool, ADDRESS)
    await store.create(owner.acting_in(), to(), unknown)
    await run(pool, "UPDATE invitation SET expires_at = now() - interval '1 second'")

    await refused(store.accept(person.user_id, await token_of(pool), unknown), Problem.UNUSABLE)
    assert not await store.page(owner.account_id, 10, None)


async def test_an_account_that_is_being_erased_takes_nobody(pool, store):
    owner, person = await somebody(pool), await somebody(pool, ADDRESS)
    await store.create(owner.acting_in(), to(), unknown)
    await run(pool, "UPDATE account SET deleting_at = now()")

    await refused(store.accept(person.user_id, await token_of(pool), unknown), Problem.UNUSABLE)


async def test_who_is_invited_again_gets_another_token_and_the_first_is_dead(pool, store):
    owner, person = await somebody(pool), await somebody(pool, ADDRESS)
    await store.create(owner.acting_in(), to(), unknown)
    first = await token_of(pool)
    await store.create(owner.acting_in(), to(ADDRESS.upper(), Role.BILLING), unknown)

    await refused(store.accept(person.user_id, first, unknown), Problem.UNUSABLE)
    member = await store.accept(person.user_id, await token_of(pool), unknown)
    assert member.role is Role.BILLING


async def test_a_member_is_not_invited(pool, store):
    owner, person = await somebody(pool), await somebody(pool, ADDRESS)
    await joins(pool, person, owner.account_id, Role.BILLING)

    await refused(store.create(owner.acting_in(), to(ADDRESS.lower()), unknown), Problem.MEMBER)
    assert not await letters(pool)


@pytest.mark.parametrize(
    ("role", "invited"),
    [
        (Role.ADMIN, Role.OWNER),
        (Role.DEVELOPER, Role.BILLING),
        (Role.BILLING, Role.BILLING),
    ],
)
async def test_nobody_invites_beyond_their_role(pool, store, role, invited):
    owner, person = await somebody(pool), await somebody(pool)
    await joins(pool, person, owner.account_id, role)
    actor = person.acting_in(owner.account_id)

    await refused(store.create(actor, to(role=invited), unknown), Problem.NOT_PERMITTED)


async def test_an_invitation_that_was_taken_back_is_dead(pool, store):
    owner, person = await somebody(pool), await somebody(pool, ADDRESS)
    made = await store.create(owner.acting_in(), to(), unknown)
    stranger = await somebody(pool)
    await refused(store.revoke(stranger.acting_in(), made.invitation_id, unknown), Problem.UNKNOWN)
    await store.revoke(owner.acting_in(), made.invitation_id, unknown)

    await refused(store.accept(person.user_id, await token_of(pool), unknown), Problem.UNUSABLE)


async def test_the_same_request_invites_once(pool, store):
    owner = await somebody(pool)
    made = await store.create(owner.acting_in(), to(), unknown)

    async def known(connection: object, new: UUID) -> UUID:
        return made.invitation_id

    again = await store.create(owner.acting_in(), to(), known)
    assert again == made
    assert len(await letters(pool)) == 1


async def test_an_account_has_so_many_that_wait_and_no_more(pool, store, monkeypatch):
    monkeypatch.setattr("accounts.invitation_store.MAXIMUM", 2)
    owner = await somebody(pool)
    for number in range(2):
        await store.create(owner.acting_in(), to(f"p{number}@example.com"), unknown)

    await refused(store.create(owner.acting_in(), to(), unknown), Problem.TOO_MANY)


async def test_pages_show_every_invitation_once_newest_first(pool, store):
    owner = await somebody(pool)
    made = [
        (await store.create(owner.acting_in(), to(f"p{number}@example.com"), unknown))
        for number in range(5)
    ]
    seen, after = [], None
    while page := await store.page(owner.account_id, 2, after):
        seen += page
        after = page[-1].invitation_id

    assert seen == made[::-1]
