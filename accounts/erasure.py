"""Erasure of an account: what stops at once, and the rows that go afterwards.

`begin` runs in the transaction that was asked for it. Whatever follows is durable: the row in
`erasure` stays until nothing is left, and each step may be done again by any process
(`core.engine.erasing`). Which rows go says the map of data.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection, sql

from accounts.addressed import COLUMNS, Addressee, addressed
from accounts.data_map import TABLES
from accounts.data_words import Erase
from accounts.mail_queue import Kind, Letter, post
from accounts.sessions import end_sessions, end_sessions_of_account
from accounts.vault import Vault

BATCH: Final = 2_000
"""Rows of one statement: locks are held for milliseconds."""

_ACCOUNT: Final = """
SELECT deleting_at IS NOT NULL, erased_at IS NOT NULL FROM account WHERE account_id = %s FOR UPDATE
"""
_BEGUN: Final = "SELECT rights_request_id FROM erasure WHERE account_id = %s"
# Locked first, so that of two accounts that end at a time the later one sees the earlier.
_MEMBERS: Final = f"""
SELECT {COLUMNS} FROM app_user
 WHERE user_id IN (SELECT user_id FROM membership WHERE account_id = %s)
 ORDER BY user_id FOR UPDATE
"""  # noqa: S608 (a constant of ours)
_LEAVING: Final = """
UPDATE app_user u SET deleting_at = clock_timestamp()
 WHERE user_id = ANY (%(members)s)
   AND NOT EXISTS (SELECT FROM membership m JOIN account a USING (account_id)
                    WHERE m.user_id = u.user_id AND m.account_id <> %(account)s
                      AND a.deleting_at IS NULL)
RETURNING user_id
"""
_STOP: Final = (
    (
        "UPDATE account SET deleting_at = clock_timestamp(), version = version + 1"
        " WHERE account_id = %(account)s"
    ),
    (
        "UPDATE api_key SET revoked_at = clock_timestamp(), version = version + 1"
        " WHERE account_id = %(account)s AND revoked_at IS NULL"
    ),
    (
        "UPDATE auto_top_up SET enabled_at = NULL, version = version + 1"
        " WHERE account_id = %(account)s AND enabled_at IS NOT NULL"
    ),
    "DELETE FROM invitation WHERE account_id = %(account)s",
    (
        "INSERT INTO rights_request (id, account_id, user_id, kind)"
        " VALUES (%(id)s, %(account)s, %(user)s, 'erasure')"
    ),
    "INSERT INTO erasure (account_id, rights_request_id) VALUES (%(account)s, %(id)s)",
)

Connection: TypeAlias = AsyncConnection[Any]


class NoSuchAccount(Exception):
    """There is none, or none any more."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Who is to be erased, at whose wish."""

    account_id: UUID
    user_id: UUID | None = None
    """The person who asked; None: the operator."""


async def begin_erasure(
    connection: Connection, vault: Vault, wish: Wish, new_id: Callable[[], UUID]
) -> UUID:
    """Stop all keys and sessions of the account, and have it erased; the id of the rights request.

    Must run in a transaction; one that was begun before is left as it is. Whoever belongs to no
    other account may not sign in from now on, and is told by mail that all is being deleted: the
    address is gone soon. Raises NoSuchAccount.
    """
    account = wish.account_id
    cursor = await connection.execute(_ACCOUNT, (account,))
    row = await cursor.fetchone()
    if row is None or row[1]:
        raise NoSuchAccount
    if row[0]:
        begun = await (await connection.execute(_BEGUN, (account,))).fetchone()
        assert begun is not None
        known: UUID = begun[0]
        return known
    id_ = new_id()
    members = await (await connection.execute(_MEMBERS, (account,))).fetchall()
    people = [Addressee(*row) for row in members]
    values: dict[str, Any] = {"id": id_, "account": account, "user": wish.user_id}
    values["members"] = [person.user_id for person in people]
    cursor = await connection.execute(_LEAVING, values)
    leaving = {user for (user,) in await cursor.fetchall()}
    for statement in _STOP:
        await connection.execute(statement, values)
    await end_sessions_of_account(connection, account)
    for user in leaving:
        await end_sessions(connection, user)
    for person in people:
        # It names nobody: it outlives the rows that it is about.
        facts = {"request": f"rights_requests/{id_.hex}"}
        if person.user_id not in leaving:
            facts["stays"] = "yes"  # in an account of their own
        draft = Letter(new_id(), Kind.ACCOUNT_ERASED, "", facts)
        await post(connection, vault, addressed(vault, draft, person))
    return id_


# ---- what follows

