"""Does what `accounts.retention` says of rows: a batch at a time, in any number of processes.

Nothing is remembered between batches: whatever a crash leaves is due at the next pass.
"""

from datetime import datetime
from typing import Any, ClassVar, Final

import psycopg
from psycopg import sql

from accounts.retention import RULES, Age, Deed, Rule
from core.engine.ids import first_id
from core.engine.retention import drop_days
from core.log import Emit, Event
from core.mail.told import MailUnsent
from core.values import dataclass
from storage.pool import AnyPool, StorageUnavailable

BATCH: Final = 2_000
"""Rows of one statement: locks are held for milliseconds."""

_DELETE: Final = sql.SQL("DELETE FROM {table} WHERE ctid = ANY (ARRAY ({due}))")
_EMPTY: Final = sql.SQL("UPDATE {table} SET {emptied} = NULL WHERE ctid = ANY (ARRAY ({due}))")
_GIVE_UP: Final = sql.SQL("""
UPDATE {table} SET {emptied} = NULL, failed_at = clock_timestamp(), fault = 'expired'
 WHERE ctid = ANY (ARRAY ({due})) RETURNING kind, tries
""")
# What another process works on is not waited for.
_DUE: Final = sql.SQL(
    "SELECT ctid FROM {table} t WHERE {column} <= {limit} AND {only}"
    " ORDER BY {column} LIMIT {batch} FOR UPDATE SKIP LOCKED"
)
OF_ROWS: Final = {Deed.DELETE: _DELETE, Deed.EMPTY: _EMPTY, Deed.GIVE_UP: _GIVE_UP}
"""What is done with rows, by statements of ours."""
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


@dataclass(frozen=True, slots=True)
class RuleFailed(Event):
    """A rule of retention was not applied; it is tried again with the next pass."""

    level: ClassVar[str] = "error"
    rule: str
    error: str
    """SQLSTATE, or the name of the error."""


def _untold(_event: Event) -> None:
    """Nobody is told."""


async def apply_rules(pool: AnyPool, now: datetime, emit: Emit = _untold) -> dict[Rule, int]:
    """Delete and empty what is due, and drop the days that are over; how many rows or days.

    Objects in the bucket are others' (`Deed.REMOVE_OUTPUTS`, `Deed.REMOVE_EXPORTS`); a day whose
    outputs are still there stays. A rule that fails is told and left out of the answer; it keeps
    no other from being applied.
    """
    done: dict[Rule, int] = {}
    for rule in RULES:
        try:
            if rule.deed is Deed.DROP_DAYS:
                done[rule] = len(await drop_days(pool, now, rule.keep.days))
            elif rule.deed in OF_ROWS:
                done[rule] = await _apply(pool, rule, now, emit)
        except StorageUnavailable as error:
            emit(RuleFailed(rule.name, error.reason))
        except psycopg.Error as error:
            emit(RuleFailed(rule.name, error.sqlstate or type(error).__name__))
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


async def _apply(pool: AnyPool, rule: Rule, now: datetime, emit: Emit) -> int:
    parts = _parts(rule, now)
    statement = OF_ROWS[rule.deed].format(
        table=parts["table"],
        emptied=sql.Identifier(rule.emptied or rule.column),
        due=_DUE.format(batch=BATCH, **parts),
    )
    total, rows = 0, BATCH
    while rows == BATCH:
        async with pool.connection() as connection:
            cursor = await connection.execute(statement)
            rows = cursor.rowcount
            given_up = await cursor.fetchall() if rule.deed is Deed.GIVE_UP else ()
        for kind, tries in given_up:
            emit(MailUnsent(kind, "expired", "expired", tries))
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
