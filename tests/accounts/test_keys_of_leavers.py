"""Keys and their makers: no key outlives its maker's place or rights, and no budget is walked around."""

import asyncio
import os
from datetime import timedelta
from uuid import uuid4

import pytest

from accounts.granting import CONCURRENCY, RATE, Manager, Scope, Settings
from accounts.key_entries import Change, KeyStoreError, Problem, Rotation
from accounts.key_store import KeyStore
from accounts.keys import PUBLIC_BYTES, SECRET_BYTES, make_key
from accounts.members import MemberStore
from accounts.registry import NewKey
from accounts.roles import Role
from tests.members_of import VAULT, Notes, joins, run, somebody, unknown

_WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


class Pause:
    """Stops a change in the middle, after it has asked what its maker may do."""

    def __init__(self):
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, connection, made):
        self.reached.set()
        await self.go.wait()


async def noted(connection, action, resource):
    """Nothing is written down."""


@pytest.fixture
def keys(pool):
    return KeyStore(pool, noted)


@pytest.fixture
def members(pool):
    return MemberStore(pool, VAULT, Notes())


def new_key():
    key = make_key(os.urandom(PUBLIC_BYTES + SECRET_BYTES))
    return NewKey(uuid4(), key.public_id, os.urandom(32))


async def made(keys, account_id, manager, known=unknown, **settings):
    wanted = Settings(**{"scopes": frozenset({Scope.GENERATE}), **settings})
    entry, _ = await keys.create(account_id, manager, new_key(), lambda: wanted, known)
    return entry


def rotating(keys, account_id, manager, entry, known=unknown):
    rotation = Rotation(entry.public_id, new_key(), timedelta())
    return keys.rotate(account_id, manager, rotation, known)


def widening(keys, account_id, manager, entry, known):
    wanted = Settings(scopes=frozenset({Scope.GENERATE, Scope.MANAGE_BILLING}))
    return keys.update(account_id, manager, Change(entry.public_id, wanted, None), known)


def making(keys, account_id, manager, entry, known):
    return made(keys, account_id, manager, known, scopes=frozenset({Scope.MANAGE_BILLING}))


async def active(pool, user_id):
    rows = await run(
        pool,
        "SELECT scopes FROM api_key WHERE user_id = %s AND revoked_at IS NULL"
        " AND (expires_at IS NULL OR expires_at > clock_timestamp())",
        (user_id,),
    )
    return [set(row[0]) for row in rows]


@pytest.mark.parametrize("role", [None, Role.DEVELOPER])
@pytest.mark.parametrize("change", [making, widening])
async def test_what_is_made_while_its_maker_goes_or_is_demoted_goes_too(
    pool, keys, members, change, role
):
    owner, admin = await somebody(pool), await somebody(pool)
    member = await joins(pool, admin, owner.account_id, Role.ADMIN)
    manager = Manager(user_id=admin.user_id)
    entry = await made(keys, owner.account_id, manager)
    pause = Pause()

    changing = asyncio.create_task(change(keys, owner.account_id, manager, entry, pause))
    await asyncio.wait_for(pause.reached.wait(), 5)
    actor = owner.acting_in()
    ending = asyncio.create_task(
        members.change_role(actor, member, role, unknown)
        if role
        else members.remove(actor, member, unknown)
    )
    async with asyncio.timeout(5):
        while not ending.done() and (await run(pool, _WAITING))[0][0] == 0:
            await asyncio.sleep(0)
    pause.go.set()
    async with asyncio.timeout(5):
        await asyncio.gather(changing, ending)

    kept = await active(pool, admin.user_id)
    assert all("manage_billing" not in scopes for scopes in kept)
    assert role or not kept


