"""Many prepared statements in one round trip, on one connection.

libpq's pipeline mode, used directly: for the commit path the comfortable layer costs
six times the CPU. Errors keep their SQLSTATE and the constraint's name; the server's
messages may quote rows and are dropped.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import psycopg
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import TupleRow

from storage.binary import DECODERS, Decoder, Encoder, encoder

Rows = list[tuple[Any, ...]]
Statement = tuple[str, tuple[Any, ...]]
"""SQL whose every parameter is cast where it stands (`$1::uuid[]`), and the parameters."""

_CAST = re.compile(r"\$(\d+)::(\w+(?:\[\])?)")


class ConnectionLost(Exception):
    """The server hung up, or cannot be reached: what was sent may have been done."""


class StatementFailed(Exception):
    """The server refused a statement; the transaction is over."""

    def __init__(self, sqlstate: str, constraint: str = "") -> None:
        super().__init__(f"{sqlstate} {constraint}".strip())
        self.sqlstate = sqlstate
        self.constraint = constraint


@dataclass(slots=True)
class _Prepared:
    name: bytes
    sql: bytes
    sent: bool
    encoders: tuple[Encoder, ...]
    formats: tuple[int, ...]
    decoders: tuple[Decoder, ...] | None = None
    """Known from the first result."""


class Pipeline:
    """One connection that runs batches of statements; one batch at a time."""

    def __init__(self, connection: psycopg.AsyncConnection[TupleRow]) -> None:
        self._connection = connection
        self._pg: PGconn = connection.pgconn
        self._prepared: dict[str, _Prepared] = {}
        self._numbers = iter(range(1 << 30))

    @classmethod
    async def open(cls, conninfo: str) -> Self:
        """Connect. Raises ConnectionLost."""
        try:
            connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
        except (psycopg.Error, OSError):
            raise ConnectionLost from None
        connection.pgconn.nonblocking = 1
        connection.pgconn.enter_pipeline_mode()
        return cls(connection)

    def close(self) -> None:
        """Hang up at once, whatever is under way: the server rolls back what has not committed."""
        self._pg.finish()

    @property
    def backend_pid(self) -> int:
        return self._pg.backend_pid

    async def run(self, statements: Sequence[Statement]) -> list[Rows]:
        """Send all, then collect the rows of each, in order.

        Raises StatementFailed for the first that fails (none after it has run), and
        ConnectionLost. Cancelled half-way, the connection is of no more use: close it.
        """
        # Encoded before anything is sent: a value that cannot be encoded leaves no half batch.
        encoded = [self._encode(sql, parameters) for sql, parameters in statements]
        try:
            for known, values in encoded:
                self._send(known, values)
            self._pg.pipeline_sync()
            results = await self._collect()
        except (psycopg.Error, OSError):
            raise ConnectionLost from None
        return self._read([known for known, _ in encoded], results)

    def _encode(
        self, sql: str, parameters: tuple[Any, ...]
    ) -> tuple[_Prepared, list[bytes | None]]:
        known = self._prepared.get(sql)
        if known is None:
            known = self._prepared[sql] = _prepare(sql, next(self._numbers))
        return known, [
            write(value) for write, value in zip(known.encoders, parameters, strict=True)
        ]

    def _send(self, known: _Prepared, values: Sequence[bytes | None]) -> None:
        if not known.sent:
            self._pg.send_prepare(known.name, known.sql)
            known.sent = True
        self._pg.send_query_prepared(
            known.name, values, param_formats=known.formats, result_format=1
        )

    async def _collect(self) -> list[PGresult]:
        """All results up to the sync, one for each statement (and one for each PREPARE)."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[list[PGresult]] = loop.create_future()
        results: list[PGresult] = []
        socket = self._pg.socket

        def writable() -> None:
            try:
                if self._pg.flush() == 0:
                    loop.remove_writer(socket)
            except psycopg.OperationalError as error:
                _fail(done, error)

        def readable() -> None:
            if done.done():
                return
            try:
                self._pg.consume_input()
                if _take(self._pg, results):
                    done.set_result(results)
            except psycopg.OperationalError as error:
                _fail(done, error)

        loop.add_reader(socket, readable)
        if self._pg.flush() != 0:
            loop.add_writer(socket, writable)
        try:
            return await done
        finally:
            loop.remove_reader(socket)
            loop.remove_writer(socket)

    def _read(self, prepared: Iterable[_Prepared], results: Sequence[PGresult]) -> list[Rows]:
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                self._prepared.clear()  # some may not have been prepared; names are never reused
                raise StatementFailed(
                    (result.error_field(DiagnosticField.SQLSTATE) or b"").decode(),
                    (result.error_field(DiagnosticField.CONSTRAINT_NAME) or b"").decode(),
                )
        # A PREPARE gives a result without a command tag; an execution always has one.
        executed = [result for result in results if result.command_status]
        return [_rows(known, result) for known, result in zip(prepared, executed, strict=True)]


def _prepare(sql: str, number: int) -> _Prepared:
    casts = {int(match[1]): match[2] for match in _CAST.finditer(sql)}
    assert sorted(casts) == list(range(1, len(casts) + 1)), sql
    encoders = tuple(encoder(casts[index]) for index in sorted(casts))
    return _Prepared(b"s%d" % number, sql.encode(), False, encoders, (1,) * len(encoders))


def _take(pg: PGconn, results: list[PGresult]) -> bool:
    """Move what has arrived to *results*. Returns whether the sync was reached."""
    while not pg.is_busy():
        result = pg.get_result()
        if result is None:  # between two statements
            if pg.status != ConnStatus.OK:
                raise psycopg.OperationalError
            continue
        if result.status == ExecStatus.PIPELINE_SYNC:
            return True
        results.append(result)
    return False


def _rows(known: _Prepared, result: PGresult) -> Rows:
    columns = range(result.nfields)
    if result.ntuples == 0:
        return []
    if known.decoders is None:
        known.decoders = tuple(DECODERS[result.ftype(column)] for column in columns)
    value = result.get_value
    return [
        tuple(
            None if (data := value(row, column)) is None else decode(data)
            for column, decode in enumerate(known.decoders)
        )
        for row in range(result.ntuples)
    ]


def _fail(done: asyncio.Future[list[PGresult]], error: psycopg.OperationalError) -> None:
    if not done.done():
        done.set_exception(error)
