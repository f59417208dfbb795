"""What stores are told of requests that may come twice."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection

Connection: TypeAlias = AsyncConnection[Any]
Known: TypeAlias = Callable[[Connection, UUID], Awaitable[UUID | None]]
"""What the same request made before, asked first in the transaction that does it; None: it is new,
and will have made the id it is told."""
