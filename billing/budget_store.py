"""Budgets in PostgreSQL: made, shown, changed and removed. Holds count against them in
`billing.ledger_sql`.

A budget counts from when it is made: what was spent or held before, in the same period, is not
in it. One of a key counts what the keys spend that it is rotated to, too: it stands by the first of
them (`line_id`), and is shown by the newest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from billing.known import Connection, Guard, Known

MAXIMUM: Final = 100
"""Budgets of one account: every hold of the account looks at all that concern its key."""


class Problem(StrEnum):
    """Why a budget cannot be made or changed."""

    UNKNOWN = "unknown"
    KEY_UNKNOWN = "key unknown"
    TOO_MANY = "too many"
    CHANGED = "changed meanwhile"


class BudgetError(Exception):
    """It cannot be made or changed; nothing was."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Limit:
    """What a new budget is to be."""

    period: str
    """`day`, `month` or `total`."""
    limit_micros: int
    alert_percents: Sequence[int]
    key: str | None
    """The public id of the key whose spending counts; None: the whole account's."""


@dataclass(frozen=True, slots=True)
class Change:
    """What to change of a budget; None leaves it."""

    limit_micros: int | None = None
    alert_percents: Sequence[int] | None = None
    version: int | None = None
    """The one that is to be changed; None: whichever it is."""


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """A budget with what counts in its current period, by the database's clock."""

    budget_id: UUID
    key: str | None
    period: str
    limit_micros: int
    alert_percents: Sequence[int]
    spent_micros: int
    held_micros: int
    reset_at: datetime | None
    """When the next period begins; None: never."""
    created_at: datetime
    version: int


_COLUMNS = """
SELECT b.budget_id, newest_of_line(b.account_id, b.key_id) AS key, b.period, b.limit_micros,
       b.alert_percents,
       CASE WHEN b.period_start = budget_period_start(b.period, now.at)
            THEN b.spent_micros ELSE 0 END AS spent_micros,
       CASE WHEN b.period_start = budget_period_start(b.period, now.at)
            THEN b.held_micros ELSE 0 END AS held_micros,
       budget_period_end(b.period, now.at) AS reset_at, b.created_at, b.version
  FROM clock_timestamp() AS now (at), budget b
 WHERE b.account_id = %(account)s
"""
_READ = f"{_COLUMNS} AND b.budget_id = %(id)s"
_KEY = """
SELECT coalesce(line_id, key_id) AS key_id FROM api_key
 WHERE account_id = %(account)s AND public_id = %(key)s::text
"""
_PAGE = f"""{_COLUMNS}
   AND (%(key)s::text IS NULL OR b.key_id = ({_KEY}))
   AND (%(after)s::uuid IS NULL OR b.budget_id < %(after)s::uuid)
 ORDER BY b.budget_id DESC LIMIT %(limit)s
"""
_ALONE = "SELECT pg_advisory_xact_lock(hashtext('budgets'), hashtext(%(account)s::text))"
_COUNT = "SELECT count(*) AS made FROM budget WHERE account_id = %(account)s"
_INSERT = """
INSERT INTO budget (account_id, budget_id, key_id, period, limit_micros, alert_percents, created_at)
VALUES (%(account)s, %(id)s, %(key_id)s, %(period)s, %(limit_micros)s, %(alert_percents)s,
        clock_timestamp())
"""
_LOCK = """
SELECT version FROM budget WHERE account_id = %(account)s AND budget_id = %(id)s
   FOR NO KEY UPDATE
"""
# A period that is over is closed first, so that nobody is told of what was spent in it.
_CLOSE = """
UPDATE budget b
   SET period_start = budget_period_start(b.period, now.at), spent_micros = 0, held_micros = 0
  FROM clock_timestamp() AS now (at)
 WHERE b.account_id = %(account)s AND b.budget_id = %(id)s
   AND b.period_start < budget_period_start(b.period, now.at)
"""
_CHANGE = """
UPDATE budget
   SET limit_micros = coalesce(%(limit_micros)s::bigint, limit_micros),
       alert_percents = coalesce(%(alert_percents)s::integer[], alert_percents),
       version = version + 1
 WHERE account_id = %(account)s AND budget_id = %(id)s
"""
_REMOVE = "DELETE FROM budget WHERE account_id = %(account)s AND budget_id = %(id)s"


