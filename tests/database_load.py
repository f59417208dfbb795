"""What a gateway costs its PostgreSQL: CPU, transactions, statements, write-ahead log."""

import time
from dataclasses import dataclass

import psycopg

from bench.processes import cpu_seconds, tree
from storage.embedded import EmbeddedPostgres
from tests import books

SETTINGS = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.max": "2000"}
_TOP = 6


@dataclass(frozen=True, slots=True)
class Load:
    """Between two looks."""

    seconds: float
    cpu_seconds: float
    transactions: int
    statements: int
    wal_bytes: int


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    cpu: float
    transactions: int
    statements: int
    wal: int


class DatabaseLoad:
    """Looks at a server that was started with `SETTINGS`, as its superuser."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._connection = psycopg.connect(server.admin_url, autocommit=True)
        self._connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def look(self) -> _Look:
        """As it is now."""
        number = books.number
        return _Look(
            time.monotonic(),
            cpu_seconds(tree(self._server.pid), reaped=True) or 0.0,
            number(
                self._connection,
                "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'reapi'",
            ),
            number(self._connection, "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements"),
            number(
                self._connection, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8"
            ),
        )

    def since(self, before: _Look) -> Load:
        """What happened since a look."""
        now = self.look()
        return Load(
            now.at - before.at,
            now.cpu - before.cpu,
            now.transactions - before.transactions,
            now.statements - before.statements,
            now.wal - before.wal,
        )

    def costliest(self) -> list[str]:
        """The statements that took longest in all, shortened: calls, ms in all, rows, text."""
        sql = (
            "SELECT calls, total_exec_time::int8, rows, left(regexp_replace(query, '\\s+', ' ', 'g'),"
            " 90) FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT %s"
        )
        return [" ".join(map(str, row)) for row in books.rows(self._connection, sql, _TOP)]
