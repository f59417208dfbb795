"""Many prepared statements in one round trip, on one connection.

libpq's pipeline mode, used directly: for the commit path the comfortable layer costs
six times the CPU. Errors keep their SQLSTATE and the constraint's name; the server's
messages may quote rows and are dropped.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Self

import psycopg
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import TupleRow

from storage.binary import DECODERS, Decoder, Encoder, encoder

Rows = list[tuple[Any, ...]]
Statement = tuple[str, tuple[Any, ...]]
"""SQL whose every parameter is cast where it stands (`$1::uuid[]`), and the parameters."""

# Looked at for every statement; a member of an enum costs ten times a name.
_FAILED, _SYNC, _OK = ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_SYNC, ConnStatus.OK
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
    columns: tuple[tuple[int, Decoder], ...] | None = None
    """Of its results, what reads each; known from the first one with rows."""


class Pipeline:
    """One connection that runs batches of statements; one batch at a time.

    It listens as long as it lives, for to begin and to end that costs more than a trip's answers.
    """

    def __init__(self, connection: psycopg.AsyncConnection[TupleRow]) -> None:
        self._connection = connection
        self._pg: PGconn = connection.pgconn
        self._prepared: dict[str, _Prepared] = {}
        self._numbers = iter(range(1 << 30))
        self._results: list[PGresult] = []
        self._answered: asyncio.Future[None] | None = None
        """Of the last batch: done at its sync."""
        self._until = inf
        self._watch: asyncio.TimerHandle | None = None
        """Over the batches, whichever is under way: setting one for each costs more than asking."""
        self._loop = asyncio.get_running_loop()
        self._socket = self._pg.socket
        self._loop.add_reader(self._socket, self._readable)

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
        self._deafen()
        self._pg.finish()

    @property
    def backend_pid(self) -> int:
        return self._pg.backend_pid

    async def run(self, statements: Sequence[Statement], until: float = inf) -> list[Rows]:
        """Send all, then collect the rows of each, in order.

        *until* when, by the loop's clock; never earlier than for a batch before.
        Raises StatementFailed for the first that fails (none after it has run), and
        ConnectionLost, also when the time is over. Cancelled half-way, the connection is of no
        more use: close it.
        """
        if self._socket < 0:  # lost while nobody waited
            raise ConnectionLost
        # Encoded before anything is sent: a value that cannot be encoded leaves no half batch.
        encoded = [self._encode(sql, parameters) for sql, parameters in statements]
        try:
            for known, values in encoded:
                self._send(known, values)
            self._pg.pipeline_sync()
            results = await self._collect(until)
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
            None if value is None else write(value)
            for write, value in zip(known.encoders, parameters, strict=True)
        ]

    def _send(self, known: _Prepared, values: Sequence[bytes | None]) -> None:
        if not known.sent:
            self._pg.send_prepare(known.name, known.sql)
            known.sent = True
        self._pg.send_query_prepared(known.name, values, known.formats, 1)

    async def _collect(self, until: float) -> list[PGresult]:
        """All results up to the sync, one for each statement (and one for each PREPARE)."""
        self._answered = self._loop.create_future()
        self._until = until
        if self._watch is None and until < inf:
            self._watch = self._loop.call_at(until, self._look)
        if self._pg.flush() != 0:
            self._loop.add_writer(self._socket, self._writable)
        await self._answered
        results, self._results = self._results, []
        return results

    def _writable(self) -> None:
        try:
            if self._pg.flush() == 0:
                self._loop.remove_writer(self._socket)
        except psycopg.OperationalError as error:
            self._lose(error)

    def _readable(self) -> None:
        answered = self._answered
        try:
            self._pg.consume_input()
            if answered is None or answered.done() or not _take(self._pg, self._results):
                return
        except psycopg.OperationalError as error:
            self._lose(error)
        else:
            answered.set_result(None)

    def _look(self) -> None:
        """Give up the batch that is under way if its time is over, else look again then."""
        self._watch = None
        if self._answered is None or self._answered.done() or self._until == inf:
            return
        if self._loop.time() < self._until:
            self._watch = self._loop.call_at(self._until, self._look)
        else:
            self._lose(TimeoutError())

    def _lose(self, error: psycopg.OperationalError | TimeoutError) -> None:
        """At once, not when somebody asks: the socket's number may be another's the next moment."""
        self._deafen()
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)

    def _deafen(self) -> None:
        if self._socket >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket = -1
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _read(self, prepared: Iterable[_Prepared], results: Sequence[PGresult]) -> list[Rows]:
        for result in results:
            if result.status == _FAILED:
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
            if pg.status != _OK:
                raise psycopg.OperationalError
            continue
        if result.status == _SYNC:
            return True
        results.append(result)
    return False


def _rows(known: _Prepared, result: PGresult) -> Rows:
    if result.ntuples == 0:
        return []
    if known.columns is None:
        numbers = range(result.nfields)
        known.columns = tuple([(number, DECODERS[result.ftype(number)]) for number in numbers])
    value, columns = result.get_value, known.columns
    return [
        tuple(
            [
                None if (data := value(row, number)) is None else decode(data)
                for number, decode in columns
            ]
        )
        for row in range(result.ntuples)
    ]