_CLAIM: Final = """
UPDATE erasure SET lease_until = clock_timestamp() + %(lease)s
 WHERE account_id = (SELECT account_id FROM erasure WHERE lease_until <= clock_timestamp()
                      ORDER BY lease_until LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING account_id, rights_request_id
"""
_POSTPONE: Final = "UPDATE erasure SET lease_until = clock_timestamp() + %s WHERE account_id = %s"
_BUSY: Final = """
SELECT EXISTS (SELECT FROM generation WHERE account_id = %(account)s AND finished_at IS NULL)
    OR EXISTS (SELECT FROM top_up WHERE account_id = %(account)s AND state = 'pending')
"""
_PARTS: Final = """
SELECT coalesce(i.inhrelid, c.oid)::regclass::text
  FROM pg_class c LEFT JOIN pg_inherits i ON i.inhparent = c.oid
 WHERE c.oid = to_regclass(%s)
"""
_DELETE: Final = sql.SQL("""
DELETE FROM {part} WHERE ctid = ANY (ARRAY (SELECT ctid FROM {part} WHERE account_id = %s LIMIT %s))
""")
_JOBS: Final = "DELETE FROM procrastinate_jobs WHERE status = 'todo' AND args ->> 'account_id' = %s"
_PEOPLE: Final = """
SELECT u.user_id FROM app_user u JOIN membership m USING (user_id)
 WHERE m.account_id = %(account)s AND u.deleting_at IS NOT NULL
   AND NOT EXISTS (SELECT FROM membership o WHERE o.user_id = u.user_id
                      AND o.account_id <> %(account)s)
 ORDER BY u.user_id FOR UPDATE OF u
"""
_SUPPRESSED: Final = """
DELETE FROM mail_suppression s USING app_user u
 WHERE u.user_id = ANY (%(people)s) AND s.email_hmac IN (u.email_hmac, u.pending_email_hmac)
"""
_OF_PEOPLE: Final = {
    "api_key": "UPDATE api_key SET user_id = NULL WHERE user_id = ANY (%(people)s)",
    "audit_log": "UPDATE audit_log SET user_id = NULL, network = NULL"
    " WHERE user_id = ANY (%(people)s)",
    "rights_request": "UPDATE rights_request SET user_id = NULL, account_id = NULL"
    " WHERE user_id = ANY (%(people)s)",
}
"""How rows of people are forgotten that stay."""
_OF_ACCOUNT: Final = {
    # What the operator did stays, under the number of the request instead of the account's,
    # without the reason and the address; so do those that asked for the erasure.
    "audit_log": """
WITH gone AS (
    DELETE FROM audit_log WHERE account_id = %(account)s AND actor <> 'operator'
)
UPDATE audit_log SET account_id = '00000000-0000-0000-0000-000000000000', user_id = NULL,
       target = 'rights_requests/' || replace(%(request)s::text, '-', ''), reason = '',
       network = NULL, changes = NULL
 WHERE actor = 'operator' AND (account_id = %(account)s
    OR account_id = '00000000-0000-0000-0000-000000000000'
       AND target = 'rights_requests/' || replace(%(request)s::text, '-', ''))
""",
    "rights_request": """
UPDATE rights_request SET account_id = NULL, user_id = NULL,
       done_at = CASE WHEN id = %(request)s THEN clock_timestamp() ELSE done_at END
 WHERE account_id = %(account)s OR id = %(request)s
""",
    # Without a payment there is nothing to book any more that would need it.
    "stripe_customer": """
DELETE FROM stripe_customer WHERE account_id = %(account)s
   AND NOT EXISTS (SELECT FROM payment WHERE account_id = %(account)s)
""",
    "account": """
UPDATE account SET name = '', name_sealed = NULL, allowed_models = '{}',
       outputs_not_stored = false, erased_at = clock_timestamp()
 WHERE account_id = %(account)s
""",
}
"""Likewise of accounts."""
_LAST: Final = frozenset({"membership", "erasure"})
"""These say who is left to be erased: they go with the people, in the last transaction."""
_CAN_FORGET: Final = 180_000
_FORGET_SAMPLES: Final = """
SELECT pg_clear_attribute_stats(schemaname, tablename, attname, inherited)
  FROM pg_stats WHERE schemaname = 'public' AND tablename = %s
"""
_ALONE: Final = "SELECT pg_try_advisory_xact_lock(hashtext('look again'))"
# The connection only holds the lock, for as long as the look takes.
_PATIENCE: Final = "SET LOCAL idle_in_transaction_session_timeout = '1h'"
_STRAGGLERS: Final = """
SELECT account_id FROM account WHERE erased_at > %s ORDER BY account_id
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An erasure that is this process's for a while."""

    account_id: UUID
    rights_request_id: UUID


