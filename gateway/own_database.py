"""A connection to the gateway's own database, for commands that look at it."""

from contextlib import AsyncExitStack

import psycopg
from psycopg.rows import TupleRow

from core.settings import Settings
from gateway.process import ServeError
from storage.embedded import EmbeddedPostgres
from storage.embedded_peer import peer_url
from storage.pool import PoolLimits, StorageUnavailable, connection_string, storage_errors


async def connect(
    settings: Settings, stack: AsyncExitStack, name: str, patience: float
) -> psycopg.AsyncConnection[TupleRow]:
    """Connect for reading only, whether the gateway runs or not; *stack* closes it.

    *patience* is how many seconds a statement may take. Raises ServeError, StorageUnavailable.
    """
    url = await own_url(settings, stack)
    limits = PoolLimits(statement=patience, idle_in_transaction=patience)
    with storage_errors():
        connection = await psycopg.AsyncConnection.connect(
            connection_string(url, name, limits), autocommit=True
        )
        await connection.execute("SET default_transaction_read_only = on")
    stack.push_async_callback(connection.close)
    return connection


async def own_url(settings: Settings, stack: AsyncExitStack) -> str:
    """Where the database is; *stack* stops an embedded one that only this command needs.

    Raises ServeError.
    """
    if settings.database_url is not None:
        return settings.database_url.reveal()
    home = settings.home / "postgres"
    if not home.is_dir():
        raise ServeError(f"{settings.home} holds no database, and REAPI_DATABASE_URL is unset")
    running = peer_url(home)
    if running is not None and await _answers(running):
        return running
    server = await stack.enter_async_context(EmbeddedPostgres(home))
    return server.url


async def _answers(url: str) -> bool:
    """Whether somebody is there: a gateway that was killed leaves its mark behind."""
    try:
        with storage_errors():
            connection = await psycopg.AsyncConnection.connect(connection_string(url, "reapi"))
            await connection.close()
    except StorageUnavailable:
        return False
    return True
