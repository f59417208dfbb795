"""What the operator did by a command, in the log that `reapi audit` shows."""

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from accounts.security_log import NOBODYS, OPERATOR, Action, note
from core.engine.ids import new_id
from core.settings import Settings
from gateway.opening import start_errors
from gateway.own_database import own_url
from gateway.process import ServeError
from storage.pool import open_pool


async def noted(pool: AsyncConnectionPool[AsyncConnection[Any]], word: str, **changes: str) -> None:
    """Write down that it was done here."""
    async with pool.connection() as connection:
        await note(connection, Action(new_id(), NOBODYS, word, actor=OPERATOR, changes=changes))


def note_if_possible(settings: Settings, word: str) -> None:
    """The same of what needs no database, and is done where there is none; then it is said."""

    async def write() -> None:
        async with AsyncExitStack() as stack:
            url = await own_url(settings, stack)
            await noted(await stack.enter_async_context(open_pool(url, name="reapi-note")), word)

    try:
        with start_errors():
            asyncio.run(write())
    except ServeError as error:
        print(f"reapi: the audit log has no line of this: {error}", file=sys.stderr)
