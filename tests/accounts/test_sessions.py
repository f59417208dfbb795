"""Sessions: opened after a proof, read at every call, ended everywhere at once."""

from uuid import uuid4

import psycopg
import pytest

from accounts import sessions
from accounts.roles import Role
from accounts.session_statements import MAXIMUM
from accounts.sessions import PREFIX, SessionError
from tests.members_of import VAULT, joins, run, signed_in, somebody, transaction


async def visit(pool, token, network="192.0.2.1"):
    async with pool.connection() as connection:
        return await sessions.visit(connection, VAULT, token, network)


async def age(pool, column, interval):
    await run(pool, f"UPDATE session SET {column} = {column} - interval '{interval}'")


async def test_a_token_names_the_person_and_their_own_account(pool):
    person = await somebody(pool)
    grant = await signed_in(pool, person)
    visitor = await visit(pool, grant.token)

    assert (visitor.user_id, visitor.account_id) == (person.user_id, person.account_id)
    assert (visitor.role, visitor.session_id) == (Role.OWNER, grant.session_id)
    assert 0 <= visitor.seconds_since_proof < 60


async def test_a_token_is_long_and_only_its_digest_is_stored(pool):
    grant = await signed_in(pool, await somebody(pool))
    [[row]] = await run(pool, "SELECT row_to_json(s)::text FROM session s")

    assert grant.token.startswith(PREFIX)
    assert len(grant.token) == 46
    assert grant.token not in row
    assert grant.token not in repr(grant)


@pytest.mark.parametrize("token", ["", "rs_", "rs_short", "rs_" + "é" * 43, "rs_" + "A" * 43])
async def test_what_is_no_token_is_nobody(pool, token):
    await signed_in(pool, await somebody(pool))

    assert await visit(pool, token) is None


@pytest.mark.parametrize(
    ("column", "before", "after"),
    [
        ("expires_at", "29 days 23 hours", "1 hour 1 second"),
        ("last_seen_at", "6 days 23 hours", "1 hour 1 second"),
    ],
)
async def test_a_session_ends_after_30_days_or_7_without_use(pool, column, before, after):
    grant = await signed_in(pool, await somebody(pool))
    await age(pool, column, before)
    assert await visit(pool, grant.token) is not None
    # Seen again just now: back to where it was.
    await run(pool, "UPDATE session SET last_seen_at = created_at")
    await age(pool, "last_seen_at", before if column == "last_seen_at" else "0 days")
    await age(pool, column, after)

    assert await visit(pool, grant.token) is None
    async with pool.connection() as connection:
        assert not await sessions.page_of_sessions(connection, grant.session.user_id, 10, None)


async def test_use_keeps_a_session_alive_but_not_beyond_30_days(pool):
    grant = await signed_in(pool, await somebody(pool))
    for _ in range(4):
        await age(pool, "last_seen_at", "6 days")
        assert await visit(pool, grant.token) is not None
    await age(pool, "expires_at", "30 days")

    assert await visit(pool, grant.token) is None


async def test_last_use_and_network_are_written_at_most_once_a_minute(pool):
    grant = await signed_in(pool, await somebody(pool))
    seen = "SELECT last_seen_at, host(network) FROM session"
    before = await run(pool, seen)
    await visit(pool, grant.token, "198.51.100.7")
    assert await run(pool, seen) == before

    await age(pool, "last_seen_at", "61 seconds")
    await visit(pool, grant.token, "198.51.100.7")
    [[at, network]] = await run(pool, seen)
    assert network == "198.51.100.7"
    assert at >= before[0][0]


async def test_an_address_that_is_none_is_not_written(pool):
    grant = await signed_in(pool, await somebody(pool))
    await age(pool, "last_seen_at", "61 seconds")
    await visit(pool, grant.token, "unix:nonsense")

    assert await run(pool, "SELECT host(network) FROM session") == [("192.0.2.1",)]


async def test_a_renewed_token_replaces_the_one_before(pool):
    person = await somebody(pool)
    old = await signed_in(pool, person)
    await age(pool, "proved_at", "1 hour")
    async with transaction(pool) as connection:
        new = await sessions.renew_token(connection, VAULT, old.session_id)

    assert await visit(pool, old.token) is None
    visitor = await visit(pool, new.token)
    assert visitor.session_id == old.session_id
    assert visitor.seconds_since_proof > 3000  # a new token proves nothing about the person

    async with transaction(pool) as connection:
        proved = await sessions.renew_token(connection, VAULT, old.session_id, proved=True)
    assert (await visit(pool, proved.token)).seconds_since_proof < 60


