"""What must be true of the books of a gateway at rest, asked of its own database."""

from typing import Any
from uuid import UUID

import psycopg

Connection = psycopg.Connection[Any]


def assert_right(connection: Connection) -> None:
    """The laws of the ledger: sums, balances, no hold left, nothing charged twice."""
    assert rows(connection, "SELECT * FROM ledger_discrepancy") == []
    assert number(connection, "SELECT coalesce(sum(amount_micros), 0) FROM ledger_entry") == 0
    assert open_holds(connection) == []
    assert number(connection, "SELECT coalesce(sum(pending), 0) FROM balance") == 0
    assert number(connection, "SELECT coalesce(sum(in_flight), 0) FROM key_use") == 0
    assert unfinished(connection) == 0
    assert wrongly_charged(connection) == []


def is_settled(connection: Connection) -> bool:
    """Whether nothing runs: no generation, no hold, no place of a key."""
    pending = number(connection, "SELECT coalesce(sum(pending), 0) FROM balance")
    return not pending and not unfinished(connection) and not open_holds(connection)


def unfinished(connection: Connection) -> int:
    """How many generations have not ended."""
    return number(connection, "SELECT count(*) FROM generation WHERE finished_at IS NULL")


def running(connection: Connection) -> int:
    """How many have not, of those whose fate is known."""
    unended = "SELECT count(*) FROM generation WHERE finished_at IS NULL"
    return number(connection, f"{unended} AND fate_unknown_since IS NULL")


def open_holds(connection: Connection) -> list[tuple[Any, ...]]:
    """Holds that were neither settled nor given back."""
    return rows(
        connection,
        "SELECT hold.id FROM transfer hold WHERE hold.kind = 'hold' AND NOT EXISTS ("
        " SELECT FROM transfer done"
        " WHERE done.account_id = hold.account_id AND done.resolves = hold.id)",
    )


def wrongly_charged(connection: Connection) -> list[tuple[Any, ...]]:
    """Generations whose transfers are not what their state says.

    One that succeeded has exactly one settle, of what its row says; any other that ended has
    exactly one void.
    """
    return rows(
        connection,
        "SELECT g.id, g.state, g.charged_micros, count(t.id), sum(t.amount_micros)"
        " FROM generation g LEFT JOIN transfer t"
        "   ON t.account_id = g.account_id AND t.resolves = g.hold_id"
        " WHERE g.finished_at IS NOT NULL"
        " GROUP BY g.account_id, g.id, g.state, g.charged_micros"
        " HAVING count(t.id) <> 1"
        "     OR bool_or((t.kind = 'settle') <> (g.state = 'succeeded'))"
        "     OR (g.state = 'succeeded' AND sum(t.amount_micros) <> g.charged_micros)",
    )


def charged(connection: Connection, account_id: str) -> dict[str, int]:
    """What each generation of an account that succeeded was charged, in micro-dollars."""
    found = rows(
        connection,
        "SELECT g.id, t.amount_micros FROM generation g JOIN transfer t"
        "  ON t.account_id = g.account_id AND t.resolves = g.hold_id AND t.kind = 'settle'"
        " WHERE g.account_id = %s",
        UUID(account_id),
    )
    assert len({id_ for id_, _ in found}) == len(found), "a generation was charged twice"
    return {id_.hex: amount for id_, amount in found}


def states(connection: Connection, account_id: str) -> dict[str, int]:
    """How many generations of an account are in each state."""
    sql = "SELECT state, count(*) FROM generation WHERE account_id = %s GROUP BY state"
    return dict(rows(connection, sql, UUID(account_id)))


def rows(connection: Connection, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    return connection.execute(sql.encode(), arguments or None).fetchall()


def number(connection: Connection, sql: str, *arguments: Any) -> int:
    """The number that a query gives."""
    ((value,),) = rows(connection, sql, *arguments)
    return int(value)
