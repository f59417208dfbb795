"""Members: who may give whom which role, who may go, and what goes with them."""

import asyncio
import os
from uuid import uuid4

import psycopg
import pytest

from accounts.keys import PUBLIC_BYTES, SECRET_BYTES, make_key
from accounts.members import MemberError, MemberStore, Problem
from accounts.roles import Role, may_place
from accounts.sessions import visit
from tests.members_of import VAULT, Notes, joins, member_of, run, signed_in, somebody, unknown

OWNER, ADMIN, DEVELOPER, BILLING = Role


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def store(pool, notes):
    return MemberStore(pool, VAULT, notes)


async def house(pool, *roles):
    """An owner, and others with *roles* in the owner's account; with their member ids."""
    owner = await somebody(pool)
    people = [owner]
    members = [await member_of(pool, owner)]
    for role in roles:
        person = await somebody(pool)
        people.append(person)
        members.append(await joins(pool, person, owner.account_id, role))
    return people, members


async def key_of(pool, person, account_id, *scopes):
    key = make_key(os.urandom(PUBLIC_BYTES + SECRET_BYTES))
    await run(
        pool,
        "INSERT INTO api_key (account_id, key_id, public_id, secret_hmac, name, scopes, user_id,"
        " requests_per_minute, concurrency) VALUES (%s, %s, %s, %s, '', %s, %s, 1, 1)",
        (account_id, uuid4(), key.public_id, os.urandom(32), list(scopes), person.user_id),
    )
    return key.public_id


async def active_keys(pool):
    rows = await run(pool, "SELECT public_id FROM api_key WHERE revoked_at IS NULL")
    return {row[0] for row in rows}


async def roles_of(pool, account_id):
    rows = await run(pool, "SELECT role FROM membership WHERE account_id = %s", (account_id,))
    return sorted(row[0] for row in rows)


async def lives(pool, grant):
    async with pool.connection() as connection:
        return await visit(connection, VAULT, grant.token, "") is not None


@pytest.mark.parametrize("actor", Role)
@pytest.mark.parametrize("current", [*Role, None])
@pytest.mark.parametrize("wanted", [*Role, None])
def test_only_owners_touch_owners_and_only_who_governs_touches_anybody(actor, current, wanted):
    owners_matter = OWNER in (current, wanted)
    allowed = actor is OWNER or (actor is ADMIN and not owners_matter)

    assert may_place(actor, current, wanted) is allowed


async def test_an_owner_makes_an_admin(pool, store, notes):
    (owner, person), (_, id_) = await house(pool, DEVELOPER)
    member = await store.change_role(owner.acting_in(), id_, ADMIN, unknown)

    assert (member.role, member.email) == (ADMIN, person.email)
    assert notes.told == [("member.update", None)]


@pytest.mark.parametrize("role", [ADMIN, DEVELOPER, BILLING])
async def test_who_does_not_govern_owners_changes_none(pool, store, role):
    (owner, person), (id_, mine) = await house(pool, role)
    actor = person.acting_in(owner.account_id)
    for wanted in (id_, DEVELOPER), (mine, OWNER):
        with pytest.raises(MemberError) as refused:
            await store.change_role(actor, *wanted, unknown)
        assert refused.value.problem is Problem.NOT_PERMITTED
    with pytest.raises(MemberError):
        await store.remove(actor, id_, unknown)

    assert await roles_of(pool, owner.account_id) == sorted(["owner", role])


async def test_members_of_another_account_are_unknown(pool, store):
    (owner, _), _ = await house(pool, DEVELOPER)
    (_, _), (_, theirs) = await house(pool, DEVELOPER)
    for call in (
        store.change_role(owner.acting_in(), theirs, ADMIN, unknown),
        store.remove(owner.acting_in(), theirs, unknown),
    ):
        with pytest.raises(MemberError) as refused:
            await call
        assert refused.value.problem is Problem.UNKNOWN


async def test_a_stranger_changes_nobody(pool, store):
    (owner, _), (_, id_) = await house(pool, DEVELOPER)
    stranger = await somebody(pool)
    with pytest.raises(MemberError) as refused:
        await store.remove(stranger.acting_in(owner.account_id), id_, unknown)

    assert refused.value.problem is Problem.NOT_PERMITTED


async def test_another_role_ends_sessions_there_and_nowhere_else(pool, store):
    (owner, person), (_, id_) = await house(pool, DEVELOPER)
    there, home = await signed_in(pool, person, owner.account_id), await signed_in(pool, person)
    await store.change_role(owner.acting_in(), id_, ADMIN, unknown)

    assert [await lives(pool, there), await lives(pool, home)] == [False, True]


