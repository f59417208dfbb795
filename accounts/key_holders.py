"""What whoever manages has, as the database knows it now: the person's role, or the key."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from accounts import key_statements as sql
from accounts.granting import CONCURRENCY, RATE, Holder, Manager, Scope, may_manage, scopes_of
from accounts.key_entries import KeyStoreError, Problem
from accounts.roles import SCOPES, Role

Connection = AsyncConnection[Any]


async def require(
    connection: Connection, account_id: UUID, manager: Manager, scope: Scope
) -> Holder:
    """What *manager* has; raises KeyStoreError where it may not use *scope* to manage.

    Until the transaction ends nobody takes it away: who removes or demotes waits for the same lock,
    and finds what was made meanwhile.
    """
    await connection.execute(sql.ALONE, {"account": account_id})
    if manager.user_id is not None:
        holder = await _person(connection, account_id, manager.user_id)
    else:
        holder = await _key(connection, {"account": account_id, "id": manager.key_id})
    if holder is not None and may_manage(holder, scope):
        return holder
    raise KeyStoreError(Problem.NOT_PERMITTED, scope)


async def _person(connection: Connection, account_id: UUID, user_id: UUID) -> Holder | None:
    """Who signed in, by the role in the account."""
    values = {"account": account_id, "user": user_id, "rate": RATE, "concurrency": CONCURRENCY}
    row = await _first(connection, sql.PERSON, values)
    if row is None:
        return None
    role = Role(row["role"])
    return Holder(
        scopes=SCOPES[role],
        allowed_models=(),
        has_budget=False,
        is_held=role is Role.DEVELOPER and row["is_held"],
        requests_per_minute=row["requests_per_minute"],
        concurrency=row["concurrency"],
        expires_at=None,
        sandbox=False,
        user_id=user_id,
        only_own=role is Role.DEVELOPER,
    )


async def _key(connection: Connection, values: Mapping[str, Any]) -> Holder | None:
    """A key; one that a member made has no more than the member has now."""
    row = await _first(connection, sql.KEY, values)
    if row is None:
        return None
    stored, scopes, is_held = row.pop("role"), scopes_of(row.pop("scopes")), row.pop("is_held")
    if stored is None:
        return None if row["user_id"] is not None else Holder(scopes=scopes, **row)
    role = Role(stored)
    only_own = role is Role.DEVELOPER
    return Holder(
        scopes=scopes & SCOPES[role], only_own=only_own, is_held=only_own and is_held, **row
    )


async def _first(
    connection: Connection, statement: str, values: Mapping[str, Any]
) -> dict[str, Any] | None:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, values)
        return await cursor.fetchone()
