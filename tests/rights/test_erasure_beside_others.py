"""Erasure where several things happen at a time, and what stays behind in odd places."""

import asyncio
from datetime import UTC, datetime, timedelta

from accounts import erasure, exports
from accounts.erasure import Claimed, Wish, begin_erasure
from accounts.places import open_own_account
from core.engine.ids import new_id
from core.engine.rules import apply_rules
from storage.pool import Pool
from tests.rights.full_account import VAULT, sign_up

LONG_AFTER = timedelta(days=4 * 366)


async def test_two_accounts_of_a_person_that_end_at_a_time_leave_nobody(pool: Pool) -> None:
    user, first = await sign_up(pool, "marie@radium.example", "Marie")
    async with pool.connection() as connection, connection.transaction():
        second = await open_own_account(connection, VAULT, user)
    begun = []
    for account in (first, second):
        async with pool.connection() as connection, connection.transaction():
            wish = Wish(account, user)
            begun.append(Claimed(account, await begin_erasure(connection, VAULT, wish, new_id)))

    async def finish(claimed: Claimed) -> None:
        async with pool.connection() as connection, connection.transaction():
            await erasure.finish(connection, claimed)

    async with pool.connection() as connection, connection.transaction():
        await erasure.finish(connection, begun[0])
        other = asyncio.create_task(finish(begun[1]))
        await asyncio.wait({other}, timeout=0.5)  # it waits for the first, or is done wrongly
    await other

    async with pool.connection() as connection:
        assert await (await connection.execute("SELECT user_id FROM app_user")).fetchall() == []


async def test_the_request_for_an_archive_that_failed_goes_after_three_years(pool: Pool) -> None:
    user, account = await sign_up(pool, "marie@radium.example", "Marie")
    now = datetime.now(UTC)
    asked = exports.Export(account, new_id(), user, True, now, None, None, None, None, "tasks/x/y")
    async with pool.connection() as connection:
        await exports.create(connection, VAULT, asked, new_id())
        for _ in range(exports.TRIES):
            await connection.execute("UPDATE export SET lease_until = 'epoch'")
            work = await exports.claim(connection, VAULT, 60)
            assert work is not None
            await exports.fail(connection, work)

    await apply_rules(pool, now + LONG_AFTER)

    async with pool.connection() as connection:
        assert await (await connection.execute("SELECT id FROM rights_request")).fetchall() == []


async def test_what_was_sampled_of_rows_that_stay_is_forgotten_too(pool: Pool) -> None:
    async with pool.connection() as connection:
        for number in range(3):
            await connection.execute(
                "WITH a AS (INSERT INTO account (account_id, name)"
                " VALUES (gen_random_uuid(), %s) RETURNING account_id)"
                " INSERT INTO audit_log (account_id, id, actor, action, target, network)"
                " SELECT account_id, gen_random_uuid(), 'person', '', '', %s::inet FROM a",
                (f"Jane Doe {number}", f"192.0.2.{number}"),
            )
        await connection.execute("ANALYZE account")
        await connection.execute("ANALYZE audit_log")
        await connection.execute("UPDATE account SET name = ''")
        await connection.execute("UPDATE audit_log SET network = NULL")

    await erasure.forget_samples(pool.connection)

    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT tablename, attname FROM pg_stats WHERE schemaname = 'public'"
            " AND concat(histogram_bounds::text, most_common_vals::text) ~ 'Jane|192\\.0\\.2'"
        )
        assert await cursor.fetchall() == []
