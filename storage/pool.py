"""Connections to PostgreSQL, with our defaults and one name for "it is not there".

Every connection is in autocommit mode (a transaction is explicit: `connection.transaction()`),
speaks UTC and gives up in seconds. When the server was restarted, the dead connections are thrown
away without a round trip and without an error for the caller. A network that drops packets tells
nobody: both ends of a connection give it up after a few seconds of silence.
"""

import asyncio
import select
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TypeAlias, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

AnyPool: TypeAlias = AsyncConnectionPool[psycopg.AsyncConnection[TupleRow]]
RV = TypeVar("RV")

_SILENCE = {
    "keepalives_idle": "1",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": "3000",
}
# What the server does about a client that vanished: its default is two hours, in which the
# session keeps its locks and its place among `max_connections`. Later than the client, which
# then has hung up where it can.
_SILENCE_AT_SERVER = {
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "5000",
}
_LOOK_SECONDS = 0.1  # psycopg's own: between two looks whether a wait was interrupted
_RECONNECT_SECONDS = 0.5  # then the next request tries again: no backoff outlives an outage
_PREPARE_AFTER = 2
# SQLSTATE classes and codes that say "not now", whatever was asked: connection exception,
# insufficient resources, system error; shutdowns; a statement cut by our timeout; a standby.
_UNAVAILABLE_CLASSES = ("08", "53", "58")
_UNAVAILABLE_CODES = ("57014", "57P01", "57P02", "57P03", "57P04", "57P05", "25006", "25P03")


class StorageUnavailable(Exception):
    """PostgreSQL cannot be reached or cannot serve now. Whether a commit happened is unknown.

    `reason` is the SQLSTATE, or the name of the driver's error: never a message of the server.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"PostgreSQL is unavailable ({reason})")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many connections, and how long anything may take, in seconds."""

    min_size: int = 2
    max_size: int = 16
    connect: int = 2
    acquire: float = 2.0
    statement: float = 10.0
    idle_in_transaction: float = 10.0


DEFAULT_LIMITS = PoolLimits()


class Connection(psycopg.AsyncConnection[TupleRow]):
    """Hangs up when who waits for its answer is cancelled.

    psycopg would ask the server, over another connection, to stop, and then wait for its consent:
    ten seconds where nobody answers, in which a time limit around the statement means nothing.
    The server ends the statement itself when its time is over.
    """

    async def wait(
        self, gen: PQGen[RV], interval: float = _LOOK_SECONDS, timeout: float | None = None
    ) -> RV:
        """See `psycopg.AsyncConnection.wait`."""
        try:
            return await waiting.wait_async(
                gen, self.pgconn.socket, interval=interval, timeout=timeout
            )
        except asyncio.CancelledError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise


class Pool(AsyncConnectionPool[psycopg.AsyncConnection[TupleRow]]):
    """A psycopg pool that hands out living connections and raises `StorageUnavailable`."""

    @asynccontextmanager
    async def connection(
        self, timeout: float | None = None
    ) -> AsyncIterator[psycopg.AsyncConnection[TupleRow]]:
        """A connection for the length of a `with` block; driver loss becomes ours in all of it."""
        with storage_errors():
            async with super().connection(timeout) as connection:
                yield connection

    async def getconn(self, timeout: float | None = None) -> psycopg.AsyncConnection[TupleRow]:
        """Take a connection whose server has not hung up."""
        deadline = monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            connection = await super().getconn(max(0.0, deadline - monotonic()))
            if is_alive(connection):
                return connection
            await connection.close()
            await self.putconn(connection)  # replaced in the background
            if monotonic() > deadline:
                raise PoolTimeout("every connection was dead")


@asynccontextmanager
async def open_pool(
    url: str, *, name: str = "reapi", limits: PoolLimits = DEFAULT_LIMITS
) -> AsyncIterator[Pool]:
    """A pool on *url*, proved to work; raises `StorageUnavailable` when there is no server."""
    pool = Pool(
        connection_string(url, name, limits),
        connection_class=Connection,
        kwargs={"autocommit": True, "prepare_threshold": _PREPARE_AFTER},
        open=False,
        name=name,
        min_size=limits.min_size,
        max_size=limits.max_size,
        timeout=limits.acquire,
        reconnect_timeout=_RECONNECT_SECONDS,
    )
    try:
        await pool.open()
        async with pool.connection() as connection:
            await connection.execute("SELECT 1")
        yield pool
    finally:
        await pool.close()


def connection_string(url: str, name: str, limits: PoolLimits = DEFAULT_LIMITS) -> str:
    """*url* with our defaults under whatever it says itself. Holds the password: a secret."""
    given = conninfo_to_dict(url)
    server = {
        "timezone": "UTC",
        "statement_timeout": f"{limits.statement * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{limits.idle_in_transaction * 1000:.0f}",
        **_SILENCE_AT_SERVER,
    }
    options = " ".join(f"-c {key}={value}" for key, value in server.items())
    ours = {
        "application_name": name,
        "connect_timeout": str(limits.connect),
        **_SILENCE,
        **{key: str(value) for key, value in given.items() if value is not None},
        "options": f"{options} {given.get('options') or ''}".strip(),
    }
    return make_conninfo("", **ours)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn the loss of PostgreSQL into `StorageUnavailable`; what a statement did wrong passes.

    The driver's error is cut off: its text may quote rows.
    """
    try:
        yield
    except psycopg.Error as error:
        reason = unavailable_reason(error)
        if reason is None:
            raise
        raise StorageUnavailable(reason) from None


def unavailable_reason(error: psycopg.Error) -> str | None:
    """Why *error* means that the server is not there for us; None when it means something else."""
    state = error.sqlstate
    if state is None:
        return type(error).__name__ if isinstance(error, psycopg.OperationalError) else None
    lost = state.startswith(_UNAVAILABLE_CLASSES) or state in _UNAVAILABLE_CODES
    return state if lost else None


def is_alive(connection: psycopg.AsyncConnection[TupleRow]) -> bool:
    """Whether the server has not hung up on the idle *connection*; asks the kernel.

    A server says nothing on an idle connection but its farewell.
    """
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