class BudgetStore:
    """The budgets of accounts. Raises BudgetError, and what the pool raises."""

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool

    async def create(
        self, account_id: UUID, made: UUID, new: Limit, known: Known, guard: Guard
    ) -> BudgetRow:
        """Make one, called *made*, or give what the same request made before."""
        values: dict[str, Any] = {
            "account": account_id,
            "id": made,
            "key": new.key,
            "key_id": None,
            "period": new.period,
            "limit_micros": new.limit_micros,
            "alert_percents": list(new.alert_percents),
        }
        async with self._pool.connection() as connection, connection.transaction():
            await guard(connection)
            before = await known(connection, made)
            if before is not None:
                return await _row(connection, {**values, "id": before})
            await connection.execute(_ALONE, values)  # who counts at the same time waits
            if (counted := await _first(connection, _COUNT, values)) and counted["made"] >= MAXIMUM:
                raise BudgetError(Problem.TOO_MANY)
            if new.key is not None:
                key = await _first(connection, _KEY, values)
                if key is None:
                    raise BudgetError(Problem.KEY_UNKNOWN)
                values["key_id"] = key["key_id"]
            await connection.execute(_INSERT, values)
            return await _row(connection, values)

    async def get(self, account_id: UUID, id_: UUID) -> BudgetRow:
        """One budget."""
        async with self._pool.connection() as connection:
            return await _row(connection, {"account": account_id, "id": id_})

    async def page(
        self, account_id: UUID, key: str | None, limit: int, after: UUID | None
    ) -> Sequence[BudgetRow]:
        """One page, newest first; *key* is the public id of the only key whose budgets to list."""
        values = {"account": account_id, "key": key, "limit": limit, "after": after}
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(_PAGE, values)
            return [BudgetRow(**row) for row in await cursor.fetchall()]

    async def update(
        self, account_id: UUID, id_: UUID, change: Change, known: Known, guard: Guard
    ) -> BudgetRow:
        """Change one; what has been spent and held stays."""
        values = {
            "account": account_id,
            "id": id_,
            "limit_micros": change.limit_micros,
            "alert_percents": None
            if change.alert_percents is None
            else list(change.alert_percents),
        }
        async with self._pool.connection() as connection, connection.transaction():
            await guard(connection)
            locked = await _first(connection, _LOCK, values)
            if locked is None:
                raise BudgetError(Problem.UNKNOWN)
            if await known(connection, id_) is None:
                if change.version not in (None, locked["version"]):
                    raise BudgetError(Problem.CHANGED)
                await connection.execute(_CLOSE, values)
                await connection.execute(_CHANGE, values)
            return await _row(connection, values)

    async def delete(self, account_id: UUID, id_: UUID, known: Known, guard: Guard) -> None:
        """Remove one; holds that counted against it no longer do."""
        async with self._pool.connection() as connection, connection.transaction():
            await guard(connection)
            if await known(connection, id_) is not None:
                return
            cursor = await connection.execute(_REMOVE, {"account": account_id, "id": id_})
            if cursor.rowcount == 0:  # inside, so that nothing is remembered of it
                raise BudgetError(Problem.UNKNOWN)


async def _row(connection: Connection, values: Mapping[str, Any]) -> BudgetRow:
    row = await _first(connection, _READ, values)
    if row is None:
        raise BudgetError(Problem.UNKNOWN)
    return BudgetRow(**row)


async def _first(
    connection: Connection, statement: str, values: Mapping[str, Any]
) -> DictRow | None:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, values)
        return await cursor.fetchone()