async def claim(connection: Connection, lease: float) -> Claimed | None:
    """Take one that nobody works on, for *lease* seconds; None: there is none."""
    cursor = await connection.execute(_CLAIM, {"lease": _interval(lease)})
    row = await cursor.fetchone()
    return None if row is None else Claimed(*row)


async def postpone(connection: Connection, claimed: Claimed, seconds: float) -> None:
    """Keep it for *seconds* longer, or leave it until then."""
    await connection.execute(_POSTPONE, (_interval(seconds), claimed.account_id))


async def is_busy(connection: Connection, account_id: UUID) -> bool:
    """Whether something of it still runs: a generation, or a charge."""
    cursor = await connection.execute(_BUSY, {"account": account_id})
    row = await cursor.fetchone()
    return bool(row and row[0])


async def _parts(pool_connection: Callable[[], Any]) -> list[str]:
    """The tables that rows are deleted from, partitions one by one, in order."""
    found: list[str] = []
    async with pool_connection() as connection:
        for table in TABLES:
            if table.account is Erase.DELETE and table.name not in _LAST:
                cursor = await connection.execute(_PARTS, (table.name,))
                found += [name for (name,) in await cursor.fetchall()]
    return found


async def delete_rows(pool_connection: Callable[[], Any], account_id: UUID) -> int:
    """Delete the account's rows, a batch in a transaction; how many went."""
    total = 0
    for part in await _parts(pool_connection):
        statement = _DELETE.format(part=sql.Identifier(part))
        rows = BATCH
        while rows == BATCH:
            async with pool_connection() as connection:
                cursor = await connection.execute(statement, (account_id, BATCH))
                rows = cursor.rowcount
            total += rows
    async with pool_connection() as connection:
        cursor = await connection.execute("SELECT to_regclass('procrastinate_jobs') IS NOT NULL")
        if await cursor.fetchone() == (True,):
            await connection.execute(_JOBS, (account_id.hex,))
    return total


async def finish(connection: Connection, claimed: Claimed) -> None:
    """Erase the people who are left without an account, and forget whose account it was.

    Must run in a transaction.
    """
    values: dict[str, Any] = {
        "account": claimed.account_id,
        "request": claimed.rights_request_id,
    }
    # Of two accounts of a person that end at a time, the later one sees that the earlier is gone.
    await connection.execute(_MEMBERS, (claimed.account_id,))
    cursor = await connection.execute(_PEOPLE, values)
    values["people"] = [user for (user,) in await cursor.fetchall()]
    await connection.execute(_SUPPRESSED, values)
    for statement in _OF_ACCOUNT.values():
        await connection.execute(statement, values)
    for table in TABLES:
        if table.person is Erase.FORGET:
            await connection.execute(_OF_PEOPLE[table.name], values)
        elif table.person is Erase.DELETE:
            name = sql.Identifier(table.name)
            await connection.execute(
                sql.SQL("DELETE FROM {} WHERE user_id = ANY (%(people)s)").format(name), values
            )
    for last in sorted(_LAST):
        name = sql.Identifier(last)
        await connection.execute(
            sql.SQL("DELETE FROM {} WHERE account_id = %(account)s").format(name), values
        )


async def forget_samples(pool_connection: Callable[[], Any]) -> None:
    """Have PostgreSQL sample the tables anew: what it keeps for planning has values of rows.

    Of a table that has become empty it makes no new sample, and forgets the old one only where it
    can be told to (from version 18 on).
    """
    gone = {Erase.DELETE, Erase.FORGET}
    names = [each.name for each in TABLES if gone & {each.account, each.person}]
    names.remove("procrastinate_jobs")  # ids only, and not where no worker ever ran
    for part in dict.fromkeys([*await _parts(pool_connection), *names]):
        table = sql.Identifier(part)
        async with pool_connection() as connection:
            cursor = await connection.execute(
                sql.SQL("SELECT EXISTS (SELECT FROM {})").format(table)
            )
            if await cursor.fetchone() == (True,):
                await connection.execute(sql.SQL("ANALYZE {}").format(table))
            elif connection.info.server_version >= _CAN_FORGET:
                await connection.execute(_FORGET_SAMPLES, (part,))


@asynccontextmanager
async def alone(pool_connection: Callable[[], Any]) -> AsyncIterator[bool]:
    """Whether this process is the only one in here; told for as long as it is."""
    async with pool_connection() as connection, connection.transaction():
        await connection.execute(_PATIENCE)
        cursor = await connection.execute(_ALONE)
        yield await cursor.fetchone() == (True,)


async def erased_since(connection: Connection, since: datetime) -> list[UUID]:
    """Accounts that were erased after *since*: what other processes wrote late is looked for."""
    cursor = await connection.execute(_STRAGGLERS, (since,))
    return [account for (account,) in await cursor.fetchall()]


def _interval(seconds: float) -> str:
    return f"{seconds} seconds"
