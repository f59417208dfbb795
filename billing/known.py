"""What stores are told of requests that may come twice, and what they ask in a transaction."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

AnyPool: TypeAlias = AsyncConnectionPool[AsyncConnection[TupleRow]]
Connection: TypeAlias = AsyncConnection[Any]
Known: TypeAlias = Callable[[Connection, UUID], Awaitable[UUID | None]]
"""What the same request made before, asked first in the transaction that does it; None: it is new,
and will have made the id it is told."""
Guard: TypeAlias = Callable[[Connection], Awaitable[None]]
"""Whether the caller may do it: raises where not, in the transaction that would do it."""