async def test_a_session_cannot_move_to_an_account_of_others(pool):
    grant = await signed_in(pool, await somebody(pool))
    stranger = await somebody(pool)
    async with transaction(pool) as connection:
        with pytest.raises(SessionError):
            await sessions.renew_token(connection, VAULT, grant.session_id, stranger.account_id)

    assert await visit(pool, grant.token) is not None


async def test_a_session_cannot_be_opened_in_an_account_of_others(pool):
    person, stranger = await somebody(pool), await somebody(pool)
    with pytest.raises(SessionError):
        await signed_in(pool, person, stranger.account_id)


async def test_the_database_refuses_a_session_without_a_membership(pool):
    person, stranger = await somebody(pool), await somebody(pool)
    await signed_in(pool, person)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        await run(pool, "UPDATE session SET account_id = %s", (stranger.account_id,))


async def test_ending_all_sessions_spares_only_the_one_that_is_named(pool):
    person, other = await somebody(pool), await somebody(pool)
    mine, second, third = [await signed_in(pool, person) for _ in range(3)]
    theirs = await signed_in(pool, other)
    async with transaction(pool) as connection:
        assert await sessions.end_sessions(connection, person.user_id, mine.session_id) == 2

    found = [await visit(pool, grant.token) is not None for grant in (mine, second, third, theirs)]
    assert found == [True, False, False, True]


async def test_ending_the_sessions_of_an_account_leaves_those_elsewhere(pool):
    person = await somebody(pool)
    other = await somebody(pool)
    await joins(pool, person, other.account_id, Role.ADMIN)
    here, there = await signed_in(pool, person), await signed_in(pool, person, other.account_id)
    async with transaction(pool) as connection:
        assert await sessions.end_sessions_of_account(connection, other.account_id) == 1

    assert await visit(pool, here.token) is not None
    assert await visit(pool, there.token) is None


async def test_nobody_ends_a_session_of_another_person(pool):
    grant = await signed_in(pool, await somebody(pool))
    async with transaction(pool) as connection:
        with pytest.raises(SessionError):
            await sessions.end_session(connection, uuid4(), grant.session_id)

    assert await visit(pool, grant.token) is not None


async def test_who_signs_in_everywhere_loses_what_they_used_least(pool):
    person = await somebody(pool)
    first = await signed_in(pool, person)
    await age(pool, "last_seen_at", "1 hour")
    for _ in range(MAXIMUM):
        last = await signed_in(pool, person)

    assert await run(pool, "SELECT count(*) FROM session") == [(MAXIMUM,)]
    assert await visit(pool, first.token) is None
    assert await visit(pool, last.token) is not None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE account SET deleting_at = now()",
        "UPDATE app_user SET deleting_at = now()",
    ],
)
async def test_what_is_being_erased_has_no_sessions_any_more(pool, statement):
    person = await somebody(pool)
    grant = await signed_in(pool, person)
    await run(pool, statement)

    assert await visit(pool, grant.token) is None


async def test_a_suspended_account_says_so(pool):
    grant = await signed_in(pool, await somebody(pool))
    await run(pool, "UPDATE account SET suspended_at = now()")

    assert (await visit(pool, grant.token)).suspended


async def test_who_has_no_account_any_more_is_given_one_when_they_sign_in(pool):
    person = await somebody(pool)
    await run(pool, "UPDATE account SET deleting_at = now()")
    grant = await signed_in(pool, person)

    assert grant.session.account_id != person.account_id
    assert (await visit(pool, grant.token)).role is Role.OWNER


async def test_people_sign_in_where_they_may_spend_if_there_is_such_a_place(pool):
    person, other = await somebody(pool), await somebody(pool)
    await joins(pool, person, other.account_id, Role.DEVELOPER)
    await run(
        pool, "UPDATE account SET suspended_at = now() WHERE account_id = %s", (person.account_id,)
    )

    assert (await signed_in(pool, person)).session.account_id == other.account_id
