"""Does what `accounts.retention` says of rows: a batch at a time, in any number of processes.

Nothing is remembered between batches: whatever a crash leaves is due at the next pass.
"""

from datetime import datetime
from typing import Any, Final

from psycopg import sql

from accounts.retention import RULES, Age, Deed, Rule
from core.engine.ids import first_id
from core.engine.retention import AnyPool, drop_days
from core.values import dataclass

BATCH: Final = 2_000
"""Rows of one statement: locks are held for milliseconds."""

_DELETE: Final = sql.SQL("DELETE FROM {table} WHERE ctid = ANY (ARRAY ({due}))")
_EMPTY: Final = sql.SQL("UPDATE {table} SET {emptied} = NULL WHERE ctid = ANY (ARRAY ({due}))")
# What another process works on is not waited for.
_DUE: Final = sql.SQL(
    "SELECT ctid FROM {table} t WHERE {column} <= {limit} AND {only}"
    " ORDER BY {column} LIMIT {batch} FOR UPDATE SKIP LOCKED"
)
_STANDING: Final = sql.SQL("""
SELECT count(*) FILTER (WHERE {column} <= {limit}), min({column}) FROM {table} t WHERE {only}
""")
_OLDEST_ID: Final = sql.SQL("""
SELECT count(*) FILTER (WHERE {column} <= {limit}),
       (SELECT {column} FROM {table} t WHERE {only} ORDER BY {column} LIMIT 1)
  FROM {table} t WHERE {only}
""")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a rule stands: what is due, and the oldest that there is (None: nothing)."""

    rule: Rule
    due: int
    oldest: object


async def apply_rules(pool: AnyPool, now: datetime) -> dict[Rule, int]:
    """Delete and empty what is due, and drop the days that are over; how many rows or days.

    Objects in the bucket are others' (`Deed.REMOVE_OUTPUTS`, `Deed.REMOVE_EXPORTS`); a day whose
    outputs are still there stays.
    """
    done: dict[Rule, int] = {}
    for rule in RULES:
        if rule.deed is Deed.DROP_DAYS:
            done[rule] = len(await drop_days(pool, now, rule.keep.days))
        elif rule.deed in (Deed.DELETE, Deed.EMPTY):
            done[rule] = await _apply(pool, rule, now)
    return done


async def standings(pool: AnyPool, now: datetime) -> list[Standing]:
    """How all rules stand."""
    found = []
    for rule in RULES:
        statement = _OLDEST_ID if rule.age is Age.ID else _STANDING
        async with pool.connection() as connection:
            cursor = await connection.execute(statement.format(**_parts(rule, now)))
            row = await cursor.fetchone()
        assert row is not None
        found.append(Standing(rule, row[0], row[1]))
    return found


async def _apply(pool: AnyPool, rule: Rule, now: datetime) -> int:
    parts = _parts(rule, now)
    statement = (_EMPTY if rule.deed is Deed.EMPTY else _DELETE).format(
        table=parts["table"],
        emptied=sql.Identifier(rule.emptied or rule.column),
        due=_DUE.format(batch=BATCH, **parts),
    )
    total, rows = 0, BATCH
    while rows == BATCH:
        async with pool.connection() as connection:
            rows = (await connection.execute(statement)).rowcount
        total += rows
    return total


def _parts(rule: Rule, now: datetime) -> dict[str, Any]:
    moment = rule.due_before(now)
    limits = {Age.TIME: moment, Age.DATE: moment.date(), Age.ID: first_id(moment)}
    return {
        "table": sql.Identifier(rule.table),
        "column": sql.Identifier(rule.column),
        "limit": sql.Literal(limits[rule.age]),
        "only": sql.SQL(rule.only),
    }