async def test_a_rotation_that_its_maker_s_removal_overtakes_leaves_no_key(pool, keys, members):
    owner, admin = await somebody(pool), await somebody(pool)
    member = await joins(pool, admin, owner.account_id, Role.ADMIN)
    manager = Manager(user_id=admin.user_id)
    entry = await made(keys, owner.account_id, manager)
    pause = Pause()

    rotation = asyncio.create_task(rotating(keys, owner.account_id, manager, entry, pause))
    await asyncio.wait_for(pause.reached.wait(), 5)
    removal = asyncio.create_task(members.remove(owner.acting_in(), member, unknown))
    async with asyncio.timeout(5):
        while not removal.done() and (await run(pool, _WAITING))[0][0] == 0:
            waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            if (await run(pool, waits))[0][0]:  # for the row of the key, without the lock of keys
                break
            await asyncio.sleep(0)
    pause.go.set()
    async with asyncio.timeout(5):
        await asyncio.gather(rotation, removal)

    assert await active(pool, admin.user_id) == []


async def test_a_key_is_whose_who_rotated_it(pool, keys, members):
    owner, admin = await somebody(pool), await somebody(pool)
    member = await joins(pool, admin, owner.account_id, Role.ADMIN)
    entry = await made(keys, owner.account_id, Manager(user_id=owner.user_id))

    new, _, _ = await rotating(keys, owner.account_id, Manager(user_id=admin.user_id), entry)
    assert new.user_id == admin.user_id
    await members.remove(owner.acting_in(), member, unknown)
    assert await active(pool, admin.user_id) == []


async def test_an_operator_s_key_is_the_person_s_who_rotated_it(pool, keys):
    owner = await somebody(pool)
    key = new_key()
    await run(
        pool,
        "INSERT INTO api_key (account_id, key_id, public_id, secret_hmac, name, scopes,"
        " requests_per_minute, concurrency) VALUES (%s, %s, %s, %s, '', '{generate}', %s, %s)",
        (owner.account_id, key.key_id, key.public_id, key.digest, RATE, CONCURRENCY),
    )
    manager = Manager(user_id=owner.user_id)
    entry = await keys.get(owner.account_id, manager, key.public_id)

    new, _, _ = await rotating(keys, owner.account_id, manager, entry)
    assert (entry.user_id, new.user_id) == (None, owner.user_id)


async def budget_of(pool, account_id, key_id):
    await run(
        pool,
        "INSERT INTO budget (account_id, budget_id, key_id, period, limit_micros)"
        " VALUES (%s, %s, %s, 'day', 1)",
        (account_id, uuid4(), key_id),
    )


async def test_a_developer_with_a_budget_makes_no_key_beside_it(pool, keys):
    owner, developer = await somebody(pool), await somebody(pool)
    await joins(pool, developer, owner.account_id, Role.DEVELOPER)
    manager = Manager(user_id=developer.user_id)
    scopes = frozenset({Scope.GENERATE, Scope.MANAGE_API_KEYS})
    entry = await made(keys, owner.account_id, manager)
    other = await made(keys, owner.account_id, manager, scopes=scopes)
    await budget_of(pool, owner.account_id, entry.key_id)

    for who in (manager, Manager(key_id=other.key_id)):
        with pytest.raises(KeyStoreError) as caught:
            await made(keys, owner.account_id, who)
        assert caught.value.problem is Problem.HELD
    await keys.revoke(owner.account_id, manager, entry.public_id, unknown)
    with pytest.raises(KeyStoreError):  # nor by giving the one up
        await made(keys, owner.account_id, manager)
    assert await made(keys, owner.account_id, Manager(user_id=owner.user_id))


async def test_a_developer_may_rotate_a_key_with_a_budget(pool, keys):
    owner, developer = await somebody(pool), await somebody(pool)
    await joins(pool, developer, owner.account_id, Role.DEVELOPER)
    manager = Manager(user_id=developer.user_id)
    entry = await made(keys, owner.account_id, manager)
    await budget_of(pool, owner.account_id, entry.key_id)

    new, _, _ = await rotating(keys, owner.account_id, manager, entry)
    assert new.line_id == entry.key_id