async def test_a_smaller_role_takes_the_keys_that_may_do_more(pool, store):
    (owner, person), (_, id_) = await house(pool, ADMIN)
    account = owner.account_id
    strong = await key_of(pool, person, account, "generate", "manage_billing")
    everything = await key_of(pool, person, account)
    weak = await key_of(pool, person, account, "generate")
    others = await key_of(pool, owner, account, "manage_billing")
    await store.change_role(owner.acting_in(), id_, DEVELOPER, unknown)

    assert await active_keys(pool) == {weak, others}
    assert {strong, everything}.isdisjoint(await active_keys(pool))


async def test_who_is_removed_loses_keys_sessions_and_invitations_there(pool, store):
    (owner, person), (_, id_) = await house(pool, ADMIN)
    await key_of(pool, person, owner.account_id, "generate")
    kept = await key_of(pool, person, person.account_id, "generate")
    there, home = await signed_in(pool, person, owner.account_id), await signed_in(pool, person)
    await run(
        pool,
        "INSERT INTO invitation VALUES (%s, %s, 'h', 's', 'admin', %s, 't', now(), now())",
        (owner.account_id, uuid4(), id_),
    )
    await store.remove(owner.acting_in(), id_, unknown)

    assert await active_keys(pool) == {kept}
    assert [await lives(pool, there), await lives(pool, home)] == [False, True]
    assert await run(pool, "SELECT count(*) FROM invitation") == [(0,)]
    assert await roles_of(pool, owner.account_id) == ["owner"]


@pytest.mark.parametrize("role", Role)
async def test_everybody_may_leave(pool, store, role):
    (owner, person), (_, id_) = await house(pool, role)
    await store.remove(person.acting_in(owner.account_id), id_, unknown)

    assert await roles_of(pool, owner.account_id) == ["owner"]


async def test_the_last_owner_stays(pool, store):
    (owner, _), (id_, _) = await house(pool, ADMIN)
    for call in (
        store.remove(owner.acting_in(), id_, unknown),
        store.change_role(owner.acting_in(), id_, ADMIN, unknown),
    ):
        with pytest.raises(MemberError) as refused:
            await call
        assert refused.value.problem is Problem.LAST_OWNER

    assert await roles_of(pool, owner.account_id) == ["admin", "owner"]


async def test_the_last_member_stays_until_the_account_is_erased(pool, store):
    (owner,), (id_,) = await house(pool)
    with pytest.raises(MemberError) as refused:
        await store.remove(owner.acting_in(), id_, unknown)
    assert refused.value.problem is Problem.LAST_OWNER

    await run(pool, "UPDATE account SET deleting_at = now()")
    await run(pool, "DELETE FROM membership")
    assert await roles_of(pool, owner.account_id) == []


async def test_two_owners_who_demote_each_other_end_with_one(pool, store):
    for _ in range(5):
        (one, two), (first, second) = await house(pool, OWNER)
        ended = await asyncio.gather(
            store.change_role(one.acting_in(), second, ADMIN, unknown),
            store.change_role(two.acting_in(one.account_id), first, ADMIN, unknown),
            return_exceptions=True,
        )

        # Whoever comes second has lost the role, and does nothing by the one they had.
        assert [end.problem for end in ended if isinstance(end, MemberError)] == [
            Problem.NOT_PERMITTED
        ]
        assert await roles_of(pool, one.account_id) == ["admin", "owner"]


async def test_two_owners_who_leave_at_once_end_with_one(pool, store):
    for _ in range(5):
        (one, two), (first, second) = await house(pool, OWNER)
        ended = await asyncio.gather(
            store.remove(one.acting_in(), first, unknown),
            store.remove(two.acting_in(one.account_id), second, unknown),
            return_exceptions=True,
        )

        assert [end.problem for end in ended if isinstance(end, MemberError)] == [
            Problem.LAST_OWNER
        ]
        assert await roles_of(pool, one.account_id) == ["owner"]


async def test_the_database_keeps_an_owner_whatever_the_program_does(pool):
    (owner,), _ = await house(pool)
    for statement in ("UPDATE membership SET role = 'admin'", "DELETE FROM membership"):
        with pytest.raises(psycopg.errors.CheckViolation, match="keeps an owner"):
            await run(pool, statement)

    assert await roles_of(pool, owner.account_id) == ["owner"]


async def test_pages_show_every_member_once_by_the_time_they_joined(pool, store):
    (owner, *_), members = await house(pool, ADMIN, DEVELOPER, BILLING)
    seen, after = [], None
    while page := await store.page(owner.account_id, 3, after):
        seen += [member.member_id for member in page]
        after = page[-1].member_id

    assert seen == members


async def test_a_person_sees_all_places_and_what_they_are_called(pool, store):
    (owner, person), (_, id_) = await house(pool, DEVELOPER)
    places = await store.places(person.user_id, 10, None)

    assert [place.account_id for place in places] == [person.account_id, owner.account_id]
    assert {place.account_name for place in places} == {"My account"}
    assert places[1].member_id == id_
