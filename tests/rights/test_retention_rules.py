"""Retention on a moved clock."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from accounts.retention import RULES, Deed, Rule
from core.engine.ids import first_id
from core.engine.rules import BATCH, RuleFailed, apply_rules, standings
from core.log import Event
from storage.pool import Pool
from tests.rights.full_account import fill, sign_up

NOW = datetime(2028, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


async def count(pool: Pool, table: str, where: str = "true") -> int:
    async with pool.connection() as connection:
        query = f"SELECT count(*) FROM {table} WHERE {where}"
        row = await (await connection.execute(query.encode())).fetchone()
    assert row is not None
    return int(row[0])


def rule(table: str, deed: Deed = Deed.DELETE) -> Rule:
    return next(rule for rule in RULES if (rule.table, rule.deed) == (table, deed))


def test_years_are_birthdays() -> None:
    payments = rule("payment")

    assert payments.due_before(NOW) == datetime(2021, 3, 1, 12, tzinfo=UTC)
    assert payments.due_before(datetime(2028, 2, 29, tzinfo=UTC)) == datetime(
        2021, 2, 28, tzinfo=UTC
    )


async def test_usage_metadata_is_there_on_day_29_and_gone_on_day_31(pool: Pool) -> None:
    user, account = await sign_up(pool, "a@b.example", "A")
    full = await fill(pool, account, user, "a@b.example", "A")
    async with pool.connection() as connection:
        await connection.execute("UPDATE asset SET removed_at = now()")
    made = datetime.now(UTC)
    tables = ("generation", "attempt", "asset", "usage_event", "webhook_callback")
    kept = ("webhook_delivery", "stripe_event", "checkout_session", "mail", "key_network")

    await apply_rules(pool, made + 29 * DAY)
    assert [await count(pool, table) for table in tables] == [1] * len(tables)
    assert await count(pool, "mail", "sealed IS NOT NULL") == 0  # after 3 days
    await apply_rules(pool, made + 31 * DAY)

    assert [await count(pool, table) for table in (*tables, *kept)] == [0] * 10
    assert full.account == account


@pytest.mark.parametrize(
    ("table", "kept", "gone"),
    [
        ("audit_log", 729 * DAY, 732 * DAY),
        ("rights_request", 1094 * DAY, 1097 * DAY),
        ("mail", 29 * DAY, 31 * DAY),
        ("session", timedelta(0), timedelta(hours=2)),
        ("invitation", timedelta(0), timedelta(hours=2)),
        ("person_token", timedelta(0), timedelta(hours=2)),
        ("oauth_flow", timedelta(0), timedelta(hours=2)),
        ("idempotency", timedelta(0), timedelta(hours=2)),
        ("taken_down", 31 * DAY, 33 * DAY),
    ],
)
async def test_each_rule_keeps_and_deletes_in_time(
    pool: Pool, table: str, kept: timedelta, gone: timedelta
) -> None:
    user, account = await sign_up(pool, "a@b.example", "A")
    await fill(pool, account, user, "a@b.example", "A")
    now = datetime.now(UTC)
    before = await count(pool, table)

    await apply_rules(pool, now + kept)
    assert await count(pool, table) == before > 0
    await apply_rules(pool, now + gone)

    assert await count(pool, table) == 0


async def test_payments_are_there_at_6_years_and_gone_at_7(pool: Pool) -> None:
    user, account = await sign_up(pool, "a@b.example", "A")
    await fill(pool, account, user, "a@b.example", "A")
    async with pool.connection() as connection:
        await connection.execute("UPDATE payment SET created_at = now() - interval '6 years'")
    now = datetime.now(UTC)

    await apply_rules(pool, now)
    assert await count(pool, "payment") == 1
    await apply_rules(pool, now + 366 * DAY)  # the database's own clock says: not yet
    assert await count(pool, "payment") == 1
    async with pool.connection() as connection:
        await connection.execute(
            "UPDATE payment SET created_at = now() - interval '7 years 1 minute'"
        )
    await apply_rules(pool, now)

    assert await count(pool, "payment") == 0
    assert await count(pool, "payment_adjustment") == 0
    assert await count(pool, "payment_refund") == 0


async def test_addresses_of_the_log_go_before_its_lines(pool: Pool) -> None:
    user, account = await sign_up(pool, "a@b.example", "A")
    await fill(pool, account, user, "a@b.example", "A")
    now = datetime.now(UTC)

    await apply_rules(pool, now + 89 * DAY)
    assert await count(pool, "audit_log", "network IS NOT NULL") == 1
    await apply_rules(pool, now + 91 * DAY)

    assert await count(pool, "audit_log", "network IS NOT NULL") == 0
    assert await count(pool, "audit_log") == 2


async def test_a_revoked_key_goes_with_its_counters_unless_a_budget_names_it(pool: Pool) -> None:
    user, account = await sign_up(pool, "a@b.example", "A")
    await fill(pool, account, user, "a@b.example", "A")
    async with pool.connection() as connection:
        await connection.execute("UPDATE api_key SET revoked_at = now()")
    later = datetime.now(UTC) + 33 * DAY

    await apply_rules(pool, later)
    assert await count(pool, "api_key") == 1
    async with pool.connection() as connection:
        await connection.execute("DELETE FROM budget")
    await apply_rules(pool, later)

    assert [await count(pool, table) for table in ("api_key", "key_use", "key_seen")] == [0, 0, 0]


async def test_more_than_a_batch_goes_in_one_pass_and_the_report_says_what_is_due(
    pool: Pool,
) -> None:
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO stripe_event SELECT i::text, now() - interval '31 days', '', ''"
            " FROM generate_series(1, %s) i",
            (BATCH + 1,),
        )
    now = datetime.now(UTC)
    found = {item.rule: item for item in await standings(pool, now)}[rule("stripe_event")]
    assert found.due == BATCH + 1
    assert isinstance(found.oldest, datetime)

    assert (await apply_rules(pool, now))[rule("stripe_event")] == BATCH + 1
    assert {item.due for item in await standings(pool, now)} == {0}


async def test_what_another_process_deletes_is_not_waited_for(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO stripe_event VALUES (%s, 'epoch', '', '')", (uuid4().hex,)
        )
    async with pool.connection() as other, other.transaction():
        await other.execute("SELECT FROM stripe_event FOR UPDATE")
        assert (await apply_rules(pool, datetime.now(UTC)))[rule("stripe_event")] == 0

    assert (await apply_rules(pool, datetime.now(UTC)))[rule("stripe_event")] == 1


async def test_who_an_erased_account_is_at_stripe_goes_with_its_last_payment(pool: Pool) -> None:
    user, account = await sign_up(pool, "a@b.example", "A")
    await fill(pool, account, user, "a@b.example", "A")
    erased = "UPDATE account SET erased_at = %s WHERE account_id = %s"
    old = "UPDATE payment SET created_at = now() - interval '8 years'"
    now = datetime.now(UTC)
    async with pool.connection() as connection:
        await connection.execute("UPDATE stripe_customer SET created_at = 'epoch'")
        await connection.execute(erased.encode(), (now, account))
    await apply_rules(pool, now)
    assert await count(pool, "stripe_customer") == 1

    async with pool.connection() as connection:
        await connection.execute(erased.encode(), (None, account))
        await connection.execute(old.encode())
    await apply_rules(pool, now)
    assert await count(pool, "payment") == 0
    assert await count(pool, "stripe_customer") == 1  # it may pay again

    async with pool.connection() as connection:
        await connection.execute(erased.encode(), (now, account))
    await apply_rules(pool, now)
    assert await count(pool, "stripe_customer") == 0


async def test_a_rule_that_fails_keeps_no_other_from_being_applied(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.execute("INSERT INTO stripe_event VALUES ('a', 'epoch', '', '')")
        # Before that of Stripe's events.
        await connection.execute("ALTER TABLE taken_down RENAME COLUMN created_at TO other")
    told: list[Event] = []
    done = await apply_rules(pool, datetime.now(UTC), told.append)

    assert told == [RuleFailed("taken_down", "42703")]
    assert rule("taken_down") not in done
    assert done[rule("stripe_event")] == 1


async def test_a_key_goes_32_days_after_it_was_revoked_or_expired(pool: Pool) -> None:
    user, account = await sign_up(pool, "a@b.example", "A")
    now = datetime.now(UTC)
    ends = {
        "works": (None, None),
        "revoked": (now, None),
        "expired": (None, now),
        "with_budget": (None, now),
        "rotated": (None, now),
    }
    keys = {name: uuid4() for name in ends}
    async with pool.connection() as connection:
        for name, (revoked, expires) in ends.items():
            await connection.execute(
                "INSERT INTO api_key (account_id, key_id, public_id, secret_hmac, name,"
                " requests_per_minute, concurrency, revoked_at, expires_at, line_id)"
                " VALUES (%s, %s, %s, sha256(%s), %s, 1, 1, %s, %s, %s)",
                (account, keys[name], name, name.encode(), name, revoked, expires,
                 keys["rotated"] if name == "works" else None),
            )  # fmt: skip
        await connection.execute(
            "INSERT INTO budget (account_id, budget_id, key_id, period, limit_micros,"
            " alert_percents) VALUES (%s, gen_random_uuid(), %s, 'total', 1, '{}')",
            (account, keys["with_budget"]),
        )
    await apply_rules(pool, now + 31 * DAY)
    assert await count(pool, "api_key") == 5
    await apply_rules(pool, now + 33 * DAY)

    assert await count(pool, "api_key", "name IN ('works', 'with_budget', 'rotated')") == 3
    assert await count(pool, "api_key") == 3
    assert user is not None


def test_ids_are_as_old_as_their_time() -> None:
    assert first_id(NOW) > first_id(NOW - DAY)
